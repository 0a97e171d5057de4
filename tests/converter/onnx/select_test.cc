// Masks, one-hot codes and selections.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

TEST_CASE("triangles and diagonals", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Ints("k", {}, {1});
  model.Output("upper").Output("lower").Output("eye");
  model.Node("Trilu", {"x", "k"}, {"upper"});
  SetInt(model.Node("Trilu", {"x"}, {"lower"}), "upper", 0);
  SetInt(model.Node("EyeLike", {"x"}, {"eye"}), "k", -1);
  const std::vector<Array> outputs =
      model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})});
  CHECK(outputs[0].As<float>() == Floats{0, 2, 3, 0, 0, 6});
  CHECK(outputs[1].As<float>() == Floats{1, 0, 0, 4, 5, 0});
  CHECK(outputs[2].As<float>() == Floats{0, 0, 0, 1, 0, 0});
}

TEST_CASE("one-hot codes count negative indices from the end", "[onnx]") {
  OnnxModel model;
  model.Input("i", {3}, onnx::TensorProto::INT64).Output("y");
  model.Ints("depth", {}, {3}).Floats("values", {2}, {-1, 1});
  model.Node("OneHot", {"i", "depth", "values"}, {"y"});
  CHECK(model.Run({IntArray({3}, {0, -1, 3})})[0].As<float>() ==
        Floats{1, -1, -1, -1, -1, 1, -1, -1, -1});
}

TEST_CASE("sequences turned round", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Ints("lengths", {2}, {2, 3}).Output("y");
  onnx::NodeProto& node =
      model.Node("ReverseSequence", {"x", "lengths"}, {"y"});
  SetInt(node, "batch_axis", 0);
  SetInt(node, "time_axis", 1);
  CHECK(model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0].As<float>() ==
        Floats{2, 1, 3, 6, 5, 4});
}

TEST_CASE("results sized by values", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 2}).Output("y");
  const Array x = FloatArray({2, 2}, {1, 2, 0, 4});
  SECTION("of constants are computed") {
    model.Initializer(IntTensor("c", {2}, {0, 1}));
    SetInt(model.Node("Compress", {"x", "c"}, {"y"}), "axis", 1);
    CHECK(model.Run({x})[0].As<float>() == Floats{2, 4});
  }
  SECTION("of the run have its size") {
    model.Node("NonZero", {"x"}, {"y"});
    const Array places = model.Run({x})[0];
    CHECK(places.type.shape == runtime::Shape{2, 3});
    CHECK(places.As<int64_t>() == std::vector<int64_t>{0, 0, 1, 0, 1, 1});
  }
  SECTION("flow through operators that ask for ranks") {
    model.Node("NonZero", {"x"}, {"p"});
    model.Node("Transpose", {"p"}, {"rows"});
    model.Node("GatherND", {"x", "rows"}, {"v"});
    model.Node("ReduceSum", {"v"}, {"y"});
    CHECK(model.Run({x})[0].As<float>() == Floats{7});
  }
  SECTION("are refused by those that ask for sizes") {
    model.Node("NonZero", {"x"}, {"p"});
    model.Node("Trilu", {"p"}, {"y"}).set_name("n");
    CHECK(model.ErrorText() ==
          "node 'n' (Trilu): an input is i64[2,?], of a size that only the run "
          "knows, expected a size that is known");
  }
  // distance[mask] = closer[mask], as loops of farthest point sampling have it.
  SECTION("are refused by masked assignments, which names the way out") {
    model.Node("NonZero", {"x"}, {"p"});
    model.Node("Transpose", {"p"}, {"rows"});
    model.Node("GatherND", {"x", "rows"}, {"v"});
    model.Node("ScatterND", {"x", "rows", "v"}, {"y"}).set_name("n");
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("(ScatterND): an input is i64[?,2]") &&
                   Catch::Contains("models/poem/points.py"));
  }
}

TEST_CASE("diagonals and depths that the run says", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Input("k", {}, onnx::TensorProto::INT64);
  model.Input("i", {3}, onnx::TensorProto::INT64);
  model.Input("depth", {}, onnx::TensorProto::INT64);
  model.Floats("values", {2}, {-1, 1}).Output("upper").Output("codes");
  model.Node("Trilu", {"x", "k"}, {"upper"});
  model.Node("OneHot", {"i", "depth", "values"}, {"codes"});
  const Array x = FloatArray({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto run = [&](int64_t k, int64_t depth) {
    return model.Run({x, IntArray({}, {k}), IntArray({3}, {0, -1, 2}),
                      IntArray({}, {depth})});
  };
  const std::vector<Array> outputs = run(1, 3);
  CHECK(outputs[0].As<float>() == Floats{0, 2, 3, 0, 0, 6});
  CHECK(outputs[1].As<float>() == Floats{1, -1, -1, -1, -1, 1, -1, -1, 1});
  CHECK(run(INT64_MAX, 1)[0].As<float>() == Floats(6, 0));
  CHECK(run(INT64_MIN, 1)[0].As<float>() == x.As<float>());
  CHECK(run(0, 2)[1].As<float>() == Floats{1, -1, -1, 1, -1, -1});
}

TEST_CASE("values that differ", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3});
  for (const char* name : {"y", "first", "which", "counts"}) model.Output(name);
  model.Node("Unique", {"x"}, {"y", "first", "which", "counts"});
  const Array x = FloatArray({2, 3}, {3, 1, 3, 2, 1, 3});
  const std::vector<Array> sorted = model.Run({x});
  using Ints = std::vector<int64_t>;
  CHECK(sorted[0].As<float>() == Floats{1, 2, 3});
  CHECK(sorted[1].As<int64_t>() == Ints{1, 3, 0});
  CHECK(sorted[2].As<int64_t>() == Ints{2, 0, 2, 1, 0, 2});
  CHECK(sorted[3].As<int64_t>() == Ints{2, 1, 3});
  SetInt(*model.graph().mutable_node(0), "sorted", 0);
  CHECK(model.Run({x})[0].As<float>() == Floats{3, 1, 2});
  SetInt(*model.graph().mutable_node(0), "axis", -1);
  const std::vector<Array> columns =
      model.Run({FloatArray({2, 3}, {3, 1, 3, 2, 1, 2})});
  CHECK(columns[0].As<float>() == Floats{3, 1, 2, 1});
  CHECK(columns[0].type.shape == runtime::Shape{2, 2});
  CHECK(columns[2].As<int64_t>() == Ints{0, 1, 0});
}

}  // namespace
}  // namespace bittern::test
