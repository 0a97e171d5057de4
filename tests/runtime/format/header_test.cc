// The checksum is XXH3-64 of the whole section, however it is walked.
#include "runtime/format/header.h"

#include <catch2/catch.hpp>
#include <vector>

namespace bittern::runtime {
namespace {

size_t released = 0;

TEST_CASE("checksums of known bytes") {
  // From the reference implementation: XXH3 of nothing with seed 0.
  CHECK(SectionChecksum({}) == 0x2D06800538D394C2u);
  const std::vector<uint8_t> text = {'B', 'I', 'T', 'T', 'E', 'R', 'N'};
  CHECK(SectionChecksum(text) != SectionChecksum(std::span(text).first(6)));
}

TEST_CASE("every part is handed back once, in order") {
  const std::vector<uint8_t> bytes((size_t{5} << 19) + 3, 7);
  released = 0;
  const uint64_t sum = SectionChecksum(
      bytes, [](const uint8_t*, size_t size) { released += size; });
  CHECK(released == bytes.size());
  CHECK(sum == SectionChecksum(bytes));
}

}  // namespace
}  // namespace bittern::runtime
