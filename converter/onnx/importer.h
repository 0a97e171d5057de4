// ONNX -> IR. The file is hostile until checked: an error says which node,
// attribute or tensor, what was found, what is expected.
#pragma once

#include <map>
#include <string>

#include "converter/ir/graph.h"

namespace bittern::convert {

struct ImportOptions {
  std::map<std::string, Shape>
      shapes;  // --shape NAME=...: overrides declared input shapes; dynamic
               // dims without one become 1 if they are the first dimension
               // (batch; see open_batch), else are an error
};

struct ImportedModel {
  Graph graph;
  // By graph input: its first dimension is open (dynamic, and no shape was
  // given); the graph has it as 1.
  std::vector<bool> open_batch;
  std::string producer;  // producer_name and version of the file
  int64_t opset = 0;
  std::string
      sha256;  // of the file, lowercase hex (external data not included)
};

Result<ImportedModel> ImportOnnxFile(const std::string& path,
                                     const ImportOptions& options);
// The same from bytes; external data is looked for in `directory`.
Result<ImportedModel> ImportOnnxBytes(const void* data, size_t size,
                                      const std::string& directory,
                                      const ImportOptions& options);

}  // namespace bittern::convert
