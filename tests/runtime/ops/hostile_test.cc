// Every op with random types, shapes, attributes and constants, as a hostile
// file may hold them: planning gives an answer or an error that names the node,
// and what it accepts runs. Most useful under the sanitizers.
#include <catch2/catch.hpp>
#include <limits>

#include "runtime/ops/infer.h"
#include "runtime/ops/op.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using runtime::AttributeKind;
using runtime::DType;
using runtime::Shape;
using runtime::TensorType;

constexpr int64_t kMaxElements =
    4096;  // of an input that has values, and of an output that is computed

int64_t AnyInt(Random& random) {
  constexpr int64_t kExtremes[] = {std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max(),
                                   int64_t{1} << 40,
                                   int64_t{1} << 32,
                                   -(int64_t{1} << 31),
                                   1 << 24};
  if (random.Below(8) == 0)
    return kExtremes[random.Below(std::size(kExtremes))];
  return static_cast<int64_t>(random.Below(12)) - 4;
}

Shape AnyShape(Random& random) {
  constexpr int64_t kSizes[] = {
      1, 1, 2, 2, 3, 4, 4, 6, 8, 0, 70, 1 << 20, int64_t{1} << 39};
  Shape shape;
  const size_t rank = random.Below(3) == 0 ? random.Below(9) : random.Below(5);
  for (size_t i = 0; i < rank; ++i) {
    const size_t choices = random.Below(16) == 0 ? std::size(kSizes) : 9;
    shape.Append(kSizes[random.Below(choices)]);
  }
  return runtime::CheckedElements(shape).ok() ? shape : Shape{2};
}

runtime::AttributeValue AnyAttribute(Random& random, AttributeKind kind) {
  constexpr const char* kWords[] = {
      "",      "f32",       "sign",   "group_norm_sign",
      "bytes", "relu gelu", "clip",   "add residual prelu",
      "row",   "column",    "tensor", "layer_norm",
      "i64",   "gelu_clip", "bool",   "group_norm_bytes",
      "?"};
  constexpr float kFloats[] = {0,
                               1,
                               -1,
                               1e-5f,
                               1e30f,
                               std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};
  const size_t length = random.Below(6);
  switch (kind) {
    case AttributeKind::kInt:
      return AnyInt(random);
    case AttributeKind::kFloat:
      return kFloats[random.Below(std::size(kFloats))];
    case AttributeKind::kString:
      return std::string(kWords[random.Below(std::size(kWords))]);
    case AttributeKind::kInts: {
      std::vector<int64_t> list(length);
      for (int64_t& x : list) x = AnyInt(random);
      return list;
    }
    case AttributeKind::kFloats:
      return std::vector<float>(length,
                                kFloats[random.Below(std::size(kFloats))]);
  }
  return int64_t{0};
}

// A type that the model verifier lets through; bytes only if they are few.
Value AnyValue(Random& random) {
  constexpr DType kTypes[] = {DType::kF32, DType::kF32, DType::kF32,
                              DType::kI64, DType::kI32, DType::kU8,
                              DType::kS8,  DType::kBool};
  Shape shape = AnyShape(random);
  const size_t choice = random.Below(12);
  const bool small = shape.Elements() <= kMaxElements;
  const auto count = static_cast<size_t>(small ? shape.Elements() : 0);
  if (choice == 0 && shape.rank() > 0) {
    const bool sign = random.Below(2) == 0;
    const int64_t group = sign && random.Below(2) == 0 && shape.Last() % 2 == 0
                              ? shape.Last() / 2
                              : 0;
    if (sign && small && shape.Last() > 0)
      return Sign(shape, group, AnyCodes(random, "sign", count));
    const std::string& type = kByteTypes[random.Below(kByteTypes.size())];
    if (!sign && small)
      return CodeTensor(type, shape, AnyCodes(random, type, count));
    runtime::CodeType code = *runtime::CodeTypeNamed(sign ? "sign" : type);
    code.group = group;
    return {TensorType{DType::kCode, shape, code}, nullptr};
  }
  if (choice == 1) {
    const Shape matrix{static_cast<int64_t>(random.Below(5)),
                       static_cast<int64_t>(random.Below(70))};
    const std::string& type = kWeightTypes[random.Below(kWeightTypes.size())];
    return CodeTensor(
        type, matrix,
        AnyCodes(random, type, static_cast<size_t>(matrix.Elements())));
  }
  const DType dtype = kTypes[random.Below(std::size(kTypes))];
  if (!small) return {TensorType{dtype, shape, {}}, nullptr};
  Value value;
  if (dtype == DType::kF32) {
    value = F32(shape, random.Normals(count));
  } else if (dtype == DType::kI64) {
    std::vector<int64_t> list(count);
    for (int64_t& x : list) x = AnyInt(random);
    value = I64(shape, list);
  } else if (dtype == DType::kI32) {
    value = I32(shape, std::vector<int32_t>(
                           count, static_cast<int32_t>(AnyInt(random))));
  } else {
    value = Bytes(
        dtype, shape,
        std::vector<uint8_t>(count, static_cast<uint8_t>(random.Below(3))));
  }
  value.constant = random.Below(2) == 0;
  return value;
}

OpCall AnyCall(Random& random, const runtime::OpInfo& info) {
  OpCall call{info.name, {}};
  const size_t most = std::min<size_t>(info.max_inputs, info.min_inputs + 3);
  const size_t count =
      info.min_inputs + random.Below(most - info.min_inputs + 1);
  const Value shared = AnyValue(random);
  for (size_t i = 0; i < count; ++i) {
    // Often the first value again, so that shapes and types agree by chance.
    if (random.Below(20) == 0) {
      call.inputs.emplace_back(std::nullopt);
    } else {
      call.inputs.emplace_back(random.Below(2) == 0 ? shared
                                                    : AnyValue(random));
    }
  }
  for (const runtime::AttributeSpec& spec : info.attributes) {
    if (spec.required || random.Below(2) == 0)
      call.attributes[spec.name] = AnyAttribute(random, spec.kind);
  }
  call.outputs = info.min_outputs +
                 (info.max_outputs > info.min_outputs ? random.Below(3) : 0);
  return call;
}

// Infer alone, on types without bytes too. True if every tensor is small enough
// to run the op.
bool Plans(const OpCall& call, const runtime::OpInfo& info) {
  const runtime::OpDef def{call.op, "the/node", {}, {}, call.attributes};
  std::vector<runtime::InputInfo> inputs;
  bool runs = true;
  for (const auto& input : call.inputs) {
    inputs.push_back(input ? runtime::InputInfo{true, 0, input->type,
                                                input->constant
                                                    ? input->data->data()
                                                    : nullptr}
                           : runtime::InputInfo{});
    runs = runs && (!input || input->data != nullptr);
  }
  std::vector<TensorType> outputs(call.outputs);
  const auto op = info.create();
  const auto result =
      runtime::InferOp(*runtime::FindOp(def.op), *op, def, inputs, outputs);
  if (!result.ok()) {
    CHECK(result.error().message.starts_with(call.op + " 'the/node': "));
    return false;
  }
  for (const TensorType& type : outputs) {
    CHECK(runtime::CheckedElements(type.shape).ok());
    runs = runs && type.shape.Elements() <= kMaxElements;
  }
  return runs;
}

TEST_CASE("No op crashes on anything that a file can say") {
  Random random(50);
  for (const runtime::OpInfo* info : runtime::AllOps()) {
    INFO(info->name);
    size_t ran = 0;
    for (size_t i = 0; i < 1500; ++i) {
      const OpCall call = AnyCall(random, *info);
      if (!Plans(call, *info) || ran >= 50) continue;
      ran += TryRun(call).ok();
    }
  }
}

// Calls that plan and run, as a start for calls that nearly do.
std::vector<OpCall> ValidCalls() {
  const auto ones = [](const Shape& shape, int64_t group) {
    return Sign(shape, group,
                std::vector<int>(static_cast<size_t>(shape.Elements()), 1));
  };
  const auto floats = [](int64_t count) { return Constant(Iota({count})); };
  const Value zero_points = Constant(I32({2}, {1, -1}));
  const Value weights = Bipolar({6, 70}, std::vector<int>(420, 1));
  using Ints = std::vector<int64_t>;
  const auto fours = [](size_t count) { return std::vector<int>(count, -4); };
  const auto bytes = [](const Shape& shape) {
    return CodeTensor(
        "u4c", shape,
        std::vector<int>(static_cast<size_t>(shape.Elements()), 9));
  };
  const Value counts = Constant(I32({6}, {1, -2, 3, -4, 5, -6}));
  const runtime::AttributeMap low_bit{
      {"epilogue", std::string("bytes")},
      {"functions", std::string("mul residual prelu clip")},
      {"function_args", std::vector<float>{-1, 5}},
      {"per", std::string("column")},
      {"lo", int64_t{0}},
      {"hi", int64_t{15}},
      {"zero_after", int64_t{1}}};
  const runtime::AttributeMap attention{{"heads", int64_t{2}},
                                        {"output", std::string("bytes")},
                                        {"p_lo", int64_t{0}},
                                        {"p_hi", int64_t{255}},
                                        {"per", std::string("column")},
                                        {"lo", int64_t{-8}},
                                        {"hi", int64_t{7}}};
  const runtime::AttributeMap sign{{"epilogue", std::string("sign")},
                                   {"group", int64_t{3}},
                                   {"functions", std::string("relu")}};
  const runtime::AttributeMap norm{{"epilogue", std::string("group_norm_sign")},
                                   {"group", int64_t{3}},
                                   {"epsilon", 1e-5f}};
  runtime::AttributeMap byte_norm = low_bit;
  byte_norm["epilogue"] = std::string("group_norm_bytes");
  byte_norm["group"] = int64_t{3};
  byte_norm.erase("functions");
  byte_norm.erase("function_args");
  const runtime::AttributeMap window{{"strides", Ints{1, 2}},
                                     {"pads", Ints{1, 0, 1, 0}}};
  runtime::AttributeMap pool = window;
  pool["kernel"] = Ints{2, 2};
  runtime::AttributeMap image = pool;
  image["groups"] = int64_t{2};
  image["epilogue"] = std::string("f32");
  runtime::AttributeMap quantised_image = pool;
  quantised_image.insert(low_bit.begin(), low_bit.end());
  quantised_image["functions"] = std::string("relu");
  quantised_image["function_args"] = std::vector<float>{};
  quantised_image["pad"] = int64_t{3};
  runtime::AttributeMap scaled_image = quantised_image;
  scaled_image.erase("pad");
  scaled_image["channel_pads"] = Ints{0, 1, 2, 3, 4, 5};
  runtime::AttributeMap last = window;
  last["groups"] = int64_t{2};
  last["channels_first"] = int64_t{1};
  runtime::AttributeMap pool_last = pool;
  pool_last["channels_last"] = int64_t{1};
  runtime::AttributeMap both = pool;
  both["epilogue"] = std::string("f32_sign");
  both["functions"] = std::string("residual prelu");
  const Value q = ones({1, 4, 16}, 8);
  return {
      {"LowBitLinear",
       {ones({2, 70}, 0), weights, floats(6), floats(6), std::nullopt,
        std::nullopt, std::nullopt, floats(2), floats(2)},
       sign},
      {"LowBitLinear",
       {ones({2, 70}, 0), weights, floats(6), std::nullopt, std::nullopt,
        floats(3), floats(3), floats(2), floats(2)},
       norm},
      {"LowBitLinear",
       {bytes({2, 24}), CodeTensor("s4w", {6, 24}, fours(144)), floats(6),
        floats(6), std::nullopt, floats(3), floats(3), floats(6), floats(6),
        counts},
       byte_norm},
      {"LowBitLinear",
       {ones({2, 70}, 0), weights, floats(6), floats(6), Iota({2, 6})},
       {{"epilogue", std::string("f32")}}},
      {"BinaryAttention",
       {q, q, q, floats(2), zero_points, zero_points, zero_points, zero_points,
        floats(2), floats(2)},
       {{"heads", int64_t{2}}, {"output", std::string("sign")}}},
      {"Conv",
       {Iota({1, 4, 5, 6}), Constant(Iota({3, 4, 2, 2})), floats(3)},
       window},
      {"LowBitConv",
       {ones({1, 4, 5, 6}, 3), Bipolar({4, 12}, std::vector<int>(48, 1)),
        floats(4), floats(4), Iota({1, 5, 2, 4})},
       image},
      {"LowBitConv",
       {bytes({2, 4, 5, 6}),
        CodeTensor("ternary", {6, 24}, std::vector<int>(144)), floats(6),
        std::nullopt, std::nullopt, std::nullopt, std::nullopt, floats(6),
        floats(6), counts},
       quantised_image},
      {"LowBitConv",
       {bytes({2, 4, 5, 6}),
        CodeTensor("ternary", {6, 24}, std::vector<int>(144)), floats(6),
        std::nullopt, std::nullopt, std::nullopt, std::nullopt, floats(6),
        floats(6), std::nullopt, std::nullopt, std::nullopt, std::nullopt,
        std::nullopt, std::nullopt, std::nullopt, floats(6)},
       scaled_image},
      {"LowBitConv",
       {ones({1, 4, 5, 6}, 0), Bipolar({4, 24}, std::vector<int>(96, 1)),
        floats(4), floats(4), Iota({1, 5, 2, 4}), std::nullopt, std::nullopt,
        std::nullopt, floats(4), std::nullopt, std::nullopt, std::nullopt,
        std::nullopt, Constant(Iota({1, 4}))},
       both,
       2},
      {"ConvLast",
       {Iota({1, 4, 5, 6}), Constant(Iota({6, 2, 2, 2})), floats(6)},
       last},
      {"ConvLast", {Iota({1, 5, 6, 4}), Constant(Iota({3, 2, 2, 4}))}, window},
      {"AveragePool", {Iota({1, 5, 6, 4})}, pool_last},
      {"MaxPool", {Iota({1, 4, 5, 6})}, pool},
      {"AveragePool", {Iota({1, 4, 5, 6})}, pool},
      {"Split",
       {Iota({4, 6})},
       {{"axis", int64_t{0}}, {"sizes", Ints{1, 3}}},
       2},
      {"Slice",
       {Iota({4, 6})},
       {{"axes", Ints{1}},
        {"starts", Ints{1}},
        {"ends", Ints{5}},
        {"steps", Ints{2}}}},
      {"GatherElements",
       {Iota({2, 3}), I64({2, 1}, {1, 0})},
       {{"axis", int64_t{1}}}},
      {"GatherNd", {Iota({2, 3}), I64({2, 1}, {1, 0})}},
      {"ScatterElements",
       {Iota({2, 3}), I64({1, 3}, {1, 0, 1}), Iota({1, 3})},
       {{"axis", int64_t{0}}, {"reduction", std::string("add")}}},
      {"ScatterNd", {Iota({2, 3}), I64({2, 1}, {1, 0}), Iota({2, 3})}},
      {"TopK", {Iota({2, 3})}, {{"axis", int64_t{1}}, {"k", int64_t{2}}}, 2},
      {"MatMulTopK",
       {Iota({2, 4, 3}), Iota({2, 3, 5}), Iota({1, 4, 1}), Iota({2, 1, 5})},
       {{"k", int64_t{2}}, {"steps", std::string("add rsub")}}},
      {"FarthestPointSample", {Iota({2, 5, 3})}, {{"count", int64_t{3}}}},
      {"BallQuery",
       {Iota({2, 5, 3}), Iota({2, 4, 3})},
       {{"radius", 2.0f}, {"count", int64_t{3}}}},
      {"KnnGraph", {Iota({2, 5, 3}), Iota({2, 4, 3})}, {{"k", int64_t{2}}}},
      {"ThreeInterpolate", {Iota({2, 4, 3}), Iota({2, 5, 3}), Iota({2, 5, 6})}},
      {"Resample",
       {Iota({2, 3}), Constant(I64({2, 1}, {0, 1})), Constant(Iota({2, 1}))},
       {{"axis", int64_t{0}}}},
      {"GridSample",
       {Iota({1, 2, 3, 4}), Iota({1, 2, 2, 2})},
       {{"mode", std::string("bicubic")},
        {"padding_mode", std::string("reflection")}}},
      {"RoiAlign",
       {Iota({1, 2, 3, 4}), Iota({2, 4}), I64({2}, {0, 1})},
       {{"output_height", int64_t{2}}, {"output_width", int64_t{2}}}},
      {"NonMaxSuppression",
       {Constant(Iota({1, 3, 4})), Constant(Iota({1, 2, 3}))},
       {{"max_output_boxes_per_class", int64_t{2}}},
       2},
      {"Quantize",
       {Iota({2, 6}), Iota({2, 1}), Iota({2, 1}), floats(6), floats(6)},
       {{"per", std::string("row")},
        {"lo", int64_t{-8}},
        {"hi", int64_t{7}},
        {"zero_after", int64_t{1}},
        {"source", std::string("layer_norm")}}},
      {"Dequantize",
       {bytes({2, 6}), floats(6), floats(6)},
       {{"per", std::string("column")}}},
      {"Dequantize", {CodeTensor("s3w", {2, 6}, fours(12)), floats(2)}},
      {"LowBitLinear",
       {bytes({2, 70}), CodeTensor("ternary", {6, 70}, std::vector<int>(420)),
        floats(6), floats(6), Iota({2, 6}), std::nullopt, std::nullopt,
        floats(6), floats(6), counts, Iota({2, 1}), I32({2, 1}, {3, -4}),
        counts, Constant(Iota({2, 6}))},
       low_bit},
      {"LowBitLinear",
       {Iota({2, 70}), CodeTensor("s3w", {6, 70}, fours(420)), floats(6)},
       {{"epilogue", std::string("f32")}}},
      {"CodeAttention",
       {bytes({4, 3, 16}), bytes({4, 5, 16}), bytes({4, 5, 16}), floats(2),
        zero_points, zero_points, zero_points, floats(2), floats(2), floats(2),
        Iota({2, 3, 5}), Iota({2, 3, 5}), floats(16), floats(16), zero_points},
       attention},
      {"CodeAttention",
       {bytes({4, 3, 16}), bytes({4, 5, 16}), bytes({4, 5, 16}), floats(2),
        zero_points, zero_points, zero_points, floats(2), floats(2), floats(2),
        Constant(Iota({2, 3})), Iota({2, 3, 5}), floats(16), floats(16),
        zero_points, Constant(I32({3, 5}, std::vector<int32_t>(15, 2))),
        Constant(I32({3}, {1, 0, 1}))},
       attention},
      {"MathFunction", {Iota({4})}, {{"function", std::string("Cos")}}},
      {"Dequantize", {ones({2, 6}, 3), floats(2), floats(2)}},
      {"LayerNormBinarize",
       {Iota({2, 6}), floats(6), floats(6), floats(2), floats(2)},
       {{"epsilon", 1e-5f}, {"group", int64_t{3}}}},
  };
}

TEST_CASE("No op crashes when one part of a valid call is replaced") {
  Random random(51);
  for (const OpCall& valid : ValidCalls()) {
    INFO(valid.op);
    const runtime::OpInfo& info = *runtime::FindOp(valid.op);
    REQUIRE(TryRun(valid).ok());
    for (size_t i = 0; i < 600; ++i) {
      OpCall call = valid;
      const size_t part =
          random.Below(call.inputs.size() + info.attributes.size());
      if (part < call.inputs.size()) {
        call.inputs[part] =
            random.Below(8) == 0 ? std::optional<Value>() : AnyValue(random);
      } else {
        const runtime::AttributeSpec& spec =
            info.attributes[part - call.inputs.size()];
        call.attributes[spec.name] = AnyAttribute(random, spec.kind);
      }
      if (Plans(call, info)) static_cast<void>(TryRun(call));
    }
  }
}

}  // namespace
}  // namespace bittern::test
