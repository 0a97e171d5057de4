// Whole transformer blocks, one of 1-bit and one of 4-bit codes, and two
// convolutions, as models:
// through plan, arena and session they must give what their ops give one by
// one, for every target and thread count.
#include <catch2/catch.hpp>
#include <map>

#include "runtime/exec/session.h"
#include "tests/runtime/model/model_builder.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::DType;
using runtime::Encoding;
using runtime::Shape;

constexpr int64_t kTokens = 37, kDim = 96, kHeads = 3, kHead = 32,
                  kHidden = 200;

// Adds each node to a model, and runs it alone on the values of the nodes
// before it.
class TwoWays {
 public:
  explicit TwoWays(Random& random) : random_(random) {}

  int32_t Input(const std::vector<float>& values) {
    return Keep(builder_.Input("x", Shape{1, kTokens, kDim}),
                F32({1, kTokens, kDim}, values));
  }
  int32_t Floats(int64_t count, float lo, float hi) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) v = random_.Uniform(lo, hi);
    const int32_t id =
        builder_.Constant(Name(), ModelBuilder::F32({count}), values);
    return Keep(id, Constant(F32({count}, values)));
  }
  int32_t Ints(const std::vector<int32_t>& values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    return Keep(builder_.Constant(Name(), {DType::kI32, shape, {}}, values),
                Constant(I32(shape, values)));
  }
  int32_t Weights(int64_t n, int64_t k, const std::string& type = "bipolar") {
    const Value value = CodeTensor(
        type, {n, k}, AnyCodes(random_, type, static_cast<size_t>(n * k)));
    const uint8_t* first = value.data->data();
    const std::vector<uint8_t> bytes(first,
                                     first + runtime::ByteSize(value.type));
    return Keep(builder_.Constant(Name(), value.type, bytes), value);
  }
  int32_t Op(const char* op, const std::vector<int32_t>& inputs,
             const AttributeMap& attributes) {
    OpCall call{op, {}, attributes};
    for (int32_t i : inputs)
      call.inputs.push_back(i < 0 ? std::optional<Value>() : values_.at(i));
    return Keep(builder_.Op(op, Name(), inputs, attributes), Run(call));
  }
  void Output(int32_t tensor) {
    builder_.Output(tensor, Shape{1, kTokens, kDim});
  }
  std::vector<float> Alone(int32_t tensor) {
    return values_.at(tensor).Floats();
  }
  std::shared_ptr<const runtime::Model> Model() { return builder_.Make(); }

 private:
  std::string Name() { return "t" + std::to_string(count_++); }
  int32_t Keep(int32_t id, Value value) {
    values_[id] = std::move(value);
    return id;
  }
  Random& random_;
  ModelBuilder builder_;
  std::map<int32_t, Value> values_;
  int count_ = 0;
};

int32_t Attention(TwoWays& g, int32_t x) {
  const AttributeMap epsilon{{"epsilon", 1e-6f}};
  const int32_t h = g.Op(
      "LayerNormBinarize",
      {x, g.Floats(kDim, 0.5f, 1.5f), g.Floats(kDim, -0.1f, 0.1f)}, epsilon);
  const AttributeMap norm{{"epilogue", std::string("group_norm_sign")},
                          {"epsilon", 1e-5f},
                          {"group", kHead}};
  const AttributeMap sign{{"epilogue", std::string("sign")}, {"group", kHead}};
  int32_t qkv[3];
  for (int32_t& out : qkv) {
    const bool v = &out == qkv + 2;
    const int32_t gamma = v ? -1 : g.Floats(kHead, 0.5f, 1.5f),
                  beta = v ? -1 : g.Floats(kHead, -0.1f, 0.1f);
    out =
        g.Op("LowBitLinear",
             {h, g.Weights(kDim, kDim), g.Floats(kDim, 0.01f, 0.1f), -1, -1,
              gamma, beta, g.Floats(kHeads, 0.3f, 1), g.Floats(kHeads, -1, 1)},
             v ? sign : norm);
  }
  const int32_t mixed =
      g.Op("BinaryAttention",
           {qkv[0], qkv[1], qkv[2], g.Floats(kHeads, 0.05f, 0.1f),
            g.Ints({0, 1, -1}), g.Ints({1, 0, 0}), g.Ints({-1, -1, 0}),
            g.Ints({0, -1, 1}), g.Floats(kHeads, 0.02f, 0.05f),
            g.Floats(kHeads, 0.1f, 1)},
           {{"heads", kHeads}, {"output", std::string("sign")}});
  return g.Op("LowBitLinear",
              {mixed, g.Weights(kDim, kDim), g.Floats(kDim, 0.01f, 0.1f),
               g.Floats(kDim, -1, 1), x},
              {{"epilogue", std::string("f32")}});
}

int32_t Mlp(TwoWays& g, int32_t x) {
  const int32_t h =
      g.Op("LayerNormBinarize",
           {x, g.Floats(kDim, 0.5f, 1.5f), g.Floats(kDim, -0.1f, 0.1f)},
           {{"epsilon", 1e-6f}});
  const int32_t wide =
      g.Op("LowBitLinear",
           {h, g.Weights(kHidden, kDim), g.Floats(kHidden, 0.05f, 0.2f)},
           {{"epilogue", std::string("sign")},
            {"functions", std::string("gelu clip")},
            {"function_args", std::vector<float>{-10, 10}}});
  return g.Op(
      "LowBitLinear",
      {wide, g.Weights(kDim, kHidden), g.Floats(kDim, 0.01f, 0.1f), -1, x},
      {{"epilogue", std::string("f32")}});
}

// Attributes of a quantiser to `lo`..`hi`.
AttributeMap Codes(int64_t lo, int64_t hi, AttributeMap more) {
  more.merge(
      AttributeMap{{"per", std::string("tensor")}, {"lo", lo}, {"hi", hi}});
  return more;
}

int32_t CodeAttention(TwoWays& g, int32_t x) {
  const int32_t h =
      g.Op("Quantize",
           {x, g.Floats(1, 0.2f, 0.3f), -1, g.Floats(kDim, 0.5f, 1.5f),
            g.Floats(kDim, -0.1f, 0.1f)},
           Codes(-8, 7,
                 {{"source", std::string("layer_norm")}, {"epsilon", 1e-6f}}));
  int32_t qkv[3];
  for (int32_t& out : qkv) {
    out = g.Op("LowBitLinear",
               {h, g.Weights(kDim, kDim, "s4w"), g.Floats(kDim, 0.001f, 0.01f),
                g.Floats(kDim, -1, 1), -1, -1, -1, g.Floats(1, 0.2f, 0.3f),
                g.Floats(1, 1, 7)},
               Codes(0, 15, {{"epilogue", std::string("bytes")}}));
  }
  const int32_t mixed =
      g.Op("CodeAttention",
           {qkv[0], qkv[1], qkv[2], g.Floats(kHeads, 0.001f, 0.01f),
            g.Ints({7, 6, 5}), g.Ints({7, 8, 9}), g.Ints({1, 2, 3}),
            g.Floats(kHeads, 1e-4f, 1e-3f), g.Floats(kHeads, 0.003f, 0.004f),
            -1, -1, -1, g.Floats(1, 0.05f, 0.1f)},
           Codes(-8, 7,
                 {{"heads", kHeads},
                  {"output", std::string("bytes")},
                  {"p_lo", int64_t{0}},
                  {"p_hi", int64_t{255}}}));
  return g.Op("LowBitLinear",
              {mixed, g.Weights(kDim, kDim, "ternary"),
               g.Floats(kDim, 0.01f, 0.1f), g.Floats(kDim, -1, 1), x},
              {{"epilogue", std::string("f32")}});
}

// With a scale for each token, found while it runs.
int32_t CodeMlp(TwoWays& g, int32_t x) {
  const int32_t scale = g.Op("Mul",
                             {g.Op("ReduceMax", {g.Op("Abs", {x}, {})},
                                   {{"axes", std::vector<int64_t>{2}}}),
                              g.Floats(1, 0.01f, 0.011f)},
                             {});
  AttributeMap rows = Codes(-128, 127, {});
  rows["per"] = std::string("row");
  const int32_t h = g.Op("Quantize", {x, scale}, rows);
  const int32_t wide =
      g.Op("LowBitLinear",
           {h, g.Weights(kHidden, kDim, "s4w"), g.Floats(kHidden, 0.01f, 0.02f),
            -1, -1, -1, -1, g.Floats(1, 0.2f, 0.3f), -1, -1, scale},
           Codes(0, 3,
                 {{"epilogue", std::string("bytes")},
                  {"functions", std::string("gelu")}}));
  return g.Op("LowBitLinear",
              {wide, g.Weights(kDim, kHidden, "s2w"),
               g.Floats(kDim, 0.01f, 0.1f), -1, x},
              {{"epilogue", std::string("f32")}});
}

int32_t CodesOfImage(TwoWays& g, int32_t x) {
  const int32_t codes =
      g.Op("Quantize", {x, g.Floats(1, 0.2f, 0.3f)}, Codes(-8, 7, {}));
  return g.Op("Unsqueeze", {codes}, {{"axes", std::vector<int64_t>{1}}});
}

// Of one constant, which is packed in two ways.
int32_t TwoWindows(TwoWays& g, int32_t x) {
  const int32_t w = g.Weights(kDim, 9 * kDim, "s4w"),
                scale = g.Floats(kDim, 0.01f, 0.02f),
                bias = g.Floats(kDim, -0.1f, 0.1f),
                channels = g.Floats(kDim, 0.5f, 1.5f);
  const auto window = [&](int64_t height, int64_t width) {
    using List = std::vector<int64_t>;
    return g.Op("LowBitConv",
                {x, w, scale, bias, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                 -1, channels},
                {{"epilogue", std::string("f32")},
                 {"kernel", List{height, width}},
                 {"pads", List{height / 2, width / 2, height / 2, width / 2}}});
  };
  const int32_t both = g.Op("Add", {window(3, 3), window(1, 9)}, {});
  return g.Op("Squeeze", {both}, {{"axes", std::vector<int64_t>{1}}});
}

void CheckBlock(Random& random, int32_t (*attention)(TwoWays&, int32_t),
                int32_t (*mlp)(TwoWays&, int32_t)) {
  TwoWays g(random);
  const auto x = random.Normals(kTokens * kDim);
  const int32_t y = mlp(g, attention(g, g.Input(x)));
  g.Output(y);
  const auto want = g.Alone(y);
  const auto model = g.Model();
  for (const auto& cpu : EveryCpu()) {
    const std::string_view target = kernels::BestTarget(cpu);
    if (target == "scalar" || target == "sse4")
      continue;  // without fused multiply-add floats differ in the last bit
    for (const size_t threads : {1u, 2u, 5u}) {
      INFO(target << ", " << threads << " threads");
      runtime::SessionOptions options;
      options.threads = threads;
      options.cpu = cpu;
      auto session = runtime::Session::Create(model, options);
      REQUIRE(session.ok());
      const auto prepared = session.value()->Prepare();
      INFO(prepared.error().message);
      REQUIRE(prepared.ok());
      for (int run = 0; run < 2;
           ++run) {  // the second finds the arena as the first left it
        std::memcpy(session.value()->Input(0).value().data, x.data(),
                    x.size() * sizeof(float));
        REQUIRE(session.value()->Run().ok());
        const auto* out =
            static_cast<const float*>(session.value()->Output(0).value().data);
        CHECK(std::vector<float>(out, out + want.size()) == want);
      }
    }
  }
}

TEST_CASE(
    "A binary transformer block gives the same as model and as single ops") {
  Random random(60);
  CheckBlock(random, &Attention, &Mlp);
}

TEST_CASE(
    "A 4-bit transformer block gives the same as model and as single ops") {
  Random random(61);
  CheckBlock(random, &CodeAttention, &CodeMlp);
}

TEST_CASE("Convolutions of one constant with other windows share no packing") {
  Random random(62);
  CheckBlock(random, &CodesOfImage, &TwoWindows);
}

}  // namespace
}  // namespace bittern::test
