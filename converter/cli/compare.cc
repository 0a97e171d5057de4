// bittern compare: the float graph of an ONNX file and a packed model on the
// same inputs, both through the runtime, layer by layer.
#include "converter/cli/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "converter/convert.h"
#include "runtime/cli/command.h"
#include "runtime/cli/open.h"
#include "runtime/cli/samples.h"
#include "runtime/format/reader.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::InvalidArgument;
using runtime::Result;
using runtime::Session;
using runtime::TensorView;

constexpr size_t kMostFirsts = 20;  // lines about single differences

Result<void> RandomInputs(Session& session) {
  std::mt19937 generator(1);
  for (size_t i = 0; i < session.model().def().inputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const TensorView view, session.Input(i));
    if (view.type->dtype != DType::kF32) {
      return InvalidArgument(fmt::format("input {} is {}: give it with --input",
                                         i, ToString(*view.type)));
    }
    auto* values = static_cast<float*>(view.data);
    for (int64_t e = 0; e < view.type->shape.Elements(); ++e)
      values[e] = static_cast<float>(generator()) * 0x1p-31f - 1;
  }
  return {};
}

void PrintRow(const TensorComparison& tensor) {
  const std::string counts =
      fmt::format("{:>10} {:>12}", tensor.flips, tensor.unexplained);
  std::string size;
  if (!tensor.is_codes()) {
    const double rms = tensor.sum_sq_reference > 0
                           ? std::sqrt(tensor.sum_sq / tensor.sum_sq_reference)
                           : std::sqrt(tensor.sum_sq);
    size = fmt::format("{:>10.3g} {:>10.3g}", tensor.max_abs, rms);
  }
  fmt::print("{:<48} {:<18} {:>10} {} {}\n", tensor.name, ToString(tensor.type),
             tensor.elements, counts, size);
}

}  // namespace

void PrintComparison(const Comparison& comparison, bool all) {
  fmt::print("{:<48} {:<18} {:>10} {:>10} {:>12} {:>10} {:>10}\n", "tensor",
             "type", "elements", "differ", "unexplained", "max |diff|",
             "rel. rms");
  for (const TensorComparison& tensor : comparison.tensors) {
    if (all || tensor.flips > 0) PrintRow(tensor);
  }
  size_t printed = 0;
  for (const TensorComparison& tensor : comparison.tensors) {
    if (tensor.first.empty() || printed++ >= kMostFirsts) continue;
    fmt::print("first unexplained in {} ({}): {}\n", tensor.name, tensor.op,
               tensor.first);
  }
  const auto text = [](double difference) {
    return difference < 0 ? std::string("no such tensor")
                          : fmt::format("max |diff| {:.3g}", difference);
  };
  for (const ReferenceComparison& r : comparison.references) {
    fmt::print(
        "reference {}: {} elements up to {:.3g}; float graph: {}; "
        "packed: {}\n",
        r.name, r.elements, r.largest, text(r.max_abs_float),
        text(r.max_abs_packed));
  }
  for (const OutputComparison& output : comparison.outputs) {
    fmt::print(
        "output {}: same largest element in {} of {} rows, max |diff| {:.3g} "
        "of {:.3g} (whole models, each on its own)\n",
        output.name, output.same_top, output.rows, output.max_abs,
        output.largest);
  }
  fmt::print(
      "{} tensors compared layer by layer on {} sample(s): {} codes or floats "
      "differ, {} of them explained by ties, {} unexplained\n",
      comparison.tensors.size(), comparison.samples, comparison.Flips(),
      comparison.Flips() - comparison.Unexplained(), comparison.Unexplained());
}

Result<void> CheckComparison(const Comparison& comparison) {
  bool quantised = false;
  for (const TensorComparison& tensor : comparison.tensors) {
    quantised = quantised || tensor.is_codes();
    if (tensor.unexplained == 0) continue;
    return InvalidArgument(
        fmt::format("the packed model differs from the float graph: '{}' ({}) "
                    "{}; {} differences of {} have no tie to explain them, "
                    "expected 0",
                    tensor.name, tensor.op, tensor.first,
                    comparison.Unexplained(), comparison.Flips()));
  }
  if (quantised) return {};
  for (const OutputComparison& output : comparison.outputs) {
    const double bound = kOutputTolerance * std::max(output.largest, 1e-30);
    if (output.max_abs <= bound) continue;
    return InvalidArgument(
        fmt::format("the packed model differs from the float graph: output "
                    "'{}' by {:.3g}, expected at most {:.3g}",
                    output.name, output.max_abs, bound));
  }
  return {};
}

namespace {

Result<void> AddReferences(const std::vector<std::string>& files,
                           Comparer& comparer) {
  for (const std::string& text : files) {
    const size_t equals = text.find('=');
    if (equals != std::string::npos && equals > 0) {
      BITTERN_TRY_ASSIGN(const NpyArray array,
                         ReadNpy(text.substr(equals + 1)));
      BITTERN_TRY(comparer.AddReference(text.substr(0, equals), array));
      continue;
    }
    BITTERN_TRY_ASSIGN(const auto arrays, ReadNpz(text));
    for (const auto& [name, array] : arrays) {
      BITTERN_TRY(comparer.AddReference(name, array));
    }
  }
  return {};
}

}  // namespace

Result<Comparison> CompareFiles(const CompareOptions& options) {
  convert::ImportOptions import;
  for (const std::string& text : options.run.shapes) {
    BITTERN_TRY_ASSIGN(auto named, ParseShapeOption(text));
    import.shapes.insert_or_assign(named.first, named.second);
  }
  BITTERN_TRY_ASSIGN(const auto float_model,
                     convert::LoadFloatModel(options.onnx, import));
  BITTERN_TRY_ASSIGN(const auto packed_model,
                     runtime::ReadModelFile(options.packed));
  runtime::SessionOptions session_options;
  session_options.keep_intermediates = true;
  RunOptions without_shapes = options.run;
  without_shapes.shapes.clear();
  BITTERN_TRY_ASSIGN(auto packed,
                     OpenSession(packed_model, options.run, session_options));
  BITTERN_TRY_ASSIGN(auto reference,
                     OpenSession(float_model, without_shapes, session_options));
  if (packed->plan() == nullptr || reference->plan() == nullptr) {
    return runtime::Unsupported(
        "compare: got a model whose sizes only the run knows, expected one "
        "that is planned as a whole");
  }
  BITTERN_TRY_ASSIGN(Comparer comparer,
                     Comparer::Make(std::move(reference), std::move(packed)));
  if (options.inputs.empty()) {
    BITTERN_TRY(RandomInputs(comparer.packed()));
    BITTERN_TRY(comparer.Run());
    BITTERN_TRY(AddReferences(options.references, comparer));
    return comparer.comparison();
  }
  BITTERN_TRY_ASSIGN(const Samples files,
                     Samples::Open(*packed_model, options.inputs));
  for (size_t i = 0; i < files.count(); ++i) {
    BITTERN_TRY(files.Load(i, comparer.packed()));
    BITTERN_TRY(comparer.Run());
  }
  BITTERN_TRY(AddReferences(options.references, comparer));
  return comparer.comparison();
}

namespace {

Outcome Compare(const CompareOptions& options) {
  BITTERN_TRY_ASSIGN(const Comparison comparison, CompareFiles(options));
  PrintComparison(comparison, true);
  return {};
}

}  // namespace

void AddCompare(CLI::App& app, Outcome* outcome) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand(
      "compare",
      "Per-layer differences between an ONNX model and its packed form");
  command
      ->add_option("onnx", options->onnx,
                   "The source model (.onnx), run in float")
      ->required();
  command->add_option("packed", options->packed, "The packed model (.bittern)")
      ->required();
  command->add_option("--input", options->inputs,
                      "[NAME=]FILE, as for run; without it, random values");
  command->add_option(
      "--reference", options->references,
      "FILE.npz or NAME=FILE.npy: tensors of the framework that the network "
      "was trained in, for the last sample");
  AddRunOptions(*command, &options->run);
  command->footer(
      "Example: bittern compare digits.onnx digits.bittern --input photo.png");
  command->callback([options, outcome] { *outcome = Compare(*options); });
}

}  // namespace bittern::cli
