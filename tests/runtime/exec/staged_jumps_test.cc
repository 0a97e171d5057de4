// Models with bodies, through a session: If, Loop, and what a hostile file may
// ask of them.
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "runtime/exec/staged_run.h"
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

const TensorType kI64{DType::kI64, {}, {}};
const TensorType kBool{DType::kBool, {}, {}};

// An op that jumps, with so many outputs.
Ints Jump(test::ModelBuilder& b, const std::string& op,
          std::vector<int32_t> inputs, size_t outputs) {
  const auto first = static_cast<int32_t>(b.def.tensors.size());
  const std::string name = op + std::to_string(first);
  OpDef def{op, name, std::move(inputs), {}, {}};
  Ints made;
  for (size_t i = 0; i < outputs; ++i) {
    b.def.tensors.push_back({name + "/" + std::to_string(i), {}, nullptr});
    def.outputs.push_back(first + static_cast<int32_t>(i));
    made.push_back(def.outputs.back());
  }
  b.def.ops.push_back(std::move(def));
  return made;
}

int32_t At(const Ints& tensors, size_t i) {
  return static_cast<int32_t>(tensors[i]);
}

// go ? x + x : x[x != 0], which differ in size.
void MakeChoice(test::ModelBuilder& b) {
  const int32_t x = b.Input("x", {4}), go = b.Input("go", kBool);
  Jump(b, "If", {go}, 0);
  const int32_t twice = b.Op("Add", "twice", {x, x});
  Jump(b, "Else", {}, 0);
  const Ints rows = Jump(b, "NonZero", {x}, 2);
  const int32_t head = b.Op("Slice", "head", {At(rows, 0), -1, At(rows, 1)},
                            {{"axes", Ints{0}}, {"starts", Ints{0}}});
  const int32_t found = b.Op("GatherNd", "found", {x, head});
  const int32_t y = At(Jump(b, "EndIf", {twice, found}, 1), 0);
  b.Output(b.Op("Neg", "y", {y}), {-1});
}

TEST_CASE("The body that a condition says runs, the other does not") {
  test::ModelBuilder b;
  MakeChoice(b);
  SessionOptions options;
  options.profile = true;
  const auto session = Open(b.Make(), options);
  CHECK(session->staged()->stages() == 7);
  for (int round = 0; round < 2; ++round) {
    Write<float>(*session, 0, {1, 0, 3, 0});
    Write<uint8_t>(*session, 1, {1});
    Run(*session);
    CHECK(Read<float>(*session, 0) == Floats{-2, 0, -6, 0});
    CHECK(session->profile()[3].calls == 3 * round);  // NonZero
    Write<uint8_t>(*session, 1, {0});
    Run(*session);
    CHECK(Read<float>(*session, 0) == Floats{-1, -3});
    Write<float>(*session, 0, {0, 0, 0, 0});
    Run(*session);
    CHECK(Read<float>(*session, 0).empty());
    Write<float>(*session, 0, {5, 6, 7, 8});
    Run(*session);
    CHECK(Read<float>(*session, 0) == Floats{-5, -6, -7, -8});
    CHECK(session->profile()[3].calls == 3 * (round + 1));
  }
  CHECK(session->profile()[0].kernel == "jump");
}

TEST_CASE("An output that an If hands on has bytes of its own") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {2}), go = b.Input("go", kBool);
  const int32_t c = b.Constant<float>("c", b.F32({2}), {8, 9});
  Jump(b, "If", {go}, 0);
  Jump(b, "Else", {}, 0);
  const Ints y = Jump(b, "EndIf", {x, x, c, x}, 2);
  b.Output(At(y, 0), {2});
  b.Output(At(y, 1), {2});
  const auto session = Open(b.Make());
  Write<float>(*session, 0, {1, 2});
  Write<uint8_t>(*session, 1, {1});
  Run(*session);
  CHECK(Read<float>(*session, 0) == Floats{1, 2});
  CHECK(session->Output(0).value().data != session->Input(0).value().data);
  CHECK(session->Output(0).value().data != session->Output(1).value().data);
  Write<uint8_t>(*session, 1, {0});
  Run(*session);
  CHECK(Read<float>(*session, 0) == Floats{8, 9});
  CHECK(Read<float>(*session, 1) == Floats{1, 2});
}

// a, b = b, a + b, `turns` times while b < limit; the a of each turn stacked.
void MakeFibonacci(test::ModelBuilder& b) {
  const int32_t turns = b.Input("turns", kI64), limit = b.Input("limit", {1});
  const int32_t zero = b.Constant<float>("zero", b.F32({1}), {0}),
                one = b.Constant<float>("one", b.F32({1}), {1});
  const Ints in = Jump(b, "Loop", {turns, -1, zero, one}, 4);
  const int32_t sum = b.Op("Add", "sum", {At(in, 2), At(in, 3)});
  const int32_t go = b.Op("Less", "go", {sum, limit});
  const Ints out = Jump(b, "EndLoop", {go, At(in, 3), sum, At(in, 2)}, 3);
  b.Output(At(out, 0), {1});
  b.Output(At(out, 1), {1});
  b.Output(At(out, 2), {-1, 1});
}

TEST_CASE("A loop turns as often as the run says") {
  test::ModelBuilder b;
  MakeFibonacci(b);
  for (const size_t threads : {1u, 3u}) {
    SessionOptions options;
    options.threads = threads;
    const auto session = Open(b.Make(), options);
    const auto check = [&](int64_t turns, float limit, const Floats& last,
                           const Floats& rows) {
      Write<int64_t>(*session, 0, {turns});
      Write<float>(*session, 1, {limit});
      Run(*session);
      CHECK(Read<float>(*session, 0) == Floats{last[0]});
      CHECK(Read<float>(*session, 1) == Floats{last[1]});
      CHECK(Read<float>(*session, 2) == rows);
      CHECK(session->Output(2).value().type->shape ==
            Shape{static_cast<int64_t>(rows.size()), 1});
    };
    check(5, 100, {5, 8}, {0, 1, 1, 2, 3});
    check(0, 100, {0, 1}, {});
    check(INT64_MIN, 100, {0, 1}, {});
    check(int64_t{1} << 62, 4, {3, 5}, {0, 1, 1, 2});
    check(7, 1000, {13, 21}, {0, 1, 1, 2, 3, 5, 8});
    // The first stage of the body was planned once.
    CHECK(session->staged()->plans_made() == 1);
  }
}

TEST_CASE("A loop that does not end is an error, and the session goes on") {
  test::ModelBuilder b;
  MakeFibonacci(b);
  const auto session = Open(b.Make());
  Write<int64_t>(*session, 0, {int64_t{1} << 62});
  Write<float>(*session, 1, {std::numeric_limits<float>::infinity()});
  // The sum is infinite in turn 186, which ends it.
  Run(*session);
  CHECK(Read<float>(*session, 2).size() == 186);
  test::ModelBuilder endless;
  const int32_t x = endless.Input("x", {1}), turns = endless.Input("n", kI64);
  const Ints in = Jump(endless, "Loop", {turns, -1, x}, 3);
  const int32_t next = endless.Op("Neg", "next", {At(in, 2)});
  endless.Output(At(Jump(endless, "EndLoop", {At(in, 1), next}, 1), 0), {1});
  const auto again = Open(endless.Make());
  Write<int64_t>(*again, 1, {INT64_MAX});
  CHECK_THAT(RunError(*again),
             Catch::Contains("got more than 100000 turns in one run"));
  Write<float>(*again, 0, {3});
  Write<int64_t>(*again, 1, {3});
  Run(*again);
  CHECK(Read<float>(*again, 0) == Floats{-3});
}

TEST_CASE("Values of a loop may change their size") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {1}), turns = b.Input("turns", kI64);
  const Ints in = Jump(b, "Loop", {turns, -1, x}, 3);
  const int32_t next =
      b.Op("Concat", "next", {At(in, 2), At(in, 2)}, {{"axis", int64_t{0}}});
  b.Output(At(Jump(b, "EndLoop", {At(in, 1), next}, 1), 0), {-1});
  SessionOptions options;
  options.arena_limit_bytes = 1'000'000;
  const auto session = Open(b.Make(), options);
  Write<float>(*session, 0, {7});
  for (const int64_t count : {3, 0, 1, 2}) {
    Write<int64_t>(*session, 1, {count});
    Run(*session);
    CHECK(Read<float>(*session, 0) == Floats(size_t{1} << count, 7));
  }
  Write<int64_t>(*session, 1, {60});
  CHECK_THAT(RunError(*session), Catch::Contains("arena limit"));
  Write<int64_t>(*session, 1, {5});
  Run(*session);
  CHECK(Read<float>(*session, 0) == Floats(32, 7));
}

TEST_CASE("Loops take no more memory than the limit") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {256}), turns = b.Input("turns", kI64);
  const Ints in = Jump(b, "Loop", {turns, -1, x}, 3);
  const int32_t next = b.Op("Neg", "next", {At(in, 2)});
  b.Output(At(Jump(b, "EndLoop", {At(in, 1), next, next}, 2), 1), {-1, 256});
  SessionOptions options;
  options.arena_limit_bytes = 100'000;
  const auto session = Open(b.Make(), options);
  Write<int64_t>(*session, 1, {50'000});
  CHECK_THAT(RunError(*session), Catch::Contains("arena limit"));
  Write<int64_t>(*session, 1, {10});
  Run(*session);
  CHECK(Read<float>(*session, 0).size() == 2560);
}

TEST_CASE("No op of a body writes in place of what another turn reads") {
  // The sum could lie over what was made before the loop, and over the state.
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {2}), turns = b.Input("turns", kI64),
                first = b.Input("first", {2});
  const int32_t step = b.Op("Neg", "step", {x});
  const Ints in = Jump(b, "Loop", {turns, -1, first}, 3);
  const int32_t sum = b.Op("Add", "sum", {step, At(in, 2)});
  const int32_t size = b.Op("Abs", "size", {At(in, 2)});
  const int32_t row = b.Op("Mul", "row", {size, At(in, 2)});
  const Ints out = Jump(b, "EndLoop", {At(in, 1), sum, row}, 2);
  b.Output(At(out, 0), {2});
  b.Output(At(out, 1), {-1, 2});
  b.Output(b.Op("Abs", "after", {step}), {2});
  const auto session = Open(b.Make());
  Write<float>(*session, 0, {2, -1});
  Write<int64_t>(*session, 1, {3});
  Write<float>(*session, 2, {1, 0});
  for (int run = 0; run < 2; ++run) {
    Run(*session);
    CHECK(Read<float>(*session, 0) == Floats{-5, 3});
    CHECK(Read<float>(*session, 1) == Floats{1, 0, -1, 1, -9, 4});
    CHECK(Read<float>(*session, 2) == Floats{2, 1});
  }
}

TEST_CASE("Bodies stand in bodies") {
  // s += turn of the outer loop for odd turns of the inner one, else s += 10.
  test::ModelBuilder b;
  const int32_t s = b.Input("s", {1}), outer = b.Input("outer", kI64),
                inner = b.Input("inner", kI64);
  const int32_t two = b.Constant<int64_t>("two", kI64, {2}),
                zero = b.Constant<int64_t>("zero", kI64, {0}),
                ten = b.Constant<float>("ten", b.F32({1}), {10});
  const Ints a = Jump(b, "Loop", {outer, -1, s}, 3);
  const int32_t row = b.Op("Cast", "row", {At(a, 0)}, {{"to", "f32"}});
  const Ints c = Jump(b, "Loop", {inner, -1, At(a, 2)}, 3);
  const int32_t rest = b.Op("Mod", "rest", {At(c, 0), two});
  const int32_t odd = b.Op("Greater", "odd", {rest, zero});
  Jump(b, "If", {odd}, 0);
  const int32_t plus_row = b.Op("Add", "plus_row", {At(c, 2), row});
  Jump(b, "Else", {}, 0);
  const int32_t plus_ten = b.Op("Add", "plus_ten", {At(c, 2), ten});
  const Ints sum = Jump(b, "EndIf", {plus_row, plus_ten}, 1);
  const Ints inner_end = Jump(b, "EndLoop", {At(c, 1), At(sum, 0)}, 1);
  const Ints end =
      Jump(b, "EndLoop", {At(a, 1), At(inner_end, 0), At(inner_end, 0)}, 2);
  b.Output(At(end, 0), {1});
  b.Output(At(end, 1), {-1, 1});
  const auto session = Open(b.Make());
  for (const int64_t turns : {3, 2, 4}) {
    Write<float>(*session, 0, {1});
    Write<int64_t>(*session, 1, {turns});
    Write<int64_t>(*session, 2, {5});
    Run(*session);
    float expected = 1;
    Floats rows;
    for (int64_t i = 0; i < turns; ++i) {
      expected += 30.0f + 2.0f * static_cast<float>(i);
      rows.push_back(expected);
    }
    CHECK(Read<float>(*session, 0) == Floats{expected});
    CHECK(Read<float>(*session, 1) == rows);
  }
}

TEST_CASE("What jumps read must be what they expect") {
  SECTION("condition") {
    test::ModelBuilder b;
    const int32_t x = b.Input("x", {2});
    Jump(b, "If", {x}, 0);
    Jump(b, "Else", {}, 0);
    b.Output(At(Jump(b, "EndIf", {x, x}, 1), 0), {2});
    CHECK_THAT(RunError(*Open(b.Make())),
               Catch::Contains("condition: got f32[2], expected one bool"));
  }
  SECTION("turns") {
    test::ModelBuilder b;
    const int32_t x = b.Input("x", {2});
    const Ints in = Jump(b, "Loop", {x, -1, x}, 3);
    b.Output(At(Jump(b, "EndLoop", {At(in, 1), At(in, 2)}, 1), 0), {2});
    CHECK_THAT(RunError(*Open(b.Make())),
               Catch::Contains("turns: got f32[2], expected one i64"));
  }
  SECTION("types of values") {
    test::ModelBuilder b;
    const int32_t x = b.Input("x", {2}), n = b.Input("n", kI64);
    const Ints in = Jump(b, "Loop", {n, -1, x}, 3);
    b.Output(At(Jump(b, "EndLoop", {At(in, 1), At(in, 0)}, 1), 0), {2});
    const auto session = Open(b.Make());
    Write<int64_t>(*session, 1, {1});
    CHECK_THAT(RunError(*session),
               Catch::Contains("got i64[] after f32[2], expected the same"));
  }
  SECTION("a declared output") {
    test::ModelBuilder b;
    MakeChoice(b);
    b.def.tensors[static_cast<size_t>(b.def.outputs[0])].type.shape = {4};
    const auto session = Open(b.Make());
    Write<float>(*session, 0, {1, 0, 3, 0});
    Write<uint8_t>(*session, 1, {1});
    Run(*session);
    Write<uint8_t>(*session, 1, {0});
    CHECK_THAT(RunError(*session), Catch::Contains("expected f32[4]"));
  }
}

TEST_CASE("A plan of the whole model is not made of bodies") {
  test::ModelBuilder b;
  MakeChoice(b);
  const auto plan = MakePlan(b.Make(), {{4}, {}}, {});
  REQUIRE_FALSE(plan.ok());
  CHECK_THAT(plan.error().message, Catch::Contains("between jumps"));
}

}  // namespace
}  // namespace bittern::runtime
