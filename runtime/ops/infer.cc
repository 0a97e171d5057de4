#include "runtime/ops/infer.h"

namespace bittern::runtime {
namespace {

std::string Names(DTypeSet types) {
  std::string text;
  for (unsigned i = 1; i <= static_cast<unsigned>(DType::kCode); ++i) {
    const auto type = static_cast<DType>(i);
    if ((types & SetOf(type)) == 0) continue;
    if (!text.empty()) text += " or ";
    text += ToString(type);
  }
  return text;
}

std::string InputText(const InferContext& context, size_t input,
                      const char* label) {
  const std::string got =
      Has(context, input) ? ToString(context.inputs[input].type) : "nothing";
  return std::string("input ") + label + ": got " + got;
}

}  // namespace

Error WrongInput(const InferContext& context, size_t input, const char* label,
                 const std::string& expected) {
  return context.Fail(InputText(context, input, label) + ", expected " +
                      expected);
}

Error WrongAttribute(const InferContext& context, const char* name,
                     const std::string& got, const std::string& expected) {
  return context.Fail(std::string(name) + ": got " + got + ", expected " +
                      expected);
}

Result<void> CheckType(const InferContext& context, size_t input,
                       const char* label, DTypeSet types) {
  if (!Has(context, input) ||
      (types & SetOf(context.inputs[input].type.dtype)) == 0) {
    return WrongInput(context, input, label, Names(types));
  }
  return {};
}

Result<void> CheckIs(const InferContext& context, size_t input,
                     const char* label, DType dtype, const Shape& shape) {
  if (!Has(context, input) || context.inputs[input].type.dtype != dtype ||
      context.inputs[input].type.shape != shape) {
    return WrongInput(context, input, label, ToString(dtype) + ToString(shape));
  }
  return {};
}

Result<void> CheckConstant(const InferContext& context, size_t input,
                           const char* label, DType dtype, const Shape& shape) {
  BITTERN_TRY(CheckIs(context, input, label, dtype, shape));
  if (context.inputs[input].constant == nullptr && shape.Elements() != 0) {
    return WrongInput(context, input, label, "a constant");
  }
  return {};
}

Result<void> CheckSignCodes(const InferContext& context, size_t input,
                            const char* label) {
  const std::string expected = "sign codes";
  if (!Has(context, input)) return WrongInput(context, input, label, expected);
  const TensorType& type = context.inputs[input].type;
  if (type.dtype != DType::kCode || type.code.encoding != Encoding::kSign) {
    return WrongInput(context, input, label, expected);
  }
  if (type.shape.rank() == 0 || type.shape.Last() == 0) {
    return WrongInput(context, input, label,
                      expected + " of at least one column");
  }
  const int64_t group = type.code.group;
  if (group < 0 || (group > 0 && type.shape.Last() % group != 0)) {
    return WrongInput(context, input, label,
                      expected + " whose columns are whole groups");
  }
  return {};
}

Result<size_t> CheckAxis(const InferContext& context, const char* name,
                         int64_t axis, size_t rank) {
  const auto limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    return WrongAttribute(context, name, std::to_string(axis),
                          rank == 0 ? "an input of rank 1 or more"
                                    : std::to_string(-limit) + " to " +
                                          std::to_string(limit - 1));
  }
  return static_cast<size_t>(axis < 0 ? axis + limit : axis);
}

Result<std::vector<bool>> CheckAxes(const InferContext& context,
                                    const char* name,
                                    std::span<const int64_t> axes,
                                    size_t rank) {
  std::vector<bool> flags(rank, false);
  for (int64_t axis : axes) {
    BITTERN_TRY_ASSIGN(const size_t i, CheckAxis(context, name, axis, rank));
    if (flags[i]) {
      return WrongAttribute(context, name,
                            "axis " + std::to_string(axis) + " twice",
                            "each axis once");
    }
    flags[i] = true;
  }
  return flags;
}

Result<void> SetOutput(const InferContext& context, size_t output, DType dtype,
                       const Shape& shape) {
  auto elements = CheckedElements(shape);
  if (!elements.ok()) {
    return context.Fail("output " + std::to_string(output) + ": " +
                        elements.error().message);
  }
  context.outputs[output] = TensorType{dtype, shape, {}};
  return {};
}

Result<void> SetSignOutput(const InferContext& context, size_t output,
                           const Shape& shape, int64_t group) {
  if (shape.rank() == 0 || shape.Last() < 1 || group < 0 ||
      (group > 0 && shape.Last() % group != 0)) {
    return context.Fail("group: got " + std::to_string(group) +
                        ", expected a divisor of the last dimension of " +
                        ToString(shape));
  }
  BITTERN_TRY(SetOutput(context, output, DType::kCode, shape));
  context.outputs[output].code =
      CodeType{Encoding::kSign, 1, group == shape.Last() ? 0 : group};
  return {};
}

Result<std::span<const int64_t>> ConstantInts(const InferContext& context,
                                              size_t input, const char* label) {
  BITTERN_TRY(CheckType(context, input, label, kI64Only));
  const InputInfo& info = context.inputs[input];
  if (info.type.shape.rank() > 1) {
    return WrongInput(context, input, label, "rank 0 or 1");
  }
  // Values are kept with the plan and compared by each run.
  constexpr int64_t kMaxValues = 1 << 17;
  if (info.type.shape.Elements() > kMaxValues) {
    return WrongInput(context, input, label,
                      "at most " + std::to_string(kMaxValues) + " values");
  }
  if (info.constant == nullptr && info.type.shape.Elements() != 0) {
    return WrongInput(context, input, label, "a constant");
  }
  return info.Values<int64_t>();
}

Result<void> InferOp(const OpInfo& info, Op& op, const OpDef& def,
                     std::span<const InputInfo> inputs,
                     std::span<TensorType> outputs) {
  const InferContext context{def, inputs, outputs, info.values};
  for (const ValueInput& value : info.values) {
    if (value.attribute == nullptr || !Has(context, value.input)) continue;
    BITTERN_TRY(ConstantInts(context, value.input, value.attribute));
  }
  return op.Infer(context);
}

Result<void> CheckGiven(const InferContext& context, const char* name) {
  if (context.Given(name)) return {};
  return WrongAttribute(context, name, "neither an attribute nor an input",
                        "one of them");
}

Result<Shape> CheckedShape(const InferContext& context, const char* name,
                           std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank) {
    return WrongAttribute(context, name,
                          std::to_string(dims.size()) + " dimensions",
                          "at most " + std::to_string(kMaxRank));
  }
  return Shape(dims);
}

}  // namespace bittern::runtime
