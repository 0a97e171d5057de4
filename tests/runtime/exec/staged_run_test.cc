// Models whose sizes only the run knows, through a session.
#include "runtime/exec/staged_run.h"

#include <catch2/catch.hpp>

#include "tests/runtime/exec/open_session.h"
#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;
using test::Open;
using test::Read;
using test::Run;
using test::RunError;
using test::Write;

const TensorType kAnyI64{DType::kI64, {-1}, {}};

// An op of two outputs, [0] and [1].
std::vector<int32_t> TwoOutputs(test::ModelBuilder& b, const std::string& op,
                                std::vector<int32_t> inputs,
                                AttributeMap attributes = {}) {
  const int32_t first = b.Op(op, op, std::move(inputs), std::move(attributes));
  b.def.tensors.push_back({op + "/count", {}, nullptr});
  b.def.ops.back().outputs.push_back(first + 1);
  return {first, first + 1};
}

int32_t Head(test::ModelBuilder& b, const std::vector<int32_t>& rows) {
  return b.Op("Slice", "head", {rows[0], -1, rows[1]},
              {{"axes", Ints{0}}, {"starts", Ints{0}}});
}

// x f32[6] -> the elements of x that are not 0, doubled, and their sum.
std::shared_ptr<const Model> NonZeroModel() {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {6});
  const int32_t twice = b.Op("Add", "twice", {x, x});
  const int32_t places = Head(b, TwoOutputs(b, "NonZero", {x}));
  b.Output(b.Op("GatherNd", "values", {twice, places}), {-1});
  b.Output(
      b.Op("ReduceSum", "sum", {b.def.outputs[0]}, {{"keepdims", int64_t{0}}}),
      Shape{});
  return b.Make();
}

TEST_CASE("Counts change from run to run") {
  for (const size_t threads : {1u, 3u}) {
    SessionOptions options;
    options.threads = threads;
    const auto session = Open(NonZeroModel(), options);
    CHECK(session->plan() == nullptr);
    REQUIRE(session->staged() != nullptr);
    CHECK(session->staged()->stages() == 2);
    CHECK(session->Output(0).error().code == Code::kInvalidState);
    const auto check = [&](const Floats& x, const Floats& values, float sum) {
      Write(*session, 0, x);
      Run(*session);
      CHECK(Read<float>(*session, 0) == values);
      CHECK(Read<float>(*session, 1) == Floats{sum});
    };
    check({0, 1, 0, 2, 0, 0}, {2, 4}, 6);
    check({0, 0, 0, 0, 0, 0}, {}, 0);
    check({1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2}, 12);
    check({5, 0, 0, 0, 0, 3}, {10, 6}, 16);
  }
}

TEST_CASE("Sizes seen before are not planned again") {
  const auto session = Open(NonZeroModel());
  const auto run = [&](size_t count) {
    Floats x(6, 0);
    std::fill_n(x.begin(), count, 1.0f);
    Write(*session, 0, x);
    Run(*session);
    CHECK(Read<float>(*session, 1) == Floats{2.0f * static_cast<float>(count)});
  };
  for (int i = 0; i < 3; ++i) {
    for (size_t count = 1; count <= 4; ++count) run(count);
  }
  CHECK(session->staged()->plans_made() == 1 + 4);
  run(5);  // in place of 1, which was used longest ago
  run(2);
  CHECK(session->staged()->plans_made() == 6);
  run(1);
  CHECK(session->staged()->plans_made() == 7);
}

TEST_CASE("Boxes that survive are gathered") {
  test::ModelBuilder b;
  const int32_t boxes = b.Input("boxes", {1, 3, 4}),
                scores = b.Input("scores", {1, 1, 3});
  const int32_t kept =
      Head(b, TwoOutputs(b, "NonMaxSuppression", {boxes, scores},
                         {{"max_output_boxes_per_class", int64_t{3}},
                          {"iou_threshold", 0.5f},
                          {"score_threshold", 0.1f}}));
  const int32_t two = b.Constant<int64_t>("two", {DType::kI64, {1}, {}}, {2});
  const int32_t index =
      b.Op("Gather", "index", {kept, two}, {{"axis", int64_t{1}}});
  const int32_t rows = b.Op("Squeeze", "rows", {boxes}, {{"axes", Ints{0}}});
  b.Output(b.Op("GatherNd", "best", {rows, index}), {-1, 4});
  const auto session = Open(b.Make());
  Write<float>(*session, 0, {0, 0, 1, 1, 0, 0, 1, 0.9f, 5, 5, 6, 6});
  Write<float>(*session, 1, {0.5f, 0.9f, 0.2f});
  Run(*session);
  CHECK(Read<float>(*session, 0) == Floats{0, 0, 1, 0.9f, 5, 5, 6, 6});
  Write<float>(*session, 1, {0, 0, 0});
  Run(*session);
  CHECK(session->Output(0).value().type->shape == Shape{0, 4});
}

// Reshape and Expand by run-time shapes, Range by run-time bounds.
TEST_CASE("Sizes that are inputs; hostile ones leave the session usable") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {6});
  const int32_t shape = b.Input("shape", {DType::kI64, {2}, {}});
  const int32_t limit = b.Input("limit", {DType::kI64, {}, {}});
  const int32_t zero = b.Constant<int64_t>("zero", {DType::kI64, {}, {}}, {0});
  const int32_t one = b.Constant<int64_t>("one", {DType::kI64, {}, {}}, {1});
  b.Output(b.Op("Reshape", "r", {x, shape}), {-1, -1});
  b.Output(b.Op("Range", "range", {zero, limit, one}), kAnyI64);
  SessionOptions options;
  options.arena_limit_bytes = 1 << 20;
  const auto session = Open(b.Make(), options);
  const Floats values = {1, 2, 3, 4, 5, 6};
  Write(*session, 0, values);
  const auto good = [&] {
    Write<int64_t>(*session, 1, {2, -1});
    Write<int64_t>(*session, 2, {3});
    Run(*session);
    CHECK(session->Output(0).value().type->shape == Shape{2, 3});
    CHECK(Read<float>(*session, 0) == values);
    CHECK(Read<int64_t>(*session, 1) == Ints{0, 1, 2});
  };
  good();
  const auto error = [&](const Ints& dims, int64_t end) {
    Write<int64_t>(*session, 1, dims);
    Write<int64_t>(*session, 2, {end});
    const std::string message = RunError(*session);
    good();
    return message;
  };
  CHECK(error({int64_t{1} << 62, 2}, 3).starts_with("Reshape 'r': "));
  CHECK(error({-1, -1}, 3).starts_with("Reshape 'r': shape: got [?,?]"));
  CHECK(error({4, -1}, 3).starts_with("Reshape 'r': "));
  CHECK(
      error({2, 3}, 1'000'000'000'000'000'000).starts_with("Range 'range': "));
  CHECK(error({2, 3}, int64_t{1} << 20).find("(arena limit)") !=
        std::string::npos);
  Write<int64_t>(*session, 2, {-5});
  Run(*session);
  CHECK(Read<int64_t>(*session, 1).empty());
}

TEST_CASE("Memory of all stages counts against the limit") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4096});
  const int32_t shape = b.Input("shape", {DType::kI64, {1}, {}});
  const int32_t twice = b.Op("Add", "twice", {x, x});
  const int32_t any = b.Op("ReduceMax", "any", {shape});
  b.Output(b.Op("Tile", "tiled", {twice, any}), {-1});
  SessionOptions options;
  options.arena_limit_bytes = 2 * 16384 + 3 * 16384 + 4096;
  const auto session = Open(b.Make(), options);
  for (const int64_t repeats : {3, 1, 3}) {
    Write<int64_t>(*session, 1, {repeats});
    Run(*session);
    CHECK(session->arena_bytes() <= options.arena_limit_bytes);
  }
  Write<int64_t>(*session, 1, {4});
  CHECK(
      RunError(*session).starts_with("Tile 'tiled' and what follows: memory"));
}

TEST_CASE("Bindings of staged sessions") {
  const auto session = Open(NonZeroModel());
  alignas(64) float x[6] = {1, 0, 0, 0, 0, 0};
  alignas(64) float sum[1] = {};
  float values[6];
  REQUIRE(session->BindInput(0, x, sizeof x).ok());
  REQUIRE(session->BindOutput(1, sum, sizeof sum).ok());
  CHECK(session->BindOutput(0, values, sizeof values).error().message ==
        "output 'values': got a buffer for f32[?], expected none: only the run "
        "knows its size");
  Run(*session);
  CHECK(sum[0] == 2.0f);
  x[5] = 3;
  Run(*session);
  CHECK(sum[0] == 8.0f);
  REQUIRE(session->BindInput(0, nullptr, 0).ok());
  Write<float>(*session, 0, {0, 0, 7, 0, 0, 0});
  Run(*session);
  CHECK(sum[0] == 14.0f);
}

TEST_CASE("The profile has every op of every stage") {
  SessionOptions options;
  options.profile = true;
  options.keep_intermediates = true;
  const auto session = Open(NonZeroModel(), options);
  REQUIRE(session->profile().size() == 5);
  CHECK(session->profile()[4].kernel == "not run");
  Write<float>(*session, 0, {1, 0, 0, 0, 0, 0});
  Run(*session);
  for (const ProfileEntry& entry : session->profile()) {
    CHECK(entry.calls == 1);
    CHECK(entry.kernel != "not run");
  }
  const auto twice = session->Tensor("twice");
  REQUIRE(twice.ok());
  CHECK(static_cast<const float*>(twice.value().data)[0] == 2.0f);
  Write<float>(*session, 0, {0, 0, 0, 0, 0, 0});
  Run(*session);
  CHECK(session->profile()[3].kernel == "empty");
  CHECK_FALSE(session->RunStep(0).ok());
}

TEST_CASE("Stages start where values are needed") {
  const auto model = NonZeroModel();
  const auto stages = MakeStages(model->def());
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].last == 2);
  CHECK(stages[1].first == 2);
  CHECK(stages[1].values.size() == 1);
  CHECK(stages[1].reads.size() == 3);  // the doubled input, places and count
  CHECK(HasStages(model->def()));
}

}  // namespace
}  // namespace bittern::runtime
