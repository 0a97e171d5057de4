// Writes an ONNX operator as a formula of runtime ops:
//   Formula f(node);
//   f.Answer(f.Mul(x, f.Op("Sigmoid", {x})));
//   return f.Done();
// The first error sticks: what follows it emits nothing, and Done returns it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "converter/onnx/node.h"

namespace bittern::convert {

class Formula {  // borrows the node
 public:
  explicit Formula(OnnxNode& node) : node_(node) {}

  // --- looking; an empty f32 type after an error
  const TensorType& TypeOf(ValueId id) const;
  const Shape& ShapeOf(ValueId id) const { return TypeOf(id).shape; }
  runtime::DType DTypeOf(ValueId id) const { return TypeOf(id).dtype; }
  bool failed() const { return error_.has_value(); }

  // --- constants
  ValueId F32(float value);
  ValueId I64(int64_t value);
  ValueId Ints(const std::vector<int64_t>& values);
  ValueId Floats(const Shape& shape, const std::vector<float>& values);
  // A scalar 0 or 1... of this type.
  ValueId Number(runtime::DType dtype, int64_t value);
  // 0, 1 ... count - 1, shaped to count along `axis` of `rank` dimensions.
  ValueId Iota(int64_t count, size_t axis, size_t rank);

  // --- ops
  ValueId Op(const std::string& op, const std::vector<ValueId>& inputs,
             AttributeMap attributes = {});
  // An op of several outputs.
  std::vector<ValueId> OpAll(const std::string& op,
                             const std::vector<ValueId>& inputs,
                             AttributeMap attributes, size_t outputs);
  ValueId Add(ValueId a, ValueId b) { return Op("Add", {a, b}); }
  ValueId Sub(ValueId a, ValueId b) { return Op("Sub", {a, b}); }
  ValueId Mul(ValueId a, ValueId b) { return Op("Mul", {a, b}); }
  ValueId Div(ValueId a, ValueId b) { return Op("Div", {a, b}); }
  ValueId Where(ValueId condition, ValueId a, ValueId b) {
    return Op("Where", {condition, a, b});
  }
  ValueId Cast(ValueId x, runtime::DType dtype);
  ValueId Reshape(ValueId x, const std::vector<int64_t>& dims);
  ValueId ReshapeTo(ValueId x, const Shape& shape);
  ValueId Expand(ValueId x, const Shape& shape);
  ValueId Unsqueeze(ValueId x, const std::vector<int64_t>& axes);
  ValueId Transpose(ValueId x, const std::vector<int64_t>& perm);
  // The elements start, start + step ... before `end` along one axis.
  ValueId Slice(ValueId x, size_t axis, int64_t start, int64_t end,
                int64_t step = 1);
  // The first `count` (an i64 [1], which the run may compute) rows of x.
  ValueId Head(ValueId x, ValueId count);
  // The places of x that are not 0, i64 [count, rank].
  ValueId NonZero(ValueId x);
  ValueId Concat(const std::vector<ValueId>& parts, size_t axis);
  ValueId Reduce(const std::string& op, ValueId x,
                 const std::vector<int64_t>& axes, bool keepdims);
  // `before` and `after` along one axis, filled with `value`.
  ValueId Pad(ValueId x, size_t axis, int64_t before, int64_t after,
              float value);

  // --- answering
  // Makes `id` an output of the node, under the output's name if it is new.
  void Answer(ValueId id, size_t output = 0);
  void Fail(Error error);
  Result<void> Done();

 private:
  OnnxNode& node_;
  std::optional<Error> error_;
  TensorType none_;
};

}  // namespace bittern::convert
