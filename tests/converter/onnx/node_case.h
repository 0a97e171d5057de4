// One case of ONNX's backend tests: a model, input tensors, expected outputs.
#pragma once

#include <string>
#include <vector>

#include "converter/onnx/onnx_proto.h"
#include "runtime/base/result.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::test {

struct NodeCase {
  std::string name, directory;
  onnx::ModelProto model;
  std::vector<onnx::TensorProto> inputs, outputs;  // of the first data set
};

// An error if a file is missing or holds no tensor (sequences, optionals).
runtime::Result<NodeCase> LoadCase(const std::string& directory);

runtime::Result<onnx::TensorProto> ReadTensorFile(const std::string& path);
runtime::Result<Array> ToArray(const onnx::TensorProto& proto);

// ONNX's own tolerance: rtol 1e-3, atol 1e-7; integers exactly.
runtime::Result<void> Compare(const Array& got, const Array& expected);

enum class Through {
  kImporter,    // the float graph, as it stands in the file
  kConversion,  // what goes into a packed file
};

// Imports, runs and compares. Inputs that the importer needs (axes, pads, some
// sizes) become initializers with the case's values, as in real files.
runtime::Result<void> RunCase(const NodeCase& node_case, Through through);

}  // namespace bittern::test
