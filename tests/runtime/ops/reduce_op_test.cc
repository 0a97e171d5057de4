// Reductions and CumSum: every set of axes against loops, sums of the last axis
// in the order of kernels/README.md.
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
using Ints = std::vector<int64_t>;

// In double, by the multi-index of each element; `mask` has a bit for each
// reduced axis.
std::vector<double> Loops(const std::string& op, const Shape& shape,
                          const std::vector<float>& x, unsigned mask) {
  Shape out;
  for (size_t i = 0; i < shape.rank(); ++i)
    out.Append((mask >> i & 1) != 0 ? 1 : shape[i]);
  const double start = op == "ReduceMax"    ? -1e30
                       : op == "ReduceMin"  ? 1e30
                       : op == "ReduceProd" ? 1
                                            : 0;
  std::vector<double> result(static_cast<size_t>(out.Elements()), start);
  for (size_t flat = 0; flat < x.size(); ++flat) {
    size_t at = 0, step = 1, rest = flat;
    for (size_t i = shape.rank(); i-- > 0;) {
      const auto dim = static_cast<size_t>(shape[i]);
      if ((mask >> i & 1) == 0) {
        at += rest % dim * step;
        step *= dim;
      }
      rest /= dim;
    }
    double& r = result[at];
    const double value = x[flat];
    r = op == "ReduceMax"    ? std::max(r, value)
        : op == "ReduceMin"  ? std::min(r, value)
        : op == "ReduceProd" ? r * value
                             : r + value;
  }
  if (op == "ReduceMean") {
    for (double& r : result)
      r /= static_cast<double>(x.size()) / static_cast<double>(result.size());
  }
  return result;
}

TEST_CASE("Every set of axes agrees with loops, for any number of threads") {
  Random random(4);
  for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 33, 70},
                             Shape{1, 6, 1, 50}, Shape{300, 400}}) {
    const auto x = random.Normals(static_cast<size_t>(shape.Elements()));
    for (const char* op :
         {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"}) {
      for (unsigned mask = 0; mask < 1u << shape.rank(); ++mask) {
        INFO(op << " " << ToString(shape) << " mask " << mask);
        Ints axes;
        for (size_t i = 0; i < shape.rank(); ++i) {
          if ((mask >> i & 1) != 0)
            axes.push_back(
                static_cast<int64_t>(i) -
                (i % 2 == 0 ? 0 : static_cast<int64_t>(shape.rank())));
        }
        const OpCall call{op, {F32(shape, x)}, {{"axes", axes}}};
        const Value out = Run(call);
        const auto want = Loops(op, shape, x, mask);
        const auto got = out.Floats();
        REQUIRE(got.size() == want.size());
        for (size_t i = 0; i < got.size(); ++i) {
          if (std::fabs(got[i] - want[i]) > 1e-4 * (1 + std::fabs(want[i])))
            FAIL_CHECK(i << ": " << got[i] << " is not " << want[i]);
        }
        OpCall threaded = call;
        threaded.threads = 3;
        CHECK(Run(threaded).Floats() == got);
        OpCall dropped = call;
        dropped.attributes["keepdims"] = int64_t{0};
        CHECK(Run(dropped).type.shape.rank() == shape.rank() - axes.size());
        CHECK(Run(dropped).Floats() == got);
      }
    }
  }
}

TEST_CASE("A sum over the last axis is the row sum bit for bit") {
  Random random(5);
  const auto x = random.Normals(3 * 197);
  const auto sum =
      Run({"ReduceSum", {F32({3, 197}, x)}, {{"axes", Ints{-1}}}}).Floats();
  const auto mean =
      Run({"ReduceMean", {F32({3, 197}, x)}, {{"axes", Ints{1}}}}).Floats();
  for (size_t row = 0; row < 3; ++row) {
    kernels::LaneSumReference lanes;
    for (size_t i = 0; i < 197; ++i) lanes.Add(i, x[row * 197 + i]);
    CHECK(sum[row] == lanes.Total());
    CHECK(mean[row] == lanes.Total() / 197.0f);
  }
}

TEST_CASE("The extreme of a long row is found wherever it stands") {
  for (const int64_t size : {63, 64, 65, 128, 191, 1000}) {
    for (int64_t at = 0; at < size; ++at) {
      std::vector<float> x(static_cast<size_t>(2 * size), -1.5f);
      x[static_cast<size_t>(size + at)] = 3;
      const Value row = F32({2, size}, x);
      const AttributeMap last = {{"axes", Ints{1}}};
      CHECK(Run({"ReduceMax", {row}, last}).Floats() ==
            std::vector<float>{-1.5f, 3});
      for (float& v : x) v = -v;
      CHECK(Run({"ReduceMin", {F32({2, size}, x)}, last}).Floats() ==
            std::vector<float>{1.5f, -3});
      x[static_cast<size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(
          Run({"ReduceMax", {F32({2, size}, x)}, last}).Floats()[0]));
    }
  }
}

TEST_CASE("No axes attribute reduces everything; corners") {
  const Value x = F32({2, 2}, {1, 2, 3, 4});
  const Value all = Run({"ReduceSum", {x}});
  CHECK(all.type.shape == Shape{1, 1});
  CHECK(all.Floats() == std::vector<float>{10});
  CHECK(Run({"ReduceMean", {F32({}, {3})}}).Floats() == std::vector<float>{3});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(Run({"ReduceMax", {F32({3}, {1, nan, 2})}}).Floats()[0]));
  CHECK(std::isnan(
      Run({"ReduceMin", {F32({3, 1}, {1, nan, 2})}, {{"axes", Ints{0}}}})
          .Floats()[0]));
  CHECK(Run({"ReduceSum", {F32({0, 2}, {})}, {{"axes", Ints{0}}}}).Floats() ==
        std::vector<float>{0, 0});
  const Value ints =
      I64({2, 2}, {5, -3, std::numeric_limits<int64_t>::max(), 1});
  CHECK(Run({"ReduceMax", {ints}, {{"axes", Ints{0}}}}).As<int64_t>() ==
        Ints{std::numeric_limits<int64_t>::max(), 1});
  CHECK(Run({"ReduceMin", {ints}, {{"axes", Ints{1}}}}).As<int64_t>() ==
        Ints{-3, 1});
  CHECK(Run({"ReduceProd", {ints}, {{"axes", Ints{1}}}}).As<int64_t>() ==
        Ints{-15, std::numeric_limits<int64_t>::max()});
  CHECK(Run({"ReduceSum", {ints}, {{"axes", Ints{1}}}}).As<int64_t>() ==
        Ints{2, std::numeric_limits<int64_t>::min()});
  CHECK(ErrorOf({"ReduceMean", {ints}}) ==
        "input x: got i64[2,2], expected f32");
  CHECK(ErrorOf({"ReduceSum", {x}, {{"axes", Ints{2}}}}) ==
        "axes: got 2, expected -2 to 1");
  CHECK(ErrorOf({"ReduceSum", {x}, {{"axes", Ints{0, 0}}}}) ==
        "axes: got axis 0 twice, expected each axis once");
  CHECK(ErrorOf({"ReduceProd", {Bool({1}, {1})}}) ==
        "input x: got bool[1], expected f32 or i64");
}

TEST_CASE("CumSum runs along one axis") {
  const Value x = F32({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(Run({"CumSum", {x}, {{"axis", int64_t{1}}}}).Floats() ==
        std::vector<float>{1, 3, 6, 4, 9, 15});
  CHECK(Run({"CumSum", {x}, {{"axis", int64_t{-2}}}}).Floats() ==
        std::vector<float>{1, 2, 3, 5, 7, 9});
  CHECK(Run({"CumSum",
             {I64({2}, {std::numeric_limits<int64_t>::max(), 1})},
             {{"axis", int64_t{0}}}})
            .As<int64_t>() == Ints{std::numeric_limits<int64_t>::max(),
                                   std::numeric_limits<int64_t>::min()});
  CHECK(Run({"CumSum", {I32({3}, {1, 1, 1})}, {{"axis", int64_t{0}}}})
            .As<int32_t>() == std::vector<int32_t>{1, 2, 3});
  CHECK(ErrorOf({"CumSum", {x}, {{"axis", int64_t{2}}}}) ==
        "axis: got 2, expected -2 to 1");
  CHECK(ErrorOf({"CumSum", {Bool({1}, {1})}, {{"axis", int64_t{0}}}}) ==
        "input x: got bool[1], expected f32 or i32 or i64");
}

}  // namespace
}  // namespace bittern::test
