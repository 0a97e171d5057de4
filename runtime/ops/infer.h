// Checks that ops share in Infer. Types and attributes may come from a hostile
// file, so every op passes each of its inputs through one of these before use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/tensor.h"
#include "runtime/ops/op.h"

namespace bittern::runtime {

// A set of element types.
using DTypeSet = uint32_t;
constexpr DTypeSet SetOf(DType type) {
  return DTypeSet{1} << static_cast<unsigned>(type);
}
inline constexpr DTypeSet kF32Only = SetOf(DType::kF32);
inline constexpr DTypeSet kI64Only = SetOf(DType::kI64);
inline constexpr DTypeSet kBoolOnly = SetOf(DType::kBool);
inline constexpr DTypeSet kF32OrI64 = kF32Only | kI64Only;
inline constexpr DTypeSet kNumeric = kF32OrI64 | SetOf(DType::kI32);
inline constexpr DTypeSet kDense =
    kNumeric | kBoolOnly | SetOf(DType::kU8) | SetOf(DType::kS8);

inline bool Has(const InferContext& context, size_t input) {
  return input < context.inputs.size() && context.inputs[input].present;
}
inline bool Has(const PrepareContext& context, size_t input) {
  return input < context.inputs.size() && context.inputs[input].present;
}

// The pointer of an input at run time, null if it is absent.
template <class T>
const T* RunInput(const RunContext& context, size_t input) {
  return input < context.inputs.size()
             ? static_cast<const T*>(context.inputs[input])
             : nullptr;
}
template <class T>
T* RunOutput(const RunContext& context, size_t output) {
  return static_cast<T*>(context.outputs[output]);
}

// The first of names with spaces between them, which is taken away.
inline std::string_view NextName(std::string_view& names) {
  const size_t end = std::min(names.find(' '), names.size());
  const std::string_view name = names.substr(0, end);
  names.remove_prefix(std::min(end + 1, names.size()));
  return name;
}

// "Add 'n': input b: got i64[3], expected f32".
Error WrongInput(const InferContext& context, size_t input, const char* label,
                 const std::string& expected);
// "Concat 'n': axis: got 7, expected -2 to 1".
Error WrongAttribute(const InferContext& context, const char* name,
                     const std::string& got, const std::string& expected);

// The input is there and of one of these (dense) types.
Result<void> CheckType(const InferContext& context, size_t input,
                       const char* label, DTypeSet types);
// The input is there, of this type and shape exactly.
Result<void> CheckIs(const InferContext& context, size_t input,
                     const char* label, DType dtype, const Shape& shape);
// As CheckIs, and a constant.
Result<void> CheckConstant(const InferContext& context, size_t input,
                           const char* label, DType dtype, const Shape& shape);
// The input is there and holds sign codes of at least one column.
Result<void> CheckSignCodes(const InferContext& context, size_t input,
                            const char* label);

// `axis` in [-rank, rank) made non-negative.
Result<size_t> CheckAxis(const InferContext& context, const char* name,
                         int64_t axis, size_t rank);
// One flag per axis; an axis given twice is an error.
Result<std::vector<bool>> CheckAxes(const InferContext& context,
                                    const char* name,
                                    std::span<const int64_t> axes, size_t rank);

// Sets an output's type after checking its number of elements.
Result<void> SetOutput(const InferContext& context, size_t output, DType dtype,
                       const Shape& shape);
Result<void> SetSignOutput(const InferContext& context, size_t output,
                           const Shape& shape, int64_t group);

// Infer of `op` as `info` declares it, with the inputs that stand for
// attributes checked: known, i64 of rank 0 or 1.
Result<void> InferOp(const OpInfo& info, Op& op, const OpDef& def,
                     std::span<const InputInfo> inputs,
                     std::span<TensorType> outputs);
// An error unless the attribute, or an input in its place, is there.
Result<void> CheckGiven(const InferContext& context, const char* name);

// The values of an i64 constant of rank 0 or 1 (a shape).
Result<std::span<const int64_t>> ConstantInts(const InferContext& context,
                                              size_t input, const char* label);
// Dimensions given as data: at most kMaxRank of them.
Result<Shape> CheckedShape(const InferContext& context, const char* name,
                           std::span<const int64_t> dims);

}  // namespace bittern::runtime
