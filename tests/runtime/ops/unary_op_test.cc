// Elementwise ops of one input, Clip and Cast.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::DType;
using runtime::Shape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_CASE("Float functions agree with their definitions on every element") {
  const std::vector<std::pair<const char*, std::function<float(float)>>> ops = {
      {"Neg", [](float x) { return -x; }},
      {"Abs", [](float x) { return std::fabs(x); }},
      {"Sqrt", [](float x) { return std::sqrt(x); }},
      {"Exp", kernels::ExpReference},
      {"Log", [](float x) { return std::log(x); }},
      {"Erf", kernels::ErfReference},
      {"Tanh", kernels::TanhReference},
      {"Sigmoid",
       [](float x) { return 1.0f / (1.0f + kernels::ExpReference(-x)); }},
      {"Relu", [](float x) { return x <= 0 ? 0.0f : x; }},
      {"Sign", [](float x) { return x > 0   ? 1.0f
                                    : x < 0 ? -1.0f
                                            : 0.0f; }},
      {"Round", [](float x) { return std::nearbyint(x); }},
      {"Floor", [](float x) { return std::floor(x); }},
      {"Ceil", [](float x) { return std::ceil(x); }},
      {"Reciprocal", [](float x) { return 1.0f / x; }},
      {"Gelu", kernels::GeluReference},
  };
  Random random(2);
  auto values = random.Normals(60001);
  const float corners[] = {0.0f, -0.0f, 0.5f,  1.5f,   2.5f, -0.5f, -1.5f,
                           7,    -7,    1e30f, -1e30f, kInf, -kInf};
  std::copy(std::begin(corners), std::end(corners), values.begin());
  for (const auto& [op, formula] : ops) {
    for (const size_t threads : {1u, 3u}) {
      const auto got =
          Run({op, {F32({60001}, values)}, {}, 1, threads}).Floats();
      for (size_t i = 0; i < got.size(); ++i) {
        const float want = formula(values[i]);
        if (got[i] != want && !(got[i] != got[i] && want != want)) {
          FAIL_CHECK(op << "(" << values[i] << ") is " << got[i] << ", not "
                        << want);
        }
      }
    }
  }
  CHECK(Run({"Round", {F32({4}, {0.5f, 1.5f, 2.5f, -0.5f})}}).Floats() ==
        std::vector<float>{0, 2, 2, 0});
  CHECK(Run({"Sign", {F32({3}, {0.0f, -0.0f, kNan})}}).Floats()[1] == 0.0f);
}

TEST_CASE("Integer functions, also of the smallest integer") {
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
  const Value x = I64({4}, {5, -5, 0, kLow});
  CHECK(Run({"Neg", {x}}).As<int64_t>() ==
        std::vector<int64_t>{-5, 5, 0, kLow});
  CHECK(Run({"Abs", {x}}).As<int64_t>() == std::vector<int64_t>{5, 5, 0, kLow});
  CHECK(Run({"Sign", {x}}).As<int64_t>() == std::vector<int64_t>{1, -1, 0, -1});
  CHECK(ErrorOf({"Exp", {x}}) == "input x: got i64[4], expected f32");
  CHECK(ErrorOf({"Log", {x}}) == "input x: got i64[4], expected f32");
  CHECK(ErrorOf({"Neg", {Bool({1}, {1})}}) ==
        "input x: got bool[1], expected f32 or i64");
  CHECK(ErrorOf({"Sqrt", {std::nullopt}}) ==
        "input x: got nothing, expected f32");
}

TEST_CASE("Clip has optional bounds, and the upper one wins") {
  const Value x = F32({5}, {-3, -1, 0, 2, kNan});
  const auto run = [&](runtime::AttributeMap attributes) {
    return Run({"Clip", {x}, std::move(attributes)}).Floats();
  };
  const auto first = [](std::vector<float> v) {
    v.resize(4);
    return v;
  };
  CHECK(first(run({{"min", -1.0f}, {"max", 1.0f}})) ==
        std::vector<float>{-1, -1, 0, 1});
  CHECK(first(run({{"min", -1.0f}})) == std::vector<float>{-1, -1, 0, 2});
  CHECK(first(run({{"max", 1.0f}})) == std::vector<float>{-3, -1, 0, 1});
  CHECK(first(run({{"min", 1.0f}, {"max", -1.0f}})) ==
        std::vector<float>{-1, -1, -1, -1});
  CHECK(std::isnan(run({{"min", -1.0f}})[4]));
  CHECK(ErrorOf({"Clip", {x}, {{"min", kNan}}}) ==
        "min and max: got NaN, expected numbers");
  CHECK(ErrorOf({"Clip", {I64({1}, {1})}}) ==
        "input x: got i64[1], expected f32");
}

TEST_CASE("Cast truncates, saturates and knows every pair of types") {
  const auto cast = [](const Value& x, const char* to) {
    return Run({"Cast", {x}, {{"to", std::string(to)}}});
  };
  const Value f = F32({8}, {1.9f, -1.9f, 300, -300, 1e20f, -1e20f, kNan, 0});
  CHECK(cast(f, "i32").As<int32_t>() ==
        std::vector<int32_t>{1, -1, 300, -300,
                             std::numeric_limits<int32_t>::max(),
                             std::numeric_limits<int32_t>::min(), 0, 0});
  CHECK(cast(f, "i64").As<int64_t>()[4] == std::numeric_limits<int64_t>::max());
  CHECK(cast(f, "i64").As<int64_t>()[5] == std::numeric_limits<int64_t>::min());
  CHECK(cast(f, "u8").As<uint8_t>() ==
        std::vector<uint8_t>{1, 0, 255, 0, 255, 0, 0, 0});
  CHECK(cast(f, "s8").As<int8_t>() ==
        std::vector<int8_t>{1, -1, 127, -128, 127, -128, 0, 0});
  CHECK(cast(f, "bool").As<uint8_t>() ==
        std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 1, 0});
  CHECK(cast(f, "f32").Floats()[2] == 300);
  const Value i = I64({4}, {-1, 5, int64_t{1} << 40, -(int64_t{1} << 40)});
  CHECK(cast(i, "i32").As<int32_t>() ==
        std::vector<int32_t>{-1, 5, std::numeric_limits<int32_t>::max(),
                             std::numeric_limits<int32_t>::min()});
  CHECK(cast(i, "f32").Floats() ==
        std::vector<float>{-1, 5, 1099511627776.0f, -1099511627776.0f});
  CHECK(cast(i, "u8").As<uint8_t>() == std::vector<uint8_t>{0, 5, 255, 0});
  CHECK(cast(Bool({2}, {0, 1}), "f32").Floats() == std::vector<float>{0, 1});
  CHECK(cast(Bytes(DType::kS8, {2}, {0xFF, 3}), "i64").As<int64_t>() ==
        std::vector<int64_t>{-1, 3});
  CHECK(cast(Bytes(DType::kU8, {2}, {0xFF, 3}), "i32").As<int32_t>() ==
        std::vector<int32_t>{255, 3});
  CHECK(cast(I32({2}, {-7, 0}), "bool").As<uint8_t>() ==
        std::vector<uint8_t>{1, 0});
  CHECK(ErrorOf({"Cast", {f}, {{"to", std::string("f64")}}}) ==
        "to: got \"f64\", expected f32, i32, i64, u8, s8 or bool");
  CHECK(ErrorOf({"Cast", {Sign({1}, 0, {1})}, {{"to", std::string("f32")}}})
            .starts_with("input x: got sign[1]"));
}

}  // namespace
}  // namespace bittern::test
