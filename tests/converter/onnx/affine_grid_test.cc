// AffineGrid against its definition; ONNX's own cases are run where they are.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

OnnxModel Grid(const std::vector<int64_t>& theta,
               const std::vector<int64_t>& size, int64_t align) {
  OnnxModel model(20);
  model.Input("theta", theta).Output("y");
  model.Ints("size", {static_cast<int64_t>(size.size())}, size);
  SetInt(model.Node("AffineGrid", {"theta", "size"}, {"y"}), "align_corners",
         align);
  return model;
}

TEST_CASE("an affine grid maps the centres of pixels", "[onnx]") {
  const Array y = Grid({1, 2, 3}, {1, 1, 2, 4}, 0)
                      .Run({FloatArray({1, 2, 3}, {1, 10, 100, 2, 0, 3})})[0];
  CHECK(y.type.shape == runtime::Shape{1, 2, 4, 2});
  // x is -0.75, -0.25, 0.25, 0.75; y is -0.5, 0.5.
  CHECK(y.As<float>() == std::vector<float>{94.25f, 1.5f, 94.75f, 2.5f, 95.25f,
                                            3.5f, 95.75f, 4.5f, 104.25f, 1.5f,
                                            104.75f, 2.5f, 105.25f, 3.5f,
                                            105.75f, 4.5f});
}

TEST_CASE("corners aligned: from edge to edge, one point in the middle",
          "[onnx]") {
  const Array y = Grid({1, 2, 3}, {1, 1, 1, 3}, 1)
                      .Run({FloatArray({1, 2, 3}, {1, 0, 0, 0, 1, 0})})[0];
  CHECK(y.As<float>() == std::vector<float>{-1, 0, 0, 0, 1, 0});
}

TEST_CASE("affine grids that cannot be", "[onnx]") {
  CHECK(Grid({1, 2, 4}, {1, 1, 2, 2}, 0).ErrorText().find("expected [N,2,3]") !=
        std::string::npos);
  CHECK(Grid({1, 2, 3}, {1, 1, 2}, 0).ErrorText().find("expected [N,2,3]") !=
        std::string::npos);
  CHECK(Grid({1, 2, 3}, {1, 1, INT64_MAX, 2}, 0)
            .ErrorText()
            .find("expected 1 to") != std::string::npos);
}

}  // namespace
}  // namespace bittern::test
