// FindRoots, through MakePlan: what shares bytes with what, and what must not.
#include "runtime/plan/shared_bytes.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "runtime/exec/session.h"
#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

const Shape kShape{4, 8};
constexpr size_t kElements = 32;

// A graph with one input.
struct Graph {
  test::ModelBuilder b;
  int32_t x = b.Input("x", kShape);
  int names = 0;

  int32_t Op(const char* op, std::vector<int32_t> inputs,
             AttributeMap attributes = {}) {
    return b.Op(op, op + std::to_string(names++), std::move(inputs),
                std::move(attributes));
  }
  // relu(-x), which nothing but the tensor itself keeps.
  int32_t Made() { return Op("Relu", {Op("Neg", {x})}); }
  int32_t Constant(const Shape& shape) {
    const auto count = static_cast<size_t>(shape.Elements());
    std::vector<float> values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(static_cast<float>(i) - 3);
    return b.Constant<float>("c" + std::to_string(names++), b.F32(shape),
                             values);
  }
  // The last op's output becomes the model's through a sum with x.
  void Finish(int32_t tensor, const Shape& shape = kShape) {
    b.Output(Op("Add", {tensor, Constant({1})}), shape);
  }
};

Plan PlanOf(Graph& graph, bool keep = false) {
  PlanOptions options;
  options.keep_intermediates = keep;
  Result<Plan> plan = MakePlan(graph.b.Make(), {kShape}, options);
  INFO(plan.error().message);
  REQUIRE(plan.ok());
  return std::move(plan).value();
}

bool Share(const Plan& plan, int32_t a, int32_t b) {
  const auto root = [&](int32_t tensor) {
    return plan.roots[static_cast<size_t>(tensor)];
  };
  const bool share = root(a) == root(b);
  // What the roots say is what the arena does.
  if (share) {
    CHECK(plan.offsets[static_cast<size_t>(a)] ==
          plan.offsets[static_cast<size_t>(b)]);
  }
  return share;
}

// Whether the model gives the same with nothing shared.
void CheckOutputs(Graph& graph) {
  std::vector<std::vector<float>> results;
  for (const bool keep : {false, true}) {
    SessionOptions options;
    options.keep_intermediates = keep;
    auto session = Session::Create(graph.b.Make(), options);
    REQUIRE(session.ok());
    REQUIRE(session.value()->Prepare().ok());
    const TensorView x = session.value()->Input(0).value();
    for (size_t i = 0; i < kElements; ++i)
      static_cast<float*>(x.data)[i] = static_cast<float>(i % 7) - 3.5f;
    // Twice: a run must not depend on what the one before has left.
    REQUIRE(session.value()->Run().ok());
    REQUIRE(session.value()->Run().ok());
    for (size_t o = 0; o < graph.b.def.outputs.size(); ++o) {
      const TensorView y = session.value()->Output(o).value();
      const auto* first = static_cast<const float*>(y.data);
      results.emplace_back(first, first + y.type->shape.Elements());
    }
  }
  const size_t count = results.size() / 2;
  for (size_t o = 0; o < count; ++o) CHECK(results[o] == results[o + count]);
}

TEST_CASE("an output takes the place of the input that it replaces") {
  Graph g;
  const int32_t a = g.Made(), b = g.Op("Abs", {a});
  const int32_t sum = g.Op("Add", {g.Constant(kShape), b}),
                row = g.Op("Mul", {sum, g.Constant({8})});
  g.Finish(row);
  const Plan plan = PlanOf(g);
  CHECK(Share(plan, a, b));
  CHECK(Share(plan, b, sum));
  CHECK(Share(plan, sum, row));
  CHECK(plan.arena_bytes == 3 * kElements * sizeof(float));
  CheckOutputs(g);
}

TEST_CASE("kept intermediates have places of their own") {
  Graph g;
  const int32_t a = g.Made(), b = g.Op("Abs", {a});
  g.Finish(b);
  CHECK_FALSE(Share(PlanOf(g, true), a, b));
}

TEST_CASE("what is read later is not overwritten") {
  Graph g;
  const int32_t a = g.Made(), b = g.Op("Abs", {a});
  g.Finish(g.Op("Add", {b, a}));
  CHECK_FALSE(Share(PlanOf(g), a, b));
  CheckOutputs(g);
}

TEST_CASE("nor what is read later through a view") {
  Graph g;
  const int32_t a = g.Made(), view = g.Op("Identity", {a});
  const int32_t again = g.Op("Identity", {view}), b = g.Op("Abs", {a});
  g.Finish(g.Op("Add", {b, again}));
  const Plan plan = PlanOf(g);
  CHECK(Share(plan, a, again));
  CHECK_FALSE(Share(plan, a, b));
  CheckOutputs(g);
}

TEST_CASE("a view's place is taken where it is the last to be read") {
  Graph g;
  const int32_t a = g.Made(), view = g.Op("Identity", {a}),
                b = g.Op("Abs", {view}), seen = g.Op("Identity", {b});
  const int32_t c = g.Op("Neg", {g.x});
  g.Finish(g.Op("Add", {seen, c}));
  const Plan plan = PlanOf(g);
  CHECK(Share(plan, a, b));
  // The place lives on with the views of what took it.
  CHECK(plan.offsets[static_cast<size_t>(c)] !=
        plan.offsets[static_cast<size_t>(a)]);
  CheckOutputs(g);
}

TEST_CASE("an input that the op reads twice is not overwritten") {
  Graph g;
  const int32_t a = g.Made(), view = g.Op("Identity", {a}),
                square = g.Op("Mul", {a, view});
  g.Finish(square);
  CHECK_FALSE(Share(PlanOf(g), a, square));
  CheckOutputs(g);
}

TEST_CASE("graph inputs, outputs and constants are not overwritten") {
  Graph g;
  const int32_t c = g.Constant(kShape);
  const int32_t of_input = g.Op("Neg", {g.x}), of_constant = g.Op("Neg", {c});
  const int32_t sum = g.Op("Add", {of_input, of_constant});
  const int32_t more = g.Op("Abs", {sum}), last = g.Op("Neg", {more});
  g.b.Output(sum, kShape);
  g.b.Output(last, kShape);
  const Plan plan = PlanOf(g);
  CHECK_FALSE(Share(plan, g.x, of_input));
  CHECK_FALSE(Share(plan, c, of_constant));
  CHECK_FALSE(Share(plan, of_input, sum));  // an output may be bound elsewhere
  CHECK_FALSE(Share(plan, of_constant, sum));
  CHECK_FALSE(Share(plan, sum, more));  // and keeps its values
  CHECK_FALSE(Share(plan, more, last));
  CheckOutputs(g);
}

TEST_CASE("an input that broadcasts, or of another type, is not overwritten") {
  Graph g;
  const int32_t row = g.Op("ReduceSum", {g.x},
                           {{"axes", std::vector<int64_t>{0}}}),
                wide = g.Op("Add", {row, g.Constant(kShape)});
  const int32_t more = g.Op("Greater", {g.Made(), wide});
  g.Finish(g.Op("Cast", {more}, {{"to", std::string("f32")}}));
  const Plan plan = PlanOf(g);
  CHECK_FALSE(Share(plan, row, wide));
  CHECK_FALSE(Share(plan, more, wide));
  CheckOutputs(g);
}

}  // namespace
}  // namespace bittern::runtime
