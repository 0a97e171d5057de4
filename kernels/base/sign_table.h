// The look-up table of 1-bit products: four activations in {-1, 0, +1} select a
// row, four weight bits the byte in it.
//   kSignTable[16 * row + w] = 4 + sum of the four products
// Row = sign bits | validity bits << 4; an entry is in [0, 8].
#pragma once

#include <array>
#include <cstdint>

namespace bittern::kernels {

constexpr std::array<uint8_t, 256 * 16> MakeSignTable() {
  std::array<uint8_t, 256 * 16> table{};
  for (unsigned row = 0; row < 256; ++row) {
    for (unsigned w = 0; w < 16; ++w) {
      int sum = 4;
      for (unsigned bit = 0; bit < 4; ++bit) {
        const bool valid = (row >> (4 + bit) & 1) != 0;
        const bool equal = (row >> bit & 1) == (w >> bit & 1);
        sum += !valid ? 0 : equal ? 1 : -1;
      }
      table[row * 16 + w] = static_cast<uint8_t>(sum);
    }
  }
  return table;
}

alignas(64) inline constexpr std::array<uint8_t, 256 * 16> kSignTable =
    MakeSignTable();

}  // namespace bittern::kernels
