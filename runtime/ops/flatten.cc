// Flatten: the dimensions before `axis` as one, those from it on as another.
#include "runtime/ops/view_op.h"

namespace bittern::runtime {
namespace {

class FlattenOp final : public ViewOp {
 protected:
  Result<Shape> OutputShape(const InferContext& context,
                            const Shape& in) override {
    const auto rank = static_cast<int64_t>(in.rank());
    int64_t axis = context.Int("axis", 1);
    if (axis < -rank || axis > rank) {
      return WrongAttribute(
          context, "axis", std::to_string(axis),
          std::to_string(-rank) + " to " + std::to_string(rank));
    }
    if (axis < 0) axis += rank;
    Shape out{1, 1};
    for (int64_t i = 0; i < rank; ++i)
      out[i < axis ? 0 : 1] *= in[static_cast<size_t>(i)];
    return out;
  }
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kFlattenOp =
    SimpleOpInfo("Flatten", 1, 1, kAttributes, &CreateOp<FlattenOp>);

}  // namespace bittern::runtime
