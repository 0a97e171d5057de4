// Builds small ONNX models in memory, imports and runs them: what the
// importer's tests share.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/importer.h"
#include "converter/onnx/onnx_proto.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::test {

onnx::TensorProto FloatTensor(const std::string& name,
                              const std::vector<int64_t>& dims,
                              const std::vector<float>& values);
onnx::TensorProto IntTensor(const std::string& name,
                            const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& values);

class OnnxModel {
 public:
  explicit OnnxModel(int64_t opset = 17);

  onnx::ModelProto& proto() { return proto_; }
  onnx::GraphProto& graph() { return *proto_.mutable_graph(); }

  // A dimension of -1 is symbolic ("N").
  OnnxModel& Input(const std::string& name, const std::vector<int64_t>& dims,
                   int32_t type = onnx::TensorProto::FLOAT);
  OnnxModel& Initializer(onnx::TensorProto tensor);
  OnnxModel& Floats(const std::string& name, const std::vector<int64_t>& dims,
                    const std::vector<float>& values);
  OnnxModel& Ints(const std::string& name, const std::vector<int64_t>& dims,
                  const std::vector<int64_t>& values);
  OnnxModel& Output(const std::string& name);
  // An unnamed node; attributes are set on the result.
  onnx::NodeProto& Node(const std::string& op,
                        const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs);

  runtime::Result<convert::ImportedModel> Import(
      const convert::ImportOptions& options = {}) const;
  // Requires success; the text of the graph.
  std::string Text(const convert::ImportOptions& options = {}) const;
  // Requires failure; the message.
  std::string ErrorText(const convert::ImportOptions& options = {}) const;
  // Requires success; imports and runs on the inputs.
  std::vector<Array> Run(const std::vector<Array>& inputs) const;

 private:
  onnx::ModelProto proto_;
};

void SetInt(onnx::NodeProto& node, const std::string& name, int64_t value);
void SetFloat(onnx::NodeProto& node, const std::string& name, float value);
void SetString(onnx::NodeProto& node, const std::string& name,
               const std::string& value);
void SetInts(onnx::NodeProto& node, const std::string& name,
             const std::vector<int64_t>& values);
void SetFloats(onnx::NodeProto& node, const std::string& name,
               const std::vector<float>& values);
void SetTensor(onnx::NodeProto& node, const std::string& name,
               onnx::TensorProto value);

Array FloatArray(const runtime::Shape& shape, const std::vector<float>& values);
Array IntArray(const runtime::Shape& shape, const std::vector<int64_t>& values);

}  // namespace bittern::test
