// The whole pipeline on one Bi-ViT block, in the spelling of a raw training
// export and in the collapsed one: after every pass the graph is valid and
// computes the same, and at the end every product is low-bit. All scales are
// powers of two, so that the float graph sums exactly as well.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "converter/ir/verify.h"
#include "converter/passes/passes.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::convert {
namespace {

constexpr int kTokens = 5, kHeads = 3, kHeadDim = 4, kDim = kHeads * kHeadDim;

// Writes the text of a block. `raw`: with the residues of training, weights as
// chains on latents; else the collapsed form.
class Block {
 public:
  explicit Block(bool raw) : raw_(raw) {
    Line("input %x: f32[1,{},{}]", kTokens, kDim);
    Line("const %qkv.split: i64[5] = {{1, {}, 3, {}, {}}}", kTokens, kHeads,
         kHeadDim);
    Line("const %merge: i64[3] = {{1, {}, {}}}", kTokens, kDim);
    Norm("norm1", "x", kDim);
    Linear("qkv", "norm1", 3 * kDim, kDim);
    Line("%five = Reshape(%qkv, %qkv.split) name=\"split\"");
    Line("%heads = Transpose(%five) perm=[2, 0, 3, 1, 4] name=\"heads\"");
    Line("%p0, %p1, %p2 = Split(%heads) axis=0 sizes=[1, 1, 1] name=\"parts\"");
    for (int i = 0; i < 3; ++i) {
      Line("%h{} = Squeeze(%p{}) axes=[0] name=\"squeeze\"", i, i);
    }
    Norm("norm_q", "h0", kHeadDim);
    Norm("norm_k", "h1", kHeadDim);
    Affine("q", "norm_q", "0.5, 1.0, 2.0", "0.0, 1.0, -1.0");
    Affine("k", "norm_k", "1.0, -0.5, 1.0", "0.0, 0.0, 2.0");
    Affine("v", "h2", "4.0, 2.0, 1.0", "1.0, 0.0, 0.0");
    Line("%kt = Transpose(%k) perm=[0, 1, 3, 2] name=\"kt\"");
    Line("%scores = MatMul(%q, %kt) name=\"scores\"");
    Factor("scaled", "scores", raw ? "0.5" : "0.25, -0.25, 1.0");
    Line("%probs = Softmax(%scaled) name=\"softmax\"");
    Affine("p", "probs", "0.25, 0.25, 0.25", "-1.0, -1.0, -2.0");
    Line("%values = MatMul(%p, %v) name=\"values\"");
    std::string out = "values";
    if (!raw) Factor(out = "scaled_values", "values", "1.0, 0.5, 0.25");
    Line("%back = Transpose(%{}) perm=[0, 2, 1, 3] name=\"back\"", out);
    Line("%merged = Reshape(%back, %merge) name=\"merge\"");
    Linear("proj", "merged", kDim, kDim);
    Line("%mid = Add(%x, %proj) name=\"residual\"");
    Norm("norm2", "mid", kDim);
    Linear("fc1", "norm2", 2 * kDim, kDim);
    Line("%gelu = Gelu(%fc1) name=\"gelu\"");
    Line("%clip = Clip(%gelu) min=-10.0 max=10.0 name=\"clip\"");
    Linear("fc2", "clip", kDim, 2 * kDim);
    Line("%y = Add(%fc2, %mid) name=\"residual2\"");
    Line("output %y");
  }

  const std::string& text() const { return text_; }

 private:
  template <class... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + '\n';
  }

  void Norm(const std::string& name, const std::string& x, int width) {
    ++seed_;
    Line("const %{}.gamma: f32[{}] = normal(seed={})", name, width, seed_);
    Line("const %{}.beta: f32[{}] = normal(seed={})", name, width, ++seed_);
    Line(
        "%{0} = LayerNorm(%{1}, %{0}.gamma, %{0}.beta) epsilon=1e-05 "
        "name=\"{0}\"",
        name, x);
  }

  // y - g + g of value `y`, under the name `name`.
  void Residue(const std::string& name, const std::string& y,
               const std::string& g) {
    Line("%{0}.minus = Sub(%{1}, %{2}) name=\"sub\"", name, y, g);
    Line("%{0} = Add(%{0}.minus, %{1}) name=\"add\"", name, g);
  }

  void Linear(const std::string& name, const std::string& x, int n, int k) {
    Line("%{0}.sign = Sign(%{1}) name=\"{0}.sign\"", name, x);
    if (!raw_) {
      Line("const %{}.w: f32[{},{}] = pm1(seed={})", name, k, n, ++seed_);
      Line("const %{}.scale: f32[{}] = fill(0.5)", name, n);
      Line("%{0}.acc = MatMul(%{0}.sign, %{0}.w) name=\"{0}\"", name);
      Line("%{0} = Mul(%{0}.acc, %{0}.scale) name=\"{0}.scale\"", name);
      return;
    }
    Line("%{0}.p = Clip(%{1}) min=-2.0 max=2.0 name=\"p\"", name, x);
    Residue(name + ".codes", name + ".sign", name + ".p");
    Line("const %{}.w: f32[{},{}] = pm1(seed={}, scale=0.5)", name, n, k,
         ++seed_);
    Line("%{0}.abs = Abs(%{0}.w) name=\"abs\"", name);
    Line("%{0}.mean = ReduceMean(%{0}.abs) axes=[1] keepdims=1 name=\"mean\"",
         name);
    Line("%{0}.wsign = Sign(%{0}.w) name=\"wsign\"", name);
    Line("%{0}.b = Mul(%{0}.mean, %{0}.wsign) name=\"b\"", name);
    Line("%{0}.clip = Clip(%{0}.w) min=-1.0 max=1.0 name=\"wclip\"", name);
    Residue(name + ".binary", name + ".b", name + ".clip");
    Line("%{0}.t = Transpose(%{0}.binary) perm=[1, 0] name=\"t\"", name);
    Line("%{0} = MatMul(%{0}.codes, %{0}.t) name=\"{0}\"", name);
  }

  void Affine(const std::string& name, const std::string& x,
              const std::string& a, const std::string& z) {
    Line("const %{}.a: f32[1,{},1,1] = {{{}}}", name, kHeads, a);
    Line("const %{}.z: f32[1,{},1,1] = {{{}}}", name, kHeads, z);
    Line("%{0}.div = Div(%{1}, %{0}.a) name=\"{0}.div\"", name, x);
    Line("%{0}.add = Add(%{0}.div, %{0}.z) name=\"{0}.add\"", name);
    Line("%{0}.clip = Clip(%{0}.add) min=-1.0 max=1.0 name=\"{0}.clip\"", name);
    Line("%{0}.sign = Sign(%{0}.clip) name=\"{0}.sign\"", name);
    std::string codes = name + ".sign";
    if (raw_) Residue(codes = name + ".codes", name + ".sign", name + ".clip");
    if (raw_) {
      Line("%{0}.sub = Sub(%{1}, %{0}.z) name=\"{0}.sub\"", name, codes);
      Line("%{0} = Mul(%{0}.sub, %{0}.a) name=\"{0}.mul\"", name);
    } else {
      Line("%{0} = Sub(%{1}, %{0}.z) name=\"{0}.sub\"", name, codes);
    }
  }

  void Factor(const std::string& name, const std::string& x,
              const std::string& values) {
    const bool scalar = values.find(',') == std::string::npos;
    Line("const %{}.factor: f32[{}] = {{{}}}", name, scalar ? "" : "1,3,1,1",
         values);
    Line("%{0} = Mul(%{1}, %{0}.factor) name=\"{0}\"", name, x);
  }

  bool raw_;
  int seed_ = 0;
  std::string text_;
};

Graph Parsed(const std::string& text) {
  Result<Graph> graph = ParseGraph(text);
  if (!graph.ok()) FAIL(graph.error().message);
  Result<void> typed = InferTypes(graph.value());
  if (!typed.ok()) FAIL(typed.error().message);
  return std::move(graph).value();
}

std::vector<float> RunBlock(const Graph& graph) {
  std::mt19937 generator(7);
  std::vector<float> x(static_cast<size_t>(kTokens * kDim));
  for (float& v : x) v = static_cast<float>(generator()) * 0x1p-31f - 1.0f;
  auto outputs = test::RunGraph(
      graph, {test::MakeArray(runtime::DType::kF32, {1, kTokens, kDim}, x)});
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

std::map<std::string, int> CountOps(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const Node& node : graph.nodes()) ++counts[node.op];
  return counts;
}

// The float forms differ in the last bits of LayerNorm's input only.
constexpr float kTolerance = 1e-5f;

void CheckBlock(bool raw) {
  Graph graph = Parsed(Block(raw).text());
  const std::vector<float> expected = RunBlock(graph);
  PassContext context;
  for (const Pass& pass : AllPasses()) {
    INFO(pass.name);
    Result<void> run = RunPass(pass, graph, context);
    if (!run.ok()) FAIL(run.error().message);
    Result<void> valid = VerifyGraph(graph);
    if (!valid.ok()) FAIL(valid.error().message);
    CHECK(MaxDifference(RunBlock(graph), expected) < kTolerance);
  }
  const std::map<std::string, int> only_these = {
      {"BinaryAttention", 1}, {"LayerNormBinarize", 2}, {"LowBitLinear", 6}};
  CHECK(CountOps(graph) == only_these);
  CHECK(context.layers.size() == 8);
  for (const LayerRecord& layer : context.layers) CHECK(layer.reason.empty());
}

TEST_CASE("a raw training export becomes low-bit, pass by pass the same") {
  CheckBlock(/*raw=*/true);
}

TEST_CASE("the collapsed form becomes low-bit, pass by pass the same") {
  CheckBlock(/*raw=*/false);
}

TEST_CASE("a float-only pipeline keeps float operations") {
  Graph graph = Parsed(Block(/*raw=*/true).text());
  const std::vector<float> expected = RunBlock(graph);
  PassContext context;
  REQUIRE(RunPipeline(graph, context, /*float_only=*/true).ok());
  const std::map<std::string, int> counts = CountOps(graph);
  CHECK(counts.count("LowBitLinear") == 0);
  CHECK(counts.at("MatMul") == 6);
  CHECK(counts.count("Abs") == 0);  // weights are folded
  CHECK(MaxDifference(RunBlock(graph), expected) < kTolerance);
}

TEST_CASE("an error of a pass names the pass") {
  Graph graph = Parsed("input %x: f32[2]\n%y = Relu(%x) name=\"r\"\noutput %y");
  PassContext context;
  const Pass pass = {"fails", [](Graph&, PassContext&) -> Result<void> {
                       return runtime::Unsupported("too hard");
                     }};
  const Result<void> run = RunPass(pass, graph, context);
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().message == "pass fails: too hard");
}

TEST_CASE("a graph of too many nodes is refused at once") {
  Graph graph;
  const TensorType type{runtime::DType::kF32, {1}, {}};
  ValueId x = graph.AddValue("x", type);
  graph.inputs = {x};
  for (int i = 0; i <= 50'000; ++i) {
    x = graph.Emit("Relu", "r", {x}, {}, "v", type);
  }
  PassContext context;
  const Result<void> run = RunPipeline(graph, context, /*float_only=*/false);
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().message ==
        "the graph has 50001 nodes, expected at most 50000");
}

TEST_CASE("--sign-zero positive makes Sign(0) +1 and keeps other signs") {
  for (const char* quantiser : {"%y = Sign(%x) name=\"s\"\n",
                                "const %a: f32[] = {0.5}\n"
                                "const %z: f32[] = {0.0}\n"
                                "%d = Div(%x, %a) name=\"d\"\n"
                                "%e = Add(%d, %z) name=\"e\"\n"
                                "%y = Sign(%e) name=\"s\"\n"}) {
    Graph graph =
        Parsed(std::string("input %x: f32[4]\n") + quantiser + "output %y\n");
    PassContext context;
    context.options.sign_zero_positive = true;
    REQUIRE(RunPipeline(graph, context, /*float_only=*/false).ok());
    const auto outputs = test::RunGraph(
        graph, {test::MakeArray(runtime::DType::kF32, {4},
                                std::vector<float>{0, -0.0f, -1e-30f, 2})});
    REQUIRE(outputs.ok());
    CHECK(outputs.value()[0].As<float>() == std::vector<float>{1, 1, -1, 1});
    CHECK(std::any_of(graph.notes.begin(), graph.notes.end(),
                      [](const std::string& note) {
                        return note.find("lossy") != std::string::npos;
                      }));
  }
}

TEST_CASE("Equal constants of any size become one") {
  Graph graph;
  const Shape shape{70, 70};
  std::vector<float> values(4900, 0.25f);
  const ValueId x =
      graph.AddValue("x", TensorType{runtime::DType::kF32, shape, {}});
  graph.inputs = {x};
  ValueId y = x;
  for (const float last : {1.0f, 1.0f, 2.0f}) {
    values.back() = last;
    y = graph.Emit("Add", "add", {y, graph.AddF32("c", shape, values)}, {}, "y",
                   TensorType{runtime::DType::kF32, shape, {}});
  }
  graph.outputs = {y};
  graph.output_names = {"y"};
  PassContext context;
  REQUIRE(RunPass({"merge_constants", &MergeConstants}, graph, context).ok());
  CHECK(graph.nodes()[0].inputs[1] == graph.nodes()[1].inputs[1]);
  CHECK(graph.nodes()[0].inputs[1] != graph.nodes()[2].inputs[1]);
}

}  // namespace
}  // namespace bittern::convert
