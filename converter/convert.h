// The converter as a library call: ONNX file in, packed file out, report back.
#pragma once

#include <string>

#include "converter/lower/report.h"
#include "converter/onnx/importer.h"
#include "converter/passes/pass.h"
#include "runtime/base/result.h"

namespace bittern::convert {

struct ConvertOptions {
  ImportOptions import;
  PassOptions passes;
  std::string preprocess_json;  // path of --preprocess, or empty
  std::string labels_file;      // path of --labels, or empty
};

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
