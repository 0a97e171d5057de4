// Runs ONNX's own cases whose operators we have. A case that cannot pass is
// listed with its reason in excluded_cases.txt; an excluded case that passes is
// an error as well, so that the list stays true.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "tests/converter/onnx/node_case.h"

namespace bittern::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> ReadExclusions() {
  std::map<std::string, std::string> reasons;
  std::ifstream file(BITTERN_SOURCE_DIR
                     "/tests/converter/onnx/excluded_cases.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    REQUIRE(space != std::string::npos);
    reasons[line.substr(0, space)] = line.substr(space + 1);
  }
  return reasons;
}

// Returns the number of excluded cases that were met.
size_t RunDirectory(const std::string& kind,
                    const std::map<std::string, std::string>& exclusions,
                    size_t at_least) {
  size_t ran = 0;
  size_t excluded = 0;
  size_t out_of_scope = 0;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(ONNX_TESTDATA_DIR) / kind)) {
    runtime::Result<NodeCase> loaded = LoadCase(entry.path().string());
    if (!loaded.ok() || !IsInScope(loaded.value().model)) {
      ++out_of_scope;
      continue;
    }
    const std::string& name = loaded.value().name;
    const runtime::Result<void> result = RunCase(loaded.value());
    const auto reason = exclusions.find(name);
    if (reason != exclusions.end()) {
      ++excluded;
      INFO(name << " passes, but is excluded: " << reason->second);
      CHECK(!result.ok());
      continue;
    }
    ++ran;
    INFO(name);
    CHECK((result.ok() ? "" : result.error().message) == std::string());
  }
  std::cout << kind << ": " << ran << " cases ran, " << excluded
            << " excluded, " << out_of_scope << " use other operators\n";
  CHECK(ran >= at_least);
  return excluded;
}

TEST_CASE("ONNX node cases", "[onnx]") {
  const std::map<std::string, std::string> exclusions = ReadExclusions();
  CHECK(RunDirectory("node", exclusions, 430) == exclusions.size());
}

TEST_CASE("ONNX simple cases", "[onnx]") { RunDirectory("simple", {}, 6); }

}  // namespace
}  // namespace bittern::test
