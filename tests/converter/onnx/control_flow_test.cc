// If, Loop, Scan and local functions: written out while the model is imported.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;
using onnx::TensorProto;

onnx::GraphProto& Body(onnx::NodeProto& node, const std::string& name) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  return *attribute.mutable_g();
}

void Node(onnx::GraphProto& graph, const std::string& op,
          const std::vector<std::string>& inputs,
          const std::vector<std::string>& outputs) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
}

void Outputs(onnx::GraphProto& graph, const std::vector<std::string>& names) {
  for (const std::string& name : names) graph.add_output()->set_name(name);
}

void Inputs(onnx::GraphProto& graph, const std::vector<std::string>& names) {
  for (const std::string& name : names) graph.add_input()->set_name(name);
}

OnnxModel Call();

// y = x > 0 at its only element ? x + x : -outer, where outer = x * x.
OnnxModel Choice() {
  OnnxModel model;
  model.Input("x", {1}).Floats("zero", {}, {0}).Output("y");
  model.Node("Mul", {"x", "x"}, {"outer"});
  model.Node("Greater", {"x", "zero"}, {"positive"});
  onnx::NodeProto& node = model.Node("If", {"positive"}, {"y"});
  node.set_name("choice");
  onnx::GraphProto& yes = Body(node, "then_branch");
  Node(yes, "Add", {"x", "x"}, {"a"});
  Outputs(yes, {"a"});
  onnx::GraphProto& no = Body(node, "else_branch");
  Node(no, "Neg", {"outer"}, {"b"});
  Outputs(no, {"b"});
  return model;
}

TEST_CASE("a condition of the run chooses between both results", "[onnx]") {
  const OnnxModel model = Choice();
  CHECK(model.Run({FloatArray({1}, {3})})[0].As<float>() == Floats{6});
  CHECK(model.Run({FloatArray({1}, {-3})})[0].As<float>() == Floats{-9});
}

TEST_CASE("a condition known before keeps one branch", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Ints("four", {}, {4}).Output("y");
  model.Node("Size", {"x"}, {"size"});
  model.Node("Greater", {"size", "four"}, {"large"});
  onnx::NodeProto& node = model.Node("If", {"large"}, {"y"});
  onnx::GraphProto& yes = Body(node, "then_branch");
  Node(yes, "Neg", {"x"}, {"a"});
  Outputs(yes, {"a"});
  onnx::GraphProto& no = Body(node, "else_branch");  // of another size
  Node(no, "Flatten", {"x"}, {"b"});
  Outputs(no, {"b"});
  CHECK(model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0].As<float>() ==
        Floats{-1, -2, -3, -4, -5, -6});
}

TEST_CASE("branches of two sizes run one at a time", "[onnx]") {
  OnnxModel model = Choice();
  onnx::GraphProto& no =
      *model.graph().mutable_node(2)->mutable_attribute(1)->mutable_g();
  no.clear_node();
  Node(no, "Concat", {"outer", "outer"}, {"b"});
  SetInt(*no.mutable_node(0), "axis", 0);
  CHECK(model.Run({FloatArray({1}, {3})})[0].As<float>() == Floats{6});
  CHECK(model.Run({FloatArray({1}, {-3})})[0].As<float>() == Floats{9, 9});
  CHECK_THAT(model.Text(), Catch::Contains("f32[?] = If("));
  Node(no, "Unsqueeze", {"b", "zeroth"}, {"c"});
  model.Ints("zeroth", {1}, {0});
  no.mutable_output(0)->set_name("c");
  CHECK(model.ErrorText() ==
        "node 'choice' (If): a result is f32[1] or f32[1,2], as the run "
        "decides; expected one element type and rank");
}

TEST_CASE("a branch that is not taken may have sizes that are wrong",
          "[onnx]") {
  OnnxModel model = Choice();
  model.Input("size", {1}, TensorProto::INT64);
  onnx::GraphProto& no =
      *model.graph().mutable_node(2)->mutable_attribute(1)->mutable_g();
  no.clear_node();
  Node(no, "Reshape", {"x", "size"}, {"r"});
  Node(no, "ReduceSum", {"r"}, {"b"});
  const auto run = [&](float x, int64_t size) {
    return model.Run({FloatArray({1}, {x}), IntArray({1}, {size})})[0]
        .As<float>();
  };
  CHECK(run(3, 7) == Floats{6});
  CHECK(run(-3, 1) == Floats{-3});
}

// s += x, `turns` times, as long as s < limit; the sums stacked.
OnnxModel Sums(int64_t turns, bool with_limit) {
  OnnxModel model;
  model.Input("x", {1}).Floats("zero", {1}, {0}).Floats("limit", {1}, {10});
  model.Ints("turns", {}, {turns}).Output("sum");
  onnx::NodeProto& node = model.Node("Loop", {"turns", "", "zero"}, {"sum"});
  node.set_name("loop");
  onnx::GraphProto& body = Body(node, "body");
  Inputs(body, {"i", "go", "s"});
  Node(body, "Add", {"s", "x"}, {"t"});
  if (with_limit) {
    Node(body, "Less", {"t", "limit"}, {"go_on"});
    Outputs(body, {"go_on", "t"});
  } else {
    Node(body, "Identity", {"go"}, {"go_on"});
    Node(body, "Identity", {"t"}, {"row"});
    Outputs(body, {"go_on", "t", "row"});
    node.add_output("rows");
    model.Output("rows");
  }
  return model;
}

TEST_CASE("a loop that makes too many nodes keeps its body", "[onnx]") {
  OnnxModel model = Sums(70'000, false);
  CHECK_THAT(model.Text(), Catch::Contains("= Loop("));
  const std::vector<Array> outputs = model.Run({FloatArray({1}, {1})});
  CHECK(outputs[0].As<float>() == Floats{70'000});
  CHECK(outputs[1].As<float>().size() == 70'000);
}

TEST_CASE("a loop of a known number of turns is written out", "[onnx]") {
  const std::vector<Array> outputs = Sums(3, false).Run({FloatArray({1}, {2})});
  CHECK(outputs[0].As<float>() == Floats{6});
  CHECK(outputs[1].As<float>() == Floats{2, 4, 6});
}

TEST_CASE("turns after the condition fails change nothing", "[onnx]") {
  const OnnxModel model = Sums(20, true);
  CHECK(model.Run({FloatArray({1}, {3})})[0].As<float>() == Floats{12});
  CHECK(model.Run({FloatArray({1}, {-1})})[0].As<float>() == Floats{-20});
}

TEST_CASE("loops that the run ends", "[onnx]") {
  for (const int64_t turns : {int64_t{33}, int64_t{5000}, INT64_MAX}) {
    const OnnxModel model = Sums(turns, true);
    CHECK_THAT(model.Text(), Catch::Contains("= Loop("));
    CHECK(model.Run({FloatArray({1}, {3})})[0].As<float>() == Floats{12});
  }
  OnnxModel dynamic = Sums(2, false);
  dynamic.Input("n", {}, TensorProto::INT64);
  dynamic.graph().mutable_node(0)->set_input(0, "n");
  for (const int64_t turns : {3, 1, 0, -1}) {
    const std::vector<Array> outputs =
        dynamic.Run({FloatArray({1}, {2}), IntArray({}, {turns})});
    Floats rows;
    for (int64_t i = 0; i < turns; ++i)
      rows.push_back(2.0f * static_cast<float>(i + 1));
    CHECK(outputs[0].As<float>() == Floats{rows.empty() ? 0 : rows.back()});
    CHECK(outputs[1].As<float>() == rows);
    CHECK(outputs[1].type.shape ==
          runtime::Shape{static_cast<int64_t>(rows.size()), 1});
  }
  const std::vector<Array> none = Sums(0, false).Run({FloatArray({1}, {2})});
  CHECK(none[0].As<float>() == Floats{0});
  CHECK(none[1].type.shape == runtime::Shape{0, 1});
}

// The body of a loop of `turns` (an input): values "s" (f32[1]) and outputs
// that `fill` makes.
OnnxModel Turning(onnx::GraphProto** body) {
  OnnxModel model;
  model.Input("x", {1}).Input("n", {}, TensorProto::INT64).Output("y");
  onnx::NodeProto& node = model.Node("Loop", {"n", "", "x"}, {"y"});
  node.set_name("loop");
  *body = &Body(node, "body");
  Inputs(**body, {"i", "go", "s"});
  return model;
}

TEST_CASE("values of a loop may grow, and only their sizes may", "[onnx]") {
  onnx::GraphProto* body = nullptr;
  OnnxModel model = Turning(&body);
  Node(*body, "Concat", {"s", "x"}, {"t"});
  SetInt(*body->mutable_node(0), "axis", 0);
  Outputs(*body, {"go", "t"});
  CHECK(model.Run({FloatArray({1}, {4}), IntArray({}, {2})})[0].As<float>() ==
        Floats{4, 4, 4});
  body->mutable_output(1)->set_name("i");
  CHECK(model.ErrorText() ==
        "node 'loop' (Loop): a result is f32[1] or i64[], as the run decides; "
        "expected one element type and rank");
  body->mutable_output(0)->set_name("s");
  CHECK_THAT(model.ErrorText(), Catch::Contains("the condition is f32[1]"));
}

TEST_CASE("bodies in bodies read what is around them", "[onnx]") {
  // s = s < limit ? s + x + i : s, in turn i.
  onnx::GraphProto* body = nullptr;
  OnnxModel model = Turning(&body);
  model.Floats("limit", {1}, {16});
  Node(*body, "Less", {"s", "limit"}, {"less"});
  Node(*body, "Cast", {"i"}, {"turn"});
  SetInt(*body->mutable_node(1), "to", TensorProto::FLOAT);
  Node(*body, "If", {"less"}, {"t"});
  onnx::NodeProto& choice = *body->mutable_node(2);
  onnx::GraphProto& yes = Body(choice, "then_branch");
  Node(yes, "Add", {"s", "x"}, {"u"});
  Node(yes, "Add", {"u", "turn"}, {"v"});
  Node(yes, "Shape", {"n"}, {"sizes"});
  Node(yes, "Range", {"zero", "n", "one"}, {"all"});
  Node(yes, "ReduceSum", {"all"}, {"nothing"});
  Outputs(yes, {"v"});
  onnx::GraphProto& no = Body(choice, "else_branch");
  Node(no, "Compress", {"s", "less"}, {"none"});
  Node(no, "Concat", {"s", "none"}, {"same"});
  SetInt(*no.mutable_node(1), "axis", 0);
  Outputs(no, {"same"});
  Outputs(*body, {"go", "t"});
  model.Ints("zero", {}, {0}).Ints("one", {}, {1});
  CHECK(model.Run({FloatArray({1}, {4}), IntArray({}, {9})})[0].As<float>() ==
        Floats{4 + 4 + 0 + 4 + 1 + 4 + 2});
}

TEST_CASE(
    "a loop without a stated number of turns ends when its condition does",
    "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Ints("zero", {}, {0}).Ints("five", {}, {5});
  model.Ints("one", {}, {1}).Output("y");
  onnx::NodeProto& loop = model.Node("Loop", {"", "", "zero", "x"}, {"n", "y"});
  onnx::GraphProto& body = Body(loop, "body");
  Inputs(body, {"i", "go", "n", "s"});
  Node(body, "Add", {"n", "one"}, {"m"});
  Node(body, "Less", {"m", "five"}, {"go_on"});
  Node(body, "Add", {"s", "s"}, {"t"});
  Outputs(body, {"go_on", "m", "t"});
  CHECK(model.Run({FloatArray({1}, {1})})[0].As<float>() == Floats{32});
}

TEST_CASE("a function's absent input is no output", "[onnx]") {
  OnnxModel model = Call();
  onnx::FunctionProto& function = *model.proto().mutable_functions(0);
  function.add_input("c");
  function.add_output("c2");
  function.set_output(0, "c");
  function.mutable_output()->RemoveLast();
  CHECK(model.ErrorText() ==
        "output 'c' of a graph is an input that is absent");
}

TEST_CASE("an attribute that the function does not declare", "[onnx]") {
  OnnxModel model = Call();
  SetFloat(*model.graph().mutable_node(0), "slop", 0.5f);
  CHECK(model.ErrorText() ==
        "node 'call': attribute 'slop' is not one of function 'Leak'");
}

TEST_CASE("a scan backward along the second axis", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Floats("zero", {2}, {0, 0});
  model.Output("last").Output("sums");
  onnx::NodeProto& node = model.Node("Scan", {"zero", "x"}, {"last", "sums"});
  SetInt(node, "num_scan_inputs", 1);
  SetInts(node, "scan_input_axes", {-1});
  SetInts(node, "scan_input_directions", {1});
  SetInts(node, "scan_output_axes", {1});
  onnx::GraphProto& body = Body(node, "body");
  Inputs(body, {"s", "e"});
  Node(body, "Add", {"s", "e"}, {"t"});
  Node(body, "Identity", {"t"}, {"u"});
  Outputs(body, {"t", "u"});
  const std::vector<Array> outputs =
      model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})});
  CHECK(outputs[0].As<float>() == Floats{6, 15});
  CHECK(outputs[1].As<float>() == Floats{3, 5, 6, 6, 11, 15});
}

// f(a) = LeakyRelu<alpha = @slope>(a), called with slope = 0.5.
OnnxModel Call() {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  onnx::FunctionProto& function = *model.proto().add_functions();
  function.set_name("Leak");
  function.set_domain("mine");
  function.add_input("a");
  function.add_output("b");
  function.add_attribute("slope");
  function.add_opset_import()->set_version(17);
  onnx::NodeProto& inner = *function.add_node();
  inner.set_op_type("LeakyRelu");
  inner.add_input("a");
  inner.add_output("b");
  onnx::AttributeProto& alpha = *inner.add_attribute();
  alpha.set_name("alpha");
  alpha.set_type(onnx::AttributeProto::FLOAT);
  alpha.set_ref_attr_name("slope");
  onnx::NodeProto& call = model.Node("Leak", {"x"}, {"y"});
  call.set_domain("mine");
  call.set_name("call");
  return model;
}

TEST_CASE("functions of the model get the attributes of the call", "[onnx]") {
  OnnxModel model = Call();
  SetFloat(*model.graph().mutable_node(0), "slope", 0.5f);
  CHECK(model.Run({FloatArray({2}, {-2, 3})})[0].As<float>() == Floats{-1, 3});
}

TEST_CASE("an attribute left out has the operator's default", "[onnx]") {
  CHECK(Call().Run({FloatArray({2}, {-100, 3})})[0].As<float>() ==
        Floats{-1, 3});
}

TEST_CASE("functions in a cycle are refused", "[onnx]") {
  OnnxModel model = Call();
  onnx::NodeProto& inner = *model.proto().mutable_functions(0)->mutable_node(0);
  inner.clear_attribute();
  inner.set_op_type("Leak");
  inner.set_domain("mine");
  CHECK(model.ErrorText() ==
        "graphs and functions are nested more than 32 deep, or call each other "
        "in a cycle");
}

TEST_CASE("a call with too many inputs is refused", "[onnx]") {
  OnnxModel model = Call();
  model.graph().mutable_node(0)->add_input("x");
  CHECK(model.ErrorText() ==
        "node 'call' calls function 'Leak' with 2 inputs and 1 outputs, "
        "expected at most 1 and 1");
}

}  // namespace
}  // namespace bittern::test
