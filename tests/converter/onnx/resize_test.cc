// Resizing: coordinates, modes, and what cannot be.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

Floats Resized(const std::string& mode, const std::string& transform,
               const std::vector<int64_t>& sizes) {
  OnnxModel model(13);
  model.Input("x", {1, 1, 1, 4}).Ints("sizes", {4}, sizes).Output("y");
  onnx::NodeProto& node = model.Node("Resize", {"x", "", "", "sizes"}, {"y"});
  SetString(node, "mode", mode);
  SetString(node, "coordinate_transformation_mode", transform);
  return model.Run({FloatArray({1, 1, 1, 4}, {0, 2, 4, 8})})[0].As<float>();
}

TEST_CASE("resizing one axis", "[onnx]") {
  CHECK(Resized("linear", "align_corners", {1, 1, 1, 7}) ==
        Floats{0, 1, 2, 3, 4, 6, 8});
  CHECK(Resized("linear", "half_pixel", {1, 1, 1, 2}) == Floats{1, 6});
  CHECK(Resized("nearest", "asymmetric", {1, 1, 2, 2}) == Floats{0, 4, 0, 4});
  CHECK(Resized("cubic", "align_corners", {1, 1, 1, 4}) == Floats{0, 2, 4, 8});
}

TEST_CASE("Upsample repeats", "[onnx]") {
  OnnxModel model(9);
  model.Input("x", {1, 1, 1, 2}).Floats("s", {4}, {1, 1, 2, 2}).Output("y");
  model.Node("Upsample", {"x", "s"}, {"y"});
  CHECK(model.Run({FloatArray({1, 1, 1, 2}, {1, 2})})[0].As<float>() ==
        Floats{1, 1, 2, 2, 1, 1, 2, 2});
}

TEST_CASE("antialiasing averages all that an output covers", "[onnx]") {
  OnnxModel model(18);
  model.Input("x", {1, 1, 1, 8}).Ints("z", {1}, {2}).Output("y");
  onnx::NodeProto& node = model.Node("Resize", {"x", "", "", "z"}, {"y"});
  SetString(node, "mode", "linear");
  SetInt(node, "antialias", 1);
  SetInts(node, "axes", {3});
  const Floats y =
      model.Run({FloatArray({1, 1, 1, 8}, {1, 1, 1, 1, 1, 1, 1, 1})})[0]
          .As<float>();
  REQUIRE(y.size() == 2);
  CHECK(y[0] == Approx(1));
}

TEST_CASE("sizes that cannot be", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {1, 4}).Ints("z", {1}, {2}).Output("y");
  model.Node("Resize", {"x", "", "", "z"}, {"y"}).set_name("n");
  CHECK(model.ErrorText() ==
        "node 'n' (Resize): has 0 scales and 1 sizes, expected 2 of either");
}

}  // namespace
}  // namespace bittern::test
