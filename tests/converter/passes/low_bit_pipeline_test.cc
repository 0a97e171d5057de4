// The whole pipeline on multi-bit networks in the spelling of training exports
// (LSQ chains with their residues): a multilayer perceptron behind a patch
// embedding and LayerNorms. Scales are powers of two, some times 3, so that the
// float graph sums exactly: after every pass the graph computes the same
// numbers, and the integer modes of a scale per input channel come near them.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "converter/ir/verify.h"
#include "converter/passes/passes.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::convert {
namespace {

constexpr int kDim = 12, kHidden = 24, kTokens = 4;

// How the quantisers in front of the linear layers are.
enum class Scales { kTensor, kColumn, kDynamicRow };

class Network {
 public:
  explicit Network(Scales scales) : scales_(scales) {
    Line("input %image: f32[1,3,4,4]");
    Line("const %tokens: i64[3] = {{1, {}, {}}}", kDim, kTokens);
    Line("const %image.a: f32[1,3,1,1] = {{0.25, 0.375, 0.5}}");
    Line("const %image.z: f32[1,3,1,1] = {{1.0, 0.0, -3.0}}");
    Quantise("pixels", "image", "image.a", "image.z", -128, 127);
    Weight("patch.w", fmt::format("{},3,2,2", kDim), "1,1,1", 8);
    Line("const %patch.b: f32[{}] = normal(seed=3)", kDim);
    Line(
        "%patch = Conv(%pixels, %patch.w, %patch.b) strides=[2, 2] "
        "pads=[0, 0, 0, 0] dilations=[1, 1] name=\"patch\"");
    Line("%flat = Reshape(%patch, %tokens) name=\"flat\"");
    Line("%x = Transpose(%flat) perm=[0, 2, 1] name=\"x\"");
    Line("const %gamma: f32[{}] = normal(seed=5)", kDim);
    Line("%norm = LayerNorm(%x, %gamma) epsilon=1e-05 name=\"norm\"");
    Linear("fc1", "norm", kHidden, kDim);
    Line("%gelu = Gelu(%fc1) name=\"gelu\"");
    Line("%clip = Clip(%gelu) min=-1.5 max=1.5 name=\"clip\"");
    Linear("fc2", "clip", kDim, kHidden);
    Line("%y = Add(%x, %fc2) name=\"y\"");
    Line("output %y");
  }

  const std::string& text() const { return text_; }

 private:
  template <class... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + '\n';
  }

  // round(clip(x / a + z)) with its residue, then (. - z) * a.
  void Quantise(const std::string& name, const std::string& x,
                const std::string& a, const std::string& z, int lo, int hi) {
    Line("%{0}.d = Div(%{1}, %{2}) name=\"{0}.d\"", name, x, a);
    Line("%{0}.e = Add(%{0}.d, %{1}) name=\"{0}.e\"", name, z);
    Line("%{0}.c = Clip(%{0}.e) min={1}.0 max={2}.0 name=\"{0}.c\"", name, lo,
         hi);
    Line("%{0}.r = Round(%{0}.c) name=\"{0}.r\"", name);
    Line("%{0}.u = Sub(%{0}.r, %{0}.c) name=\"{0}.u\"", name);
    Line("%{0}.v = Add(%{0}.u, %{0}.c) name=\"{0}.v\"", name);
    Line("%{0}.s = Sub(%{0}.v, %{1}) name=\"{0}.s\"", name, z);
    Line("%{0} = Mul(%{0}.s, %{1}) name=\"{0}\"", name, a);
  }

  // Latent weights behind the same chain; a scale for each row, one negative.
  void Weight(const std::string& name, const std::string& shape,
              const std::string& ones, int bits) {
    const auto rows = std::stoi(shape);
    Line("const %{}.latent: f32[{}] = normal(seed={})", name, shape, ++seed_);
    std::string scales = "-0.25";
    for (int i = 1; i < rows; ++i)
      scales += i % 2 == 0 ? ", 0.125" : ", 0.0625";
    Line("const %{}.a: f32[{},{}] = {{{}}}", name, rows, ones, scales);
    Line("const %{}.z: f32[] = {{0.0}}", name);
    const int hi = (1 << (bits - 1)) - 1;
    Quantise(name, name + ".latent", name + ".a", name + ".z", -hi - 1, hi);
  }

  void Linear(const std::string& name, const std::string& x, int n, int k) {
    const std::string act = name + ".act";
    if (scales_ == Scales::kDynamicRow) {
      Line("const %{}.n: f32[] = {{127.0}}", act);
      Line("%{0}.abs = Abs(%{1}) name=\"{0}.abs\"", act, x);
      Line("%{0}.max = ReduceMax(%{0}.abs) axes=[-1] name=\"{0}.max\"", act);
      Line("%{0}.s = Div(%{0}.max, %{0}.n) name=\"{0}.s\"", act);
      Line("%{0}.d = Div(%{1}, %{0}.s) name=\"{0}.d\"", act, x);
      Line("%{0}.r = Round(%{0}.d) name=\"{0}.r\"", act);
      Line("%{0} = Mul(%{0}.r, %{0}.s) name=\"{0}\"", act);
    } else {
      const bool column = scales_ == Scales::kColumn;
      const int count = column ? k : 1;
      std::string a = "-0.25", z = "1.0";
      for (int i = 1; i < count; ++i) {
        a += i % 3 == 0 ? ", 0.375" : ", 0.25";
        z += i % 2 == 0 ? ", -2.0" : ", 0.0";
      }
      Line("const %{}.a: f32[{}] = {{{}}}", act, count, a);
      Line("const %{}.z: f32[{}] = {{{}}}", act, count, z);
      Quantise(act, x, act + ".a", act + ".z", -8, 7);
    }
    Weight(name + ".w", fmt::format("{},{}", n, k), "1", 3);
    Line("const %{}.b: f32[{}] = normal(seed={})", name, n, ++seed_);
    Line("%{0}.t = Transpose(%{0}.w) perm=[1, 0] name=\"{0}.t\"", name);
    Line("%{0}.m = MatMul(%{0}.act, %{0}.t) name=\"{0}\"", name);
    Line("%{0} = Add(%{0}.b, %{0}.m) name=\"{0}.add\"", name);
  }

  Scales scales_;
  int seed_ = 10;
  std::string text_;
};

Graph Parsed(Scales scales) {
  Result<Graph> graph = ParseGraph(Network(scales).text());
  if (!graph.ok()) FAIL(graph.error().message);
  Result<void> typed = InferTypes(graph.value());
  if (!typed.ok()) FAIL(typed.error().message);
  return std::move(graph).value();
}

std::vector<float> Run(const Graph& graph) {
  std::mt19937 generator(7);
  std::vector<float> x(3 * 4 * 4);
  for (float& v : x) v = static_cast<float>(generator()) * 0x1p-31f - 1.0f;
  auto outputs = test::RunGraph(
      graph, {test::MakeArray(runtime::DType::kF32, {1, 3, 4, 4}, x)});
  if (!outputs.ok()) FAIL(outputs.error().message);
  return outputs.value()[0].As<float>();
}

float MaxDifference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(a[i] - b[i]));
  }
  return largest;
}

// The converted graph; checks that every pass leaves the numbers alone.
Graph Convert(Scales scales, PassContext& context, float tolerance) {
  Graph graph = Parsed(scales);
  const std::vector<float> expected = Run(graph);
  for (const Pass& pass : AllPasses()) {
    INFO(pass.name);
    Result<void> run = RunPass(pass, graph, context);
    if (!run.ok()) FAIL(run.error().message);
    Result<void> valid = VerifyGraph(graph);
    if (!valid.ok()) FAIL(valid.error().message);
    CHECK(MaxDifference(Run(graph), expected) <= tolerance);
  }
  return graph;
}

int Count(const Graph& graph, const std::string& op) {
  return static_cast<int>(
      std::count_if(graph.nodes().begin(), graph.nodes().end(),
                    [&op](const Node& node) { return node.op == op; }));
}

// Bias additions and run-time scales round.
constexpr float kRounding = 2e-5f;

TEST_CASE("one scale a tensor: integer products, codes in between") {
  PassContext context;
  const Graph graph = Convert(Scales::kTensor, context, kRounding);
  CHECK(Count(graph, "LowBitLinear") == 3);
  CHECK(Count(graph, "MatMul") + Count(graph, "Conv") == 0);
  // Only the image, per channel, keeps its floats.
  CHECK(Count(graph, "Dequantize") == 1);
  // fc1 makes the codes of fc2 itself, and a LayerNorm those of fc1.
  CHECK(Count(graph, "Quantize") == 2);
  CHECK(Count(graph, "LayerNorm") + Count(graph, "Gelu") == 0);
  CHECK(Count(graph, "Transpose") == 1);  // of the patches
  REQUIRE(context.layers.size() == 3);
  CHECK(context.layers[1].weights == "3 bit signed, exact");
  CHECK(context.layers[1].activations == "4 bit signed");
  CHECK(context.layers[1].pattern == "A3 + W6");
  for (const LayerRecord& layer : context.layers) CHECK(layer.reason.empty());
}

TEST_CASE("a scale made at run time for each row") {
  PassContext context;
  const Graph graph = Convert(Scales::kDynamicRow, context, kRounding);
  CHECK(Count(graph, "LowBitLinear") == 3);
  CHECK(Count(graph, "MatMul") == 0);
  CHECK(context.layers[1].activations == "8 bit signed dynamic row");
  CHECK(context.layers[1].pattern == "A12 + W6");
}

TEST_CASE("a scale per input channel: exact") {
  PassContext context;
  const Graph graph = Convert(Scales::kColumn, context, kRounding);
  CHECK(Count(graph, "LowBitLinear") == 3);
  CHECK(Count(graph, "Dequantize") == 3);
  for (const LayerRecord& layer : context.layers) {
    CHECK(layer.input_scale == "exact");
  }
}

TEST_CASE("a scale per input channel: folded into wider weights") {
  const auto [mode, name, tolerance] =
      GENERATE(table<InputScale, const char*, float>(
          {{InputScale::kFast16, "fast16", 1e-3f},
           {InputScale::kFast8, "fast8", 0.5f}}));
  PassContext context;
  context.options.input_scale = mode;
  const Graph graph = Convert(Scales::kColumn, context, tolerance);
  CHECK(Count(graph, "Dequantize") == 0);
  for (const LayerRecord& layer : context.layers) {
    CHECK(layer.input_scale == name);
  }
}

}  // namespace
}  // namespace bittern::convert
