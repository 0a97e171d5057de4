#include "runtime/cli/npy.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "runtime/cli/files.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::Shape;
using runtime::TensorType;

std::string TempPath(const std::string& name) {
  return (std::filesystem::temp_directory_path() /
          (std::to_string(getpid()) + name))
      .string();
}

std::string Npy(const std::string& header, const std::string& data,
                char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  file += static_cast<char>(header.size() & 0xFF);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1) file += std::string(2, '\0');
  return file + header + data;
}

runtime::Result<NpyArray> Parse(const std::string& bytes) {
  const std::string path = TempPath("parse.npy");
  REQUIRE(WriteFile(path, bytes).ok());
  auto result = ReadNpy(path);
  std::filesystem::remove(path);
  return result;
}

}  // namespace

TEST_CASE("arrays survive a round trip") {
  const std::string path = TempPath("round.npy");
  const float values[6] = {1, -2, 3.5f, 0, 1e-30f, -0.0f};
  const TensorType type{DType::kF32, Shape{2, 3}, {}};
  REQUIRE(WriteNpy(path, type, values).ok());
  auto read = ReadNpy(path);
  REQUIRE(read.ok());
  CHECK(read.value().type == type);
  CHECK(std::memcmp(read.value().bytes.data(), values, sizeof(values)) == 0);
  CHECK(std::filesystem::file_size(path) % 64 ==
        24);  // data begins at a multiple of 64
  std::filesystem::remove(path);
}

TEST_CASE("headers as numpy writes them") {
  auto one = Parse(Npy(
      "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", "abc"));
  REQUIRE(one.ok());
  CHECK(one.value().type.shape == Shape{3});
  auto scalar =
      Parse(Npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n",
                std::string(8, '\1'), 2));
  REQUIRE(scalar.ok());
  CHECK(scalar.value().type.shape.rank() == 0);
  const double wide = 0.5;
  std::string data(8, '\0');
  std::memcpy(data.data(), &wide, 8);
  auto f64 = Parse(Npy(
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }\n", data));
  REQUIRE(f64.ok());
  float narrow = 0;
  std::memcpy(&narrow, f64.value().bytes.data(), 4);
  CHECK(narrow == 0.5f);
}

TEST_CASE("bad files are refused with their name") {
  const std::string good =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const std::string cases[] = {
      "",
      "\x93NUMP",
      std::string(64, 'x'),
      Npy(good, std::string(7, '\0')),  // short
      Npy(good, std::string(9, '\0')),  // long
      Npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
          std::string(8, '\0')),
      Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
          std::string(8, '\0')),
      Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", ""),
      Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, "
          "1099511627776), }",
          ""),
      Npy("{'descr': '<f4', 'fortran_order': False, 'shape': "
          "(1,1,1,1,1,1,1,1,1), }",
          std::string(4, '\0')),
      Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2",
          std::string(8, '\0')),
      Npy("{'descr", ""),
      Npy(good, std::string(8, '\0'), 9),
      Npy(good, "").substr(0, 20),
  };
  for (const std::string& bytes : cases) {
    auto result = Parse(bytes);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.find("parse.npy") != std::string::npos);
  }
}

TEST_CASE("every truncation of a valid file is refused") {
  const std::string whole =
      Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
          std::string(8, '\0'));
  REQUIRE(Parse(whole).ok());
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK_FALSE(Parse(whole.substr(0, length)).ok());
}

}  // namespace bittern::cli
