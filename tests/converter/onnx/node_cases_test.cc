// Runs ONNX's own cases: every one passes, or is listed with its reason in
// excluded_cases.txt. An excluded case that passes is an error as well, so that
// the list stays true.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "tests/converter/onnx/node_case.h"

namespace bittern::test {
namespace {

namespace fs = std::filesystem;

using Exclusions = std::map<std::string, std::string>;

Exclusions ReadExclusions(const std::string& name) {
  Exclusions reasons;
  std::ifstream file(BITTERN_SOURCE_DIR "/tests/converter/onnx/" + name);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    REQUIRE(space != std::string::npos);
    reasons[line.substr(0, space)] = line.substr(space + 1);
  }
  return reasons;
}

struct Counts {
  size_t passed = 0, excluded = 0;
};

Counts RunDirectory(const fs::path& root, const std::string& kind,
                    const Exclusions& exclusions) {
  Counts counts;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / kind)) {
    const std::string name = entry.path().filename().string();
    const runtime::Result<NodeCase> loaded = LoadCase(entry.path().string());
    const runtime::Result<void> result =
        loaded.ok() ? RunCase(loaded.value(), Through::kConversion)
                    : runtime::Result<void>(loaded.error());
    const auto reason = exclusions.find(name);
    if (reason != exclusions.end()) {
      ++counts.excluded;
      INFO(name << " passes, but is excluded: " << reason->second);
      CHECK(!result.ok());
      continue;
    }
    INFO(name);
    CHECK((result.ok() ? "" : result.error().message) == std::string());
    counts.passed += result.ok() ? 1 : 0;
  }
  std::cout << kind << ": " << counts.passed << " cases passed, "
            << counts.excluded << " excluded\n";
  return counts;
}

TEST_CASE("ONNX's own cases pass or are excluded for a reason", "[onnx]") {
  const Exclusions exclusions = ReadExclusions("excluded_cases.txt");
  size_t passed = 0, excluded = 0;
  for (const char* kind :
       {"node", "simple", "pytorch-converted", "pytorch-operator"}) {
    const Counts counts = RunDirectory(ONNX_TESTDATA_DIR, kind, exclusions);
    passed += counts.passed;
    excluded += counts.excluded;
  }
  CHECK(passed >= 700);
  CHECK(excluded == exclusions.size());
}

// The set that comes with PyPI's onnx 1.22.0, where somebody has it:
//   BITTERN_ONNX_CASES=.../onnx/backend/test/data converter_onnx_cases_test
//   "[newer]"
TEST_CASE("the newer cases", "[.newer]") {
  const char* root = std::getenv("BITTERN_ONNX_CASES");
  REQUIRE(root != nullptr);
  const Exclusions exclusions = ReadExclusions("excluded_newer_cases.txt");
  const Counts counts = RunDirectory(root, "node", exclusions);
  CHECK(counts.passed >= 1250);
  CHECK(counts.excluded == exclusions.size());
}

}  // namespace
}  // namespace bittern::test
