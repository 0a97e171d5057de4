// Gathers and scatters by index tensors, TopK, NonZero.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/runtime/ops/op_runner.h"

namespace bittern::test {
namespace {

using runtime::DType;
using runtime::Shape;
using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

TEST_CASE("GatherElements takes the index along one axis") {
  const Value x = Iota({3, 2});
  const Value i = I64({2, 2}, {2, -3, 0, 1});
  CHECK(Run({"GatherElements", {x, i}, {{"axis", int64_t{0}}}}).Floats() ==
        Floats{4, 1, 0, 3});
  const Value j = I32({3, 1}, {1, 0, -1});
  CHECK(Run({"GatherElements", {x, j}, {{"axis", int64_t{-1}}}}).Floats() ==
        Floats{1, 2, 5});
  // Out of range: clamped at run time, an error in a constant.
  const Value far = I64({1, 2}, {9, -9});
  CHECK(Run({"GatherElements", {x, far}, {{"axis", int64_t{0}}}}).Floats() ==
        Floats{4, 1});
  CHECK(
      ErrorOf({"GatherElements", {x, Constant(far)}, {{"axis", int64_t{0}}}}) ==
      "input indices: got 9, expected -3 to 2");
  CHECK(ErrorOf({"GatherElements",
                 {x, I64({1, 3}, {0, 0, 0})},
                 {{"axis", int64_t{0}}}}) ==
        "input indices: got i64[1,3], expected the rank of [3,2] and no larger "
        "dimension but along the axis");
  CHECK(ErrorOf({"GatherElements",
                 {Iota({0, 2}), I64({1, 2}, {0, 0})},
                 {{"axis", int64_t{0}}}}) ==
        "input x: got f32[0,2], expected something to index");
}

TEST_CASE("GatherNd takes slices, also per batch") {
  const Value x = Iota({2, 2, 2});
  CHECK(Run({"GatherNd", {x, I64({2, 2}, {0, 1, 1, 0})}}).Floats() ==
        Floats{2, 3, 4, 5});
  CHECK(Run({"GatherNd", {x, I64({2, 3}, {0, 1, 1, 1, 0, -1})}}).Floats() ==
        Floats{3, 5});
  const Value batched =
      Run({"GatherNd", {x, I64({2, 1}, {1, 0})}, {{"batch_dims", int64_t{1}}}});
  CHECK(batched.Floats() == Floats{2, 3, 4, 5});
  CHECK(batched.type.shape == Shape{2, 2});
  CHECK(ErrorOf({"GatherNd", {x, I64({1, 4}, {0, 0, 0, 0})}}) ==
        "input indices: got i64[1,4], expected a last dimension of at most 3");
  CHECK(ErrorOf({"GatherNd",
                 {x, I64({3, 1}, {0, 0, 0})},
                 {{"batch_dims", int64_t{1}}}}) ==
        "input indices: got i64[3,1], expected the batch dimensions of "
        "[2,2,2]");
}

TEST_CASE("ScatterElements replaces and combines, in order") {
  const Value x = F32({4}, {1, 2, 3, 4});
  const Value i = I64({3}, {1, -1, 1});
  const Value u = F32({3}, {10, 20, 30});
  const auto run = [&](const char* reduction) {
    return Run({"ScatterElements",
                {x, i, u},
                {{"axis", int64_t{0}}, {"reduction", std::string(reduction)}}})
        .Floats();
  };
  CHECK(run("none") == Floats{1, 30, 3, 20});
  CHECK(run("add") == Floats{1, 42, 3, 24});
  CHECK(run("mul") == Floats{1, 600, 3, 80});
  CHECK(run("max") == Floats{1, 30, 3, 20});
  CHECK(run("min") == Floats{1, 2, 3, 4});
  CHECK(ErrorOf({"ScatterElements",
                 {x, i, F32({2}, {0, 0})},
                 {{"axis", int64_t{0}}}}) ==
        "input updates: got f32[2], expected f32[3]");
  CHECK(ErrorOf({"ScatterElements",
                 {x, i, u},
                 {{"axis", int64_t{0}}, {"reduction", std::string("mean")}}}) ==
        "reduction: got \"mean\", expected none, add, mul, max or min");
  const Value flags = Bool({4}, {0, 0, 0, 0});
  CHECK(Run({"ScatterElements",
             {flags, i, Bool({3}, {1, 1, 1})},
             {{"axis", int64_t{0}}}})
            .As<uint8_t>() == std::vector<uint8_t>{0, 1, 0, 1});
  CHECK(ErrorOf({"ScatterElements",
                 {flags, i, Bool({3}, {1, 1, 1})},
                 {{"axis", int64_t{0}}, {"reduction", std::string("add")}}}) ==
        "input x: got bool[4], expected f32 or i32 or i64");
}

TEST_CASE("ScatterNd writes slices, and integers wrap") {
  constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();
  const Value x = I64({2, 2}, {1, 2, 3, kHigh});
  const Value i = I64({1, 1}, {1});
  const Value u = I64({1, 2}, {5, 1});
  CHECK(Run({"ScatterNd", {x, i, u}}).As<int64_t>() == Ints{1, 2, 5, 1});
  CHECK(Run({"ScatterNd", {x, i, u}, {{"reduction", std::string("add")}}})
            .As<int64_t>() ==
        Ints{1, 2, 8, std::numeric_limits<int64_t>::min()});
}

TEST_CASE("TopK orders, keeps the first of equals, and NaN is the largest") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const Value x = F32({5}, {3, 1, kNan, 3, 2});
  const auto run = [&](int64_t k, int64_t largest) {
    return RunAll({"TopK",
                   {x},
                   {{"axis", int64_t{0}}, {"k", k}, {"largest", largest}},
                   2});
  };
  CHECK(run(4, 1)[1].As<int64_t>() == Ints{2, 0, 3, 4});
  CHECK(run(5, 0)[1].As<int64_t>() == Ints{1, 4, 0, 3, 2});
  CHECK(run(2, 0)[0].Floats() == Floats{1, 2});
  const auto columns = RunAll({"TopK",
                               {I64({2, 3}, {1, 5, 2, 4, 0, 2})},
                               {{"axis", int64_t{0}}, {"k", int64_t{1}}},
                               2,
                               3});
  CHECK(columns[0].As<int64_t>() == Ints{4, 5, 2});
  CHECK(columns[1].As<int64_t>() == Ints{1, 0, 0});
  CHECK(ErrorOf({"TopK", {x}, {{"axis", int64_t{0}}, {"k", int64_t{6}}}, 2}) ==
        "k: got 6, expected 0 to 5");
}

TEST_CASE("NonZero lists and counts places") {
  const auto found = [](const Value& x) {
    return RunAll({"NonZero", {x}, {}, 2});
  };
  const auto places = found(F32({2, 2}, {1, 0, -1, 2}));
  CHECK(places[0].type.shape == Shape{4, 2});  // the bound
  CHECK(places[0].As<int64_t>() == Ints{0, 0, 1, 0, 1, 1, 0, 0});
  CHECK(places[1].As<int64_t>() == Ints{3});
  CHECK(found(I64({0, 3}, {}))[1].As<int64_t>() == Ints{0});
  CHECK(found(Bool({}, {1}))[0].type.shape == Shape{1, 0});
  CHECK(found(Bool({}, {1}))[1].As<int64_t>() == Ints{1});
}

TEST_CASE("Inputs that are constants stand for attributes") {
  const Value x = Iota({2, 3});
  const auto ints = [](const Ints& values) {
    return Constant(I64({static_cast<int64_t>(values.size())}, values));
  };
  const std::optional<Value> none;
  CHECK(
      Run({"Slice", {x, ints({1}), ints({9})}, {{"axes", Ints{1}}}}).Floats() ==
      std::vector<float>{1, 2, 4, 5});
  CHECK(Run({"Slice",
             {x, none, ints({1}), ints({-1})},
             {{"axes", Ints{0}}, {"starts", Ints{0}}}})
            .type.shape == Shape{0, 3});
  CHECK(Run({"Tile", {x, ints({2, 1})}}).type.shape == Shape{4, 3});
  CHECK(Run({"Pad", {x, ints({0, 1, 0, 0})}}).type.shape == Shape{2, 4});
  CHECK(Run({"TopK", {x, ints({2})}, {{"axis", int64_t{1}}}, 2}).type.shape ==
        Shape{2, 2});
  CHECK(RunAll({"Split", {x, ints({1, 2})}, {{"axis", int64_t{1}}}, 2})[1]
            .Floats() == std::vector<float>{1, 2, 4, 5});
  CHECK(ErrorOf({"Tile", {x, I64({2}, {2, 1})}}) ==
        "input repeats: got i64[2], expected a constant");
  CHECK(ErrorOf({"Tile", {x}}) ==
        "repeats: got neither an attribute nor an input, expected one of them");
  CHECK(ErrorOf({"Tile", {x, Constant(F32({2}, {1, 1}))}}) ==
        "input repeats: got f32[2], expected i64");
}

TEST_CASE("Unique numbers slices in their order or by their place") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const Value x = F32({6}, {kNan, 2, -1, 2, kNan, 7});
  const std::vector<Value> sorted = RunAll({"Unique", {x}, {}, 4});
  CHECK(sorted[0].As<int64_t>() == Ints{2, 1, 5, 0, 0, 0});
  CHECK(sorted[1].As<int64_t>() == Ints{3, 1, 0, 1, 3, 2});
  CHECK(sorted[2].As<int64_t>() == Ints{1, 2, 1, 2, 0, 0});
  CHECK(sorted[3].As<int64_t>() == Ints{4});
  const std::vector<Value> placed =
      RunAll({"Unique", {x}, {{"sorted", int64_t{0}}}, 4});
  CHECK(placed[0].As<int64_t>() == Ints{0, 1, 2, 5, 0, 0});
  CHECK(placed[1].As<int64_t>() == Ints{0, 1, 2, 1, 0, 3});
  CHECK(placed[2].As<int64_t>() == Ints{2, 2, 1, 1, 0, 0});
  const Value rows = I64({3, 2}, {5, 6, 1, 2, 5, 6});
  const std::vector<Value> by_row =
      RunAll({"Unique", {rows}, {{"axis", int64_t{0}}}, 4});
  CHECK(by_row[0].As<int64_t>() == Ints{1, 0, 0});
  CHECK(by_row[1].As<int64_t>() == Ints{1, 0, 1});
  CHECK(by_row[3].As<int64_t>() == Ints{2});
  CHECK(ErrorOf({"Unique", {x}, {{"axis", int64_t{1}}}, 4}) ==
        "axis: got 1, expected -1 to 0");
}

TEST_CASE("BitCast keeps the bytes") {
  const Value bits =
      Run({"BitCast", {F32({2}, {1, -0.0f})}, {{"to", std::string("i32")}}});
  CHECK(bits.As<int32_t>() ==
        std::vector<int32_t>{0x3F800000, std::numeric_limits<int32_t>::min()});
  CHECK(ErrorOf({"BitCast", {I64({1}, {1})}, {{"to", std::string("f32")}}}) ==
        "to: got f32, expected f32 or i32, and an input of that size");
}

}  // namespace
}  // namespace bittern::test
