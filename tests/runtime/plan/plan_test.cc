// MakePlan: shapes, sharing of bytes, limits and errors.
#include "runtime/plan/plan.h"

#include <catch2/catch.hpp>

#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

Result<Plan> Try(const std::shared_ptr<const Model>& model,
                 const std::vector<Shape>& shapes, PlanOptions options = {}) {
  return MakePlan(model, shapes, options);
}

Plan Made(const std::shared_ptr<const Model>& model,
          const std::vector<Shape>& shapes, PlanOptions options = {}) {
  Result<Plan> plan = Try(model, shapes, options);
  INFO(plan.error().message);
  REQUIRE(plan.ok());
  return std::move(plan).value();
}

// y = relu(relu(... x)), `length` times.
std::shared_ptr<const Model> Chain(int length, const Shape& shape) {
  test::ModelBuilder b;
  int32_t at = b.Input("x", shape);
  for (int i = 0; i < length; ++i)
    at = b.Op("Relu", "r" + std::to_string(i), {at});
  b.Output(at, shape);
  return b.Make();
}

TEST_CASE("dynamic shapes become static") {
  const auto model = Chain(2, {-1, 3});
  const Plan plan = Made(model, {{5, 3}});
  CHECK(plan.types[1].shape == Shape{5, 3});
  CHECK(plan.steps.size() == 2);
  CHECK(plan.steps[1].op->Kernel().size() > 0);
}

TEST_CASE("input shapes must match what the model declares") {
  const auto model = Chain(1, {-1, 3});
  const auto message = [&](const std::vector<Shape>& shapes) {
    const Result<Plan> plan = Try(model, shapes);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code == Code::kInvalidArgument);
    return plan.error().message;
  };
  CHECK(message({}) == "input shapes: got 0, expected 1");
  CHECK(message({{5, 4}}) == "input 0 'x': got shape [5,4], expected [?,3]");
  CHECK(message({{5}}).find("got shape [5]") != std::string::npos);
  CHECK(message({{-1, 3}}).find("got -1, expected at least 0") !=
        std::string::npos);
  CHECK(message({{int64_t{1} << 40, 3}}).find("2^40") != std::string::npos);
}

TEST_CASE("a chain reuses memory unless intermediates are kept") {
  const auto model =
      Chain(6, {256});  // 1024 bytes each; input and output are pinned
  CHECK(Made(model, {{256}}).arena_bytes == 3 * 1024);
  PlanOptions keep;
  keep.keep_intermediates = true;
  const Plan kept = Made(model, {{256}}, keep);
  CHECK(kept.arena_bytes == 7 * 1024);
  for (size_t i = 0; i < kept.offsets.size(); ++i) {
    for (size_t j = 0; j < i; ++j) CHECK(kept.offsets[i] != kept.offsets[j]);
  }
}

TEST_CASE(
    "an input's memory is never reused, an output's not after it is made") {
  const Plan plan = Made(Chain(5, {16}), {{16}});
  for (size_t t = 1; t < plan.offsets.size(); ++t)
    CHECK(plan.offsets[t] != plan.offsets[0]);
}

TEST_CASE("views share bytes with what they view, except graph outputs") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {2, 6});
  const int32_t shape =
      b.Constant<int64_t>("shape", {DType::kI64, {2}, {}}, {3, 4});
  const int32_t c =
      b.Constant<float>("c", b.F32({6, 2}), std::vector<float>(12, 1));
  const int32_t view = b.Op("Reshape", "view", {x, shape});
  const int32_t again = b.Op("Identity", "again", {view});
  const int32_t constant = b.Op("Reshape", "constant", {c, shape});
  const int32_t sum = b.Op("Add", "sum", {again, constant});
  b.Output(b.Op("Identity", "y", {sum}), {3, 4});
  const Plan plan = Made(b.Make(), {{2, 6}});
  const auto root = [&](int32_t t) {
    return plan.roots[static_cast<size_t>(t)];
  };
  CHECK(root(view) == x);
  CHECK(root(again) == x);
  CHECK(plan.offsets[static_cast<size_t>(again)] ==
        plan.offsets[static_cast<size_t>(x)]);
  CHECK(root(constant) == c);
  CHECK(plan.offsets[static_cast<size_t>(constant)] == -1);
  CHECK(root(b.def.outputs[0]) == b.def.outputs[0]);
  CHECK(plan.offsets[static_cast<size_t>(b.def.outputs[0])] !=
        plan.offsets[static_cast<size_t>(sum)]);
}

TEST_CASE("memory viewed later stays alive") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {256});
  const int32_t first = b.Op("Relu", "first", {x});
  const int32_t view = b.Op("Identity", "view", {first});
  const int32_t second = b.Op("Relu", "second", {x});
  const int32_t third = b.Op("Relu", "third", {second});
  b.Output(b.Op("Add", "y", {view, third}), {256});
  const Plan plan = Made(b.Make(), {{256}});
  const auto at = [&](int32_t t) {
    return plan.offsets[static_cast<size_t>(t)];
  };
  CHECK(at(first) != at(second));
  CHECK(at(first) != at(third));
}

TEST_CASE("an op's error says which op") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {2, 3});
  const int32_t c = b.Constant<float>("c", b.F32({4}), {1, 2, 3, 4});
  b.Output(b.Op("Add", "blocks.0.add", {x, c}), {2, 3});
  const Result<Plan> plan = Try(b.Make(), {{2, 3}});
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message.find("Add 'blocks.0.add': ") == 0);
  CHECK(plan.error().message.find("Add 'blocks.0.add': ", 1) ==
        std::string::npos);
}

TEST_CASE("ops without results are not prepared") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  b.Output(b.Op("Slice", "none", {x},
                {{"axes", std::vector<int64_t>{0}},
                 {"starts", std::vector<int64_t>{2}},
                 {"ends", std::vector<int64_t>{2}},
                 {"steps", std::vector<int64_t>{1}}}),
           {-1});
  b.Output(b.Op("ReduceSum", "sum", {b.def.outputs[0]}), {1});
  const Result<Plan> plan = Try(b.Make(), {{4}});
  REQUIRE(plan.ok());
  CHECK_FALSE(plan.value().steps[0].runs);
  CHECK(plan.value().steps[1].runs);
}

TEST_CASE("outputs must be what the model declares") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  b.Output(b.Op("Relu", "y", {x}), {5});
  const Result<Plan> plan = Try(b.Make(), {{4}});
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message ==
        "output 0 'y': got f32[4] from the graph, expected f32[5]");
}

TEST_CASE("the arena limit is kept") {
  const auto model = Chain(3, {256});
  PlanOptions options;
  options.arena_limit_bytes = 3 * 1024;
  CHECK(Try(model, {{256}}, options).ok());
  --options.arena_limit_bytes;
  const Result<Plan> plan = Try(model, {{256}}, options);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().code == Code::kOutOfMemory);
  CHECK(plan.error().message.find("expected at most 3071") !=
        std::string::npos);
}

TEST_CASE("scratch counts against the limit") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {1, 8, 16, 16});
  const int32_t w =
      b.Constant<float>("w", b.F32({8, 8, 3, 3}), std::vector<float>(576, 1));
  const std::vector<int64_t> ones{1, 1};
  b.Output(b.Op("Conv", "y", {x, w},
                {{"strides", ones},
                 {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                 {"dilations", ones}}),
           {1, 8, 16, 16});
  const auto model = b.Make();
  PlanOptions options;
  options.threads = 2;
  const Plan plan = Made(model, {{1, 8, 16, 16}}, options);
  REQUIRE(plan.ScratchBytes() > 0);
  CHECK(plan.scratch_thread_stride % 64 == 0);
  options.arena_limit_bytes = plan.arena_bytes;
  CHECK_FALSE(Try(model, {{1, 8, 16, 16}}, options).ok());
  options.arena_limit_bytes += plan.ScratchBytes();
  CHECK(Try(model, {{1, 8, 16, 16}}, options).ok());
}

TEST_CASE("a plan needs a thread") {
  PlanOptions options;
  options.threads = 0;
  CHECK_FALSE(Try(Chain(1, {1}), {{1}}, options).ok());
}

}  // namespace
}  // namespace bittern::runtime
