// bittern inspect: what a model file holds.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <system_error>

#include "runtime/cli/command.h"
#include "runtime/format/reader.h"
#include "runtime/model/model.h"
#include "runtime/plan/stages.h"

namespace bittern::cli {
namespace {

using runtime::ModelDef;
using runtime::TensorDef;

std::string Describe(const TensorDef& tensor) {
  return fmt::format("{} {}", tensor.name, ToString(tensor.type));
}

std::string TensorList(const ModelDef& def,
                       const std::vector<int32_t>& indices) {
  std::string text;
  for (int32_t index : indices) {
    if (!text.empty()) text += ", ";
    text += index < 0 ? "-"
                      : ToString(def.tensors[static_cast<size_t>(index)].type);
  }
  return text;
}

void PrintPostprocess(const ModelDef& def) {
  const runtime::Postprocess& p = *def.postprocess;
  const auto name = [&](int32_t output) -> const std::string& {
    return def
        .tensors[static_cast<size_t>(def.outputs[static_cast<size_t>(output)])]
        .name;
  };
  fmt::print(
      "boxes    scores {} ({}), boxes {} ({})\n", name(p.scores),
      p.score_kind == runtime::Postprocess::Scores::kSoftmax ? "softmax"
                                                             : "sigmoid",
      name(p.boxes),
      p.box_kind == runtime::Postprocess::Boxes::kCentre ? "cxcywh" : "xyxy");
}

void PrintSummary(const ModelDef& def, const std::string& path) {
  std::error_code ignored;
  fmt::print(
      "file     {} ({:.3f} MB)\n", path,
      static_cast<double>(std::filesystem::file_size(path, ignored)) / 1e6);
  for (int32_t i : def.inputs)
    fmt::print("input    {}\n", Describe(def.tensors[static_cast<size_t>(i)]));
  for (int32_t i : def.outputs)
    fmt::print("output   {}\n", Describe(def.tensors[static_cast<size_t>(i)]));
  if (const auto stages = runtime::MakeStages(def); runtime::HasStages(def)) {
    fmt::print("plan     dynamic, stages: {}\n", stages.size());
    for (size_t i = 1; i < stages.size(); ++i) {
      const auto& op = def.ops[stages[i].first];
      fmt::print("stage    {} from {} {}\n", i, op.op, op.name);
    }
  }
  std::map<std::string, size_t> ops;
  for (const auto& op : def.ops) ++ops[op.op];
  std::map<std::string, size_t> bytes;
  for (const TensorDef& tensor : def.tensors) {
    if (tensor.data == nullptr) continue;
    bytes[tensor.type.dtype == runtime::DType::kCode
              ? fmt::format("{}-bit weights", tensor.type.code.bits)
              : ToString(tensor.type.dtype)] += ByteSize(tensor.type);
  }
  for (const auto& [name, count] : ops)
    fmt::print("op       {:>4} x {}\n", count, name);
  for (const auto& [kind, size] : bytes)
    fmt::print("data     {:.3f} MB {}\n", static_cast<double>(size) / 1e6,
               kind);
  for (const auto& p : def.preprocess) {
    fmt::print("image    input {}: {}x{}, {} channel(s)\n", p.input, p.width,
               p.height, p.channels);
  }
  if (def.postprocess) PrintPostprocess(def);
  if (!def.labels.empty())
    fmt::print("labels   {} ({} ...)\n", def.labels.size(), def.labels.front());
  for (const auto& [key, value] : def.metadata) {
    if (key == "report") continue;
    fmt::print("metadata {} = {}\n", key, value);
  }
}

void PrintLayers(const ModelDef& def) {
  for (size_t i = 0; i < def.ops.size(); ++i) {
    const auto& op = def.ops[i];
    fmt::print("{:>4} {:<18} {:<48} ({}) -> ({})\n", i, op.op, op.name,
               TensorList(def, op.inputs), TensorList(def, op.outputs));
  }
}

bool EndsWith(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

Outcome Inspect(const std::string& path, bool layers) {
  if (EndsWith(path, ".onnx")) return InspectOnnx(path, layers);
  BITTERN_TRY_ASSIGN(const auto model, runtime::ReadModelFile(path));
  PrintSummary(model->def(), path);
  if (layers) PrintLayers(model->def());
  return {};
}

}  // namespace

#ifndef BITTERN_HAS_CONVERTER
Outcome InspectOnnx(const std::string& path, bool) {
  return runtime::Unsupported(fmt::format(
      "'{}': this build of the tool has no converter, expected a .bittern file",
      path));
}
#endif

void AddInspect(CLI::App& app, Outcome* outcome) {
  struct Options {
    std::string path;
    bool layers = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show what a .bittern or .onnx file holds");
  command->add_option("file", options->path, "M.bittern or M.onnx")->required();
  command->add_flag("--layers", options->layers, "List every op");
  command->footer("Example: bittern inspect digits.bittern --layers");
  command->callback([options, outcome] {
    *outcome = Inspect(options->path, options->layers);
  });
}

}  // namespace bittern::cli
