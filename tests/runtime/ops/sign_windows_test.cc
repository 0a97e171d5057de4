#include "runtime/ops/sign_windows.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::runtime {
namespace {

using Kind = SignFunction::Kind;

int SignOf(float x) {
  return static_cast<int>(x > 0) - static_cast<int>(x < 0);
}

// The definition, one accumulator at a time.
int CodeOf(const SignLayer& layer, size_t c, int32_t acc) {
  float y = static_cast<float>(acc) * layer.scale[c];
  if (layer.bias != nullptr) y = y + layer.bias[c];
  for (const SignFunction& f : layer.functions) {
    if (f.kind == Kind::kRelu) y = y <= 0 ? 0.0f : y;
    if (f.kind == Kind::kGelu)
      y = y * (kernels::ErfReference(y * 0.70710678f) + 1.0f) * 0.5f;
    if (f.kind == Kind::kClip) y = std::min(std::max(y, f.lo), f.hi);
  }
  if (layer.a != nullptr)
    y = y / layer.a[c / layer.group] + layer.z[c / layer.group];
  return SignOf(y);
}

int CodeOf(const SignWindows& w, size_t c, int32_t acc) {
  if (acc >= w.pos_lo[c] && acc <= w.pos_hi[c]) return 1;
  return acc >= w.neg_lo[c] && acc <= w.neg_hi[c] ? -1 : 0;
}

void CheckEveryAccumulator(const SignLayer& layer) {
  for (const auto& cpu : test::EveryCpu()) {
    const std::string_view target = kernels::BestTarget(cpu);
    if (target == "scalar" || target == "sse4")
      continue;  // no fused multiply-add: erf may differ in the last bit
    const auto windows =
        MakeSignWindows(layer, *kernels::SelectElementwise(cpu));
    INFO(windows.error().message);
    REQUIRE(windows.ok());
    size_t wrong = 0;
    const auto limit = static_cast<int32_t>(layer.k);
    for (size_t c = 0; c < layer.n; ++c) {
      for (int32_t acc = -limit; acc <= limit; ++acc)
        wrong += CodeOf(windows.value(), c, acc) != CodeOf(layer, c, acc);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("Windows give the code of every accumulator") {
  test::Random random(30);
  constexpr size_t kN = 40;
  std::vector<float> scale(kN), bias(kN), a(4), z(4);
  for (size_t c = 0; c < kN; ++c) {
    scale[c] = random.Uniform(0.001f, 0.2f);
    bias[c] = random.Normal();
  }
  for (size_t g = 0; g < 4; ++g) {
    a[g] = (g % 2 == 0 ? 0.5f : -0.5f) * random.Uniform(0.5f, 2);
    z[g] = static_cast<float>(g) - 2;
  }
  const std::vector<std::vector<SignFunction>> chains = {
      {},
      {{Kind::kRelu}},
      {{Kind::kGelu}},
      {{Kind::kGelu}, {Kind::kClip, -10, 10}},
      {{Kind::kClip, -0.5f, 0.25f}}};
  for (const size_t k : {1u, 64u, 192u, 511u, 512u, 3072u}) {
    for (const auto& functions : chains) {
      INFO("k " << k << ", " << functions.size() << " functions");
      const float* const biases[] = {nullptr, bias.data()};
      for (const float* b : biases) {
        CheckEveryAccumulator(
            {kN, k, scale.data(), b, functions, nullptr, nullptr, kN});
        // The dip of GELU below 0 is no interval once it is compared with a
        // level inside it.
        if (functions.empty() || functions[0].kind != Kind::kGelu) {
          CheckEveryAccumulator(
              {kN, k, scale.data(), b, functions, a.data(), z.data(), kN / 4});
        }
      }
    }
  }
}

TEST_CASE("fp32 GELU is zero far below zero, and so is its code") {
  const float scale = 0.05f;
  const SignLayer layer{1,
                        192,
                        &scale,
                        nullptr,
                        {{Kind::kGelu}, {Kind::kClip, -10, 10}},
                        nullptr,
                        nullptr,
                        1};
  const auto windows =
      MakeSignWindows(layer, *kernels::SelectElementwise(kernels::DetectCpu()));
  REQUIRE(windows.ok());
  const SignWindows& w = windows.value();
  CHECK(w.pos_lo[0] == 1);
  CHECK(w.pos_hi[0] == 192);
  CHECK(w.neg_hi[0] == -1);
  CHECK(static_cast<float>(w.neg_lo[0]) * scale == Approx(-5.54f).margin(0.06));
}

TEST_CASE("Negative scales and quantisers turn the windows around") {
  const float scale = -0.5f, a = -2.0f, z = 1.0f;
  const auto* kernel = kernels::SelectElementwise(kernels::DetectCpu());
  const auto negative = MakeSignWindows(
      {1, 8, &scale, nullptr, {}, nullptr, nullptr, 1}, *kernel);
  REQUIRE(negative.ok());
  CHECK(negative.value().pos_lo[0] == -8);
  CHECK(negative.value().pos_hi[0] == -1);
  const auto turned = MakeSignWindows({1, 8, &scale, nullptr, {}, &a, &z, 1},
                                      *kernel);  // acc / 4 + 1
  REQUIRE(turned.ok());
  CHECK(turned.value().neg_lo[0] == -8);
  CHECK(turned.value().neg_hi[0] == -5);
  CHECK(turned.value().pos_lo[0] == -3);
  CHECK(turned.value().pos_hi[0] == 8);
}

TEST_CASE("A set with a gap is an error that names the channel") {
  const float
      scale[] = {0.1f, 0.1f},
      a = -1.0f,
      z = -0.1f;  // -gelu(x) - 0.1 > 0 only in the dip; -1 on both sides
  const auto windows =
      MakeSignWindows({2, 100, scale, nullptr, {{Kind::kGelu}}, &a, &z, 2},
                      *kernels::SelectElementwise(kernels::DetectCpu()));
  REQUIRE_FALSE(windows.ok());
  CHECK(windows.error().code == Code::kUnsupported);
  CHECK(windows.error().message ==
        "channel 0: got accumulators of code -1 with gaps between them, "
        "expected one interval");
}

TEST_CASE("Infinite and NaN parameters give codes, not traps") {
  const float scale[] = {std::numeric_limits<float>::infinity(),
                         std::numeric_limits<float>::quiet_NaN()};
  const auto windows =
      MakeSignWindows({2, 4, scale, nullptr, {}, nullptr, nullptr, 2},
                      *kernels::SelectElementwise(kernels::DetectCpu()));
  REQUIRE(windows.ok());
  CHECK(CodeOf(windows.value(), 0, 1) == 1);
  CHECK(CodeOf(windows.value(), 0, 0) == 0);
  CHECK(CodeOf(windows.value(), 0, -4) == -1);
  CHECK(CodeOf(windows.value(), 1, 3) == 0);
}

}  // namespace
}  // namespace bittern::runtime
