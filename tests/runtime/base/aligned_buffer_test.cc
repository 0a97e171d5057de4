#include "runtime/base/aligned_buffer.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace bittern::runtime {
namespace {

TEST_CASE("buffers are aligned and zero") {
  for (const size_t bytes :
       {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{1} << 20}) {
    const auto buffer = AlignedBuffer::Make(bytes);
    REQUIRE(buffer.ok());
    const uint8_t* data = buffer.value().data();
    CHECK(reinterpret_cast<uintptr_t>(data) % 64 == 0);
    CHECK(buffer.value().bytes() == bytes);
    CHECK(std::all_of(data, data + bytes, [](uint8_t b) { return b == 0; }));
  }
}

TEST_CASE("no bytes need no memory, too many are an error") {
  CHECK(AlignedBuffer::Make(0).value().data() == nullptr);
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2}) {
    const auto buffer = AlignedBuffer::Make(bytes);
    REQUIRE_FALSE(buffer.ok());
    CHECK(buffer.error().code == Code::kOutOfMemory);
  }
}

TEST_CASE("a buffer that was moved from is empty") {
  AlignedBuffer from = AlignedBuffer::Make(8).value();
  const uint8_t* data = from.data();
  const AlignedBuffer to = std::move(from);
  CHECK(to.data() == data);
  CHECK(from.data() ==
        nullptr);  // NOLINT: the state after a move is what is tested
  CHECK(from.bytes() == 0);
}

}  // namespace
}  // namespace bittern::runtime
