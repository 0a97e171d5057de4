// VerifyModel: one good model, and one test per rule that breaks exactly that
// rule.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

// y = reshape(relu(x + c)), one image input, a bipolar constant that nobody
// uses.
ModelDef GoodModel(test::ModelBuilder& b) {
  const int32_t x = b.Input("x", {1, 3, 2, 4});
  const int32_t c = b.Constant<float>("c", b.F32({4}), {1, 2, 3, 4});
  const int32_t shape =
      b.Constant<int64_t>("shape", {DType::kI64, {2}, {}}, {6, 4});
  b.Constant<uint8_t>("w", {DType::kCode, {2, 9}, {Encoding::kBipolar, 1, 0}},
                      {1, 0, 2, 0});
  const int32_t sum = b.Op("Add", "sum", {x, c});
  const int32_t relu = b.Op("Relu", "relu", {sum});
  b.Output(b.Op("Reshape", "y", {relu, shape}, {{"allowzero", int64_t{0}}}),
           {6, 4});
  b.def.preprocess = {{0,
                       4,
                       2,
                       3,
                       Preprocess::Resize::kBilinear,
                       8,
                       1.0f / 255,
                       {0, 0, 0},
                       {1, 1, 1}}};
  return b.def;
}

struct Rule {
  const char* name;
  Code code;
  void (*break_it)(ModelDef&);
  const char* message;  // part of it
};

const Rule kRules[] = {
    {"tensor without name", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[1].name.clear(); }, "no name"},
    {"name twice", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[2].name = "x"; }, "name of tensor 0"},
    {"unknown element type", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[4].type.dtype = static_cast<DType>(8); },
     "element type"},
    {"element type 0", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[4].type.dtype = static_cast<DType>(0); },
     "element type"},
    {"dimension below -1", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[0].type.shape[0] = -2; }, "dimension"},
    {"code bits", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[3].type.code.bits = 2; },
     "encoding 1 with 2 bits"},
    {"bipolar rank", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[3].type.shape = {2, 3, 3};
     },
     "expected rank 2"},
    {"bipolar group", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[3].type.code.group = 3; }, "group"},
    {"code encoding", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[3].type.code.encoding = Encoding::kNone; },
     "encoding"},
    {"sign constant", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[3].type.code.encoding = Encoding::kSign; },
     "constant"},
    {"byte constant", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[3].type.code = {Encoding::kUnsignedBytes, 4, 0};
     },
     "got u4c"},
    {"width of no encoding", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[3].type.code = {Encoding::kSigned, 1, 0};
     },
     "encoding 4 with 1 bits"},
    {"weights rank", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[3].type = {DType::kCode, {9}, {Encoding::kTernary, 2, 0}};
     },
     "expected rank 2"},
    {"byte group", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[4].type = {
           DType::kCode, {2, 9}, {Encoding::kSignedBytes, 4, 3}};
     },
     "s4c codes: got group 3"},
    {"sign group", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[4].type = {DType::kCode, {2, 9}, {Encoding::kSign, 1, 2}};
     },
     "group 2"},
    {"code format on floats", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[4].type.code.bits = 1; }, "code format"},
    {"dynamic constant", Code::kInvalidArgument,
     [](ModelDef& d) { d.tensors[1].type.shape[0] = -1; }, "not known"},
    {"huge constant", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[1].type.shape = {1 << 30, 1 << 30};
     },
     "2^40"},
    {"unaligned constant", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[1].data = static_cast<const uint8_t*>(d.tensors[1].data) + 4;
     },
     "not aligned"},
    {"input index", Code::kInvalidArgument,
     [](ModelDef& d) { d.inputs[0] = 99; }, "tensor index: got 99"},
    {"constant as input", Code::kInvalidArgument,
     [](ModelDef& d) { d.inputs.push_back(1); }, "has a value already"},
    {"code input", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.tensors[0].type = {DType::kCode, {2, 9}, {Encoding::kSign, 1, 0}};
     },
     "not codes"},
    {"no output", Code::kInvalidArgument,
     [](ModelDef& d) { d.outputs.clear(); }, "0 outputs"},
    {"output index", Code::kInvalidArgument,
     [](ModelDef& d) { d.outputs[0] = -1; }, "tensor index: got -1"},
    {"input as output", Code::kInvalidArgument,
     [](ModelDef& d) { d.outputs.push_back(0); }, "no op's result"},
    {"output twice", Code::kInvalidArgument,
     [](ModelDef& d) { d.outputs.push_back(d.outputs[0]); }, "twice"},
    {"unknown op", Code::kUnsupported,
     [](ModelDef& d) { d.ops[1].op = "Relu7"; }, "op 1 Relu7 'relu'"},
    {"too few inputs", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].inputs.pop_back(); }, "inputs: got 1"},
    {"too many inputs", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].inputs.push_back(0); }, "inputs: got 3"},
    {"no output of an op", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].outputs.clear(); }, "outputs: got 0"},
    {"required input absent", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].inputs[1] = -1; }, "input 1: got none"},
    {"op input index", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].inputs[1] = -2; }, "tensor index: got -2"},
    {"op output index", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].outputs[0] = 1000; }, "tensor index: got 1000"},
    {"use before production", Code::kInvalidArgument,
     [](ModelDef& d) { std::swap(d.ops[0], d.ops[1]); }, "no value yet"},
    {"an op that feeds itself", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[0].inputs[0] = d.ops[0].outputs[0]; },
     "no value yet"},
    {"two producers", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[1].outputs[0] = d.ops[0].outputs[0]; },
     "has a value already"},
    {"attribute kind", Code::kInvalidArgument,
     [](ModelDef& d) { d.ops[2].attributes["allowzero"] = 1.0f; },
     "got float, expected int"},
    {"unknown attribute", Code::kUnsupported,
     [](ModelDef& d) { d.ops[2].attributes["extra"] = int64_t{1}; }, "'extra'"},
    {"required attribute", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.ops[1] = {"Transpose", "t", {d.ops[1].inputs}, d.ops[1].outputs, {}};
     },
     "attribute 'perm': got none, expected ints"},
    {"preprocess input", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].input = 1; }, "input: got 1"},
    {"preprocess twice", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess.push_back(d.preprocess[0]); }, "second"},
    {"preprocess size", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].width = 0; }, "size: got 0 x 2"},
    {"preprocess channels", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].channels = 2; }, "channels: got 2"},
    {"preprocess filter", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.preprocess[0].resize = static_cast<Preprocess::Resize>(3);
     },
     "resize: got 3"},
    {"crop without filter", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].resize = Preprocess::Resize::kNone; },
     "without a filter"},
    {"crop larger than image", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].resize_shorter = 3; },
     "resize_shorter: got 3"},
    {"mean count", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].mean.pop_back(); },
     "got 2 and 3 values"},
    {"std 0", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].std[2] = 0; }, "channel 2"},
    {"scale not finite", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.preprocess[0].scale = std::numeric_limits<float>::infinity();
     },
     "scale"},
    {"preprocess pad without a filter", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.preprocess[0].resize_shorter = 0;
       d.preprocess[0].resize = Preprocess::Resize::kNone;
       d.preprocess[0].pad = true;
     },
     "pad: got it without a filter"},
    {"preprocess pad and crop", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].pad = true; }, "with resize_shorter"},
    {"postprocess input", Code::kInvalidArgument,
     [](ModelDef& d) { d.postprocess = {.input = 1}; },
     "postprocessing: input: got 1, expected 0 to 1 exclusive"},
    {"postprocess scores", Code::kInvalidArgument,
     [](ModelDef& d) { d.postprocess = {.scores = -1}; },
     "scores: got -1, expected 0 to 1 exclusive"},
    {"postprocess boxes", Code::kInvalidArgument,
     [](ModelDef& d) { d.postprocess = {.boxes = 1}; },
     "boxes: got 1, expected 0 to 1 exclusive"},
    {"postprocess score kind", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.postprocess = {.boxes = 0,
                        .score_kind = static_cast<Postprocess::Scores>(2)};
     },
     "kinds: got 2 and 0"},
    {"postprocess box kind", Code::kInvalidArgument,
     [](ModelDef& d) {
       d.postprocess = {.boxes = 0,
                        .box_kind = static_cast<Postprocess::Boxes>(2)};
     },
     "kinds: got 0 and 2"},
    {"preprocess shape", Code::kInvalidArgument,
     [](ModelDef& d) { d.preprocess[0].height = 3; }, "expected f32[1,3,3,4]"},
};

TEST_CASE("a model that keeps every rule is accepted") {
  test::ModelBuilder builder;
  const Result<void> result = VerifyModel(GoodModel(builder));
  INFO(result.error().message);
  CHECK(result.ok());
}

TEST_CASE("each rule is checked") {
  for (const Rule& rule : kRules) {
    test::ModelBuilder builder;
    ModelDef def = GoodModel(builder);
    rule.break_it(def);
    const Result<void> result = VerifyModel(def);
    INFO(rule.name << ": " << result.error().message);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == rule.code);
    CHECK(result.error().message.find(rule.message) != std::string::npos);
  }
}

TEST_CASE("a model has limits") {
  ModelDef def;
  def.ops.resize(1'000'001);
  CHECK(VerifyModel(def).error().message.find("1000001 ops") !=
        std::string::npos);
}

}  // namespace
}  // namespace bittern::runtime
