// Ops that only move or name elements: views, Transpose, Slice, Expand, Tile,
// Concat, Split, Gather, Pad, and the ones that make tensors from shapes.
#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "tests/runtime/ops/multi_bit.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::DType;
using runtime::Shape;
using Ints = std::vector<int64_t>;

Value ShapeInput(const Ints& dims) {
  return Constant(I64({static_cast<int64_t>(dims.size())}, dims));
}

Shape ShapeOf(const OpCall& call) { return Run(call).type.shape; }

// The multi-index of element `flat`.
Ints IndexOf(const Shape& shape, int64_t flat) {
  Ints index(shape.rank());
  for (size_t i = shape.rank(); i-- > 0;) {
    index[i] = flat % shape[i];
    flat /= shape[i];
  }
  return index;
}

int64_t FlatOf(const Shape& shape, const Ints& index) {
  int64_t flat = 0;
  for (size_t i = 0; i < shape.rank(); ++i) flat = flat * shape[i] + index[i];
  return flat;
}

TEST_CASE("Views keep the bytes and change the shape") {
  const Value x = Iota({2, 3, 4});
  const auto reshape = [&](const Ints& dims, int64_t allow_zero = 0) {
    return OpCall{
        "Reshape", {x, ShapeInput(dims)}, {{"allowzero", allow_zero}}};
  };
  CHECK(Run(reshape({4, 6})).Floats() == x.Floats());
  CHECK(ShapeOf(reshape({4, -1})) == Shape{4, 6});
  CHECK(ShapeOf(reshape({0, -1})) == Shape{2, 12});
  CHECK(ShapeOf(reshape({0, 0, 2, 2})) == Shape{2, 3, 2, 2});
  CHECK(ShapeOf(reshape({-1})) == Shape{24});
  CHECK(ErrorOf(reshape({5, -1})) ==
        "shape: got [5,?] for an input of [2,3,4], expected dimensions that "
        "divide it");
  CHECK(ErrorOf(reshape({-1, -1})) ==
        "shape: got [?,?], expected at most one -1 and else sizes");
  CHECK(ErrorOf(reshape({24, -2})) ==
        "shape: got [24,?], expected at most one -1 and else sizes");
  CHECK(ErrorOf(reshape({24, 1, 1, 0})) ==
        "shape: got [24,1,1,0], expected no 0 beyond the input's rank");
  CHECK(ErrorOf(reshape({5, 5})) ==
        "shape: got [5,5] for an input of [2,3,4], expected as many elements");
  CHECK(ErrorOf(reshape({0, -1}, 1)).starts_with("shape: got [0,?]"));
  CHECK(ErrorOf(reshape(Ints(9, 1))) ==
        "shape: got 9 dimensions, expected at most 8");
  const int64_t huge = int64_t{1} << 62;
  CHECK(ErrorOf(reshape({huge, 4})).find("too many elements") !=
        std::string::npos);
  CHECK(ErrorOf({"Reshape", {x, I64({1}, {24})}}) ==
        "input shape: got i64[1], expected a constant");
  CHECK(ErrorOf({"Reshape", {x, Constant(F32({1}, {24}))}}) ==
        "input shape: got f32[1], expected i64");

  const auto flatten = [&](int64_t axis) {
    return OpCall{"Flatten", {x}, {{"axis", axis}}};
  };
  CHECK(ShapeOf(flatten(0)) == Shape{1, 24});
  CHECK(ShapeOf(flatten(2)) == Shape{6, 4});
  CHECK(ShapeOf(flatten(-1)) == Shape{6, 4});
  CHECK(ShapeOf(flatten(3)) == Shape{24, 1});
  CHECK(ErrorOf(flatten(4)) == "axis: got 4, expected -3 to 3");

  const Value ones = Iota({1, 3, 1});
  CHECK(ShapeOf({"Squeeze", {ones}}) == Shape{3});
  CHECK(ShapeOf({"Squeeze", {ones}, {{"axes", Ints{-1}}}}) == Shape{1, 3});
  CHECK(ErrorOf({"Squeeze", {ones}, {{"axes", Ints{1}}}}) ==
        "axes: got axis 1 of [1,3,1], expected an axis of size 1");
  CHECK(ErrorOf({"Squeeze", {ones}, {{"axes", Ints{0, -3}}}}) ==
        "axes: got axis -3 twice, expected each axis once");
  CHECK(ShapeOf({"Unsqueeze", {x}, {{"axes", Ints{0, -1}}}}) ==
        Shape{1, 2, 3, 4, 1});
  CHECK(ErrorOf({"Unsqueeze", {x}, {{"axes", Ints{5}}}}) ==
        "axes: got 5, expected -4 to 3");
  CHECK(ErrorOf({"Unsqueeze", {x}, {{"axes", Ints(6, 0)}}})
            .starts_with("axes: got 6 axes for [2,3,4]"));
  CHECK(Run({"Identity", {x}}).Floats() == x.Floats());
  CHECK(ErrorOf({"Identity", {std::nullopt}}) ==
        "input x: got nothing, expected a tensor");
}

TEST_CASE("Views of sign codes keep their last dimension, bytes need not") {
  const std::vector<int> codes = {1, 0, -1, 1, 1, -1, 0, 0, 1, -1, -1, 1};
  const Value x = Sign({2, 2, 3}, 0, codes);
  const Value flat = Run({"Reshape", {x, ShapeInput({4, 3})}});
  CHECK(flat.type.code == x.type.code);
  CHECK(Codes(flat) == codes);
  CHECK(ErrorOf({"Reshape", {x, ShapeInput({3, 4})}}) ==
        "shape: got [3,4] for sign[2,2,3], expected the last dimension of "
        "codes unchanged");
  const std::vector<int> wide = {1, 0, 7, 5, 6, 3};
  const Value bytes = CodeTensor("u3c", {2, 3}, wide);
  const Value turned = Run({"Reshape", {bytes, ShapeInput({3, 2})}});
  CHECK(turned.type.code == bytes.type.code);
  CHECK(ByteValues(turned) == wide);
}

TEST_CASE("Transpose permutes any rank and element size") {
  Random random(3);
  const std::vector<std::pair<Shape, Ints>> cases = {
      {{2, 3, 4}, {0, 2, 1}},
      {{2, 3, 4}, {2, 1, 0}},
      {{1, 37, 50}, {0, 2, 1}},
      {{5, 7}, {1, 0}},
      {{2, 3, 4, 5}, {0, 2, 1, 3}},
      {{2, 3, 4, 5}, {3, 1, 0, 2}},
      {{3, 1, 5}, {1, 2, 0}},
      {{4}, {0}},
      {{}, {}},
      {{400, 500}, {1, 0}},
      {{4, 33, 3, 17}, {2, 0, 3, 1}},
      {{2, 3, 40, 33}, {0, 2, 3, 1}},
      {{7, 1100}, {1, 0}},
      {{8, 1100}, {1, 0}},
      {{0, 3}, {1, 0}},
      {{2, 2, 2, 2, 2, 2, 2, 2}, {7, 0, 6, 1, 5, 2, 4, 3}},
  };
  for (const auto& [shape, perm] : cases) {
    INFO(ToString(shape));
    const auto count = static_cast<size_t>(shape.Elements());
    std::vector<float> f = random.Normals(count);
    Ints wide(count);
    std::vector<uint8_t> bytes(count);
    for (size_t i = 0; i < count; ++i) {
      wide[i] = static_cast<int64_t>(random.Next());
      bytes[i] = static_cast<uint8_t>(random.Next());
    }
    for (const size_t threads : {1u, 3u}) {
      const AttributeMap attributes{{"perm", perm}};
      const Value out =
          Run({"Transpose", {F32(shape, f)}, attributes, 1, threads});
      const auto got = out.Floats();
      const auto got_wide =
          Run({"Transpose", {I64(shape, wide)}, attributes, 1, threads})
              .As<int64_t>();
      const auto got_bytes = Run({"Transpose",
                                  {Bytes(DType::kU8, shape, bytes)},
                                  attributes,
                                  1,
                                  threads})
                                 .As<uint8_t>();
      bool same = true;
      for (size_t i = 0; i < count; ++i) {
        const Ints to = IndexOf(out.type.shape, static_cast<int64_t>(i));
        Ints from(to.size());
        for (size_t d = 0; d < to.size(); ++d)
          from[static_cast<size_t>(perm[d])] = to[d];
        const auto source = static_cast<size_t>(FlatOf(shape, from));
        same = same && got[i] == f[source] && got_wide[i] == wide[source] &&
               got_bytes[i] == bytes[source];
      }
      CHECK(same);
    }
  }
  const Value x = Iota({2, 3});
  CHECK(ErrorOf({"Transpose", {x}, {{"perm", Ints{0}}}}) ==
        "perm: got 1 axes for [2,3], expected one for each dimension");
  CHECK(ErrorOf({"Transpose", {x}, {{"perm", Ints{0, 0}}}}) ==
        "perm: got axis 0 twice, expected each axis once");
  CHECK(ErrorOf({"Transpose", {x}, {{"perm", Ints{0, 2}}}}) ==
        "perm: got 2, expected -2 to 1");
  CHECK(ErrorOf({"Transpose",
                 {Sign({2, 3}, 0, {1, 1, 1, 1, 1, 1})},
                 {{"perm", Ints{1, 0}}}})
            .starts_with("input x: got sign[2,3]"));
}

OpCall SliceCall(const Value& x, Ints axes, Ints starts, Ints ends,
                 Ints steps = {}) {
  AttributeMap attributes{{"axes", axes}, {"starts", starts}, {"ends", ends}};
  if (!steps.empty()) attributes["steps"] = steps;
  return {"Slice", {x}, attributes};
}

TEST_CASE("Slice clamps as ONNX says") {
  const Value x = Iota({10});
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(),
                    kMin = std::numeric_limits<int64_t>::min();
  const auto slice = [&](int64_t start, int64_t end, int64_t step) {
    return Run(SliceCall(x, {0}, {start}, {end}, {step})).Floats();
  };
  using Floats = std::vector<float>;
  CHECK(slice(2, 5, 1) == Floats{2, 3, 4});
  CHECK(slice(-3, kMax, 1) == Floats{7, 8, 9});
  CHECK(slice(0, -7, 1) == Floats{0, 1, 2});
  CHECK(slice(1, 9, 3) == Floats{1, 4, 7});
  CHECK(slice(kMax, kMin, -4) == Floats{9, 5, 1});
  CHECK(slice(3, 0, -1) == Floats{3, 2, 1});
  CHECK(slice(3, kMin, -1) == Floats{3, 2, 1, 0});
  CHECK(slice(kMin, 3, 1) == Floats{0, 1, 2});
  CHECK(slice(5, 5, 1).empty());
  CHECK(slice(5, 2, 1).empty());
  CHECK(slice(2, 5, kMax) == Floats{2});
  CHECK(slice(5, 2, -kMax) == Floats{5});
  const Value y = Iota({3, 4, 5});
  const Value part = Run(SliceCall(y, {2, 0}, {1, -1}, {4, kMin}, {2, -1}));
  CHECK(part.type.shape == Shape{3, 4, 2});
  const auto got = part.Floats();
  for (int64_t i = 0; i < part.type.shape.Elements(); ++i) {
    const Ints at = IndexOf(part.type.shape, i);
    CHECK(got[static_cast<size_t>(i)] ==
          static_cast<float>(
              FlatOf({3, 4, 5}, {2 - at[0], at[1], 1 + 2 * at[2]})));
  }
  CHECK(Run(SliceCall(I64({3}, {4, 5, 6}), {0}, {1}, {3})).As<int64_t>() ==
        Ints{5, 6});
  CHECK(ErrorOf(SliceCall(x, {0}, {0}, {5}, {0})) ==
        "steps: got 0, expected a step that is not 0");
  CHECK(ErrorOf(SliceCall(x, {0}, {0, 1}, {5})) ==
        "starts, ends and steps: got 2, 1 and 0 values, expected one for each "
        "of 1 axes");
  CHECK(ErrorOf(SliceCall(x, {1}, {0}, {5})) ==
        "axes: got 1, expected -1 to 0");
  CHECK(ErrorOf(SliceCall(y, {0, -3}, {0, 0}, {1, 1})) ==
        "axes: got axis -3 twice, expected each axis once");
}

TEST_CASE("Expand and Tile repeat") {
  const Value x = F32({2, 1}, {1, 2});
  CHECK(Run({"Expand", {x, ShapeInput({2, 3})}}).Floats() ==
        std::vector<float>{1, 1, 1, 2, 2, 2});
  CHECK(ShapeOf({"Expand", {x, ShapeInput({4, 1, 3})}}) == Shape{4, 2, 3});
  CHECK(ShapeOf({"Expand", {x, ShapeInput({1})}}) == Shape{2, 1});
  CHECK(Run({"Expand", {I64({}, {7}), ShapeInput({2, 2})}}).As<int64_t>() ==
        Ints{7, 7, 7, 7});
  CHECK(ErrorOf({"Expand", {x, ShapeInput({3, 3})}}) ==
        "shapes: got [2,1] and [3,3], expected shapes that broadcast");
  CHECK(ErrorOf({"Expand", {x, ShapeInput({2, -1})}}).find("expected") !=
        std::string::npos);
  CHECK(ErrorOf({"Expand", {F32({1}, {1}), ShapeInput({1 << 30, 1 << 30})}})
            .find("too many elements") != std::string::npos);
  const Value like = Iota({5, 3});
  const auto expand_like = [&](const Value& value, int64_t axis,
                               int64_t like_axis) {
    return OpCall{"ExpandLike",
                  {value, like},
                  {{"axis", axis}, {"like_axis", like_axis}}};
  };
  CHECK(Run(expand_like(x, 1, 1)).Floats() ==
        std::vector<float>{1, 1, 1, 2, 2, 2});
  CHECK(ShapeOf(expand_like(x, -1, 0)) == Shape{2, 5});
  CHECK(Run(expand_like(I64({1, 2}, {7, 8}), 0, 1)).As<int64_t>() ==
        Ints{7, 8, 7, 8, 7, 8});
  CHECK(ErrorOf(expand_like(x, 0, 0)) ==
        "input x: got f32[2,1], expected dimension 0 of size 1");
  CHECK(ErrorOf(expand_like(x, 2, 0)) == "axis: got 2, expected -2 to 1");
  CHECK(ErrorOf(expand_like(x, 1, 2)) == "like_axis: got 2, expected -2 to 1");
  const Value y = Iota({2, 3});
  const Value tiled = Run({"Tile", {y}, {{"repeats", Ints{2, 2}}}});
  CHECK(tiled.type.shape == Shape{4, 6});
  for (int64_t i = 0; i < 24; ++i) {
    CHECK(tiled.Floats()[static_cast<size_t>(i)] ==
          static_cast<float>(i / 6 % 2 * 3 + i % 6 % 3));
  }
  CHECK(ShapeOf({"Tile", {y}, {{"repeats", Ints{0, 1}}}}) == Shape{0, 3});
  CHECK(ShapeOf({"Tile",
                 {Iota({2, 1, 2, 1, 2, 1, 2, 1})},
                 {{"repeats", Ints(8, 2)}}}) == Shape{4, 2, 4, 2, 4, 2, 4, 2});
  CHECK(ErrorOf({"Tile", {y}, {{"repeats", Ints{1}}}}) ==
        "repeats: got 1 values for [2,3], expected one for each dimension");
  CHECK(ErrorOf({"Tile", {y}, {{"repeats", Ints{-1, 1}}}}) ==
        "repeats: got -1, expected 0 or more, and at most 2^40 elements");
  CHECK(ErrorOf({"Tile", {y}, {{"repeats", Ints{int64_t{1} << 62, 1}}}})
            .starts_with("repeats: got 4611686018427387904"));
}

TEST_CASE("Concat and Split are each other's inverse") {
  const Value a = Iota({2, 3, 4}), b = Iota({2, 1, 4}), c = Iota({2, 0, 4});
  const AttributeMap axis{{"axis", int64_t{-2}}};
  const Value joined = Run({"Concat", {a, c, b}, axis});
  REQUIRE(joined.type.shape == Shape{2, 4, 4});
  AttributeMap sizes = axis;
  sizes["sizes"] = Ints{3, 0, 1};
  const auto parts = RunAll({"Split", {joined}, sizes, 3});
  CHECK(parts[0].Floats() == a.Floats());
  CHECK(parts[1].type.shape == Shape{2, 0, 4});
  CHECK(parts[2].Floats() == b.Floats());
  CHECK(
      Run({"Concat", {I64({1}, {5}), I64({2}, {6, 7})}, {{"axis", int64_t{0}}}})
          .As<int64_t>() == Ints{5, 6, 7});
  CHECK(ErrorOf({"Concat", {a, I64({1}, {1})}, axis}) ==
        "input x1: got i64[1], expected f32");
  CHECK(ErrorOf({"Concat", {a, Iota({2, 1, 5})}, axis}) ==
        "input x1: got f32[2,1,5], expected dimensions of [2,3,4] but along "
        "axis 1");
  CHECK(ErrorOf({"Concat", {a, Iota({2})}, axis})
            .starts_with("input x1: got f32[2]"));
  CHECK(ErrorOf({"Concat", {a}, {{"axis", int64_t{3}}}}) ==
        "axis: got 3, expected -3 to 2");
  CHECK(ErrorOf({"Concat", {F32({}, {1})}, {{"axis", int64_t{0}}}}) ==
        "axis: got 0, expected an input of rank 1 or more");
  const auto split = [&](Ints s, size_t outputs) {
    return OpCall{"Split", {a}, {{"axis", int64_t{1}}, {"sizes", s}}, outputs};
  };
  CHECK(ErrorOf(split({1, 1}, 2)) ==
        "sizes: got 1 left over, expected sizes that add up to 3");
  CHECK(ErrorOf(split({2, 2}, 2)) ==
        "sizes: got 2 of 1 left, expected sizes that add up to 3");
  CHECK(ErrorOf(split({4, -1}, 2)).starts_with("sizes: got 4 of 3 left"));
  CHECK(ErrorOf(split({3}, 2)) ==
        "sizes: got 1 values, expected one for each of 2 outputs");
}

TEST_CASE("Gather takes slices, and clamps what it could not check") {
  const Value x = Iota({2, 3, 2});
  const AttributeMap axis{{"axis", int64_t{1}}};
  const Value out =
      Run({"Gather", {x, Constant(I64({2, 2}, {0, -1, 1, 2}))}, axis});
  CHECK(out.type.shape == Shape{2, 2, 2, 2});
  CHECK(out.Floats() ==
        std::vector<float>{0, 1, 4, 5, 2, 3, 4, 5, 6, 7, 10, 11, 8, 9, 10, 11});
  CHECK(Run({"Gather", {x, I32({}, {1})}, axis}).Floats() ==
        std::vector<float>{2, 3, 8, 9});
  CHECK(Run({"Gather", {x, I64({2}, {99, -99})}, axis}).Floats() ==
        std::vector<float>{4, 5, 0, 1, 10, 11, 6, 7});
  CHECK(Run({"Gather",
             {I64({3}, {7, 8, 9}), Constant(I64({1}, {2}))},
             {{"axis", int64_t{0}}}})
            .As<int64_t>() == Ints{9});
  CHECK(ErrorOf({"Gather", {x, Constant(I64({1}, {3}))}, axis}) ==
        "input indices: got 3, expected -3 to 2");
  CHECK(ErrorOf({"Gather", {x, F32({1}, {3})}, axis}) ==
        "input indices: got f32[1], expected i32 or i64");
  CHECK(
      ErrorOf({"Gather", {Iota({0}), I64({1}, {0})}, {{"axis", int64_t{0}}}}) ==
      "input x: got f32[0], expected something to gather from");
  CHECK(ErrorOf({"Gather", {x, I64({1, 1, 1, 1, 1, 1, 1}, {0})}, axis}) ==
        "input indices: got i64[1,1,1,1,1,1,1], expected at most 8 output "
        "dimensions");
}

TEST_CASE("Pad surrounds with a value") {
  const Value x = Iota({2, 2});
  const Value out =
      Run({"Pad", {x}, {{"pads", Ints{1, 0, 0, 2}}, {"value", 9.0f}}});
  CHECK(out.type.shape == Shape{3, 4});
  CHECK(out.Floats() == std::vector<float>{9, 9, 9, 9, 0, 1, 9, 9, 2, 3, 9, 9});
  CHECK(Run({"Pad", {x}, {{"pads", Ints{0, 1, 0, 0}}}}).Floats() ==
        std::vector<float>{0, 0, 1, 0, 2, 3});
  CHECK(Run({"Pad", {F32({}, {4})}, {{"pads", Ints{}}}}).Floats() ==
        std::vector<float>{4});
  CHECK(ErrorOf({"Pad", {x}, {{"pads", Ints{1, 1}}}}) ==
        "pads: got 2 values for [2,2], expected two for each dimension");
  CHECK(ErrorOf({"Pad", {x}, {{"pads", Ints{0, 0, -1, 0}}}}) ==
        "pads: got -1, expected 0 to 2^40");
  CHECK(ErrorOf({"Pad", {x}, {{"pads", Ints{1 << 30, 1 << 30, 0, 0}}}})
            .find("too many elements") != std::string::npos);
}

TEST_CASE("Tensors made from shapes and numbers") {
  const Value x = Iota({2, 3, 4});
  CHECK(Run({"Shape", {x}}).As<int64_t>() == Ints{2, 3, 4});
  CHECK(Run({"Shape", {x}, {{"start", int64_t{-2}}, {"end", int64_t{-1}}}})
            .As<int64_t>() == Ints{3});
  CHECK(Run({"Shape", {x}, {{"start", int64_t{5}}, {"end", int64_t{1}}}})
            .As<int64_t>()
            .empty());
  CHECK(Run({"ConstantOfShape", {ShapeInput({2, 2})}, {{"value_f", 1.5f}}})
            .Floats() == std::vector<float>(4, 1.5f));
  CHECK(Run({"ConstantOfShape", {ShapeInput({2})}, {{"value_i", int64_t{7}}}})
            .As<int64_t>() == Ints{7, 7});
  CHECK(Run({"ConstantOfShape", {ShapeInput({})}}).Floats() ==
        std::vector<float>{0});
  CHECK(ErrorOf({"ConstantOfShape",
                 {ShapeInput({1})},
                 {{"value_i", int64_t{7}}, {"value_f", 1.0f}}}) ==
        "value_f and value_i: got both, expected one of them");
  CHECK(ErrorOf({"ConstantOfShape", {ShapeInput({-1})}}).find("not known") !=
        std::string::npos);
  CHECK(ErrorOf({"ConstantOfShape", {ShapeInput({1 << 30, 1 << 30})}})
            .find("too many elements") != std::string::npos);
}

TEST_CASE("Range counts up and down to a limit") {
  const auto ints = [](int64_t start, int64_t limit, int64_t delta) {
    return OpCall{"Range",
                  {Constant(I64({}, {start})), Constant(I64({}, {limit})),
                   Constant(I64({}, {delta}))}};
  };
  const auto floats = [](float start, float limit, float delta) {
    return OpCall{"Range",
                  {Constant(F32({}, {start})), Constant(F32({}, {limit})),
                   Constant(F32({1}, {delta}))}};
  };
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(),
                    kMin = std::numeric_limits<int64_t>::min();
  CHECK(Run(ints(1, 8, 3)).As<int64_t>() == Ints{1, 4, 7});
  CHECK(Run(ints(5, 0, -2)).As<int64_t>() == Ints{5, 3, 1});
  CHECK(Run(ints(5, 5, 1)).As<int64_t>().empty());
  CHECK(Run(ints(kMin, kMax, kMax)).As<int64_t>() == Ints{kMin, -1, kMax - 1});
  CHECK(Run(floats(0, 1, 0.25f)).Floats() ==
        std::vector<float>{0, 0.25f, 0.5f, 0.75f});
  CHECK(Run(floats(1, 0, -0.5f)).Floats() == std::vector<float>{1, 0.5f});
  CHECK(ErrorOf(ints(0, 5, 0)) ==
        "input delta: got i64[], expected a step that is not 0");
  CHECK(ErrorOf(ints(kMin, kMax, 1))
            .starts_with("range: got 18446744073709551616"));
  CHECK(ErrorOf(floats(0, std::numeric_limits<float>::infinity(), 1))
            .starts_with("range: got inf elements"));
  CHECK(ErrorOf(floats(0, std::numeric_limits<float>::quiet_NaN(), 1))
            .starts_with("range: got "));
  CHECK(ErrorOf({"Range", {I64({}, {0}), I64({}, {1}), I64({}, {1})}}) ==
        "input start: got i64[], expected a constant of one element");
}

}  // namespace
}  // namespace bittern::test
