// WriteModelFile: the file appears whole or not at all.
#include "runtime/format/writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/format/reader.h"
#include "tests/runtime/format/fixture.h"

namespace bittern::runtime {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::path(BITTERN_BINARY_DIR) / "writer_test";
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  size_t Count() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path), {}));
  }
};

TEST_CASE("a file is replaced in one step and nothing else stays") {
  const Folder folder;
  const std::string path = folder.path / "model.bittern";
  std::ofstream(path) << "old";
  test::ModelBuilder builder;
  const ModelDef def = test::TinyClassifier(builder);
  REQUIRE(WriteModelFile(def, path).ok());
  CHECK(ReadModelFile(path).ok());
  CHECK(folder.Count() == 1);
}

TEST_CASE("the modes of a new file are the system's default") {
  const Folder folder;
  const std::string path = folder.path / "model.bittern";
  test::ModelBuilder builder;
  REQUIRE(WriteModelFile(test::TinyClassifier(builder), path).ok());
  std::ofstream(folder.path / "plain") << "x";
  struct stat model, plain;
  REQUIRE(stat(path.c_str(), &model) == 0);
  REQUIRE(stat((folder.path / "plain").c_str(), &plain) == 0);
  CHECK(model.st_mode == plain.st_mode);
}

TEST_CASE("an invalid model leaves the old file alone") {
  const Folder folder;
  const std::string path = folder.path / "model.bittern";
  std::ofstream(path) << "old";
  const Result<void> result = WriteModelFile({}, path);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::kInvalidArgument);
  CHECK(fs::file_size(path) == 3);
  CHECK(folder.Count() == 1);
}

TEST_CASE("a place that cannot be written is an error that names it") {
  const Folder folder;
  test::ModelBuilder builder;
  const ModelDef def = test::TinyClassifier(builder);
  const std::string nowhere = folder.path / "no_such_folder" / "model.bittern";
  const Result<void> missing = WriteModelFile(def, nowhere);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::kIo);
  CHECK(missing.error().message.find(nowhere) != std::string::npos);

  const std::string taken = folder.path / "folder";
  fs::create_directories(taken + "/inside");
  const Result<void> directory = WriteModelFile(def, taken);
  REQUIRE_FALSE(directory.ok());
  CHECK(directory.error().code == Code::kIo);
  CHECK(folder.Count() == 1);  // the temporary file is gone
}

}  // namespace
}  // namespace bittern::runtime
