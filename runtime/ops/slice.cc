// Slice: start, end and step along some axes, with ONNX's clamping: negative
// starts and ends count from the end, and both are brought into the dimension.
#include <algorithm>

#include "runtime/ops/strided_op.h"

namespace bittern::runtime {
namespace {

int64_t FromEnd(int64_t index, int64_t size) {
  return index < 0 ? index + size : index;
}

class SliceOp final : public StridedOp {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    BITTERN_TRY(CheckGiven(context, "starts"));
    BITTERN_TRY(CheckGiven(context, "ends"));
    const auto axes = context.Ints("axes"), starts = context.Ints("starts"),
               ends = context.Ints("ends"), steps = context.Ints("steps");
    if (starts.size() != axes.size() || ends.size() != axes.size() ||
        (!steps.empty() && steps.size() != axes.size())) {
      return WrongAttribute(
          context, "starts, ends and steps",
          std::to_string(starts.size()) + ", " + std::to_string(ends.size()) +
              " and " + std::to_string(steps.size()) + " values",
          "one for each of " + std::to_string(axes.size()) + " axes");
    }
    BITTERN_TRY(CheckAxes(context, "axes", axes, type.shape.rank()));
    Shape out = type.shape;
    auto strides = DenseStrides(type.shape);
    ptrdiff_t offset = 0;
    for (size_t i = 0; i < axes.size(); ++i) {
      BITTERN_TRY_ASSIGN(const size_t axis,
                         CheckAxis(context, "axes", axes[i], out.rank()));
      const int64_t step = steps.empty() ? 1 : steps[i];
      if (step == 0 || step == INT64_MIN) {
        return WrongAttribute(context, "steps", std::to_string(step),
                              "a step that is not 0");
      }
      const int64_t size = type.shape[axis];
      const int64_t last = step > 0 ? size : size - 1;  // largest start
      const int64_t start = std::clamp<int64_t>(FromEnd(starts[i], size), 0,
                                                std::max<int64_t>(last, 0));
      const int64_t end =
          std::clamp<int64_t>(FromEnd(ends[i], size), step > 0 ? 0 : -1, last);
      const int64_t span = step > 0 ? end - start : start - end;
      const int64_t stride = step > 0 ? step : -step;
      out[axis] = span <= 0 || size == 0 ? 0 : (span - 1) / stride + 1;
      offset += static_cast<ptrdiff_t>(start) * strides[axis];
      // A step beyond the dimension leaves one element, so its stride does not
      // matter.
      strides[axis] *= out[axis] > 1 ? static_cast<ptrdiff_t>(step) : 1;
    }
    BITTERN_TRY(SetOutput(context, 0, type.dtype, out));
    copy_ = StridedCopy(out.dims(), strides, out.Elements() == 0 ? 0 : offset,
                        ElementBytes(type.dtype));
    return {};
  }
};

constexpr AttributeSpec kAttributes[] = {
    {"axes", AttributeKind::kInts, true},
    {"starts", AttributeKind::kInts, false},
    {"ends", AttributeKind::kInts, false},
    {"steps", AttributeKind::kInts, false}};

constexpr ValueInput kValues[] = {{1, "starts"}, {2, "ends"}, {3, "steps"}};

}  // namespace

constinit const OpInfo kSliceOp =
    SimpleOpInfo("Slice", 1, 4, kAttributes, &CreateOp<SliceOp>, kValues);

}  // namespace bittern::runtime
