// MatMul against one chain of fused multiply-adds per output.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::Shape;

std::vector<float> Product(const float* a, const float* b, size_t m, size_t n,
                           size_t k) {
  std::vector<float> out(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      float sum = 0;
      for (size_t p = 0; p < k; ++p)
        sum = std::fma(a[i * k + p], b[p * n + j], sum);
      out[i * n + j] = sum;
    }
  }
  return out;
}

// Bit for bit where the target has fused multiply-add, else within the rounding
// of k products.
void CheckProduct(const std::vector<float>& got, const std::vector<float>& want,
                  bool fused) {
  REQUIRE(got.size() == want.size());
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i)
    wrong += fused ? got[i] != want[i] : std::fabs(got[i] - want[i]) > 1e-3f;
  CHECK(wrong == 0);
}

bool Fused(const kernels::CpuFeatures& cpu) {
  const std::string_view target = kernels::BestTarget(cpu);
  return target != "scalar" && target != "sse4";
}

TEST_CASE(
    "A product of matrices, b constant or not, on every target and thread "
    "count") {
  Random random(6);
  struct Size {
    size_t m, n, k;
  };
  for (const Size& s :
       {Size{1, 1, 1}, Size{1, 300, 40}, Size{5, 7, 3}, Size{37, 65, 129},
        Size{198, 192, 64}, Size{2, 1000, 700}}) {
    const auto a = random.Normals(s.m * s.k), b = random.Normals(s.k * s.n);
    const auto want = Product(a.data(), b.data(), s.m, s.n, s.k);
    const auto dim = [](size_t x) { return static_cast<int64_t>(x); };
    for (const auto& cpu : EveryCpu()) {
      for (const size_t threads : {1u, 3u}) {
        INFO(s.m << "x" << s.n << "x" << s.k << " " << kernels::BestTarget(cpu)
                 << " threads " << threads);
        const Value left = F32({dim(s.m), dim(s.k)}, a),
                    right = F32({dim(s.k), dim(s.n)}, b);
        for (const Value& w : {right, Constant(right)}) {
          const Value out = Run({"MatMul", {left, w}, {}, 1, threads, cpu});
          CHECK(out.type.shape == Shape{dim(s.m), dim(s.n)});
          CheckProduct(out.Floats(), want, Fused(cpu));
        }
      }
    }
  }
}

TEST_CASE("Batches broadcast, vectors gain and lose a dimension") {
  Random random(7);
  struct Case {
    Shape a, b, out;
    std::vector<size_t> a_of, b_of;  // which matrix makes each output matrix
    size_t m, n, k;
  };
  const std::vector<Case> cases = {
      {{2, 3, 4, 5},
       {2, 3, 5, 6},
       {2, 3, 4, 6},
       {0, 1, 2, 3, 4, 5},
       {0, 1, 2, 3, 4, 5},
       4,
       6,
       5},
      {{2, 1, 4, 5},
       {3, 5, 6},
       {2, 3, 4, 6},
       {0, 0, 0, 1, 1, 1},
       {0, 1, 2, 0, 1, 2},
       4,
       6,
       5},
      {{2, 3, 4, 5},
       {5, 6},
       {2, 3, 4, 6},
       {0, 1, 2, 3, 4, 5},
       {0, 0, 0, 0, 0, 0},
       4,
       6,
       5},
      {{4, 5}, {2, 5, 6}, {2, 4, 6}, {0, 0}, {0, 1}, 4, 6, 5},
      {{1, 1, 4, 5}, {5, 6}, {1, 1, 4, 6}, {0}, {0}, 4, 6, 5},
      {{5}, {5, 6}, {6}, {0}, {0}, 1, 6, 5},
      {{4, 5}, {5}, {4}, {0}, {0}, 4, 1, 5},
      {{5}, {5}, {}, {0}, {0}, 1, 1, 5},
      {{2, 4, 5}, {5}, {2, 4}, {0, 1}, {0, 0}, 4, 1, 5},
  };
  for (const Case& c : cases) {
    INFO(ToString(c.a) << " " << ToString(c.b));
    const auto a = random.Normals(static_cast<size_t>(c.a.Elements())),
               b = random.Normals(static_cast<size_t>(c.b.Elements()));
    std::vector<float> want;
    for (size_t i = 0; i < c.a_of.size(); ++i) {
      const auto part =
          Product(a.data() + c.a_of[i] * c.m * c.k,
                  b.data() + c.b_of[i] * c.k * c.n, c.m, c.n, c.k);
      want.insert(want.end(), part.begin(), part.end());
    }
    for (const Value& right : {F32(c.b, b), Constant(F32(c.b, b))}) {
      const Value out = Run({"MatMul", {F32(c.a, a), right}});
      CHECK(out.type.shape == c.out);
      CheckProduct(out.Floats(), want, Fused(kernels::DetectCpu()));
    }
  }
}

TEST_CASE("Empty products and wrong shapes") {
  CHECK(Run({"MatMul", {F32({2, 0}, {}), F32({0, 3}, {})}}).Floats() ==
        std::vector<float>(6, 0.0f));
  CHECK(Run({"MatMul", {F32({0, 2}, {}), F32({2, 3}, std::vector<float>(6))}})
            .type.shape == Shape{0, 3});
  const Value a = F32({2, 3}, std::vector<float>(6)),
              i = I64({3, 2}, std::vector<int64_t>(6));
  CHECK(ErrorOf({"MatMul", {a, a}}) ==
        "shapes: got [2,3] and [2,3], expected the last dimension of a to be "
        "b's last but one");
  CHECK(ErrorOf({"MatMul", {a, i}}) == "input b: got i64[3,2], expected f32");
  CHECK(ErrorOf({"MatMul", {a, F32({}, {1})}}) ==
        "ranks: got 2 and 0, expected 1 or more");
  CHECK(ErrorOf({"MatMul",
                 {F32({2, 2, 3}, std::vector<float>(12)),
                  F32({3, 3, 2}, std::vector<float>(18))}}) ==
        "shapes: got [2] and [3], expected shapes that broadcast");
}

}  // namespace
}  // namespace bittern::test
