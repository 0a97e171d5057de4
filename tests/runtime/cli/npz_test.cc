// Archives as numpy.savez writes them, and broken ones.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/cli/files.h"
#include "runtime/cli/npy.h"

namespace bittern::cli {
namespace {

std::string TempPath(const std::string& name) {
  return (std::filesystem::temp_directory_path() /
          (std::to_string(getpid()) + name))
      .string();
}

std::string Little(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) {
    text += static_cast<char>(value >> (8 * i) & 0xFF);
  }
  return text;
}

// A .npy file of two floats.
std::string Floats() {
  const std::string path = TempPath("two.npy");
  const float values[2] = {1.5f, -2};
  REQUIRE(WriteNpy(path, {runtime::DType::kF32, {2}, {}}, values).ok());
  auto bytes = ReadFile(path);
  std::filesystem::remove(path);
  return bytes.value();
}

struct Zip {
  std::string method = Little(0, 2);
  uint32_t extra_bytes = 20;  // zip64 fields, which savez adds
  uint32_t claimed = 0;       // size, if not the right one

  std::string Make(const std::vector<std::string>& names) const {
    std::string file, directory;
    for (const std::string& name : names) {
      const std::string data = Floats();
      const auto size =
          claimed != 0 ? claimed : static_cast<uint32_t>(data.size());
      const auto offset = static_cast<uint32_t>(file.size());
      const std::string lengths = Little(static_cast<uint32_t>(name.size()), 2);
      file += "PK\x03\x04" + std::string(4, '\0') + method +
              std::string(8, '\0') + Little(0xFFFFFFFF, 4) +
              Little(0xFFFFFFFF, 4) + lengths + Little(extra_bytes, 2) + name +
              std::string(extra_bytes, 'x') + data;
      directory += "PK\x01\x02" + std::string(6, '\0') + method +
                   std::string(8, '\0') + Little(size, 4) + Little(size, 4) +
                   lengths + std::string(12, '\0') + Little(offset, 4) + name;
    }
    const auto start = static_cast<uint32_t>(file.size());
    const auto count = Little(static_cast<uint32_t>(names.size()), 2);
    return file + directory + "PK\x05\x06" + std::string(4, '\0') + count +
           count + Little(static_cast<uint32_t>(directory.size()), 4) +
           Little(start, 4) + std::string(2, '\0');
  }
};

runtime::Result<std::map<std::string, NpyArray>> Parse(
    const std::string& bytes) {
  const std::string path = TempPath("arrays.npz");
  REQUIRE(WriteFile(path, bytes).ok());
  auto result = ReadNpz(path);
  std::filesystem::remove(path);
  return result;
}

TEST_CASE("arrays by name") {
  const auto arrays = Parse(Zip().Make({"a.npy", "deep/b.npy"}));
  REQUIRE(arrays.ok());
  REQUIRE(arrays.value().size() == 2);
  CHECK(arrays.value().count("deep/b") == 1);
  CHECK(arrays.value().at("a").type.shape == runtime::Shape{2});
}

TEST_CASE("archives that are not right") {
  const auto message = [](const std::string& bytes) {
    const auto arrays = Parse(bytes);
    REQUIRE_FALSE(arrays.ok());
    return arrays.error().message;
  };
  using Catch::Contains;
  CHECK_THAT(message("PK"), Contains("no zip directory"));
  Zip compressed;
  compressed.method = Little(8, 2);
  CHECK_THAT(message(compressed.Make({"a.npy"})),
             Contains("entry 'a.npy' is compressed, expected a .npz file of "
                      "numpy.savez"));
  Zip large;
  large.claimed = 0x7FFFFFFF;
  CHECK_THAT(message(large.Make({"a.npy"})), Contains("beyond the end"));
  const std::string good = Zip().Make({"a.npy"});
  std::string cut = good;
  cut[good.size() - 6] = '\x7F';  // where the directory starts
  CHECK_THAT(message(cut), Contains("a broken entry 0"));
  // No byte of the directory makes it crash.
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xFF);
    const auto result = Parse(damaged);
    if (!result.ok()) CHECK_FALSE(result.error().message.empty());
  }
  for (size_t n = 0; n < good.size(); ++n) {
    CHECK_FALSE(Parse(good.substr(0, n)).ok());
  }
}

}  // namespace
}  // namespace bittern::cli
