#include "converter/onnx/formula.h"

#include <utility>

namespace bittern::convert {

using runtime::DType;

const TensorType& Formula::TypeOf(ValueId id) const {
  return id == kNone ? none_ : node_.TypeOf(id);
}

ValueId Formula::F32(float value) { return node_.ScalarF32(value); }
ValueId Formula::I64(int64_t value) { return node_.ScalarI64(value); }

ValueId Formula::Ints(const std::vector<int64_t>& values) {
  return node_.graph().AddI64(node_.OutputName() + "/ints",
                              {static_cast<int64_t>(values.size())}, values);
}

ValueId Formula::Floats(const Shape& shape, const std::vector<float>& values) {
  return node_.graph().AddF32(node_.OutputName() + "/floats", shape, values);
}

ValueId Formula::Number(DType dtype, int64_t value) {
  if (dtype == DType::kF32) return F32(static_cast<float>(value));
  return Cast(I64(value), dtype);
}

ValueId Formula::Iota(int64_t count, size_t axis, size_t rank) {
  std::vector<int64_t> dims(rank, 1);
  dims[axis] = count;
  return Reshape(Op("Range", {I64(0), I64(count), I64(1)}), dims);
}

ValueId Formula::Op(const std::string& op, const std::vector<ValueId>& inputs,
                    AttributeMap attributes) {
  if (error_) return kNone;
  Result<ValueId> result = node_.Emit(op, inputs, std::move(attributes));
  if (result.ok()) return result.value();
  Fail(std::move(result).error());
  return kNone;
}

std::vector<ValueId> Formula::OpAll(const std::string& op,
                                    const std::vector<ValueId>& inputs,
                                    AttributeMap attributes, size_t outputs) {
  const std::vector<ValueId> none(outputs, kNone);
  if (error_) return none;
  Result<std::vector<ValueId>> result =
      node_.EmitAll(op, inputs, std::move(attributes), outputs);
  if (result.ok()) return std::move(result).value();
  Fail(std::move(result).error());
  return none;
}

ValueId Formula::Cast(ValueId x, DType dtype) {
  if (DTypeOf(x) == dtype) return x;
  return Op("Cast", {x}, {{"to", runtime::ToString(dtype)}});
}

ValueId Formula::Reshape(ValueId x, const std::vector<int64_t>& dims) {
  // Sizes here are results, so that 0 means 0.
  return Op("Reshape", {x, Ints(dims)}, {{"allowzero", int64_t{1}}});
}

ValueId Formula::ReshapeTo(ValueId x, const Shape& shape) {
  return Reshape(x, {shape.dims().begin(), shape.dims().end()});
}

ValueId Formula::Expand(ValueId x, const Shape& shape) {
  return Op("Expand", {x, Ints({shape.dims().begin(), shape.dims().end()})});
}

ValueId Formula::Unsqueeze(ValueId x, const std::vector<int64_t>& axes) {
  return Op("Unsqueeze", {x}, {{"axes", axes}});
}

ValueId Formula::Transpose(ValueId x, const std::vector<int64_t>& perm) {
  return Op("Transpose", {x}, {{"perm", perm}});
}

ValueId Formula::Slice(ValueId x, size_t axis, int64_t start, int64_t end,
                       int64_t step) {
  return Op("Slice", {x},
            {{"axes", std::vector<int64_t>{static_cast<int64_t>(axis)}},
             {"starts", std::vector<int64_t>{start}},
             {"ends", std::vector<int64_t>{end}},
             {"steps", std::vector<int64_t>{step}}});
}

ValueId Formula::Head(ValueId x, ValueId count) {
  return Op(
      "Slice", {x, kNone, count},
      {{"axes", std::vector<int64_t>{0}}, {"starts", std::vector<int64_t>{0}}});
}

ValueId Formula::NonZero(ValueId x) {
  const std::vector<ValueId> found = OpAll("NonZero", {x}, {}, 2);
  return Head(found[0], found[1]);
}

ValueId Formula::Concat(const std::vector<ValueId>& parts, size_t axis) {
  return Op("Concat", parts, {{"axis", static_cast<int64_t>(axis)}});
}

ValueId Formula::Reduce(const std::string& op, ValueId x,
                        const std::vector<int64_t>& axes, bool keepdims) {
  return Op(op, {x}, {{"axes", axes}, {"keepdims", int64_t{keepdims}}});
}

ValueId Formula::Pad(ValueId x, size_t axis, int64_t before, int64_t after,
                     float value) {
  if (before == 0 && after == 0) return x;
  const size_t rank = ShapeOf(x).rank();
  std::vector<int64_t> pads(2 * rank, 0);
  if (rank != 0) {
    pads[axis] = before;
    pads[axis + rank] = after;
  }
  return Op("Pad", {x}, {{"pads", pads}, {"value", value}});
}

void Formula::Answer(ValueId id, size_t output) {
  if (!error_) node_.AnswerWith(id, output);
}

void Formula::Fail(Error error) {
  if (!error_) error_ = std::move(error);
}

Result<void> Formula::Done() {
  if (error_) return *error_;
  return {};
}

}  // namespace bittern::convert
