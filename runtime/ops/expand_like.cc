// ExpandLike: x with dimension `axis`, of size 1, repeated as often as
// dimension `like_axis` of `like` is long: a constant that meets a batch whose
// size the file leaves open.
#include "runtime/ops/strided_op.h"

namespace bittern::runtime {
namespace {

class ExpandLikeOp final : public StridedOp {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    if (!Has(context, 1)) return WrongInput(context, 1, "like", "a tensor");
    const TensorType& x = context.inputs[0].type;
    const Shape& like = context.inputs[1].type.shape;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), x.shape.rank()));
    BITTERN_TRY_ASSIGN(const size_t like_axis,
                       CheckAxis(context, "like_axis",
                                 context.Int("like_axis", 0), like.rank()));
    if (x.shape[axis] != 1) {
      return WrongInput(context, 0, "x",
                        "dimension " + std::to_string(axis) + " of size 1");
    }
    auto strides = DenseStrides(x.shape);
    strides[axis] = 0;
    Shape out = x.shape;
    out[axis] = like[like_axis];
    BITTERN_TRY(SetOutput(context, 0, x.dtype, out));
    copy_ = StridedCopy(out.dims(), strides, 0, ElementBytes(x.dtype));
    return {};
  }
};

constexpr AttributeSpec kAttributes[] = {
    {"axis", AttributeKind::kInt, true},
    {"like_axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kExpandLikeOp =
    SimpleOpInfo("ExpandLike", 2, 2, kAttributes, &CreateOp<ExpandLikeOp>);

}  // namespace bittern::runtime
