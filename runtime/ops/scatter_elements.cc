// ScatterElements: x with out[i][j]... replaced by (or combined with) updates,
// the index taken along `axis`.
#include "runtime/ops/scatter_op.h"

namespace bittern::runtime {
namespace {

constexpr AttributeSpec kAttributes[] = {
    {"axis", AttributeKind::kInt, true},
    {"reduction", AttributeKind::kString, false}};

}  // namespace

constinit const OpInfo kScatterElementsOp = SimpleOpInfo(
    "ScatterElements", 3, 3, kAttributes, &CreateOp<ScatterOp<ElementIndices>>);

}  // namespace bittern::runtime
