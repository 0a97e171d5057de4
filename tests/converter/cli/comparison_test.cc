// What a difference is put down to: the layer where it appears, a tie, or
// nothing that explains it.
#include "converter/cli/comparison.h"

#include <cmath>
#include <cstring>

#include "tests/converter/cli/sessions.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::Shape;
using runtime::TensorType;
using test::ModelBuilder;
using Floats = std::vector<float>;

TensorType Vector(int64_t n) { return {DType::kF32, Shape{n}, {}}; }

// x -> codes of 4 bits -> times w = 1 1 1 1; y = relu(2 * sum).
std::unique_ptr<runtime::Session> FloatModel() {
  ModelBuilder b;
  const int32_t x = b.Input("x", {2, 4});
  const int32_t s = b.Constant<float>("s", Vector(1), {0.5f});
  const int32_t w =
      b.Constant<float>("w", {DType::kF32, {4, 1}, {}}, {1, 1, 1, 1});
  const int32_t round = b.Op("Round", "round", {b.Op("Div", "t", {x, s})});
  const int32_t codes =
      b.Op("Clip", "codes", {round}, {{"min", -8.0f}, {"max", 7.0f}});
  const int32_t level = b.Op("Mul", "level", {codes, s});
  const int32_t y = b.Op("MatMul", "y", {level, w});
  b.Output(y, Shape{2, 1});
  return test::OpenKeeping(b);
}

// The same in integers; `scale` and `weight` may be wrong.
std::unique_ptr<runtime::Session> PackedModel(float scale, uint8_t weights) {
  ModelBuilder b;
  const int32_t x = b.Input("x", {2, 4});
  const int32_t s = b.Constant<float>("s", Vector(1), {scale});
  const int32_t w = b.Constant<uint8_t>(
      "w", {DType::kCode, {1, 4}, {runtime::Encoding::kBipolar, 1, 0}},
      {weights});
  const int32_t ws = b.Constant<float>("ws", Vector(1), {0.5f});
  const int32_t codes = b.Op("Quantize", "codes", {x, s},
                             {{"per", std::string("tensor")},
                              {"lo", int64_t{-8}},
                              {"hi", int64_t{7}}});
  const int32_t y = b.Op("LowBitLinear", "y", {codes, w, ws},
                         {{"epilogue", std::string("f32")}});
  b.Output(y, Shape{2, 1});
  return test::OpenKeeping(b);
}

Comparison CompareOn(std::unique_ptr<runtime::Session> packed,
                     const Floats& x) {
  auto comparer = Comparer::Make(FloatModel(), std::move(packed));
  REQUIRE(comparer.ok());
  const auto input = comparer.value().packed().Input(0);
  REQUIRE(input.ok());
  std::memcpy(input.value().data, x.data(), x.size() * sizeof(float));
  const auto done = comparer.value().Run();
  INFO(done.error().message);
  REQUIRE(done.ok());
  return comparer.value().comparison();
}

const Floats kX = {0.1f, 1.0f, -2.4f, 9.0f, 0.6f, -0.7f, 0.26f, 0.0f};

TEST_CASE("equal models have no differences") {
  const Comparison c = CompareOn(PackedModel(0.5f, 0xF), kX);
  REQUIRE(c.tensors.size() == 2);
  CHECK(c.tensors[0].name == "codes");
  CHECK(c.tensors[0].elements == 8);
  CHECK(c.tensors[1].op == "LowBitLinear");
  CHECK(c.Flips() == 0);
  REQUIRE(c.outputs.size() == 1);
  CHECK(c.outputs[0].same_top == 2);
  CHECK(c.outputs[0].max_abs == 0);
}

TEST_CASE("codes that differ far from a tie are not explained") {
  const Comparison c = CompareOn(PackedModel(0.25f, 0xF), kX);
  REQUIRE(c.tensors.size() == 2);
  CHECK(c.tensors[0].flips == 4);
  CHECK(c.tensors[0].unexplained == 4);
  CHECK(c.tensors[0].first ==
        "row 0 column 1: got 4, expected 2, 0.5 from a tie");
  // The product gets the float graph's codes, so that it is right.
  CHECK(c.tensors[1].flips == 0);
  CHECK(c.outputs[0].max_abs > 0);
}

TEST_CASE("codes that differ at a tie are explained") {
  // 0.25 / 0.5 is a tie; a scale one ulp smaller lands above it.
  const Floats x = {0.25f, 0, 0, 0, 0, 0, 0, 0};
  const Comparison c =
      CompareOn(PackedModel(std::nextafter(0.5f, 0.0f), 0xF), x);
  CHECK(c.tensors[0].flips == 1);
  CHECK(c.tensors[0].unexplained == 0);
  CHECK(c.tensors[0].first.empty());
}

TEST_CASE("a wrong product is found where it is") {
  const Comparison c = CompareOn(PackedModel(0.5f, 0x7), kX);
  CHECK(c.tensors[0].flips == 0);
  CHECK(c.tensors[1].flips == 1);  // the last weight meets a 0 in row 1
  CHECK(c.tensors[1].unexplained == 1);
  CHECK(c.tensors[1].first == "row 0 column 0: got -5, expected 2");
}

TEST_CASE("references") {
  auto comparer = Comparer::Make(FloatModel(), PackedModel(0.5f, 0x7));
  REQUIRE(comparer.ok());
  Comparer& c = comparer.value();
  const auto input = c.packed().Input(0);
  std::memcpy(input.value().data, kX.data(), kX.size() * sizeof(float));
  REQUIRE(c.Run().ok());
  NpyArray array{{DType::kF32, {2, 1}, {}}, std::vector<uint8_t>(8)};
  const float expected[] = {2.0f, 0.5f};
  std::memcpy(array.bytes.data(), expected, sizeof(expected));
  REQUIRE(c.AddReference("y", array).ok());
  REQUIRE(c.AddReference("level",
                         {{DType::kF32, {2, 4}, {}}, std::vector<uint8_t>(32)})
              .ok());
  const auto& references = c.comparison().references;
  CHECK(references[0].max_abs_float == 0);
  CHECK(references[0].max_abs_packed == 7);
  CHECK(references[1].max_abs_packed == -1);  // codes there
  CHECK(c.AddReference("nothing", array).error().message ==
        "reference 'nothing' is f32[2,1], but no float tensor of the models "
        "has this name and size");
  array.type.dtype = DType::kI32;
  CHECK_FALSE(c.AddReference("y", array).ok());
}

TEST_CASE("models that are not the same network") {
  ModelBuilder b;
  b.Input("a", {1});
  const int32_t x = b.Input("x", {1});
  b.Output(b.Op("Neg", "y", {x}), Shape{1});
  CHECK_FALSE(Comparer::Make(FloatModel(), test::OpenKeeping(b)).ok());
  ModelBuilder other;
  const int32_t z = other.Input("x", {3});
  other.Output(other.Op("Neg", "y", {z}), Shape{3});
  auto comparer = Comparer::Make(FloatModel(), test::OpenKeeping(other));
  REQUIRE(comparer.ok());
  CHECK(comparer.value().Run().error().message ==
        "input 0 is f32[3] in the packed model and f32[2,4] in the ONNX file: "
        "expected the same network");
}

}  // namespace
}  // namespace bittern::cli
