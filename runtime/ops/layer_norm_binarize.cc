// LayerNormBinarize: LayerNorm over the last axis, then the sign of Binarize,
// without storing the floats between.
#include "runtime/ops/binarize_op.h"

namespace bittern::runtime {
namespace {

constexpr AttributeSpec kAttributes[] = {
    {"epsilon", AttributeKind::kFloat, true},
    {"group", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kLayerNormBinarizeOp = SimpleOpInfo(
    "LayerNormBinarize", 3, 5, kAttributes, &CreateOp<BinarizeOp<true>>);

}  // namespace bittern::runtime
