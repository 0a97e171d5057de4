// Rules for bodies in the list of ops, each broken once.
#include "runtime/model/bodies.h"

#include <catch2/catch.hpp>

#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

// Tensors: 0 x, 1 go; 2 .. are made.
ModelDef Def(std::vector<OpDef> ops, std::vector<int32_t> outputs,
             size_t tensors) {
  ModelDef def;
  def.tensors = {{"x", {DType::kF32, {2}, {}}, nullptr},
                 {"go", {DType::kBool, {}, {}}, nullptr}};
  for (size_t i = 2; i < tensors; ++i)
    def.tensors.push_back({"t" + std::to_string(i), {}, nullptr});
  def.inputs = {0, 1};
  def.outputs = std::move(outputs);
  def.ops = std::move(ops);
  return def;
}

OpDef Op(const char* op, std::vector<int32_t> inputs,
         std::vector<int32_t> outputs) {
  return {op, op, std::move(inputs), std::move(outputs), {}};
}

std::string ErrorOf(const ModelDef& def) {
  const Result<void> verified = VerifyModel(def);
  return verified.ok() ? "" : verified.error().message;
}

const OpDef kIf = Op("If", {1}, {}), kElse = Op("Else", {}, {});
// turn 2, condition 3, value 4
const OpDef kLoop = Op("Loop", {-1, 1, 0}, {2, 3, 4});

TEST_CASE("Bodies that are right") {
  CHECK(ErrorOf(Def({kIf, Op("Neg", {0}, {2}), kElse, Op("Abs", {0}, {3}),
                     Op("EndIf", {2, 3}, {4})},
                    {4}, 5))
            .empty());
  CHECK(ErrorOf(
            Def({kLoop, Op("Neg", {4}, {5}), Op("EndLoop", {3, 5, 5}, {6, 7})},
                {6, 7}, 8))
            .empty());
}

TEST_CASE("Bodies that are wrong") {
  struct Case {
    const char* message;
    ModelDef def;
  };
  const OpDef neg = Op("Neg", {0}, {2});
  const Case cases[] = {
      {"without an end", Def({neg, kIf}, {2}, 3)},
      {"without an end", Def({neg, kIf, kElse}, {2}, 3)},
      {"expected an If before it", Def({kElse, neg}, {2}, 3)},
      {"expected an If before it", Def({kIf, kElse, kElse, neg}, {2}, 3)},
      {"expected an Else before it",
       Def({kIf, Op("EndIf", {}, {}), neg}, {2}, 3)},
      {"expected a Loop before it", Def({Op("EndLoop", {1}, {}), neg}, {2}, 3)},
      {"expected a Loop before it",
       Def({kIf, Op("EndLoop", {1}, {}), neg}, {2}, 3)},
      {"expected an If before it", Def({kLoop, kElse}, {2}, 5)},
      {"made in a body", Def({kIf, neg, kElse, Op("EndIf", {}, {})}, {2}, 3)},
      {"in a body that has ended",
       Def({kIf, neg, kElse, Op("Abs", {2}, {3}), Op("EndIf", {}, {})}, {3},
           4)},
      {"in a body that has ended",
       Def({kIf, neg, kElse, Op("EndIf", {}, {}), Op("Abs", {2}, {3})}, {3},
           4)},
      // The first half comes from the first body, the second from the second.
      {"in a body that has ended",
       Def({kIf, neg, kElse, Op("EndIf", {2, 2}, {3})}, {3}, 4)},
      {"in a body that has ended",
       Def({kIf, kElse, neg, Op("EndIf", {2, 2}, {3})}, {3}, 4)},
      {"in a body that has ended",
       Def({kLoop, Op("EndLoop", {3, 4}, {5}), Op("Abs", {4}, {6})}, {6}, 7)},
      {"two inputs that are given for each output",
       Def({kIf, kElse, Op("EndIf", {0}, {2})}, {2}, 3)},
      {"two inputs that are given for each output",
       Def({kIf, kElse, Op("EndIf", {0, -1}, {2})}, {2}, 3)},
      {"turns, condition and states", Def({Op("Loop", {}, {2, 3})}, {2}, 5)},
      {"turns, condition and states",
       Def({Op("Loop", {-1, 1, -1}, {2, 3, 4})}, {2}, 5)},
      {"turns, condition and states",
       Def({Op("Loop", {-1, 1, 0}, {2, 3})}, {2}, 5)},
      {"a condition, 1 states",
       Def({kLoop, Op("EndLoop", {3}, {}), Op("Neg", {0}, {5})}, {5}, 6)},
      {"a condition, 1 states",
       Def({kLoop, Op("EndLoop", {3, 4}, {5, 6})}, {5}, 7)},
      {"a condition, 1 states",
       Def({kLoop, Op("EndLoop", {3, -1}, {5})}, {5}, 6)},
  };
  for (const Case& c : cases) {
    INFO(c.message);
    CHECK_THAT(ErrorOf(c.def), Catch::Contains(c.message));
  }
}

}  // namespace
}  // namespace bittern::runtime
