// Reshape: the input under the shape of a constant; -1 is what is left, and 0
// copies the input's dimension unless allowzero is set.
#include "runtime/ops/view_op.h"

namespace bittern::runtime {
namespace {

class ReshapeOp final : public ViewOp {
 protected:
  Result<Shape> OutputShape(const InferContext& context,
                            const Shape& in) override {
    BITTERN_TRY_ASSIGN(const auto dims, ConstantInts(context, 1, "shape"));
    BITTERN_TRY_ASSIGN(Shape out, CheckedShape(context, "shape", dims));
    const bool allow_zero = context.Int("allowzero", 0) != 0;
    size_t rest = kMaxRank;  // index of the -1
    Shape known;
    for (size_t i = 0; i < out.rank(); ++i) {
      if (out[i] == 0 && !allow_zero) {
        if (i >= in.rank()) {
          return WrongAttribute(context, "shape", ToString(out),
                                "no 0 beyond the input's rank");
        }
        out[i] = in[i];
      }
      if (out[i] == -1 && rest == kMaxRank) {
        rest = i;
      } else if (out[i] < 0) {
        return WrongAttribute(context, "shape", ToString(out),
                              "at most one -1 and else sizes");
      } else {
        known.Append(out[i]);
      }
    }
    if (rest == kMaxRank) return out;
    const auto divisor_or = CheckedElements(known);
    const int64_t divisor = divisor_or.ok() ? divisor_or.value() : 0;
    if (divisor == 0 || in.Elements() % divisor != 0) {
      return WrongAttribute(context, "shape",
                            ToString(out) + " for an input of " + ToString(in),
                            "dimensions that divide it");
    }
    out[rest] = in.Elements() / divisor;
    return out;
  }
};

constexpr AttributeSpec kAttributes[] = {
    {"allowzero", AttributeKind::kInt, false}};

constexpr ValueInput kValues[] = {{1, nullptr}};

}  // namespace

constinit const OpInfo kReshapeOp =
    SimpleOpInfo("Reshape", 2, 2, kAttributes, &CreateOp<ReshapeOp>, kValues);

}  // namespace bittern::runtime
