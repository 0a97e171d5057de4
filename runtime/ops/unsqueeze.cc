// Unsqueeze: inserts dimensions of size 1 at `axes` of the output.
#include "runtime/ops/view_op.h"

namespace bittern::runtime {
namespace {

class UnsqueezeOp final : public ViewOp {
 protected:
  Result<Shape> OutputShape(const InferContext& context,
                            const Shape& in) override {
    const auto axes = context.Ints("axes");
    const size_t rank = in.rank() + axes.size();
    if (rank > kMaxRank) {
      return WrongAttribute(
          context, "axes",
          std::to_string(axes.size()) + " axes for " + ToString(in),
          "at most " + std::to_string(kMaxRank) + " dimensions in all");
    }
    BITTERN_TRY_ASSIGN(const auto inserted,
                       CheckAxes(context, "axes", axes, rank));
    Shape out;
    size_t next = 0;
    for (size_t i = 0; i < rank; ++i) out.Append(inserted[i] ? 1 : in[next++]);
    return out;
  }
};

constexpr AttributeSpec kAttributes[] = {{"axes", AttributeKind::kInts, true}};

}  // namespace

constinit const OpInfo kUnsqueezeOp =
    SimpleOpInfo("Unsqueeze", 1, 1, kAttributes, &CreateOp<UnsqueezeOp>);

}  // namespace bittern::runtime
