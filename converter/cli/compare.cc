// bittern compare: runs the float graph of an ONNX file and a packed model on
// the same inputs, both through the runtime, and shows where tensors of the
// same name begin to differ.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "converter/convert.h"
#include "kernels/base/bits.h"
#include "runtime/cli/command.h"
#include "runtime/cli/open.h"
#include "runtime/cli/samples.h"
#include "runtime/format/reader.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::Encoding;
using runtime::InvalidArgument;
using runtime::Result;
using runtime::Session;
using runtime::TensorView;

struct Options {
  std::string onnx, packed;
  std::vector<std::string> inputs;
  RunOptions run;
};

// How one tensor of the packed model differs from the float graph's.
struct Difference {
  int64_t count = 0;
  int64_t different_codes = 0;  // for code tensors
  double max_abs = 0, sum_sq = 0, sum_sq_reference = 0;
};

int SignOf(float x) { return (x > 0) - (x < 0); }

// Codes stand for the sign of the float graph's tensor of that name.
void CompareCodes(const TensorView& codes, const float* reference,
                  Difference* d) {
  const auto rows = static_cast<size_t>(codes.type->shape.Leading());
  const auto cols = static_cast<size_t>(codes.type->shape.Last());
  const int64_t group = codes.type->code.group;
  const kernels::CodePlanes planes = kernels::ViewCodePlanes(
      codes.data, rows, cols, group > 0 ? static_cast<size_t>(group) : cols);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c)
      d->different_codes +=
          CodeAt(planes, r, c) != SignOf(reference[r * cols + c]);
  }
  d->count += codes.type->shape.Elements();
}

void CompareFloats(const TensorView& packed, const float* reference,
                   Difference* d) {
  const auto* values = static_cast<const float*>(packed.data);
  const int64_t count = packed.type->shape.Elements();
  for (int64_t i = 0; i < count; ++i) {
    const double delta =
        static_cast<double>(values[i]) - static_cast<double>(reference[i]);
    d->max_abs = std::max(d->max_abs, std::fabs(delta));
    d->sum_sq += delta * delta;
    d->sum_sq_reference +=
        static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  d->count += count;
}

Result<void> CopyInputs(Session& from, Session& to) {
  const size_t count = from.model().def().inputs.size();
  if (to.model().def().inputs.size() != count) {
    return InvalidArgument(
        fmt::format("the ONNX file has {} inputs, the packed model {}: "
                    "expected the same network",
                    to.model().def().inputs.size(), count));
  }
  for (size_t i = 0; i < count; ++i) {
    BITTERN_TRY_ASSIGN(const TensorView source, from.Input(i));
    BITTERN_TRY_ASSIGN(const TensorView target, to.Input(i));
    if (*source.type != *target.type) {
      return InvalidArgument(
          fmt::format("input {} is {} in the packed model and {} in the ONNX "
                      "file: expected the same network",
                      i, ToString(*source.type), ToString(*target.type)));
    }
    std::memcpy(target.data, source.data, ByteSize(*source.type));
  }
  return {};
}

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

struct Sides {
  std::unique_ptr<Session> reference, packed;
  std::map<std::string, Difference> differences;

  Result<void> RunBoth() {
    BITTERN_TRY(CopyInputs(*packed, *reference));
    BITTERN_TRY(packed->Run());
    BITTERN_TRY(reference->Run());
    for (const auto& tensor : packed->model().def().tensors) {
      if (tensor.data != nullptr) continue;
      auto float_side = reference->Tensor(tensor.name);
      if (!float_side.ok() || float_side.value().type->dtype != DType::kF32)
        continue;
      BITTERN_TRY_ASSIGN(const TensorView view, packed->Tensor(tensor.name));
      if (view.type->shape.Elements() !=
          float_side.value().type->shape.Elements())
        continue;
      const auto* values = static_cast<const float*>(float_side.value().data);
      if (view.type->dtype == DType::kCode &&
          view.type->code.encoding == Encoding::kSign) {
        CompareCodes(view, values, &differences[tensor.name]);
      } else if (view.type->dtype == DType::kF32) {
        CompareFloats(view, values, &differences[tensor.name]);
      }
    }
    return {};
  }
};

void PrintTable(const Sides& sides, size_t samples) {
  fmt::print("{:<52} {:<22} {:>12} {:>12} {:>12}\n", "tensor", "type",
             "max |diff|", "rel. rms", "codes differ");
  for (const auto& tensor : sides.packed->model().def().tensors) {
    const auto found = sides.differences.find(tensor.name);
    if (found == sides.differences.end()) continue;
    const Difference& d = found->second;
    const std::string type = ToString(tensor.type);
    if (tensor.type.dtype == DType::kCode) {
      fmt::print("{:<52} {:<22} {:>12} {:>12} {:>11.4f}%\n", tensor.name, type,
                 "", "",
                 100.0 * static_cast<double>(d.different_codes) /
                     static_cast<double>(std::max<int64_t>(d.count, 1)));
    } else {
      const double rms = d.sum_sq_reference > 0
                             ? std::sqrt(d.sum_sq / d.sum_sq_reference)
                             : std::sqrt(d.sum_sq);
      fmt::print("{:<52} {:<22} {:>12.3g} {:>12.3g}\n", tensor.name, type,
                 d.max_abs, rms);
    }
  }
  fmt::print(
      "{} tensors of the packed model have a float twin of the same name; {} "
      "sample(s)\n",
      sides.differences.size(), samples);
}

Outcome Compare(const Options& options) {
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
  Sides sides;
  RunOptions without_shapes = options.run;
  without_shapes.shapes.clear();
  BITTERN_TRY_ASSIGN(sides.packed,
                     OpenSession(packed_model, options.run, session_options));
  BITTERN_TRY_ASSIGN(sides.reference,
                     OpenSession(float_model, without_shapes, session_options));
  size_t samples = 1;
  if (options.inputs.empty()) {
    BITTERN_TRY(RandomInputs(*sides.packed));
    BITTERN_TRY(sides.RunBoth());
  } else {
    BITTERN_TRY_ASSIGN(const Samples files,
                       Samples::Open(*packed_model, options.inputs));
    samples = files.count();
    for (size_t i = 0; i < samples; ++i) {
      BITTERN_TRY(files.Load(i, *sides.packed));
      BITTERN_TRY(sides.RunBoth());
    }
  }
  PrintTable(sides, samples);
  return {};
}

}  // namespace

void AddCompare(CLI::App& app, Outcome* outcome) {
  auto options = std::make_shared<Options>();
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
  AddRunOptions(*command, &options->run);
  command->footer(
      "Example: bittern compare digits.onnx digits.bittern --input photo.png");
  command->callback([options, outcome] { *outcome = Compare(*options); });
}

}  // namespace bittern::cli
