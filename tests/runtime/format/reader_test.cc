// The reader's errors: what, where, got, expected. Damage of every bit is in
// damage_test.cc.
#include "runtime/format/reader.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/format/header.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/fixture.h"

namespace bittern::runtime {
namespace {

std::vector<uint8_t> FixtureBytes() {
  test::ModelBuilder builder;
  return SerializeModel(test::TinyClassifier(builder)).value();
}

Error ErrorOf(const std::vector<uint8_t>& bytes) {
  const auto model = ReadModelMemory(bytes.data(), bytes.size(), true);
  REQUIRE_FALSE(model.ok());
  return model.error();
}

// The fixture after `change` of its header.
template <class Change>
Error AfterHeader(const Change& change) {
  std::vector<uint8_t> bytes = FixtureBytes();
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  change(header);
  std::memcpy(bytes.data(), &header, sizeof(header));
  return ErrorOf(bytes);
}

TEST_CASE("each header field is checked") {
  CHECK(AfterHeader([](FileHeader& h) {
          h.magic[0] = 'b';
        }).message.find("magic") != std::string::npos);
  const Error version = AfterHeader([](FileHeader& h) { h.version = 2; });
  CHECK(version.code == Code::kUnsupported);
  CHECK(version.message == "header: format version: got 2, expected 1");
  CHECK(AfterHeader([](FileHeader& h) { h.header_size = 128; }).message ==
        "header: header size: got 128, expected 64");
  CHECK(AfterHeader([](FileHeader& h) {
          h.file_size += 64;
        }).message.find("file: bytes") == 0);
  CHECK(AfterHeader([](FileHeader& h) {
          h.metadata_offset = 128;
        }).message.find("metadata offset: got 128") != std::string::npos);
  CHECK(AfterHeader([](FileHeader& h) {
          h.metadata_size = h.file_size;
        }).message.find("metadata size") != std::string::npos);
  CHECK(AfterHeader([](FileHeader& h) {
          h.metadata_size = UINT64_MAX;
        }).message.find("metadata size") != std::string::npos);
  CHECK(AfterHeader([](FileHeader& h) {
          h.blobs_offset += 64;
        }).message.find("blobs offset") != std::string::npos);
  CHECK(AfterHeader([](FileHeader& h) {
          ++h.metadata_checksum;
        }).message.find("metadata: checksum") == 0);
  CHECK(AfterHeader([](FileHeader& h) {
          ++h.blobs_checksum;
        }).message.find("blobs: checksum") == 0);
}

TEST_CASE("a file's size is a multiple of 64") {
  std::vector<uint8_t> bytes = FixtureBytes();
  bytes.push_back(0);
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  ++header.file_size;
  std::memcpy(bytes.data(), &header, sizeof(header));
  CHECK(ErrorOf(bytes).message.find("modulo 64: got 1") != std::string::npos);
}

TEST_CASE("padding after the metadata is zero") {
  std::vector<uint8_t> bytes = FixtureBytes();
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const size_t end = sizeof(header) + header.metadata_size;
  REQUIRE(end < header.blobs_offset);
  bytes[end] = 1;
  CHECK(ErrorOf(bytes).message ==
        "padding after the metadata: got 1, expected 0");
}

TEST_CASE("no bytes are no model") {
  CHECK(ReadModelMemory(nullptr, 0, false).error().code == Code::kCorruptFile);
  CHECK(ReadModelMemory(nullptr, 10, false).error().code ==
        Code::kInvalidArgument);
}

TEST_CASE("files that cannot be models") {
  const std::filesystem::path folder =
      std::filesystem::path(BITTERN_BINARY_DIR) / "reader_test";
  std::filesystem::create_directories(folder);
  const auto error = [](const std::string& path) {
    const auto model = ReadModelFile(path);
    REQUIRE_FALSE(model.ok());
    CHECK(model.error().message.find("'" + path + "': ") == 0);
    return model.error();
  };
  CHECK(error(folder / "nothing").code == Code::kNotFound);
  CHECK(error(folder).code == Code::kIo);
  CHECK(error("/dev/null").code == Code::kIo);
  std::ofstream(folder / "empty").flush();
  CHECK(error(folder / "empty").code == Code::kCorruptFile);
  std::ofstream(folder / "text") << std::string(1000, 'x');
  CHECK(error(folder / "text").message.find("magic") != std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace bittern::runtime
