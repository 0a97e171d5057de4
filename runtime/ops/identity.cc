// Identity: the input itself.
#include "runtime/ops/view_op.h"

namespace bittern::runtime {
namespace {

class IdentityOp final : public ViewOp {
 protected:
  Result<Shape> OutputShape(const InferContext&, const Shape& in) override {
    return in;
  }
};

}  // namespace

constinit const OpInfo kIdentityOp =
    SimpleOpInfo("Identity", 1, 1, {}, &CreateOp<IdentityOp>);

}  // namespace bittern::runtime
