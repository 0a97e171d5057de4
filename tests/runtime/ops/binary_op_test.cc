// Ops of two inputs: every op against its formula, in every broadcast, and the
// values where integers and floats have corners.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::DType;
using runtime::Shape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kLow = std::numeric_limits<int64_t>::min();

// Index into an operand of `shape` of element `flat` of the broadcast `out`.
size_t SourceOf(const Shape& out, const Shape& shape, size_t flat) {
  size_t index = 0, step = 1;
  const size_t missing = out.rank() - shape.rank();
  for (size_t i = out.rank(); i-- > missing;) {
    const auto dim = static_cast<size_t>(out[i]),
               own = static_cast<size_t>(shape[i - missing]);
    if (own != 1) index += flat % dim * step;
    step *= own;
    flat /= dim;
  }
  return index;
}

struct Shapes {
  Shape a, b, out;
};

const std::vector<Shapes> kShapes = {
    {{}, {}, {}},
    {{5}, {5}, {5}},
    {{}, {7}, {7}},
    {{3, 1}, {1, 4}, {3, 4}},
    {{2, 3, 4}, {4}, {2, 3, 4}},
    {{4}, {2, 3, 4}, {2, 3, 4}},
    {{2, 3, 1}, {2, 3, 5}, {2, 3, 5}},
    {{2, 1, 4, 1}, {3, 1, 5}, {2, 3, 4, 5}},
    {{1, 6, 8, 8}, {6, 1, 1}, {1, 6, 8, 8}},
    {{2, 1, 2, 1, 2, 1, 2, 1},
     {1, 2, 1, 2, 1, 2, 1, 2},
     {2, 2, 2, 2, 2, 2, 2, 2}},
    {{230, 1021}, {230, 1021}, {230, 1021}},  // more than one thread's share
    {{200, 1000}, {1000}, {200, 1000}},
    {{0, 3}, {1, 3}, {0, 3}},
};

bool SameFloat(float a, float b) { return a == b || (a != a && b != b); }

TEST_CASE("Float ops broadcast like numpy") {
  const std::vector<std::pair<const char*, std::function<float(float, float)>>>
      ops = {
          {"Add", [](float a, float b) { return a + b; }},
          {"Sub", [](float a, float b) { return a - b; }},
          {"Mul", [](float a, float b) { return a * b; }},
          {"Div", [](float a, float b) { return a / b; }},
          {"Min", [](float a, float b) { return a < b ? a : b; }},
          {"Max", [](float a, float b) { return a > b ? a : b; }},
          {"PRelu", [](float a, float b) { return a < 0 ? a * b : a; }},
          {"Pow", [](float a, float b) { return std::pow(a, b); }},
          {"Mod",
           [](float a, float b) { return std::fmod(std::fmod(a, b) + b, b); }},
      };
  Random random(1);
  for (const auto& [op, formula] : ops) {
    for (const Shapes& s : kShapes) {
      auto a = random.Normals(static_cast<size_t>(s.a.Elements())),
           b = random.Normals(static_cast<size_t>(s.b.Elements()));
      if (std::string(op) == "Pow") {
        for (float& x : a) x = std::fabs(x);
      }
      for (const size_t threads : {1u, 3u}) {
        const Value out = Run({op, {F32(s.a, a), F32(s.b, b)}, {}, 1, threads});
        INFO(op << " " << ToString(s.a) << " " << ToString(s.b));
        REQUIRE(out.type == runtime::TensorType{DType::kF32, s.out, {}});
        const auto got = out.Floats();
        for (size_t i = 0; i < got.size(); ++i) {
          const float want =
              formula(a[SourceOf(s.out, s.a, i)], b[SourceOf(s.out, s.b, i)]);
          // The formula of Mod rounds once more than the op.
          const bool same = std::string(op) == "Mod"
                                ? std::fabs(got[i] - want) < 1e-5f
                                : SameFloat(got[i], want);
          if (!same)
            FAIL_CHECK("element " << i << ": " << got[i] << " is not " << want);
        }
      }
    }
  }
}

TEST_CASE("Integer ops wrap, truncate and never trap") {
  const std::vector<int64_t> a = {
      7, -7, 7, -7, kLow, kLow, 5, std::numeric_limits<int64_t>::max()};
  const std::vector<int64_t> b = {2, 2, -2, -2, -1, 0, 0, 1};
  const auto run = [&](const char* op) {
    return Run({op, {I64({8}, a), I64({8}, b)}}).As<int64_t>();
  };
  CHECK(run("Add") == std::vector<int64_t>{9, -5, 5, -9,
                                           std::numeric_limits<int64_t>::max(),
                                           kLow, 5, kLow});
  CHECK(run("Sub")[4] == kLow + 1);
  CHECK(run("Mul")[4] == kLow);
  CHECK(run("Div") ==
        std::vector<int64_t>{3, -3, -3, 3, kLow, 0, 0,
                             std::numeric_limits<int64_t>::max()});
  CHECK(run("Mod") == std::vector<int64_t>{1, 1, -1, -1, 0, 0, 0, 0});
  CHECK(run("Min")[1] == -7);
  CHECK(run("Max")[1] == 2);
  const auto narrow =
      Run({"Mul", {I32({2}, {1 << 30, -3}), I32({1}, {4})}}).As<int32_t>();
  CHECK(narrow == std::vector<int32_t>{0, -12});
}

TEST_CASE("Mod of floats has the sign of the divisor") {
  const auto got = Run({"Mod",
                        {F32({5}, {5.5f, -5.5f, 5.5f, -5.5f, 1}),
                         F32({5}, {2, 2, -2, -2, 0})}})
                       .Floats();
  CHECK(got[0] == 1.5f);
  CHECK(got[1] == 0.5f);
  CHECK(got[2] == -0.5f);
  CHECK(got[3] == -1.5f);
  CHECK(got[4] != got[4]);
}

TEST_CASE("Comparisons give bools, false with NaN") {
  const Value a = F32({4}, {1, 2, 3, kNan}), b = F32({4}, {2, 2, 2, kNan});
  const auto run = [&](const char* op) {
    const Value out = Run({op, {a, b}});
    CHECK(out.type.dtype == DType::kBool);
    return out.As<uint8_t>();
  };
  CHECK(run("Less") == std::vector<uint8_t>{1, 0, 0, 0});
  CHECK(run("LessOrEqual") == std::vector<uint8_t>{1, 1, 0, 0});
  CHECK(run("Greater") == std::vector<uint8_t>{0, 0, 1, 0});
  CHECK(run("GreaterOrEqual") == std::vector<uint8_t>{0, 1, 1, 0});
  CHECK(run("Equal") == std::vector<uint8_t>{0, 1, 0, 0});
  CHECK(Run({"Less", {I64({2, 1}, {1, 5}), I64({2}, {2, 9})}}).As<uint8_t>() ==
        std::vector<uint8_t>{1, 1, 0, 1});
  CHECK(Run({"Greater", {I32({1}, {3}), I32({2}, {2, 4})}}).As<uint8_t>() ==
        std::vector<uint8_t>{1, 0});
  CHECK(Run({"Equal", {Bool({3}, {0, 1, 2}), Bool({3}, {0, 2, 0})}})
            .As<uint8_t>() == std::vector<uint8_t>{1, 1, 0});
}

TEST_CASE("Logic takes any non-zero byte as true") {
  const Value a = Bool({4}, {0, 0, 1, 7}), b = Bool({4}, {0, 2, 0, 1});
  CHECK(Run({"And", {a, b}}).As<uint8_t>() == std::vector<uint8_t>{0, 0, 0, 1});
  CHECK(Run({"Or", {a, b}}).As<uint8_t>() == std::vector<uint8_t>{0, 1, 1, 1});
  CHECK(Run({"Xor", {a, b}}).As<uint8_t>() == std::vector<uint8_t>{0, 1, 1, 0});
  CHECK(Run({"Not", {a}}).As<uint8_t>() == std::vector<uint8_t>{1, 1, 0, 0});
}

TEST_CASE("Where chooses between two broadcast inputs of any dense type") {
  CHECK(Run({"Where",
             {Bool({2, 1}, {1, 0}), F32({3}, {1, 2, 3}), F32({1, 1}, {9})}})
            .Floats() == std::vector<float>{1, 2, 3, 9, 9, 9});
  CHECK(Run({"Where", {Bool({}, {0}), I64({2}, {1, 2}), I64({2}, {3, 4})}})
            .As<int64_t>() == std::vector<int64_t>{3, 4});
  CHECK(Run({"Where", {Bool({2}, {3, 0}), Bool({1}, {1}), Bool({1}, {0})}})
            .As<uint8_t>() == std::vector<uint8_t>{1, 0});
}

TEST_CASE("Min and Max pass NaN on, and division follows IEEE") {
  const Value a = F32({3}, {kNan, 1, -1}), b = F32({3}, {1, kNan, 0});
  CHECK(Run({"Min", {a, b}}).Floats()[0] != 0.0f);
  CHECK(std::isnan(Run({"Min", {a, b}}).Floats()[0]));
  CHECK(std::isnan(Run({"Max", {a, b}}).Floats()[1]));
  CHECK(Run({"Div", {a, b}}).Floats()[2] == -kInf);
}

TEST_CASE("Inputs that do not fit are refused") {
  const Value f = F32({2}, {1, 2}), i = I64({2}, {1, 2}), t = Bool({2}, {1, 0});
  CHECK(ErrorOf({"Add", {f, i}}) == "input b: got i64[2], expected f32");
  CHECK(ErrorOf({"Add", {t, t}}) ==
        "input a: got bool[2], expected f32 or i32 or i64");
  CHECK(ErrorOf({"Add", {f, std::nullopt}}) ==
        "input b: got nothing, expected f32");
  CHECK(ErrorOf({"Add", {f, F32({3}, {1, 2, 3})}}) ==
        "shapes: got [2] and [3], expected shapes that broadcast");
  CHECK(ErrorOf({"Pow", {t, t}}) ==
        "input a: got bool[2], expected f32 or i64");
  CHECK(ErrorOf({"And", {f, f}}) ==
        "input a: got f32[2], expected i64 or bool");
  CHECK(ErrorOf({"Not", {f}}) == "input x: got f32[2], expected bool");
  CHECK(ErrorOf({"Where", {f, f, f}}) ==
        "input cond: got f32[2], expected bool");
  CHECK(ErrorOf({"Where", {t, f, i}}) == "input b: got i64[2], expected f32");
  CHECK(ErrorOf({"Mul", {Sign({2}, 0, {1, 0}), f}}) ==
        "input a: got sign[2], expected f32 or i32 or i64");
}

}  // namespace
}  // namespace bittern::test
