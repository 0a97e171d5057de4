// Builds small models in memory for the tests of the runtime. Owns the
// constants until Make hands them to the model.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/model/model.h"

namespace bittern::test {

class ModelBuilder {
 public:
  int32_t Input(const std::string& name, const runtime::TensorType& type) {
    def.inputs.push_back(Tensor({name, type, nullptr}));
    return def.inputs.back();
  }
  int32_t Input(const std::string& name, const runtime::Shape& shape) {
    return Input(name, F32(shape));
  }

  template <class T>
  int32_t Constant(const std::string& name, const runtime::TensorType& type,
                   const std::vector<T>& values) {
    const size_t bytes = runtime::ByteSize(type);
    REQUIRE(bytes == values.size() * sizeof(T));
    auto buffer = runtime::AlignedBuffer::Make(
        bytes + 1);  // never null, even for no elements
    REQUIRE(buffer.ok());
    if (bytes != 0) std::memcpy(buffer.value().data(), values.data(), bytes);
    buffers_->push_back(std::move(buffer).value());
    return Tensor({name, type, buffers_->back().data()});
  }

  // Appends an op with one output, a tensor of the op's name that planning will
  // type.
  int32_t Op(const std::string& op, const std::string& name,
             std::vector<int32_t> inputs,
             runtime::AttributeMap attributes = {}) {
    const int32_t output = Tensor({name, {}, nullptr});
    def.ops.push_back(
        {op, name, std::move(inputs), {output}, std::move(attributes)});
    return output;
  }

  // Declares `tensor` a model output of this type.
  void Output(int32_t tensor, const runtime::TensorType& type) {
    def.tensors[static_cast<size_t>(tensor)].type = type;
    def.outputs.push_back(tensor);
  }
  void Output(int32_t tensor, const runtime::Shape& shape) {
    Output(tensor, F32(shape));
  }

  std::shared_ptr<const runtime::Model> Make() {
    auto model = runtime::Model::Make(def, runtime::Storage(buffers_));
    INFO(model.error().message);
    REQUIRE(model.ok());
    return model.value();
  }

  static runtime::TensorType F32(const runtime::Shape& shape) {
    return {runtime::DType::kF32, shape, {}};
  }

  runtime::ModelDef def;

 private:
  int32_t Tensor(runtime::TensorDef tensor) {
    def.tensors.push_back(std::move(tensor));
    return static_cast<int32_t>(def.tensors.size() - 1);
  }

  std::shared_ptr<std::vector<runtime::AlignedBuffer>> buffers_ =
      std::make_shared<std::vector<runtime::AlignedBuffer>>();
};

}  // namespace bittern::test
