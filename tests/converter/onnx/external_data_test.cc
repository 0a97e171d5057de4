// Tensors in files beside the model: offsets, sizes, and paths that may not
// leave the model's directory.
#include "converter/onnx/external_data.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace bittern::test {
namespace {

namespace fs = std::filesystem;

class Directory {  // a directory of its own, removed at the end
 public:
  Directory()
      : path_(fs::temp_directory_path() /
              ("bittern_external_" + std::to_string(getpid()))) {
    fs::create_directories(path_ / "model" / "sub");
    Write("model/data.bin", "0123456789");
    Write("model/sub/data.bin", "abcdef");
    Write("secret.bin", "secret");
    fs::create_symlink(path_ / "secret.bin", path_ / "model" / "link.bin");
  }
  ~Directory() { fs::remove_all(path_); }
  std::string model() const { return (path_ / "model").string(); }
  std::string secret() const { return (path_ / "secret.bin").string(); }

 private:
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
  fs::path path_;
};

using Entries = std::vector<std::pair<std::string, std::string>>;

onnx::TensorProto Proto(const Entries& entries) {
  onnx::TensorProto proto;
  proto.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : entries) {
    onnx::StringStringEntryProto& entry = *proto.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return proto;
}

// The bytes, or "error: ...".
std::string Read(const Entries& entries, const std::string& directory,
                 size_t bytes) {
  const auto data =
      convert::ReadExternalData(Proto(entries), "tensor", directory, bytes);
  if (!data.ok()) return "error: " + data.error().message;
  return std::string(reinterpret_cast<const char*>(data.value().data()), bytes);
}

TEST_CASE("external data is read at its offset", "[onnx]") {
  const Directory directory;
  CHECK(Read({{"location", "data.bin"}}, directory.model(), 3) == "012");
  CHECK(Read({{"location", "data.bin"}, {"offset", "4"}, {"length", "6"}},
             directory.model(), 6) == "456789");
  CHECK(Read({{"location", "./sub/data.bin"}, {"checksum", "x"}},
             directory.model(), 2) == "ab");
}

TEST_CASE("external data beyond the file is refused", "[onnx]") {
  const Directory directory;
  const auto error = [&](const Entries& entries, size_t bytes) {
    return Read(entries, directory.model(), bytes);
  };
  CHECK(error({{"location", "data.bin"}}, 11).find("has 10 bytes") !=
        std::string::npos);
  CHECK(error({{"location", "data.bin"}, {"offset", "8"}}, 3)
            .find("ends at byte 8+3, but file") != std::string::npos);
  CHECK(error({{"location", "data.bin"}, {"offset", "18446744073709551615"}}, 3)
            .find("has 10 bytes") != std::string::npos);
  CHECK(
      error({{"location", "data.bin"}}, size_t{1} << 40).find("has 10 bytes") !=
      std::string::npos);
  CHECK(error({{"location", "data.bin"}, {"length", "4"}}, 3) ==
        "error: tensor: external data has length 4, expected 3 bytes");
  CHECK(error({{"location", "data.bin"}, {"offset", "-1"}}, 3) ==
        "error: tensor: external data has offset '-1', expected a decimal "
        "number");
  CHECK(error({{"location", "data.bin"}, {"offset", "1x"}}, 3)
            .find("offset '1x'") != std::string::npos);
}

TEST_CASE("external data stays inside the model's directory", "[onnx]") {
  const Directory directory;
  const std::string refused =
      "expected a relative path inside the model's directory";
  for (const std::string& location :
       {std::string("../secret.bin"), directory.secret(),
        std::string("sub/../../secret.bin"), std::string("link.bin"),
        std::string(""), std::string("data.bin\0x", 10)}) {
    INFO(location);
    CHECK(Read({{"location", location}}, directory.model(), 1).find(refused) !=
          std::string::npos);
  }
  CHECK(Read({{"location", "missing.bin"}}, directory.model(), 1)
            .find("cannot open external data file") != std::string::npos);
  CHECK(Read({{"location", "sub"}}, directory.model(), 1)
            .find("is not a regular file") != std::string::npos);
  CHECK(Read({{"location", "data.bin"}}, "", 1) ==
        "error: tensor has external data, but the model was not read from a "
        "directory");
}

}  // namespace
}  // namespace bittern::test
