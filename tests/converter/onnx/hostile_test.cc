// Damaged and malicious models: each is refused with one line that says what,
// where, got and expected; none allocates beyond what the file justifies.
#include <catch2/catch.hpp>
#include <string>

#include "tests/converter/onnx/onnx_model.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using convert::ImportOnnxBytes;

std::string ErrorOfBytes(const std::string& bytes) {
  const auto imported = ImportOnnxBytes(bytes.data(), bytes.size(), "", {});
  return imported.ok() ? "" : imported.error().message;
}

// A small model of everything that carries sizes.
OnnxModel Victim() {
  OnnxModel model;
  model.Input("x", {-1, 4, 6})
      .Output("y")
      .Floats("w", {6, 2}, std::vector<float>(12, 0.5f));
  model.Ints("starts", {1}, {1}).Ints("ends", {1}, {3}).Ints("axes", {1}, {1});
  model.Node("Slice", {"x", "starts", "ends", "axes"}, {"cut"});
  model.Node("MatMul", {"cut", "w"}, {"product"});
  model.Node("Shape", {"product"}, {"shape"});
  SetTensor(model.Node("ConstantOfShape", {"shape"}, {"ones"}), "value",
            IntTensor("", {1}, {1}));
  SetInt(model.Node("Cast", {"ones"}, {"real"}), "to", 1);
  model.Node("Add", {"product", "real"}, {"sum"});
  SetInt(model.Node("Softmax", {"sum"}, {"y"}), "axis", 1);
  return model;
}

TEST_CASE("empty and random bytes", "[onnx]") {
  CHECK(ErrorOfBytes("") == "the file is empty, expected ONNX");
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random.Below(200) + 1, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    const std::string message = ErrorOfBytes(bytes);
    CHECK(!message.empty());
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("truncation at every byte", "[onnx]") {
  const std::string bytes = Victim().proto().SerializeAsString();
  REQUIRE(ErrorOfBytes(bytes).empty());
  for (size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    CHECK(!ErrorOfBytes(bytes.substr(0, size)).empty());
  }
}

TEST_CASE("every bit flipped", "[onnx]") {
  // A flip may leave a model that is valid; what counts is that nothing crashes
  // and that errors are one line.
  const std::string bytes = Victim().proto().SerializeAsString();
  size_t refused = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const std::string message = ErrorOfBytes(damaged);
    CHECK(message.find('\n') == std::string::npos);
    refused += message.empty() ? 0 : 1;
  }
  CHECK(refused > bytes.size() * 8 / 3);
}

TEST_CASE("graphs that cannot be", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  SECTION("no graph") {
    model.proto().clear_graph();
    CHECK(model.ErrorText() == "the file has no graph, expected an ONNX model");
  }
  SECTION("no outputs") {
    model.graph().clear_output();
    CHECK(model.ErrorText() ==
          "the graph has no outputs, expected one or more");
  }
  SECTION("an output that nothing makes") {
    CHECK(model.ErrorText() ==
          "graph output 'y' is made by no node, initializer or input");
  }
  SECTION("a cycle") {
    model.Node("Add", {"x", "b"}, {"a"}).set_name("first");
    model.Node("Neg", {"a"}, {"b"}).set_name("second");
    model.Node("Neg", {"b"}, {"y"});
    CHECK(model.ErrorText() ==
          "the graph has a cycle through node 'first' (Add), expected none");
  }
  SECTION("a node that reads itself") {
    model.Node("Add", {"x", "y"}, {"y"}).set_name("self");
    CHECK(model.ErrorText().find("cycle through node 'self'") !=
          std::string::npos);
  }
  SECTION("a missing tensor") {
    model.Node("Add", {"x", "ghost"}, {"y"}).set_name("sum");
    CHECK(model.ErrorText() ==
          "node 'sum' (Add) reads tensor 'ghost', expected a graph input, "
          "initializer or output of a node");
  }
  SECTION("a sparse initializer") {
    model.graph().add_sparse_initializer()->mutable_values()->set_name("w");
    model.Node("Add", {"x", "w"}, {"y"});
    CHECK(model.ErrorText() ==
          "initializer 'w' is sparse, expected a dense one");
  }
}

TEST_CASE("names that collide or lead nowhere", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  SECTION("one name, two nodes") {
    model.Node("Neg", {"x"}, {"y"});
    model.Node("Abs", {"x"}, {"y"});
    CHECK(model.ErrorText() == "tensor 'y' is made twice, expected once");
  }
  SECTION("one name, an input and a node") {
    model.Node("Neg", {"x"}, {"x"});
    CHECK(model.ErrorText() == "tensor 'x' is made twice, expected once");
  }
  SECTION("one name, two initializers") {
    model.Floats("w", {1}, {1}).Floats("w", {1}, {1});
    CHECK(model.ErrorText() == "tensor 'w' is made twice, expected once");
  }
  SECTION("a node without outputs") {
    model.Node("Neg", {"x"}, {""}).set_name("void");
    CHECK(model.ErrorText() ==
          "node 'void' (Neg) has no outputs, expected one or more");
  }
  SECTION("a shape for an input that does not exist") {
    model.Node("Neg", {"x"}, {"y"});
    convert::ImportOptions options;
    options.shapes["z"] = {1};
    CHECK(model.ErrorText(options) ==
          "a shape is given for input 'z', but the model has no input of that "
          "name");
  }
}

TEST_CASE("operators that cannot be imported", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  onnx::NodeProto& node = model.Node("Relu6", {"x"}, {"y"});
  node.set_name("n");
  SECTION("unknown") {
    CHECK(model.ErrorText() ==
          "node 'n': operator 'Relu6' (domain ai.onnx, opset 17) is not "
          "supported; the nearest supported one is 'Relu'");
  }
  SECTION("unknown domain") {
    node.set_domain("my.ops");
    CHECK(model.ErrorText().find("(domain my.ops, opset 1)") !=
          std::string::npos);
  }
  SECTION("a choice without branches") {
    node.set_op_type("If");
    CHECK(model.ErrorText() == "node 'n' (If): lacks the graph 'then_branch'");
  }
  SECTION("a function of the model without outputs") {
    node.set_domain("local");
    onnx::FunctionProto& function = *model.proto().add_functions();
    function.set_name("Relu6");
    function.set_domain("local");
    CHECK(model.ErrorText() ==
          "node 'n' calls function 'Relu6' with 1 inputs and 1 outputs, "
          "expected at most 0 and 0");
  }
  SECTION("no opset") {
    model.proto().clear_opset_import();
    CHECK(model.ErrorText() ==
          "node 'n' (Relu6) is of domain ai.onnx, but the file imports no "
          "opset of it");
  }
  SECTION("an opset of another time") {
    model.proto().mutable_opset_import(0)->set_version(0);
    CHECK(model.ErrorText() == "the file uses opset 0, expected 1 to 27");
    model.proto().mutable_opset_import(0)->set_version(INT64_MAX);
    CHECK(model.ErrorText().find("expected 1 to 27") != std::string::npos);
  }
}

TEST_CASE("nodes whose sizes explode", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y");
  const int64_t huge = int64_t{1} << 40;
  SECTION("ConstantOfShape") {
    model.Ints("shape", {2}, {huge, huge});
    model.Node("ConstantOfShape", {"shape"}, {"y"});
  }
  SECTION("Expand") {
    model.Ints("shape", {1}, {huge});
    model.Node("Expand", {"x", "shape"}, {"y"});
  }
  SECTION("Tile") {
    model.Ints("repeats", {1}, {huge});
    model.Node("Tile", {"x", "repeats"}, {"y"});
  }
  SECTION("Pad") {
    model.Ints("pads", {2}, {huge, INT64_MAX});
    model.Node("Pad", {"x", "pads"}, {"y"});
  }
  SECTION("Range") {
    model.Ints("a", {}, {0}).Ints("b", {}, {huge}).Ints("c", {}, {1});
    model.Node("Range", {"a", "b", "c"}, {"y"});
  }
  SECTION("Range without a step") {
    model.Ints("a", {}, {0}).Ints("b", {}, {huge}).Ints("c", {}, {0});
    model.Node("Range", {"a", "b", "c"}, {"y"});
  }
  SECTION("Range over all integers") {
    model.Ints("a", {}, {INT64_MIN}).Ints("b", {}, {INT64_MAX});
    model.Ints("c", {}, {1}).Node("Range", {"a", "b", "c"}, {"y"});
  }
  const std::string message = model.ErrorText();
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.size() > 20);
}

TEST_CASE("nodes whose sizes cannot be", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y");
  const int64_t huge = int64_t{1} << 40;
  SECTION("Reshape to negative sizes") {
    model.Ints("shape", {2}, {-1, -1}).Node("Reshape", {"x", "shape"}, {"y"});
  }
  SECTION("Reshape to sizes whose product wraps") {
    model.Ints("shape", {3}, {int64_t{1} << 32, int64_t{1} << 32, 1});
    model.Node("Reshape", {"x", "shape"}, {"y"});
  }
  SECTION("Split with negative sizes") {
    model.Ints("sizes", {2}, {-1, 2}).Output("z");
    model.Node("Split", {"x", "sizes"}, {"y", "z"});
  }
  SECTION("an initializer larger than the file") {
    model.Floats("w", {huge}, {}).Node("Add", {"x", "w"}, {"y"});
  }
  SECTION("too many dimensions") {
    model.Ints("axes", {8}, {0, 1, 2, 3, 4, 5, 6, 7});
    model.Node("Unsqueeze", {"x", "axes"}, {"y"});
  }
  SECTION("many constants, each allowed") {
    model.Ints("shape", {1}, {int64_t{1} << 25});
    std::string sum = "ones0";
    for (int i = 0; i < 8; ++i) {
      const std::string name = "ones" + std::to_string(i);
      SetTensor(model.Node("ConstantOfShape", {"shape"}, {name}), "value",
                IntTensor("", {1}, {1}));
      if (i == 0) continue;
      model.Node("Add", {sum, name}, {"sum" + std::to_string(i)});
      sum = "sum" + std::to_string(i);
    }
    model.Node("Reshape", {"x", sum}, {"y"});
  }
  const std::string message = model.ErrorText();
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.size() > 20);
}

TEST_CASE("names cannot break the line", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  model.Node("No\nSuch\x1b[31mOp", {"x"}, {"y"})
      .set_name(std::string(5000, 'n'));
  const std::string message = model.ErrorText();
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.find('\x1b') == std::string::npos);
  CHECK(message.size() < 700);
}

TEST_CASE("names hold no control characters", "[onnx]") {
  for (const char c : {'\0', '\n', '\x1b', '\x7f'}) {
    const std::string bad = std::string("a") + c + "b";
    OnnxModel node;
    node.Input("x", {2}).Output("y");
    node.Node("Neg", {"x"}, {"y"}).set_name(bad);
    CHECK(node.ErrorText() ==
          "a node is named 'a?b' with a control character, expected text");
    OnnxModel value;
    value.Input(bad, {2}).Output("y");
    value.Node("Neg", {bad}, {"y"});
    CHECK(value.ErrorText() ==
          "a value is named 'a?b' with a control character, expected text");
    OnnxModel output;
    output.Input("x", {2}).Output(bad);
    output.Node("Neg", {"x"}, {bad});
    CHECK_FALSE(output.ErrorText().empty());
  }
}

TEST_CASE("a producer's name cannot break the line", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Output("y");
  model.Node("Neg", {"x"}, {"y"});
  model.proto().set_producer_name(std::string("a\0b\n", 4));
  const std::string bytes = model.proto().SerializeAsString();
  const auto imported = ImportOnnxBytes(bytes.data(), bytes.size(), "", {});
  REQUIRE(imported.ok());
  CHECK(imported.value().producer == "a?b?");
}

TEST_CASE("a very deep graph", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y");
  std::string last = "y";
  for (int i = 0; i < 20000; ++i) {  // listed backwards
    const std::string from = i == 19999 ? "x" : "v" + std::to_string(i);
    model.Node("Neg", {from}, {last});
    last = from;
  }
  CHECK(model.Import().ok());
}

}  // namespace
}  // namespace bittern::test
