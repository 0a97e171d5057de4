#include "runtime/ops/op.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace bittern::runtime {
namespace {

const std::string kFolder = BITTERN_SOURCE_DIR "/runtime/ops/";

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string SnakeCase(const std::string& name) {
  std::string snake;
  for (char c : name) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (upper && !snake.empty()) snake += '_';
    snake += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return snake;
}

std::set<std::string> ListedOps() {
  std::set<std::string> names;
  for (const OpInfo* info : AllOps()) names.insert(info->name);
  return names;
}

TEST_CASE("Every op is found by its name, and nothing else is") {
  CHECK(ListedOps().size() == AllOps().size());
  for (const OpInfo* info : AllOps()) {
    CHECK(FindOp(info->name) == info);
    CHECK(info->create() != nullptr);
    CHECK(info->min_inputs <= info->max_inputs);
    CHECK(info->min_outputs <= info->max_outputs);
  }
  CHECK(FindOp("") == nullptr);
  CHECK(FindOp("add") == nullptr);
  CHECK(FindOp("LowBitLinear2") == nullptr);
}

TEST_CASE("One op is one file: ops.inc, the files and the build list agree") {
  std::set<std::string>
      defined;  // ops whose OpInfo a file of that name defines
  const std::string build = ReadText(kFolder + "CMakeLists.txt");
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".cc") continue;
    const std::string file = entry.path().filename().string();
    INFO(file);
    CHECK(build.find("  " + file + "\n") != std::string::npos);
    const std::string text = ReadText(entry.path().string());
    const std::string mark = "constinit const OpInfo k";
    const size_t at = text.find(mark);
    if (at == std::string::npos) continue;
    const size_t begin = at + mark.size(), end = text.find("Op", begin);
    const std::string name = text.substr(begin, end - begin);
    CHECK(file == SnakeCase(name) + ".cc");
    CHECK(text.find(mark, begin) == std::string::npos);
    defined.insert(name);
  }
  CHECK(defined == ListedOps());
}

TEST_CASE("The catalogue names every op") {
  const std::string readme = ReadText(kFolder + "README.md");
  for (const std::string& name : ListedOps()) {
    INFO(name);
    const size_t at = readme.find(name);
    CHECK(at != std::string::npos);
  }
}

TEST_CASE("Attributes are read by name and kind") {
  const OpDef def{"Pad",
                  "p",
                  {},
                  {},
                  {{"i", int64_t{7}},
                   {"f", 2.5f},
                   {"s", std::string("text")},
                   {"is", std::vector<int64_t>{1, 2}},
                   {"fs", std::vector<float>{0.5f}}}};
  const InferContext context{def, {}, {}};
  CHECK(context.Int("i", 1) == 7);
  CHECK(context.Int("absent", 1) == 1);
  CHECK(context.Int("f", 1) == 1);  // of another kind
  CHECK(context.Float("f", 1) == 2.5f);
  CHECK(context.Float("absent", 1) == 1.0f);
  CHECK(context.String("s", "") == "text");
  CHECK(context.String("i", "else") == "else");
  REQUIRE(context.Ints("is").size() == 2);
  CHECK(context.Ints("is")[1] == 2);
  CHECK(context.Ints("fs").empty());
  CHECK(context.Floats("fs")[0] == 0.5f);
  CHECK(context.Fail("wrong").message == "Pad 'p': wrong");
}

}  // namespace
}  // namespace bittern::runtime
