// Transposes on every target against the plain loops: all sizes around blocks,
// row strides, misalignment, guard bytes.
#include "kernels/transpose/transpose.h"

#include <catch2/catch.hpp>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;

constexpr size_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 64};

const TransposeKernel& Reference() {
  return *TransposeKernels(DetectCpu()).front();
}

// `size` bytes an element; y has `gap` untouched elements after each line.
bool Same(const TransposeKernel& kernel, size_t rows, size_t cols,
          size_t size) {
  const size_t gap = rows % 3, x_line = (cols + 1) * size,
               y_line = (rows + gap) * size;
  Guarded x(rows * x_line, size), expected(cols * y_line, size),
      got(cols * y_line, size);
  expected.Fill(0xC3);
  got.Fill(0xC3);
  Random random(rows * cols);
  for (size_t i = 0; i < x.bytes(); ++i)
    x.As<uint8_t>()[i] = static_cast<uint8_t>(random.Next());
  TransposeArgs args{x.As<void>(),
                     static_cast<ptrdiff_t>(x_line),
                     expected.As<void>(),
                     static_cast<ptrdiff_t>(y_line),
                     rows,
                     cols};
  const auto run = [size, &args](const TransposeKernel& k) {
    size == 4 ? k.words(args) : k.bytes(args);
  };
  run(Reference());
  args.y = got.As<void>();
  run(kernel);
  return got.Intact() &&
         std::memcmp(got.As<void>(), expected.As<void>(), got.bytes()) == 0;
}

TEST_CASE("transposes equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<TransposeKernel>(&TransposeKernels)) {
    for (const size_t rows : kSizes) {
      for (const size_t cols : kSizes) {
        CAPTURE(target.name, rows, cols);
        REQUIRE(Same(*target.kernel, rows, cols, 4));
        REQUIRE(Same(*target.kernel, rows, cols, 1));
      }
    }
  }
}

TEST_CASE("the definition of a transpose") {
  const uint8_t x[] = {1, 2, 3, 4, 5, 6};
  uint8_t y[6];
  Reference().bytes({x, 3, y, 2, 2, 3});
  const uint8_t expected[] = {1, 4, 2, 5, 3, 6};
  CHECK(std::memcmp(y, expected, 6) == 0);
}

}  // namespace
}  // namespace bittern::kernels
