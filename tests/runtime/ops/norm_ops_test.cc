// LayerNorm and Softmax: the definitions of kernels/README.md, row by row.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;

std::vector<float> LayerNormRow(const float* x, size_t n,
                                const std::vector<float>& gamma,
                                const std::vector<float>& beta, float epsilon) {
  kernels::LaneSumReference sum, squares;
  for (size_t i = 0; i < n; ++i) sum.Add(i, x[i]);
  const float mean = sum.Total() / static_cast<float>(n);
  for (size_t i = 0; i < n; ++i) squares.AddSquare(i, x[i] - mean);
  const float rstd =
      1.0f / std::sqrt(squares.Total() / static_cast<float>(n) + epsilon);
  std::vector<float> y(n);
  for (size_t i = 0; i < n; ++i)
    y[i] = std::fma((x[i] - mean) * rstd, gamma[i], beta[i]);
  return y;
}

TEST_CASE("LayerNorm of the last axis, with and without beta") {
  Random random(11);
  for (const Shape& shape :
       {Shape{1}, Shape{3, 5}, Shape{2, 30, 192}, Shape{2, 100, 200}}) {
    const auto n = static_cast<size_t>(shape.Last()),
               rows = static_cast<size_t>(shape.Leading());
    const auto x = random.Normals(rows * n), gamma = random.Normals(n),
               beta = random.Normals(n);
    const AttributeMap attributes{{"epsilon", 1e-6f}};
    const Value gx = F32(shape, x), gg = F32({shape.Last()}, gamma),
                gb = F32({shape.Last()}, beta);
    for (const size_t threads : {1u, 3u}) {
      const auto got =
          Run({"LayerNorm", {gx, gg, gb}, attributes, 1, threads}).Floats();
      const auto plain =
          Run({"LayerNorm", {gx, gg}, attributes, 1, threads}).Floats();
      size_t wrong = 0;
      for (size_t r = 0; r < rows; ++r) {
        const auto want = LayerNormRow(&x[r * n], n, gamma, beta, 1e-6f);
        const auto want_plain = LayerNormRow(
            &x[r * n], n, gamma, std::vector<float>(n, 0.0f), 1e-6f);
        for (size_t i = 0; i < n; ++i)
          wrong +=
              got[r * n + i] != want[i] || plain[r * n + i] != want_plain[i];
      }
      CHECK(wrong == 0);
    }
  }
  const Value x = Iota({2, 3}), gamma = Iota({3});
  CHECK(ErrorOf({"LayerNorm", {x, Iota({2})}}) ==
        "input gamma: got f32[2], expected f32[3]");
  CHECK(ErrorOf({"LayerNorm", {x, gamma, Iota({1, 3})}}) ==
        "input beta: got f32[1,3], expected f32[3]");
  CHECK(ErrorOf({"LayerNorm", {F32({}, {1}), gamma}}) ==
        "input x: got f32[], expected a last dimension of 1 or more");
  CHECK(ErrorOf({"LayerNorm", {I64({3}, {1, 2, 3}), gamma}}) ==
        "input x: got i64[3], expected f32");
}

TEST_CASE("Softmax of the last axis") {
  Random random(12);
  for (const Shape& shape :
       {Shape{1}, Shape{4, 7}, Shape{2, 3, 197}, Shape{300, 198}}) {
    const auto n = static_cast<size_t>(shape.Last()),
               rows = static_cast<size_t>(shape.Leading());
    const auto x = random.Normals(rows * n);
    for (const size_t threads : {1u, 3u}) {
      const auto got =
          Run({"Softmax", {F32(shape, x)}, {}, 1, threads}).Floats();
      size_t wrong = 0;
      for (size_t r = 0; r < rows; ++r) {
        const float* row = &x[r * n];
        const float max = *std::max_element(row, row + n);
        kernels::LaneSumReference sum;
        for (size_t i = 0; i < n; ++i)
          sum.Add(i, kernels::ExpReference(row[i] - max));
        const float inverse = 1.0f / sum.Total();
        for (size_t i = 0; i < n; ++i)
          wrong +=
              got[r * n + i] != kernels::ExpReference(row[i] - max) * inverse;
      }
      CHECK(wrong == 0);
    }
  }
  CHECK(ErrorOf({"Softmax", {F32({2, 0}, {})}}) ==
        "input x: got f32[2,0], expected a last dimension of 1 or more");
  CHECK(ErrorOf({"Softmax", {Bool({1}, {1})}}) ==
        "input x: got bool[1], expected f32");
}

}  // namespace
}  // namespace bittern::test
