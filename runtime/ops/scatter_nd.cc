// ScatterNd: x with the slices at the places that the rows of the indices name
// replaced by (or combined with) updates.
#include "runtime/ops/scatter_op.h"

namespace bittern::runtime {
namespace {

constexpr AttributeSpec kAttributes[] = {
    {"reduction", AttributeKind::kString, false}};

}  // namespace

constinit const OpInfo kScatterNdOp = SimpleOpInfo(
    "ScatterNd", 3, 3, kAttributes, &CreateOp<ScatterOp<SliceIndices>>);

}  // namespace bittern::runtime
