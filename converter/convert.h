// The converter as a library call: ONNX file in, packed file out, report back.
#pragma once

#include <memory>
#include <string>

#include "converter/lower/report.h"
#include "converter/onnx/importer.h"
#include "converter/passes/pass.h"
#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::convert {

struct ConvertOptions {
  ImportOptions import;
  PassOptions passes;
  std::string preprocess_json;   // path of --preprocess, or empty
  std::string postprocess_json;  // path of --postprocess, or empty
  std::string labels_file;       // path of --labels, or empty
};

// A model as it goes into the file, and the report up to what only the file
// knows: its name and sizes.
struct PackedModel {
  runtime::ModelDef def;
  std::shared_ptr<const void> storage;  // keeps the constants of `def` alive
  Report report;
};

// Everything between the importer and the writer. The result has a plan: it can
// run.
Result<PackedModel> PackModel(ImportedModel imported,
                              const ConvertOptions& options);

// Converts; writes nothing unless all steps succeed, then renames the result
// into place.
Result<Report> ConvertFile(const std::string& onnx_path,
                           const std::string& output_path,
                           const ConvertOptions& options);

// The float graph of the source file as an in-memory runtime model (recognition
// passes off): what `compare` runs as side A.
Result<std::shared_ptr<const runtime::Model>> LoadFloatModel(
    const std::string& onnx_path, const ImportOptions& options);

}  // namespace bittern::convert
