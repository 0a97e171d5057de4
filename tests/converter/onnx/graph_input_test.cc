// Declared input shapes: static, symbolic, missing, given by the caller.
#include "converter/onnx/graph_input.h"

#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using convert::ImportOptions;

onnx::ValueInfoProto Info(const std::vector<int64_t>& dims,
                          int32_t type = onnx::TensorProto::FLOAT) {
  OnnxModel model;
  model.Input("x", dims, type);
  return model.graph().input(0);
}

std::string TypeOf(const onnx::ValueInfoProto& info,
                   const ImportOptions& options = {}) {
  const auto type = convert::GraphInputType(info, options);
  return type.ok() ? runtime::ToString(type.value())
                   : "error: " + type.error().message;
}

TEST_CASE("declared shapes", "[onnx]") {
  CHECK(TypeOf(Info({2, 3})) == "f32[2,3]");
  CHECK(TypeOf(Info({})) == "f32[]");
  CHECK(TypeOf(Info({-1, 3})) == "f32[1,3]");
  CHECK(TypeOf(Info({0, 3})) == "f32[1,3]");
  CHECK(TypeOf(Info({2}, onnx::TensorProto::UINT8)) == "u8[2]");
  CHECK(TypeOf(Info({2}, onnx::TensorProto::FLOAT16)) == "f32[2]");
}

TEST_CASE("which batch is open") {
  CHECK(convert::HasOpenBatch(Info({-1, 3}), {}));
  CHECK(convert::HasOpenBatch(Info({0, 3}), {}));
  CHECK_FALSE(convert::HasOpenBatch(Info({2, 3}), {}));
  CHECK_FALSE(convert::HasOpenBatch(Info({}), {}));
  ImportOptions options;
  options.shapes["x"] = {1, 3};
  CHECK_FALSE(convert::HasOpenBatch(Info({-1, 3}), options));
  OnnxModel model;
  model.Input("x", {-1, 2}).Input("y", {2}).Output("z");
  model.Node("Add", {"x", "y"}, {"z"});
  CHECK(model.Import().value().open_batch == std::vector<bool>{true, false});
}

TEST_CASE("the caller's shape wins", "[onnx]") {
  ImportOptions options;
  options.shapes["x"] = {4, 5};
  CHECK(TypeOf(Info({-1, -1, 7}), options) == "f32[4,5]");
  onnx::ValueInfoProto unshaped = Info({});
  unshaped.mutable_type()->mutable_tensor_type()->clear_shape();
  CHECK(TypeOf(unshaped, options) == "f32[4,5]");
  CHECK(TypeOf(unshaped) ==
        "error: input 'x' has no shape, expected one: give --shape x=..., for "
        "example x=1,3,224,224");
}

TEST_CASE("shapes that are not known are refused", "[onnx]") {
  CHECK(TypeOf(Info({1, -1})) ==
        "error: dimension 1 of input 'x' is 'N', expected a size: give all of "
        "them, for example --shape x=1,128");
  CHECK(TypeOf(Info({1, 0})) ==
        "error: dimension 1 of input 'x' is 0, expected a size: give all of "
        "them, for example --shape x=1,128");
  CHECK(TypeOf(Info({-1, 3, -1, -1})).find("--shape x=1,3,224,224") !=
        std::string::npos);
  CHECK(TypeOf(Info({1, -5})).find("is -5, expected a size") !=
        std::string::npos);
}

TEST_CASE("inputs that cannot be are refused", "[onnx]") {
  CHECK(TypeOf(Info({int64_t{1} << 40})) ==
        "error: input 'x' would have type f32[1099511627776] of 4398046511104 "
        "bytes, expected at most 4294967296");
  CHECK(TypeOf(Info({INT64_MAX, INT64_MAX})).find("too many elements") !=
        std::string::npos);
  CHECK(TypeOf(Info({1, 1, 1, 1, 1, 1, 1, 1, 1})) ==
        "error: input 'x' has 9 dimensions, expected at most 8");
  CHECK(TypeOf(Info({1}, onnx::TensorProto::STRING))
            .find("element type STRING is not supported") != std::string::npos);
  onnx::ValueInfoProto sequence;
  sequence.set_name("x");
  sequence.mutable_type()->mutable_sequence_type();
  CHECK(TypeOf(sequence).find("is not a tensor") != std::string::npos);
}

}  // namespace
}  // namespace bittern::test
