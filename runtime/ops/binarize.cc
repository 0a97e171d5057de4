// Binarize: sign(fl(fl(x / a) + z)) with a and z per group of columns, or
// sign(x).
#include "runtime/ops/binarize_op.h"

namespace bittern::runtime {
namespace {

constexpr AttributeSpec kAttributes[] = {{"group", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kBinarizeOp =
    SimpleOpInfo("Binarize", 1, 3, kAttributes, &CreateOp<BinarizeOp<false>>);

}  // namespace bittern::runtime
