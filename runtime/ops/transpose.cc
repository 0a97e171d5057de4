// Transpose: output dimension i is input dimension perm[i].
#include "runtime/ops/strided_op.h"

namespace bittern::runtime {
namespace {

class TransposeOp final : public StridedOp {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    const auto perm = context.Ints("perm");
    if (perm.size() != type.shape.rank()) {
      return WrongAttribute(
          context, "perm",
          std::to_string(perm.size()) + " axes for " + ToString(type.shape),
          "one for each dimension");
    }
    BITTERN_TRY(CheckAxes(context, "perm", perm, type.shape.rank()));
    const auto dense = DenseStrides(type.shape);
    Shape out;
    std::array<ptrdiff_t, kMaxRank> strides{};
    for (size_t i = 0; i < perm.size(); ++i) {
      BITTERN_TRY_ASSIGN(const size_t axis,
                         CheckAxis(context, "perm", perm[i], perm.size()));
      strides[i] = dense[axis];
      out.Append(type.shape[axis]);
    }
    copy_ = StridedCopy(out.dims(), strides, 0, ElementBytes(type.dtype));
    return SetOutput(context, 0, type.dtype, out);
  }
};

constexpr AttributeSpec kAttributes[] = {{"perm", AttributeKind::kInts, true}};

}  // namespace

constinit const OpInfo kTransposeOp =
    SimpleOpInfo("Transpose", 1, 1, kAttributes, &CreateOp<TransposeOp>);

}  // namespace bittern::runtime
