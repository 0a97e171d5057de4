// Operators without run-time inputs: Constant in all its forms, ConstantOfShape
// and Range.
#include "converter/onnx/handlers.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::DType;

Shape VectorShape(size_t count) { return {static_cast<int64_t>(count)}; }

}  // namespace

Result<void> ImportConstant(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(0, 0));
  Graph& graph = node.graph();
  const std::string& name = node.OutputName();
  if (node.Has("value")) {
    BITTERN_TRY_ASSIGN(const onnx::TensorProto* proto, node.Tensor("value"));
    BITTERN_TRY_ASSIGN(
        ImportedTensor tensor,
        ReadTensor(*proto, "constant '" + node.name() + "'", node.directory()));
    node.AnswerWith(graph.AddConstant(name, tensor.type, tensor.data));
  } else if (node.Has("value_float")) {
    BITTERN_TRY_ASSIGN(const float value, node.Float("value_float", 0));
    node.AnswerWith(graph.AddF32(name, Shape(), {value}));
  } else if (node.Has("value_int")) {
    BITTERN_TRY_ASSIGN(const int64_t value, node.Int("value_int", 0));
    node.AnswerWith(graph.AddI64(name, Shape(), {value}));
  } else if (node.Has("value_floats")) {
    BITTERN_TRY_ASSIGN(const auto values, node.Floats("value_floats"));
    node.AnswerWith(graph.AddF32(name, VectorShape(values->size()), *values));
  } else if (node.Has("value_ints")) {
    BITTERN_TRY_ASSIGN(const auto values, node.Ints("value_ints"));
    node.AnswerWith(graph.AddI64(name, VectorShape(values->size()), *values));
  } else {
    return node.FailUnsupported(
        "has no numbers, expected attribute value, value_float(s) or "
        "value_int(s)");
  }
  return {};
}

Result<void> ImportConstantOfShape(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const bool known, node.Known(node.Input(0)));
  ValueId shape = node.Input(0);
  if (known) {
    BITTERN_TRY_ASSIGN(const std::vector<int64_t> sizes,
                       node.ConstantInts(shape, "shape"));
  } else {
    BITTERN_TRY_ASSIGN(shape, node.RunTimeInts(shape, "shape"));
  }
  BITTERN_TRY_ASSIGN(const onnx::TensorProto* proto, node.Tensor("value"));
  DType dtype = DType::kF32;
  AttributeMap attributes = {{"value_f", 0.0f}};
  if (proto != nullptr) {
    BITTERN_TRY_ASSIGN(
        const ImportedTensor tensor,
        ReadTensor(*proto, "value of '" + node.name() + "'", node.directory()));
    if (tensor.type.shape.Elements() != 1) {
      return node.Fail("value is " + runtime::ToString(tensor.type) +
                       ", expected one element");
    }
    dtype = tensor.type.dtype;
    const ValueId value = node.graph().AddConstant(node.OutputName() + "/value",
                                                   tensor.type, tensor.data);
    if (dtype == DType::kF32) {
      attributes = {{"value_f", node.graph().F32(value)[0]}};
    } else {
      BITTERN_TRY_ASSIGN(const ValueId wide, node.CastTo(value, DType::kI64));
      attributes = {{"value_i", node.graph().I64(wide)[0]}};
    }
  }
  BITTERN_TRY_ASSIGN(const ValueId filled, node.Emit("ConstantOfShape", {shape},
                                                     std::move(attributes)));
  BITTERN_TRY_ASSIGN(const ValueId result, node.CastTo(filled, dtype));
  node.AnswerWith(result);
  return {};
}

Result<void> ImportRange(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  const DType wide = dtype == DType::kF32 ? DType::kF32 : DType::kI64;
  std::vector<ValueId> inputs;
  for (ValueId id : node.inputs()) {
    // Computed now if that is possible.
    BITTERN_TRY_ASSIGN([[maybe_unused]] const bool known, node.Known(id));
    BITTERN_TRY_ASSIGN(const ValueId cast, node.CastTo(id, wide));
    inputs.push_back(cast);
  }
  BITTERN_TRY_ASSIGN(const ValueId range, node.Emit("Range", inputs));
  BITTERN_TRY_ASSIGN(const ValueId result, node.CastTo(range, dtype));
  node.AnswerWith(result);
  return {};
}

}  // namespace bittern::convert
