// Canonical codes: a row read at once gives what its elements give, for every
// type, length and first element.
#include "kernels/base/code_matrix.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/support/random.h"

namespace bittern::test {
namespace {

using kernels::CodeMatrix;
using kernels::Operand;

TEST_CASE("Values of a part of a row are those of its elements") {
  Random random(5);
  for (size_t t = 0; t < static_cast<size_t>(Operand::kCount); ++t) {
    const auto type = static_cast<Operand>(t);
    if (type == Operand::kF32) continue;
    for (const size_t k : {1u, 4u, 5u, 7u, 16u, 33u, 300u}) {
      // Any bytes, trit bytes above 242 among them.
      std::vector<uint8_t> bytes(kernels::CanonicalBytes(type, 3, k));
      for (uint8_t& byte : bytes)
        byte = static_cast<uint8_t>(random.Below(256));
      const CodeMatrix w{bytes.data(), type, 3, k};
      for (size_t n = 0; n < w.n; ++n) {
        const size_t first = random.Below(k),
                     count = random.Below(k - first + 1);
        std::vector<int32_t> got(count), want(count);
        kernels::ReadValues(w, n, first, count, got.data());
        for (size_t i = 0; i < count; ++i)
          want[i] = kernels::ValueAt(w, n, first + i);
        INFO("type " << t << ", " << k << " columns, row " << n << " from "
                     << first);
        CHECK(got == want);
        int64_t sum = 0;
        for (size_t i = 0; i < k; ++i) sum += kernels::ValueAt(w, n, i);
        CHECK(kernels::RowSum(w, n) == sum);
      }
    }
  }
}

}  // namespace
}  // namespace bittern::test
