// Runs the text tests of the passes: every <pass>.txt in this folder holds
// cases
//   == what the case shows
//   graph before
//   -- [a note or a layer record that is expected, one per line]
//   graph after ("unchanged" if it must stay)
// Passes run with --leftovers int8; nodes named "leftover" had float weights. A
// case whose first words are "fast8: " or "fast16: " runs with that
// --input-scale.
// The graph after is what the pass must give, and what it must leave alone when
// it runs on that again; both are verified.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "converter/ir/print.h"
#include "converter/ir/verify.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

struct Case {
  std::string title, before, after, remarks;
};

std::vector<Case> ReadCases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  std::string line;
  bool after = false;
  while (std::getline(file, line)) {
    if (line.starts_with("== ")) {
      cases.push_back({line.substr(3), "", "", ""});
      after = false;
    } else if (cases.empty()) {
      continue;  // what the file says before its first case
    } else if (line.starts_with("--")) {
      after = true;
      if (line.size() > 3) cases.back().remarks += line.substr(3) + '\n';
    } else {
      (after ? cases.back().after : cases.back().before) += line + '\n';
    }
  }
  return cases;
}

std::string Text(const char* what, const Error& error) {
  return std::string(what) + " failed: " + error.message + '\n';
}

// What notes and records the pass left, as a case writes them.
std::string Remarks(const Graph& graph, const PassContext& context) {
  std::string text;
  for (const std::string& note : graph.notes) text += "note " + note + '\n';
  for (const LayerRecord& layer : context.layers) {
    text += fmt::format("layer {}: {} x {}", layer.name, layer.weights,
                        layer.activations);
    text += layer.reason.empty() ? "\n" : "; " + layer.reason + '\n';
  }
  return text;
}

struct Outcome {
  std::string graph, remarks;
};

Outcome Failed(const char* what, const Error& error) {
  return {Text(what, error), ""};
}

// Parses, types, runs `pass` (if any) and prints.
Outcome RunOn(const std::string& text, const Pass* pass, InputScale mode) {
  Result<Graph> parsed = ParseGraph(text);
  if (!parsed.ok()) return Failed("parsing", parsed.error());
  Graph& graph = parsed.value();
  if (Result<void> typed = InferTypes(graph); !typed.ok()) {
    return Failed("inference", typed.error());
  }
  PassContext context;
  context.options.leftovers_int8 = true;  // only its own two passes ask
  context.options.input_scale = mode;
  context.leftovers = {"leftover"};
  if (pass != nullptr) {
    Result<void> run = RunPass(*pass, graph, context);
    if (!run.ok()) return Failed("the pass", run.error());
  }
  Result<void> verified = VerifyGraph(graph);
  if (!verified.ok()) return Failed("verification", verified.error());
  return {PrintGraph(graph), Remarks(graph, context)};
}

const Pass* FindPass(const std::string& name) {
  for (const Pass& pass : AllPasses()) {
    if (name == pass.name) return &pass;
  }
  return nullptr;
}

void CheckCase(const Case& c, const Pass& pass) {
  const bool unchanged = c.after.find("unchanged") == 0;
  const std::string& after = unchanged ? c.before : c.after;
  const InputScale mode = c.title.starts_with("fast8: ") ? InputScale::kFast8
                          : c.title.starts_with("fast16: ")
                              ? InputScale::kFast16
                              : InputScale::kExact;
  const Outcome expected = RunOn(after, nullptr, mode);
  const Outcome actual = RunOn(c.before, &pass, mode);
  CHECK(actual.graph == expected.graph);
  CHECK(actual.remarks == c.remarks);
  const Outcome again = RunOn(after, &pass, mode);
  CHECK(again.graph == expected.graph);
}

TEST_CASE("passes rewrite graphs as their text tests say") {
  const std::filesystem::path folder =
      std::filesystem::path(BITTERN_SOURCE_DIR) / "tests/converter/passes";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt" &&
        entry.path().filename() != "CMakeLists.txt") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const Pass* pass = FindPass(file.stem().string());
    INFO(file.filename().string());
    REQUIRE(pass != nullptr);
    const std::vector<Case> cases = ReadCases(file);
    REQUIRE(cases.size() >= 2);  // at least what it does, and what it leaves
    for (const Case& c : cases) {
      DYNAMIC_SECTION(file.stem().string() << ": " << c.title) {
        CheckCase(c, *pass);
      }
    }
  }
}

TEST_CASE("every pass of the pipeline has a text test") {
  for (const Pass& pass : AllPasses()) {
    const std::filesystem::path file =
        std::filesystem::path(BITTERN_SOURCE_DIR) / "tests/converter/passes" /
        (std::string(pass.name) + ".txt");
    INFO(file.string());
    CHECK(std::filesystem::exists(file));
  }
}

}  // namespace
}  // namespace bittern::convert
