// Binarize, LayerNormBinarize and Dequantize against their formulas.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;

int SignOf(float x) {
  return static_cast<int>(x > 0) - static_cast<int>(x < 0);
}

struct Case {
  Shape shape;
  int64_t group;
  bool quantizer;
};

const std::vector<Case> kCases = {
    {{1}, 0, false},         {{3, 64}, 0, false},    {{2, 5, 70}, 0, true},
    {{2, 9, 192}, 64, true}, {{7, 96}, 32, true},    {{4, 100}, 50, true},
    {{5, 130}, 130, true},   {{200, 192}, 0, false},
};

// Normals with zeros and NaN among them, and in the quantiser's case values
// that hit the threshold exactly.
std::vector<float> Values(Random& random, const Case& c,
                          const std::vector<float>& a,
                          const std::vector<float>& z) {
  auto x = random.Normals(static_cast<size_t>(c.shape.Elements()));
  const auto cols = static_cast<size_t>(c.shape.Last());
  const size_t group = c.group == 0 ? cols : static_cast<size_t>(c.group);
  for (size_t i = 0; i < x.size(); i += 5)
    x[i] = c.quantizer ? -z[i % cols / group] * a[i % cols / group] : 0.0f;
  x[x.size() / 2] = std::numeric_limits<float>::quiet_NaN();
  return x;
}

TEST_CASE("Binarize is the sign of x / a + z per group") {
  Random random(13);
  for (const Case& c : kCases) {
    INFO(ToString(c.shape) << "/" << c.group);
    const auto cols = static_cast<size_t>(c.shape.Last());
    const size_t group = c.group == 0 ? cols : static_cast<size_t>(c.group),
                 groups = cols / group;
    std::vector<float> a(groups), z(groups);
    for (size_t g = 0; g < groups; ++g) {
      a[g] = (g % 2 == 0 ? 1.0f : -1.0f) * random.Uniform(0.1f, 2);
      z[g] = static_cast<float>(g % 3) - 1;
    }
    const auto x = Values(random, c, a, z);
    OpCall call{"Binarize", {F32(c.shape, x)}, {{"group", c.group}}};
    if (c.quantizer) {
      const Shape shape{static_cast<int64_t>(groups)};
      call.inputs.emplace_back(F32(shape, a));
      call.inputs.emplace_back(F32(shape, z));
    }
    for (const auto& cpu : EveryCpu()) {
      for (const size_t threads : {1u, 3u}) {
        call.cpu = cpu;
        call.threads = threads;
        const Value out = Run(call);
        CHECK(out.type.code.group == (groups == 1 ? 0 : c.group));
        const auto codes = Codes(out);
        size_t wrong = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t g = i % cols / group;
          wrong += codes[i] !=
                   (c.quantizer ? SignOf(x[i] / a[g] + z[g]) : SignOf(x[i]));
        }
        CHECK(wrong == 0);
        OpCall back{"Dequantize", {out}};
        if (c.quantizer)
          back.inputs.insert(back.inputs.end(), call.inputs.begin() + 1,
                             call.inputs.end());
        back.cpu = cpu;
        back.threads = threads;
        const auto levels = Run(back).Floats();
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t g = i % cols / group;
          const auto code = static_cast<float>(codes[i]);
          wrong += levels[i] != (c.quantizer ? (code - z[g]) * a[g] : code);
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("LayerNormBinarize gives the codes of LayerNorm, then Binarize") {
  Random random(14);
  for (const Case& c : kCases) {
    INFO(ToString(c.shape) << "/" << c.group);
    const auto cols = static_cast<size_t>(c.shape.Last());
    const auto groups =
        static_cast<int64_t>(c.group == 0 ? 1 : c.shape.Last() / c.group);
    const Value x =
        F32(c.shape, random.Normals(static_cast<size_t>(c.shape.Elements())));
    const Value gamma = F32({c.shape.Last()}, random.Normals(cols)),
                beta = F32({c.shape.Last()}, random.Normals(cols));
    const Value a =
        F32({groups}, std::vector<float>(static_cast<size_t>(groups), 0.7f));
    const Value z =
        F32({groups}, std::vector<float>(static_cast<size_t>(groups), -1.0f));
    for (const auto& cpu : EveryCpu()) {
      const Value y =
          Run({"LayerNorm", {x, gamma, beta}, {{"epsilon", 1e-5f}}, 1, 1, cpu});
      OpCall two{"Binarize", {y}, {{"group", c.group}}, 1, 1, cpu};
      OpCall one{"LayerNormBinarize",
                 {x, gamma, beta},
                 {{"epsilon", 1e-5f}, {"group", c.group}},
                 1,
                 3,
                 cpu};
      if (c.quantizer) {
        for (OpCall* call : {&one, &two})
          call->inputs.insert(call->inputs.end(), {a, z});
      }
      CHECK(Codes(Run(one)) == Codes(Run(two)));
    }
  }
}

TEST_CASE("Dequantize of weights gives plus or minus the scale of the row") {
  const Value w = Bipolar({2, 10}, {1,  1,  -1, 1, -1, -1, 1,  1, -1, 1,
                                    -1, -1, -1, 1, 1,  1,  -1, 1, 1,  -1});
  const auto got = Run({"Dequantize", {w, F32({2}, {0.5f, 2})}}).Floats();
  CHECK(got[0] == 0.5f);
  CHECK(got[2] == -0.5f);
  CHECK(got[10] == -2.0f);
  CHECK(got[18] == 2.0f);
  CHECK(got[19] == -2.0f);
}

TEST_CASE("Quantisers that do not fit are refused") {
  const Value x = Iota({2, 6}), one = Iota({1}), two = Iota({2});
  const AttributeMap three{{"group", int64_t{3}}};
  CHECK(ErrorOf({"Binarize", {x}, {{"group", int64_t{4}}}}) ==
        "group: got 4, expected 0 or a divisor of 6");
  CHECK(ErrorOf({"Binarize", {x}, {{"group", int64_t{-1}}}}) ==
        "group: got -1, expected 0 or a divisor of 6");
  CHECK(ErrorOf({"Binarize", {x, one, two}, three}) ==
        "input a: got f32[1], expected f32[2]");
  CHECK(ErrorOf({"Binarize", {x, two}, three}) ==
        "input z: got nothing, expected f32[2]");
  CHECK(ErrorOf({"Binarize", {F32({}, {1})}}) ==
        "input x: got f32[], expected a last dimension of 1 or more");
  CHECK(ErrorOf({"Binarize", {I64({1}, {1})}}) ==
        "input x: got i64[1], expected f32");
  CHECK(ErrorOf({"LayerNormBinarize", {x, two, two}}) ==
        "input gamma: got f32[2], expected f32[6]");
  CHECK(ErrorOf({"LayerNormBinarize", {x, Iota({6}), two}}) ==
        "input beta: got f32[2], expected f32[6]");
  const Value codes = Sign({2, 6}, 3, std::vector<int>(12, 1)),
              weights = Bipolar({2, 6}, std::vector<int>(12, 1));
  CHECK(ErrorOf({"Dequantize", {x}}) ==
        "input codes: got f32[2,6], expected sign codes");
  CHECK(ErrorOf({"Dequantize", {std::nullopt}}) ==
        "input codes: got nothing, expected sign codes");
  CHECK(ErrorOf({"Dequantize", {codes, one, one}}) ==
        "input a: got f32[1], expected f32[2]");
  CHECK(ErrorOf({"Dequantize", {weights}}) ==
        "input scale: got nothing, expected f32[2]");
  CHECK(ErrorOf({"Dequantize", {weights, two, two}}) ==
        "input zero: got f32[2], expected nothing for weights");
}

}  // namespace
}  // namespace bittern::test
