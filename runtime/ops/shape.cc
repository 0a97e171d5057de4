// Shape: dimensions [start, end) of x as i64; ONNX clamping of both.
#include <algorithm>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class ShapeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    if (!Has(context, 0)) return WrongInput(context, 0, "x", "a tensor");
    const Shape& shape = context.inputs[0].type.shape;
    const auto rank = static_cast<int64_t>(shape.rank());
    const auto clamp = [rank](int64_t i) {
      return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank);
    };
    const int64_t start = clamp(context.Int("start", 0));
    const int64_t end = std::max(start, clamp(context.Int("end", rank)));
    dims_ = Shape(shape.dims().subspan(static_cast<size_t>(start),
                                       static_cast<size_t>(end - start)));
    return SetOutput(context, 0, DType::kI64, Shape{end - start});
  }

  void Run(const RunContext& context) const noexcept override {
    std::copy_n(dims_.dims().begin(), dims_.rank(),
                RunOutput<int64_t>(context, 0));
  }

 private:
  Shape dims_;
};

constexpr AttributeSpec kAttributes[] = {{"start", AttributeKind::kInt, false},
                                         {"end", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kShapeOp =
    SimpleOpInfo("Shape", 1, 1, kAttributes, &CreateOp<ShapeOp>);

}  // namespace bittern::runtime
