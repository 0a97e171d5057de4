// Runs once per weight when a model is planned, so plain loops over words do.
#include "kernels/gemm/pack_bits.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/bits.h"

namespace bittern::kernels {
namespace {

// Bits 32 i .. 32 i + 31 of a canonical row of k bits, zero past k.
uint32_t WordOf(const uint8_t* row, size_t k, size_t i) {
  const size_t bits = std::min<size_t>(k - 32 * i, 32);
  uint32_t word = 0;
  std::memcpy(&word, row + 4 * i, CeilDiv(bits, 8));
  return bits == 32 ? word : word & ((uint32_t{1} << bits) - 1);
}

}  // namespace

size_t PackedBitsBytes(size_t n, size_t k, size_t nr) {
  return RoundUp(n, nr) * CeilDiv(k, 32) * sizeof(uint32_t);
}

void PackBits(const void* canonical, size_t n, size_t k, size_t nr,
              void* packed) {
  const auto* rows = static_cast<const uint8_t*>(canonical);
  const size_t words = CeilDiv(k, 32);
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, nr); tile += nr) {
    for (size_t i = 0; i < words; ++i) {
      for (size_t j = 0; j < nr; ++j) {
        *out++ =
            tile + j < n ? WordOf(rows + (tile + j) * CeilDiv(k, 8), k, i) : 0;
      }
    }
  }
}

}  // namespace bittern::kernels
