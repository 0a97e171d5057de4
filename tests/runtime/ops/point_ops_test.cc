// FarthestPointSample, BallQuery, KnnGraph, ThreeInterpolate.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::Shape;
using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Points on the x axis.
Value Line(const Floats& xs, int64_t batch = 1) {
  Floats values;
  for (const float x : xs) values.insert(values.end(), {x, 0, 0});
  return F32({batch, static_cast<int64_t>(xs.size()) / batch, 3}, values);
}

Ints Sampled(const Value& points, int64_t count, int64_t start = 0) {
  return Run({"FarthestPointSample",
              {points},
              {{"count", count}, {"start", start}},
              1,
              2})
      .As<int64_t>();
}

Ints Ball(const Value& points, const Value& centres, float radius,
          int64_t count) {
  return Run({"BallQuery",
              {points, centres},
              {{"radius", radius}, {"count", count}}})
      .As<int64_t>();
}

Ints Nearest(const Value& points, const Value& queries, int64_t k) {
  return Run({"KnnGraph", {points, queries}, {{"k", k}}}).As<int64_t>();
}

TEST_CASE("FarthestPointSample takes the first of equals") {
  CHECK(Sampled(Line({0, 1, 2, -2, 5}), 4) == Ints{0, 4, 2, 3});
  CHECK(Sampled(Line({0, 1, 2, -2, 5}), 2, 3) == Ints{3, 4});
  // 3 and -3 are as far.
  CHECK(Sampled(Line({0, 3, -3}), 3) == Ints{0, 1, 2});
  // Each sample for itself.
  CHECK(Sampled(Line({0, 1, 9, 0, 7, 2}, 2), 2) == Ints{0, 2, 0, 1});
  // The same point throughout: the first again.
  CHECK(Sampled(Line({4, 4, 4}), 3) == Ints{0, 0, 0});
}

TEST_CASE("FarthestPointSample leaves points that are not finite") {
  CHECK(Sampled(Line({0, kNan, 2, kInf, -5, -kInf}), 3) == Ints{0, 4, 2});
  // From one of them every finite point is as far.
  CHECK(Sampled(Line({kNan, 1, 2}), 3) == Ints{0, 1, 2});
  CHECK(Sampled(Line({kNan, kNan}), 2) == Ints{0, 0});
}

TEST_CASE("FarthestPointSample names what is wrong") {
  const auto error = [](const Value& points, int64_t count, int64_t start) {
    return ErrorOf({"FarthestPointSample",
                    {points},
                    {{"count", count}, {"start", start}}});
  };
  CHECK(error(Line({0, 1}), 3, 0) == "count: got 3, expected 1 to 2");
  CHECK(error(Line({0, 1}), 0, 0) == "count: got 0, expected 1 to 2");
  CHECK(error(Line({0, 1}), 1, 2) == "start: got 2, expected 0 to 1");
  CHECK(error(F32({1, 0, 3}, {}), 1, 0) ==
        "input points: got f32[1,0,3], expected f32[B,N,3] with N from 1 to "
        "2^30");
  CHECK(error(F32({1, 3, 2}, Floats(6)), 1, 0) ==
        "input points: got f32[1,3,2], expected f32[B,N,3] with N from 1 to "
        "2^30");
}

TEST_CASE("BallQuery takes the lowest indices and repeats the first") {
  const Value points = Line({5, 0, 1, kNan, 2, 1.5f});
  CHECK(Ball(points, Line({1}), 1, 3) == Ints{1, 2, 4});
  CHECK(Ball(points, Line({1}), 1, 6) == Ints{1, 2, 4, 5, 1, 1});
  CHECK(Ball(points, Line({-9, kNan}), 1, 2) == Ints{0, 0, 0, 0});
  CHECK(Ball(points, Line({5}), 0, 2) == Ints{0, 0});
  // More than there are points.
  CHECK(Ball(Line({3}), Line({3}), 0.5f, 4) == Ints{0, 0, 0, 0});
  // The square of the radius is rounded once: 0.2 * 0.2 in double.
  CHECK(Ball(Line({0, 0.2f}), Line({0}), 0.2f, 2) == Ints{0, 1});
  // No centre, no ball.
  CHECK(Ball(points, F32({1, 0, 3}, {}), 1, 2).empty());
}

TEST_CASE("BallQuery names what is wrong") {
  const auto error = [](const Value& centres, float radius, int64_t count) {
    return ErrorOf({"BallQuery",
                    {Line({0, 1}), centres},
                    {{"radius", radius}, {"count", count}}});
  };
  CHECK(error(Line({0}), kNan, 1) == "radius: got nan, expected 0 or more");
  CHECK(error(Line({0}), -1, 1) == "radius: got -1.000000, expected 0 or more");
  CHECK(error(Line({0}), 1, 0) == "count: got 0, expected 1 to 1048576");
  CHECK(error(F32({2, 1, 3}, Floats(6)), 1, 1) ==
        "input centres: got f32[2,1,3], expected f32[1,M,3]");
}

TEST_CASE("KnnGraph sorts by distance, then by index") {
  const Value points = Line({0, 2, -1, 1, 2});
  CHECK(Nearest(points, Line({0}), 5) == Ints{0, 2, 3, 1, 4});
  CHECK(Nearest(points, points, 1) == Ints{0, 1, 2, 3, 1});
  // NaN is beyond infinity.
  CHECK(Nearest(Line({kNan, kInf, 3, 1}), Line({0}), 4) == Ints{3, 2, 1, 0});
  CHECK(Nearest(points, Line({kNan}), 2) == Ints{0, 1});
  // Features of any number.
  CHECK(Nearest(F32({1, 3, 1}, {0, 3, 1}), F32({1, 1, 1}, {2}), 2) ==
        Ints{1, 2});
  CHECK(ErrorOf({"KnnGraph", {points, points}, {{"k", int64_t{6}}}}) ==
        "k: got 6, expected 1 to 5");
  CHECK(ErrorOf({"KnnGraph",
                 {points, F32({1, 1, 2}, {0, 0})},
                 {{"k", int64_t{1}}}}) ==
        "input queries: got f32[1,1,2], expected f32[1,M,3]");
}

TEST_CASE("KnnGraph is what a sort of all distances gives, on any thread") {
  constexpr int64_t kPoints = 150, kQueries = 37, kChannels = 5, kNear = 21;
  Random random(1);
  const Value points =
      F32({2, kPoints, kChannels}, random.Normals(2 * kPoints * kChannels));
  const Value queries =
      F32({2, kQueries, kChannels}, random.Normals(2 * kQueries * kChannels));
  const Floats p = points.Floats(), q = queries.Floats();
  Ints expected;
  for (int64_t row = 0; row < 2 * kQueries; ++row) {
    std::vector<std::pair<float, int64_t>> all;
    for (int64_t i = 0; i < kPoints; ++i) {
      float sum = 0;
      for (int64_t c = 0; c < kChannels; ++c) {
        const float d = p[static_cast<size_t>(
                            (row / kQueries * kPoints + i) * kChannels + c)] -
                        q[static_cast<size_t>(row * kChannels + c)];
        sum += d * d;
      }
      all.emplace_back(sum, i);
    }
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < kNear; ++i) expected.push_back(all[i].second);
  }
  for (const auto& cpu : EveryCpu()) {
    for (const size_t threads : {size_t{1}, size_t{3}}) {
      CHECK(
          Run({"KnnGraph", {points, queries}, {{"k", kNear}}, 1, threads, cpu})
              .As<int64_t>() == expected);
    }
  }
}

// The neighbours of every point of clouds [batch, count, channels] among them,
// by a sort of all distances.
Ints Sorted(const Value& cloud, int64_t k) {
  const Shape& shape = cloud.type.shape;
  const auto count = static_cast<size_t>(shape[1]);
  const auto channels = static_cast<size_t>(shape[2]);
  const Floats x = cloud.Floats();
  Ints sorted;
  std::vector<std::pair<float, int64_t>> all(count);
  for (size_t row = 0; row < static_cast<size_t>(shape[0]) * count; ++row) {
    for (size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (size_t c = 0; c < channels; ++c) {
        const float d =
            x[(row / count * count + i) * channels + c] - x[row * channels + c];
        sum += d * d;
      }
      // Beyond infinity, and no NaN, which does not sort.
      all[i] = {std::isnan(sum) ? kInf : sum,
                static_cast<int64_t>(i + (std::isnan(sum) ? count : 0))};
    }
    std::partial_sort(all.begin(), all.begin() + k, all.end());
    for (size_t i = 0; i < static_cast<size_t>(k); ++i)
      sorted.push_back(all[i].second % static_cast<int64_t>(count));
  }
  return sorted;
}

TEST_CASE("KnnGraph within a cloud reads every distance both ways") {
  constexpr int64_t kChannels = 16;
  for (const int64_t count : {1, 2, 20, 63, 64, 65, 129, 200, 333}) {
    for (const bool odd : {false, true}) {
      Random random(static_cast<uint64_t>(count));
      const Shape shape = {2, count, kChannels};
      Floats values = random.Normals(static_cast<size_t>(shape.Elements()));
      if (odd) {  // few values, so that distances tie; points that are none
        for (float& value : values) {
          value = std::floor(value);
          if (random.Below(900) == 0) value = random.Below(2) ? kNan : kInf;
        }
      }
      const Value cloud = F32(shape, values);
      for (const int64_t k : {1, 20, 40, 64, 65}) {
        if (k > count) continue;
        const Ints expected = Sorted(cloud, k);
        for (const auto& cpu : EveryCpu()) {
          for (const size_t threads : {size_t{1}, size_t{2}, size_t{3}}) {
            CAPTURE(count, odd, k, threads);
            CHECK(Run({"KnnGraph", {cloud, cloud}, {{"k", k}}, 1, threads, cpu})
                      .As<int64_t>() == expected);
          }
        }
      }
    }
  }
}

// More points than a part holds lists of, and more than a strip has rows.
TEST_CASE("KnnGraph within a large cloud") {
  Random random(3);
  const Value cloud = F32({1, 2300, 16}, random.Normals(2300 * 16));
  const Ints expected = Sorted(cloud, 20);
  for (const auto& cpu : EveryCpu()) {
    for (const size_t threads : {size_t{1}, size_t{2}}) {
      CHECK(Run({"KnnGraph",
                 {cloud, cloud},
                 {{"k", int64_t{20}}},
                 1,
                 threads,
                 cpu})
                .As<int64_t>() == expected);
    }
  }
}

TEST_CASE("ThreeInterpolate weighs the three nearest") {
  const auto interpolated = [](const Value& queries, const Value& points,
                               const Value& features) {
    return Run({"ThreeInterpolate", {queries, points, features}}).Floats();
  };
  const Value points = Line({0, 1, 3, 100});
  const Value features = F32({1, 4, 2}, {1, 10, 2, 20, 4, 40, 1e6f, 1e6f});
  // At a point, that point's.
  const Floats at = interpolated(Line({1}), points, features);
  CHECK(at[0] == Approx(2).epsilon(1e-6));
  CHECK(at[1] == Approx(20).epsilon(1e-6));
  // 1 / 4, 1 and 1 as weights.
  const Floats between = interpolated(Line({2}), points, features);
  CHECK(between[0] == Approx((0.25 * 1 + 2 + 4) / 2.25));
  // Fewer than three points: those there are.
  CHECK(interpolated(Line({5}), Line({0}), F32({1, 1, 1}, {7})) == Floats{7});
  CHECK(std::isnan(interpolated(Line({kNan}), points, features)[0]));
  CHECK(ErrorOf({"ThreeInterpolate",
                 {Line({0}), points, F32({1, 3, 1}, {1, 2, 3})}}) ==
        "input features: got f32[1,3,1], expected f32[1,4,C]");
}

// DGCNN's spelling, step by step and at once.
TEST_CASE("MatMulTopK is MatMul, the steps and TopK") {
  constexpr int64_t kBatch = 2, kChannels = 7, kNear = 20;
  const Value two = F32({}, {-2}), none = F32({1}, {-1});
  for (const int64_t points : {int64_t{20}, int64_t{64}, int64_t{131}}) {
    Random random(static_cast<uint64_t>(points));
    const Shape shape = {kBatch, points, kChannels};
    Floats values = random.Normals(static_cast<size_t>(shape.Elements()));
    // Points that are the same, and one that is none.
    std::copy_n(values.begin(), 5 * kChannels, values.begin() + 40);
    values[3 * kChannels] = kNan;
    const Value a = F32(shape, values);
    for (const bool largest : {true, false}) {
      for (const auto& cpu : EveryCpu()) {
        const auto run = [&cpu](const char* op,
                                std::vector<std::optional<Value>> inputs,
                                runtime::AttributeMap attributes = {}) {
          return Run({op, std::move(inputs), std::move(attributes), 1, 1, cpu});
        };
        const Ints swap = {0, 2, 1};
        const Value b = run("Transpose", {a}, {{"perm", swap}});
        const Value columns =
            run("ReduceSum", {run("Mul", {b, b})},
                {{"axes", Ints{1}}, {"keepdims", int64_t{1}}});
        const Value rows = run("Transpose", {columns}, {{"perm", swap}});
        Value d = run("Mul", {run("MatMul", {a, b}), two});
        d = run("Sub", {columns, d});
        d = run("Add", {run("Mul", {d, none}), rows});
        const int64_t best = largest ? 1 : 0;
        const Value expected =
            RunAll({"TopK",
                    {d},
                    {{"axis", int64_t{2}}, {"k", kNear}, {"largest", best}},
                    2,
                    1,
                    cpu})[1];
        for (const size_t threads : {size_t{1}, size_t{3}}) {
          CHECK(Run({"MatMulTopK",
                     {a, b, two, columns, none, rows},
                     {{"k", kNear},
                      {"largest", best},
                      {"steps", std::string("mul rsub mul add")}},
                     1,
                     threads,
                     cpu})
                    .As<int64_t>() == expected.As<int64_t>());
        }
      }
    }
  }
}

TEST_CASE("MatMulTopK names what is wrong") {
  const Value a = Iota({1, 4, 2}), b = Iota({1, 2, 5});
  const auto error = [&](std::vector<std::optional<Value>> inputs, int64_t k,
                         const char* steps) {
    return ErrorOf({"MatMulTopK",
                    std::move(inputs),
                    {{"k", k}, {"steps", std::string(steps)}}});
  };
  CHECK(error({a, b}, 6, "") == "k: got 6, expected 1 to 5");
  CHECK(error({a, a}, 1, "") == "input b: got f32[1,4,2], expected f32[1,2,N]");
  CHECK(error({a, b}, 1, "add") == "input term: got nothing, expected f32");
  CHECK(error({a, b, Iota({1})}, 1, "div") ==
        "steps: got div, expected at most 8 of add, mul, sub, rsub");
  CHECK(error({a, b, Iota({1})}, 1, "") ==
        "input term: got f32[1], expected a step that takes it");
  CHECK(error({a, b, Iota({1, 5, 1})}, 1, "add") ==
        "input term: got f32[1,5,1], expected what broadcasts to [1,4,5]");
}

}  // namespace
}  // namespace bittern::test
