#include "runtime/ops/broadcast.h"

namespace bittern::runtime {

Result<Shape> BroadcastShape(const InferContext& context, const Shape& a,
                             const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  const size_t missing = longer.rank() - shorter.rank();
  for (size_t i = missing; i < out.rank(); ++i) {
    const int64_t x = longer[i], y = shorter[i - missing];
    if (x != y && x != 1 && y != 1) {
      return context.Fail("shapes: got " + ToString(a) + " and " + ToString(b) +
                          ", expected shapes that broadcast");
    }
    out[i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace bittern::runtime
