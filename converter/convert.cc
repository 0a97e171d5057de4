// The whole conversion: import, passes, plan (which proves that the result can
// run and says which kernels it gets), metadata, file.
#include "converter/convert.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "bittern/bittern.h"
#include "converter/ir/evaluate.h"
#include "converter/lower/code_names.h"
#include "converter/lower/open_batch.h"
#include "converter/lower/postprocess.h"
#include "converter/lower/preprocess.h"
#include "converter/lower/records.h"
#include "runtime/format/writer.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/stages.h"

namespace bittern::convert {
namespace {

using runtime::Model;
using runtime::ModelDef;

// A model definition and what keeps its constants alive.
struct Lowered {
  ModelDef def;
  std::shared_ptr<const void> storage;
};

Result<Lowered> Lower(const Graph& graph) {
  auto constants = std::make_shared<std::vector<ConstantData>>();
  BITTERN_TRY_ASSIGN(ModelDef def, ToModelDef(graph, constants.get()));
  return Lowered{std::move(def), std::move(constants)};
}

Result<runtime::Plan> PlanOf(const Lowered& lowered) {
  BITTERN_TRY_ASSIGN(auto model, Model::Make(lowered.def, lowered.storage));
  std::vector<Shape> shapes;
  for (int32_t input : lowered.def.inputs) {
    Shape& shape = shapes.emplace_back(
        lowered.def.tensors[static_cast<size_t>(input)].type.shape);
    for (size_t d = 0; d < shape.rank(); ++d)
      shape[d] = shape[d] < 0 ? 1 : shape[d];  // an open batch: one sample
  }
  if (!runtime::HasStages(lowered.def))
    return runtime::MakePlan(std::move(model), shapes, {});
  // Of a model whose sizes only the run knows, what is planned before it.
  const std::vector<runtime::Stage> stages = runtime::MakeStages(lowered.def);
  BITTERN_TRY_ASSIGN(const std::vector<TensorType> types,
                     runtime::TypesBeforeRun(lowered.def, shapes));
  const std::vector<const void*> values(types.size(), nullptr);
  const bool planned =
      stages[0].values.empty() && stages[0].jump == runtime::Jump::kNone;
  return runtime::MakePlanPart(
      std::move(model),
      {0, planned ? stages[0].last : 0, types, values, stages[0].keeps}, {});
}

Result<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return runtime::NotFound("cannot open '" + path + "'");
  std::string text{std::istreambuf_iterator<char>(file),
                   std::istreambuf_iterator<char>()};
  if (file.bad()) return runtime::IoError("cannot read '" + path + "'");
  return text;
}

int64_t FileBytes(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

std::string VersionText() {
  return std::to_string(BITTERN_VERSION_MAJOR) + '.' +
         std::to_string(BITTERN_VERSION_MINOR) + '.' +
         std::to_string(BITTERN_VERSION_PATCH);
}

Result<void> AddUserMetadata(const ConvertOptions& options, ModelDef* def) {
  if (!options.preprocess_json.empty()) {
    BITTERN_TRY_ASSIGN(const std::string text,
                       ReadText(options.preprocess_json));
    BITTERN_TRY_ASSIGN(runtime::Preprocess preprocess,
                       ParsePreprocess(text, options.preprocess_json, *def));
    def->preprocess.push_back(std::move(preprocess));
  }
  if (!options.postprocess_json.empty()) {
    BITTERN_TRY_ASSIGN(const std::string text,
                       ReadText(options.postprocess_json));
    BITTERN_TRY_ASSIGN(def->postprocess,
                       ParsePostprocess(text, options.postprocess_json, *def));
  }
  if (!options.labels_file.empty()) {
    BITTERN_TRY_ASSIGN(const std::string text, ReadText(options.labels_file));
    BITTERN_TRY_ASSIGN(def->labels, ParseLabels(text, options.labels_file));
  }
  return {};
}

}  // namespace

Result<PackedModel> PackModel(ImportedModel imported,
                              const ConvertOptions& options) {
  PassContext context;
  context.options = options.passes;
  BITTERN_TRY(RunPipeline(imported.graph, context, /*float_only=*/false));
  BITTERN_TRY(OpenBatch(imported.graph, imported.open_batch));
  BITTERN_TRY_ASSIGN(Lowered lowered, Lower(imported.graph));
  NameCodes(&lowered.def);
  NameConstants(&lowered.def);
  BITTERN_TRY(AddUserMetadata(options, &lowered.def));
  BITTERN_TRY_ASSIGN(const runtime::Plan plan, PlanOf(lowered));

  PackedModel packed;
  packed.report.source_sha256 = imported.sha256;
  packed.report.notes = imported.graph.notes;
  if (runtime::HasStages(lowered.def)) {
    packed.report.notes.push_back(
        "sizes or turns that only the run knows: a dynamic plan, stages: " +
        std::to_string(runtime::MakeStages(lowered.def).size()) +
        "; what follows from them stays in float");
  }
  AddLayers(plan, context.layers, &packed.report);
  packed.def = std::move(lowered.def);
  packed.storage = std::move(lowered.storage);
  return packed;
}

Result<Report> ConvertFile(const std::string& onnx_path,
                           const std::string& output_path,
                           const ConvertOptions& options) {
  BITTERN_TRY_ASSIGN(ImportedModel imported,
                     ImportOnnxFile(onnx_path, options.import));
  const std::string producer = imported.producer;
  BITTERN_TRY_ASSIGN(PackedModel packed,
                     PackModel(std::move(imported), options));
  Report& report = packed.report;
  report.source = std::filesystem::path(onnx_path).filename().string();
  report.source_bytes = FileBytes(onnx_path);
  packed.def.metadata["source"] = report.source;
  packed.def.metadata["source_sha256"] = report.source_sha256;
  packed.def.metadata["source_producer"] = producer;
  packed.def.metadata["converter_version"] = VersionText();
  packed.def.metadata["report"] = EmbeddedReportJson(report);
  BITTERN_TRY(runtime::WriteModelFile(packed.def, output_path));
  report.packed_bytes = FileBytes(output_path);
  return std::move(report);
}

Result<std::shared_ptr<const Model>> LoadFloatModel(
    const std::string& onnx_path, const ImportOptions& options) {
  BITTERN_TRY_ASSIGN(ImportedModel imported,
                     ImportOnnxFile(onnx_path, options));
  PassContext context;
  BITTERN_TRY(RunPipeline(imported.graph, context, /*float_only=*/true));
  BITTERN_TRY_ASSIGN(Lowered lowered, Lower(imported.graph));
  return Model::Make(std::move(lowered.def), std::move(lowered.storage));
}

}  // namespace bittern::convert
