// Operators on clouds of points, of our own domain.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

onnx::NodeProto& Points(OnnxModel& model, const std::string& op,
                        const std::vector<std::string>& inputs) {
  onnx::NodeProto& node = model.Node(op, inputs, {"y"});
  node.set_domain("bittern");
  node.set_name("n");
  return node;
}

TEST_CASE("clouds whose operators are refused", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 8, 3}).Output("y");
  SECTION("more samples than points") {
    SetInt(Points(model, "FarthestPointSample", {"x"}), "count", 9);
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("count: got 9, expected 1 to 8"));
  }
  SECTION("no radius") {
    SetInt(Points(model, "BallQuery", {"x", "x"}), "count", 4);
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("radius: got -1.000000, expected 0 or more"));
  }
  SECTION("more neighbours than points") {
    SetInt(Points(model, "KnnGraph", {"x"}), "k", 20);
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("k: got 20, expected 1 to 8"));
  }
  SECTION("no features") {
    Points(model, "ThreeInterpolate", {"x", "x"});
    CHECK_THAT(model.ErrorText(), Catch::Contains("input"));
  }
  SECTION("an attribute nobody knows") {
    onnx::NodeProto& node = Points(model, "KnnGraph", {"x"});
    SetInt(node, "k", 2);
    SetInt(node, "loop", 1);
    CHECK_THAT(model.ErrorText(), Catch::Contains("loop"));
  }
  SECTION("another name") {
    Points(model, "KnnGraf", {"x"});
    CHECK_THAT(model.ErrorText(), Catch::Contains("KnnGraph"));
  }
}

}  // namespace
}  // namespace bittern::test
