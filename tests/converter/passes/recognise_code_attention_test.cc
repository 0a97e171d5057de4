// The graphs of the text tests compute the same before and after the passes
// that put attention on codes and move rows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <random>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "converter/passes/passes.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::convert {
namespace {

// Scales of heads round once more, or once less, than levels do; no code of the
// cases lies that near to the next one.
constexpr float kTolerance = 1e-5f;

struct Case {
  std::string title, before;
};

std::vector<Case> ReadCases(const std::string& pass) {
  std::ifstream file(std::string(BITTERN_SOURCE_DIR) +
                     "/tests/converter/passes/" + pass + ".txt");
  std::vector<Case> cases;
  bool before = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("== ")) {
      cases.push_back({line.substr(3), ""});
      before = true;
    } else if (line.starts_with("--")) {
      before = false;
    } else if (before) {
      cases.back().before += line + '\n';
    }
  }
  return cases;
}

Graph Parsed(const std::string& text) {
  Result<Graph> graph = ParseGraph(text);
  REQUIRE(graph.ok());
  REQUIRE(InferTypes(graph.value()).ok());
  return std::move(graph).value();
}

std::vector<test::Array> RandomInputs(const Graph& graph) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<test::Array> inputs;
  for (ValueId id : graph.inputs) {
    const TensorType& type = *graph.value(id).type;
    std::vector<float> values(static_cast<size_t>(type.shape.Elements()));
    for (float& v : values) v = normal(random);
    inputs.push_back(
        test::MakeArray<float>(runtime::DType::kF32, type.shape, values));
  }
  return inputs;
}

void CheckSame(const std::vector<test::Array>& a,
               const std::vector<test::Array>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].type == b[i].type);
    const std::vector<float> x = a[i].As<float>(), y = b[i].As<float>();
    REQUIRE(x.size() == y.size());
    float most = 0;
    for (size_t j = 0; j < x.size(); ++j) {
      most = std::max(most, std::fabs(x[j] - y[j]));
    }
    CHECK(most <= kTolerance);
  }
}

void CheckPass(const std::string& name) {
  const auto passes = AllPasses();
  const auto pass =
      std::find_if(passes.begin(), passes.end(),
                   [&name](const Pass& p) { return name == p.name; });
  REQUIRE(pass != passes.end());
  const std::vector<Case> cases = ReadCases(name);
  REQUIRE(!cases.empty());
  for (const Case& c : cases) {
    DYNAMIC_SECTION(name << ": " << c.title) {
      const Graph before = Parsed(c.before);
      Graph after = Parsed(c.before);
      PassContext context;
      REQUIRE(RunPass(*pass, after, context).ok());
      const std::vector<test::Array> inputs = RandomInputs(before);
      const auto expected = test::RunGraph(before, inputs);
      const auto actual = test::RunGraph(after, inputs);
      REQUIRE(expected.ok());
      REQUIRE(actual.ok());
      CheckSame(expected.value(), actual.value());
    }
  }
}

TEST_CASE("attention on codes computes what the float graph does") {
  CheckPass("recognise_code_attention");
}

TEST_CASE("moved rows are the same rows") {
  CheckPass("fuse_row_moves");
  CheckPass("place_row_moves");
}

}  // namespace
}  // namespace bittern::convert
