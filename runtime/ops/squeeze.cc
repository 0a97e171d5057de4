// Squeeze: drops the dimensions `axes`, each of size 1; all of size 1 if there
// is no such attribute.
#include "runtime/ops/view_op.h"

namespace bittern::runtime {
namespace {

class SqueezeOp final : public ViewOp {
 protected:
  Result<Shape> OutputShape(const InferContext& context,
                            const Shape& in) override {
    const bool all =
        context.def.attributes.find("axes") == context.def.attributes.end();
    BITTERN_TRY_ASSIGN(
        const auto drop,
        CheckAxes(context, "axes", context.Ints("axes"), in.rank()));
    Shape out;
    for (size_t i = 0; i < in.rank(); ++i) {
      if (drop[i] && in[i] != 1) {
        return WrongAttribute(
            context, "axes",
            "axis " + std::to_string(i) + " of " + ToString(in),
            "an axis of size 1");
      }
      if (!drop[i] && !(all && in[i] == 1)) out.Append(in[i]);
    }
    return out;
  }
};

constexpr AttributeSpec kAttributes[] = {{"axes", AttributeKind::kInts, false}};

}  // namespace

constinit const OpInfo kSqueezeOp =
    SimpleOpInfo("Squeeze", 1, 1, kAttributes, &CreateOp<SqueezeOp>);

}  // namespace bittern::runtime
