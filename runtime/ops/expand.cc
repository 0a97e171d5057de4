// Expand: x broadcast with a constant shape.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/strided_op.h"

namespace bittern::runtime {
namespace {

class ExpandOp final : public StridedOp {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    BITTERN_TRY_ASSIGN(const auto dims, ConstantInts(context, 1, "shape"));
    BITTERN_TRY_ASSIGN(const Shape shape, CheckedShape(context, "shape", dims));
    BITTERN_TRY_ASSIGN(const Shape out,
                       BroadcastShape(context, type.shape, shape));
    BITTERN_TRY(SetOutput(context, 0, type.dtype, out));
    const auto dense = DenseStrides(type.shape);
    std::array<ptrdiff_t, kMaxRank> strides{};
    const size_t missing = out.rank() - type.shape.rank();
    for (size_t i = missing; i < out.rank(); ++i) {
      strides[i] = type.shape[i - missing] == 1 ? 0 : dense[i - missing];
    }
    copy_ = StridedCopy(out.dims(), strides, 0, ElementBytes(type.dtype));
    return {};
  }
};

constexpr ValueInput kValues[] = {{1, nullptr}};

}  // namespace

constinit const OpInfo kExpandOp =
    SimpleOpInfo("Expand", 2, 2, {}, &CreateOp<ExpandOp>, kValues);

}  // namespace bittern::runtime
