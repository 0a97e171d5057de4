#include "tests/converter/onnx/onnx_model.h"

#include <catch2/catch.hpp>

#include "converter/ir/print.h"

namespace bittern::test {
namespace {

onnx::AttributeProto& Add(onnx::NodeProto& node, const std::string& name,
                          onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

}  // namespace

onnx::TensorProto FloatTensor(const std::string& name,
                              const std::vector<int64_t>& dims,
                              const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t dim : dims) tensor.add_dims(dim);
  for (float value : values) tensor.add_float_data(value);
  return tensor;
}

onnx::TensorProto IntTensor(const std::string& name,
                            const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  for (int64_t dim : dims) tensor.add_dims(dim);
  for (int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

OnnxModel::OnnxModel(int64_t opset) {
  proto_.set_ir_version(8);
  proto_.set_producer_name("test");
  proto_.add_opset_import()->set_version(opset);
  proto_.mutable_graph()->set_name("graph");
}

OnnxModel& OnnxModel::Input(const std::string& name,
                            const std::vector<int64_t>& dims, int32_t type) {
  onnx::ValueInfoProto& input = *graph().add_input();
  input.set_name(name);
  onnx::TypeProto::Tensor& tensor =
      *input.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape();
  for (int64_t dim : dims) {
    onnx::TensorShapeProto::Dimension& added =
        *tensor.mutable_shape()->add_dim();
    if (dim == -1) {
      added.set_dim_param("N");
    } else {
      added.set_dim_value(dim);
    }
  }
  return *this;
}

OnnxModel& OnnxModel::Initializer(onnx::TensorProto tensor) {
  *graph().add_initializer() = std::move(tensor);
  return *this;
}

OnnxModel& OnnxModel::Floats(const std::string& name,
                             const std::vector<int64_t>& dims,
                             const std::vector<float>& values) {
  return Initializer(FloatTensor(name, dims, values));
}

OnnxModel& OnnxModel::Ints(const std::string& name,
                           const std::vector<int64_t>& dims,
                           const std::vector<int64_t>& values) {
  return Initializer(IntTensor(name, dims, values));
}

OnnxModel& OnnxModel::Output(const std::string& name) {
  graph().add_output()->set_name(name);
  return *this;
}

onnx::NodeProto& OnnxModel::Node(const std::string& op,
                                 const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs) {
  onnx::NodeProto& node = *graph().add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}

runtime::Result<convert::ImportedModel> OnnxModel::Import(
    const convert::ImportOptions& options) const {
  const std::string bytes = proto_.SerializeAsString();
  return convert::ImportOnnxBytes(bytes.data(), bytes.size(), "", options);
}

std::string OnnxModel::Text(const convert::ImportOptions& options) const {
  const runtime::Result<convert::ImportedModel> imported = Import(options);
  if (!imported.ok()) FAIL(imported.error().message);
  return convert::PrintGraph(imported.value().graph);
}

std::string OnnxModel::ErrorText(const convert::ImportOptions& options) const {
  const runtime::Result<convert::ImportedModel> imported = Import(options);
  if (imported.ok()) FAIL("imported:\n" << Text(options));
  return imported.error().message;
}

std::vector<Array> OnnxModel::Run(const std::vector<Array>& inputs) const {
  const runtime::Result<convert::ImportedModel> imported = Import();
  if (!imported.ok()) FAIL(imported.error().message);
  runtime::Result<std::vector<Array>> outputs =
      RunGraph(imported.value().graph, inputs);
  if (!outputs.ok()) {
    FAIL(outputs.error().message
         << "\n"
         << convert::PrintGraph(imported.value().graph));
  }
  return std::move(outputs).value();
}

void SetInt(onnx::NodeProto& node, const std::string& name, int64_t value) {
  Add(node, name, onnx::AttributeProto::INT).set_i(value);
}

void SetFloat(onnx::NodeProto& node, const std::string& name, float value) {
  Add(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void SetString(onnx::NodeProto& node, const std::string& name,
               const std::string& value) {
  Add(node, name, onnx::AttributeProto::STRING).set_s(value);
}

void SetInts(onnx::NodeProto& node, const std::string& name,
             const std::vector<int64_t>& values) {
  onnx::AttributeProto& attribute = Add(node, name, onnx::AttributeProto::INTS);
  for (int64_t value : values) attribute.add_ints(value);
}

void SetFloats(onnx::NodeProto& node, const std::string& name,
               const std::vector<float>& values) {
  onnx::AttributeProto& attribute =
      Add(node, name, onnx::AttributeProto::FLOATS);
  for (float value : values) attribute.add_floats(value);
}

void SetTensor(onnx::NodeProto& node, const std::string& name,
               onnx::TensorProto value) {
  *Add(node, name, onnx::AttributeProto::TENSOR).mutable_t() = std::move(value);
}

Array FloatArray(const runtime::Shape& shape,
                 const std::vector<float>& values) {
  return MakeArray(runtime::DType::kF32, shape, values);
}

Array IntArray(const runtime::Shape& shape,
               const std::vector<int64_t>& values) {
  return MakeArray(runtime::DType::kI64, shape, values);
}

}  // namespace bittern::test
