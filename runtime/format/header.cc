#include "runtime/format/header.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace bittern::runtime {

static_assert(std::endian::native == std::endian::little,
              "packed files are little endian and read in place");

uint64_t SectionChecksum(std::span<const uint8_t> bytes,
                         void (*release)(const uint8_t* begin, size_t size)) {
  constexpr size_t kPart = size_t{1} << 20;
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (size_t begin = 0; begin < bytes.size(); begin += kPart) {
    const size_t size = std::min(kPart, bytes.size() - begin);
    XXH3_64bits_update(&state, bytes.data() + begin, size);
    if (release != nullptr) release(bytes.data() + begin, size);
  }
  return XXH3_64bits_digest(&state);
}

}  // namespace bittern::runtime
