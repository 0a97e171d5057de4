// Layouts of one tensor, and the quantisers behind it.
#include "converter/cli/float_twin.h"

#include "tests/converter/cli/sessions.h"

namespace bittern::cli {
namespace {

using runtime::Shape;

TEST_CASE("layouts of one tensor") {
  CHECK(OrderOf("t", {1, 5, 6}, {1, 5, 6})->by_heads == false);
  CHECK(OrderOf("t", {5, 6}, {1, 5, 6})->by_heads == false);
  CHECK(OrderOf("t", {1, 5, 6}, {1, 5, 3, 2})->by_heads == false);
  CHECK_FALSE(OrderOf("t", {1, 5, 6}, {1, 5, 7}).has_value());
  CHECK_FALSE(OrderOf("t", {1, 5, 6}, {1, 6, 5}).has_value());
  const auto image = OrderOf("x.last", {2, 3, 3, 3}, {2, 3, 3, 3});
  REQUIRE(image.has_value());
  CHECK((*image)(0) == 0);
  CHECK((*image)(1) == 9);        // channel 1 of pixel 0
  CHECK((*image)(27 + 3) == 28);  // channel 0 of pixel 1, image 1
  CHECK_FALSE(OrderOf("x.last", {1, 5, 6}, {1, 5, 6}).has_value());
  const auto detr = OrderOf("t", {5, 1, 6}, {1, 3, 5, 2});
  REQUIRE(detr.has_value());
  CHECK(detr->by_heads);
  const auto heads = OrderOf("t", {2, 5, 6}, {2, 3, 5, 2});
  REQUIRE(heads.has_value());
  // Element (1, 4, 5) is of head 2, width 1.
  CHECK((*heads)((1 * 5 + 4) * 6 + 5) == ((1 * 3 + 2) * 5 + 4) * 2 + 1);
  const auto split = OrderOf("t", {1, 5, 3, 2}, {1, 3, 5, 2});
  REQUIRE(split.has_value());
  CHECK((*split)((4 * 3 + 2) * 2 + 1) == (2 * 5 + 4) * 2 + 1);
}

TEST_CASE("distances from a tie") {
  Rounding rounding;
  CHECK(rounding.TieDistance(2.5f) == 0);
  CHECK(rounding.TieDistance(-0.25f) == 0.25);
  CHECK(rounding.TieDistance(3.0f) == 0.5);
  rounding.is_sign = true;
  CHECK(rounding.TieDistance(-0.25f) == 0.25);
  rounding.is_sign = false;
  rounding.is_directed = true;
  CHECK(rounding.TieDistance(2.0f) == 0);
  CHECK(rounding.TieDistance(2.25f) == 0.25);
  CHECK(rounding.TieDistance(-2.5f) == 0.5);
}

// y = round(x / s) with its straight-through residue, through exp to z; w =
// sign(z) of another path.
struct Chain {
  test::ModelBuilder b;
  int32_t x, t, round, level, e, sign;

  Chain() {
    x = b.Input("x", {1, 4});
    const int32_t s =
        b.Constant<float>("s", {runtime::DType::kF32, {1}, {}}, {0.5f});
    t = b.Op("Div", "t", {x, s});
    round = b.Op("Round", "round", {t});
    const int32_t residue = b.Op("Sub", "residue", {round, t});
    const int32_t q = b.Op("Add", "q", {residue, t});
    level = b.Op("Mul", "level", {q, s});
    e = b.Op("Exp", "e", {level});
    sign = b.Op("Sign", "sign", {e});
    b.Output(sign, Shape{1, 4});
  }
};

TEST_CASE("the quantiser behind a tensor") {
  Chain chain;
  const auto session = test::OpenKeeping(chain.b);
  const FloatGraph graph(*session);
  CHECK(graph.Find("level") == chain.level);
  CHECK(graph.Find("level.untransposed") == chain.level);
  CHECK(graph.Find("level.last") == chain.level);
  CHECK(graph.Find("s") == -1);
  CHECK(graph.Find("nothing") == -1);
  const auto rounding = graph.QuantiserOf(chain.level);
  REQUIRE(rounding.has_value());
  CHECK(rounding->op->name == "round");
  CHECK(rounding->input == chain.t);
  CHECK_FALSE(rounding->is_sign);
  CHECK_FALSE(graph.QuantiserOf(chain.e).has_value());  // behind an Exp
  CHECK(graph.QuantiserOf(chain.sign)->is_sign);
}

TEST_CASE("a tensor is found by the names that passes make of its own") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  b.Output(b.Op("Round", "y", {x}), Shape{4});
  const auto session = test::OpenKeeping(b);
  const FloatGraph graph(*session);
  const int32_t y = graph.Find("y");
  REQUIRE(y >= 0);
  for (const char* name :
       {"y.codes", "y.last", "y.codes.last", "y.codes.last.untransposed"}) {
    CHECK(graph.Find(name) == y);
  }
  for (const char* name : {"", "z", ".last", "y.other", "y.last.other"})
    CHECK(graph.Find(name) == -1);
}

TEST_CASE("codes of an integer type are their floats") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  const int32_t round = b.Op("Round", "round", {x});
  const int32_t codes =
      b.Op("Cast", "codes", {round}, {{"to", std::string("s8")}});
  b.Output(b.Op("Cast", "y", {codes}, {{"to", std::string("f32")}}), Shape{4});
  const auto session = test::OpenKeeping(b);
  const FloatGraph graph(*session);
  CHECK(graph.Find("codes") == round);
  CHECK(graph.QuantiserOf(graph.Find("codes"))->op->name == "round");
}

TEST_CASE("comparisons with 0 are signs, Floor and Ceil roundings") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  const int32_t t = b.Op("Relu", "t", {x});
  const runtime::TensorType one{runtime::DType::kF32, {1}, {}};
  const int32_t zero = b.Constant<float>("zero", one, {0.0f});
  const int32_t two = b.Constant<float>("two", one, {2.0f});
  const runtime::AttributeMap to{{"to", std::string("f32")}};
  const auto compare = [&](const char* op, const char* name, int32_t a,
                           int32_t c) {
    const int32_t y = b.Op(
        "Cast", name, {b.Op(op, std::string(name) + ".holds", {a, c})}, to);
    b.Output(y, Shape{4});
    return y;
  };
  const int32_t positive = compare("Greater", "positive", t, zero);
  const int32_t negative = compare("LessOrEqual", "negative", zero, t);
  const int32_t other = compare("Greater", "other", t, two);
  const int32_t down = b.Op("Floor", "down", {t});
  b.Output(down, Shape{4});
  const auto session = test::OpenKeeping(b);
  const FloatGraph graph(*session);
  for (const int32_t tensor : {positive, negative}) {
    const auto found = graph.Between({}, tensor);
    REQUIRE(found.size() == 1);
    CHECK(found[0].is_sign);
    CHECK(found[0].input == t);
  }
  CHECK(graph.Between({}, other).empty());
  REQUIRE(graph.QuantiserOf(down).has_value());
  CHECK(graph.QuantiserOf(down)->is_directed);
}

TEST_CASE("quantisers between tensors") {
  Chain chain;
  const auto session = test::OpenKeeping(chain.b);
  const FloatGraph graph(*session);
  const auto all = graph.Between({}, chain.sign);
  REQUIRE(all.size() == 1);  // not its own
  CHECK(all[0].op->name == "round");
  CHECK(graph.Between({chain.level}, chain.sign).empty());
  // The residue leads past the codes unless the value before them stops it.
  CHECK(graph.Between({chain.round, chain.t}, chain.sign).empty());
}

}  // namespace
}  // namespace bittern::cli
