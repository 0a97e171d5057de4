// LowBitLinear against integer loops and the plain fp32 operations of its
// definition, on every target, for sizes around the tile and word boundaries.
#include <catch2/catch.hpp>
#include <cmath>

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

struct Layer {  // random operands and what the definition makes of them
  size_t m, n, k;
  std::vector<int> codes, weights, acc;
  std::vector<float> scale, bias;

  Layer(Random& random, size_t rows, size_t cols, size_t depth, bool zeros)
      : m(rows),
        n(cols),
        k(depth),
        codes(m * k),
        weights(n * k),
        acc(m * n),
        scale(n),
        bias(n) {
    for (size_t i = 0; i < codes.size(); ++i) {
      const bool zero = zeros && i / k % 3 != 0 &&
                        random.Below(8) == 0;  // every third row has none
      codes[i] = zero ? 0 : random.Below(2) == 0 ? -1 : 1;
    }
    for (int& w : weights) w = random.Below(2) == 0 ? -1 : 1;
    for (size_t c = 0; c < n; ++c) {
      scale[c] = random.Uniform(0.001f, 0.5f);
      bias[c] = random.Normal();
    }
    for (size_t r = 0; r < m; ++r) {
      for (size_t c = 0; c < n; ++c) {
        int sum = 0;
        for (size_t i = 0; i < k; ++i)
          sum += codes[r * k + i] * weights[c * k + i];
        acc[r * n + c] = sum;
      }
    }
  }

  Shape Rows(size_t last) const {
    return {static_cast<int64_t>(m), static_cast<int64_t>(last)};
  }
  Shape N() const { return {static_cast<int64_t>(n)}; }
  float Scaled(size_t i) const {
    return static_cast<float>(acc[i]) * scale[i % n];
  }

  // codes, w, scale and, if wanted, bias; then the optional inputs residual to
  // z.
  OpCall Call(const char* epilogue, bool with_bias) const {
    OpCall call{
        "LowBitLinear",
        {Sign(Rows(k), 0, codes),
         Bipolar({static_cast<int64_t>(n), static_cast<int64_t>(k)}, weights),
         Constant(F32(N(), scale)), std::nullopt, std::nullopt, std::nullopt,
         std::nullopt, std::nullopt, std::nullopt},
        {{"epilogue", std::string(epilogue)}}};
    if (with_bias) call.inputs[3] = Constant(F32(N(), bias));
    return call;
  }
};

struct Size {
  size_t m, n, k;
};
const std::vector<Size> kSizes = {{1, 1, 1},      {3, 64, 64},   {7, 65, 63},
                                  {13, 130, 100}, {5, 192, 768}, {66, 200, 192},
                                  {2, 300, 129},  {40, 33, 1000}};

// Runs on every target and with one and three threads.
template <class Check>
void Everywhere(OpCall call, const Check& check) {
  for (const auto& cpu : EveryCpu()) {
    for (const size_t threads : {1u, 3u}) {
      INFO(kernels::BestTarget(cpu) << ", " << threads << " threads");
      call.cpu = cpu;
      call.threads = threads;
      check(Run(call));
    }
  }
}

TEST_CASE("Floats: scale, bias and residual are rounded one after another") {
  Random random(20);
  for (const Size& s : kSizes) {
    for (const bool zeros : {false, true}) {
      const Layer layer(random, s.m, s.n, s.k, zeros);
      INFO(s.m << "x" << s.n << "x" << s.k);
      const auto residual = random.Normals(s.m * s.n);
      OpCall call = layer.Call("f32", true);
      call.inputs[4] = F32(layer.Rows(s.n), residual);
      Everywhere(call, [&](const Value& out) {
        const auto got = out.Floats();
        size_t wrong = 0;
        for (size_t i = 0; i < got.size(); ++i) {
          wrong +=
              got[i] != residual[i] + (layer.Scaled(i) + layer.bias[i % s.n]);
        }
        CHECK(wrong == 0);
      });
      Everywhere(layer.Call("f32", false), [&](const Value& out) {
        const auto got = out.Floats();
        size_t wrong = 0;
        for (size_t i = 0; i < got.size(); ++i)
          wrong += got[i] != layer.Scaled(i);
        CHECK(wrong == 0);
      });
    }
  }
}

TEST_CASE("Codes: the sign of the layer's fp32 functions of the exact sum") {
  Random random(21);
  for (const Size& s : kSizes) {
    const Layer layer(random, s.m, s.n, s.k, true);
    INFO(s.m << "x" << s.n << "x" << s.k);
    Everywhere(layer.Call("sign", false), [&](const Value& out) {
      const auto codes = Codes(out);
      size_t wrong = 0;
      for (size_t i = 0; i < codes.size(); ++i)
        wrong += codes[i] != SignOf(static_cast<float>(layer.acc[i]));
      CHECK(wrong == 0);
    });
    OpCall call = layer.Call("sign", true);
    call.attributes["functions"] = std::string("gelu clip");
    call.attributes["function_args"] = std::vector<float>{-10, 10};
    Everywhere(call, [&](const Value& out) {
      const auto codes = Codes(out);
      size_t wrong = 0;
      for (size_t i = 0; i < codes.size(); ++i) {
        const float x = layer.Scaled(i) + layer.bias[i % s.n];
        wrong +=
            codes[i] !=
            SignOf(x * (kernels::ErfReference(x * 0.70710678f) + 1.0f) * 0.5f);
      }
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("Codes in groups, each with its own quantiser") {
  Random random(22);
  for (const auto& [n, group] : {std::pair<size_t, size_t>{192, 64},
                                 {96, 32},
                                 {150, 50},
                                 {130, 130},
                                 {320, 160}}) {
    for (const bool norm : {false, true}) {
      const Layer layer(random, 21, n, 192, true);
      INFO(n << "/" << group << " norm " << norm);
      const size_t groups = n / group;
      std::vector<float> a(groups), z(groups);
      for (size_t g = 0; g < groups; ++g) {
        a[g] = (g % 2 == 0 ? 1.0f : -1.0f) * random.Uniform(0.2f, 2);
        z[g] = static_cast<float>(g % 3) - 1;
      }
      const auto gamma = random.Normals(group), beta = random.Normals(group);
      OpCall call = layer.Call(norm ? "group_norm_sign" : "sign", true);
      const Shape count{static_cast<int64_t>(groups)},
          width{static_cast<int64_t>(group)};
      call.inputs[7] = Constant(F32(count, a));
      call.inputs[8] = Constant(F32(count, z));
      call.attributes["group"] = static_cast<int64_t>(group);
      if (norm) {
        call.inputs[5] = Constant(F32(width, gamma));
        call.inputs[6] = Constant(F32(width, beta));
        call.attributes["epsilon"] = 1e-5f;
      }
      // The definition: the float layer, a LayerNorm of rows as wide as a
      // group, then the quantiser.
      auto y = Run(layer.Call("f32", true)).Floats();
      if (norm) {
        const Shape rows{static_cast<int64_t>(21 * groups), width[0]};
        y = Run({"LayerNorm",
                 {F32(rows, y), F32(width, gamma), F32(width, beta)},
                 {{"epsilon", 1e-5f}}})
                .Floats();
      }
      Everywhere(call, [&](const Value& out) {
        CHECK(out.type.code.group ==
              (groups == 1 ? 0 : static_cast<int64_t>(group)));
        const auto codes = Codes(out);
        size_t wrong = 0;
        for (size_t i = 0; i < codes.size(); ++i) {
          const size_t g = i % n / group;
          wrong += codes[i] != SignOf(y[i] / a[g] + z[g]);
        }
        CHECK(wrong == 0);
      });
    }
  }
}

TEST_CASE("Rows with leading dimensions keep their shape") {
  Random random(23);
  const Layer layer(random, 6, 70, 66, true);
  OpCall call = layer.Call("f32", false);
  call.inputs[0] = Sign({2, 3, 66}, 0, layer.codes);
  CHECK(Run(call).type.shape == Shape{2, 3, 70});
  call.inputs[0] =
      Sign({66}, 0, {layer.codes.begin(), layer.codes.begin() + 66});
  const Value out = Run(call);
  CHECK(out.type.shape == Shape{70});
  CHECK(out.Floats()[69] == layer.Scaled(69));
}

TEST_CASE("Operands, epilogues and functions that do not fit are refused") {
  Random random(24);
  const Layer layer(random, 2, 6, 8, false);
  const auto with = [&](const char* epilogue, size_t input,
                        std::optional<Value> value) {
    OpCall call = layer.Call(epilogue, false);
    call.inputs[input] = std::move(value);
    return call;
  };
  const auto sign_with = [&](AttributeMap attributes) {
    OpCall call = layer.Call("sign", false);
    call.attributes.merge(attributes);
    return call;
  };
  const Value six = Constant(Iota({6}));
  CHECK(ErrorOf(with("f32", 0, I64({2, 8}, std::vector<int64_t>(16)))) ==
        "input x: got i64[2,8], expected sign codes");
  CHECK(ErrorOf(with("f32", 0, std::nullopt)) ==
        "input x: got nothing, expected codes or f32");
  CHECK(ErrorOf(with("f32", 0, F32({2, 0}, {}))) ==
        "input x: got f32[2,0], expected at least one column");
  CHECK(ErrorOf(with("f32", 0, Sign({2, 8}, 4, layer.codes))) ==
        "input x: got sign[2,8]/4, expected one group of columns");
  CHECK(ErrorOf(with("f32", 0, Sign({2, 7}, 0, std::vector<int>(14, 1)))) ==
        "input w: got bipolar[6,8], expected [N,7]");
  CHECK(ErrorOf(with("f32", 1, Iota({6, 8}))) ==
        "input w: got f32[6,8], expected codes of weights");
  CHECK(ErrorOf(with("f32", 1, Sign({2, 8}, 0, layer.codes))) ==
        "input w: got sign[2,8], expected codes of weights");
  Value variable = Bipolar({6, 8}, layer.weights);
  variable.constant = false;
  CHECK(ErrorOf(with("f32", 1, variable)) ==
        "input w: got bipolar[6,8], expected a constant");
  CHECK(ErrorOf(with("f32", 2, Constant(Iota({5})))) ==
        "input scale: got f32[5], expected f32[6]");
  CHECK(ErrorOf(with("f32", 2, Iota({6}))) ==
        "input scale: got f32[6], expected a constant");
  CHECK(ErrorOf(with("f32", 3, Iota({6}))) ==
        "input bias: got f32[6], expected a constant");
  CHECK(ErrorOf(with("f32", 4, Iota({6}))) ==
        "input residual: got f32[6], expected f32[2,6]");
  CHECK(ErrorOf(with("f32", 7, six)) ==
        "input a: got f32[6], expected nothing for epilogue f32");
  CHECK(ErrorOf(with("sign", 4, Iota({2, 6}))) ==
        "input residual: got f32[2,6], expected nothing for epilogue sign");
  CHECK(ErrorOf(with("sign", 5, six)) ==
        "input gamma: got f32[6], expected nothing for epilogue sign");
  CHECK(ErrorOf(with("sign", 7, Constant(Iota({1})))) ==
        "input z: got nothing, expected f32[1]");
  CHECK(ErrorOf(layer.Call("group_norm_sign", false)) ==
        "input gamma: got nothing, expected f32[6]");
  CHECK(ErrorOf(layer.Call("int8", false)) ==
        "epilogue: got 'int8', expected f32, f32_sign, f32_bytes, bytes, "
        "group_norm_bytes, sign or group_norm_sign");
  CHECK(ErrorOf(sign_with({{"group", int64_t{4}}})) ==
        "group: got 4, expected 0 or a divisor of 6");
  CHECK(ErrorOf(sign_with({{"functions", std::string("relu swish")}}))
            .starts_with("functions: got 'swish'"));
  CHECK(ErrorOf(sign_with({{"functions", std::string("clip")},
                           {"function_args", std::vector<float>{1}}}))
            .starts_with("functions: got 'clip'"));
  CHECK(ErrorOf(sign_with({{"function_args", std::vector<float>{1}}})) ==
        "function_args: got 1 too many, expected two for each clip");
  OpCall norm = layer.Call("group_norm_sign", false);
  norm.attributes["functions"] = std::string("relu");
  CHECK(ErrorOf(norm) ==
        "functions: got some, expected none for epilogue group_norm_sign");
  CHECK(ErrorOf(sign_with({{"functions", std::string("add")}}))
            .starts_with("functions: got 'add', expected relu, gelu or clip"));
  CHECK(ErrorOf(with("sign", 0, Iota({2, 8}))) ==
        "epilogue sign: got bipolar[6,8] and f32[2,8], expected bipolar "
        "weights and sign codes");
}

TEST_CASE(
    "A layer whose codes are no intervals of the sum is refused by name") {
  Random random(25);
  const Layer layer(random, 2, 3, 100, false);
  OpCall call = layer.Call("sign", false);
  call.inputs[2] = Constant(F32({3}, {0.1f, 0.1f, 0.1f}));
  call.inputs[7] = Constant(F32({1}, {-1}));
  call.inputs[8] = Constant(F32({1}, {-0.1f}));
  call.attributes["functions"] =
      std::string("gelu");  // +1 only in the dip of GELU
  CHECK(ErrorOf(call) ==
        "channel 0: got accumulators of code -1 with gaps between them, "
        "expected one interval");
}

}  // namespace
}  // namespace bittern::test
