// Runs once per weight when a model is planned, so plain loops do.
#include "kernels/gemm/lut_codes.h"

#include <array>

namespace bittern::kernels {
namespace {

// Entry [row][nibble] = sum over the kUnit k of a group of u * v; v are base-4
// digits of the row, u fields of 4 / kUnit bits of the nibble.
template <size_t kUnit>
constexpr auto MakeTable() {
  constexpr size_t kRows = kUnit == 4 ? 256 : 16;
  constexpr unsigned kBits = 4 / kUnit;
  std::array<uint8_t, kRows * 16> table{};
  for (unsigned row = 0; row < kRows; ++row) {
    for (unsigned nibble = 0; nibble < 16; ++nibble) {
      unsigned sum = 0;
      for (unsigned t = 0; t < kUnit; ++t) {
        const unsigned u = nibble >> (kBits * t) & ((1u << kBits) - 1);
        sum += (row >> (2 * t) & 3) * u;
      }
      table[row * 16 + nibble] = static_cast<uint8_t>(sum);
    }
  }
  return table;
}

alignas(64) constexpr auto kTable4 = MakeTable<4>();
alignas(64) constexpr auto kTable2 = MakeTable<2>();

}  // namespace

const uint8_t* LutTable(size_t unit) noexcept {
  return unit == 4 ? kTable4.data() : kTable2.data();
}

LutLayout LutLayoutOf(GemmTypes types) noexcept {
  const Levels w = LevelsOf(types.weights), a = LevelsOf(types.activations);
  const size_t unit = w.max == 1 ? 4 : 2;
  const int32_t digit = a.max > 3 ? 3 : a.max;
  return {w, a, unit, a.max > 3 ? size_t{2} : size_t{1},
          255 / (unit * static_cast<size_t>(digit * w.max))};
}

size_t LutMaxK(GemmTypes types, size_t unit, bool planes) noexcept {
  const int32_t w = LevelsOf(types.weights).max;
  const int32_t a = LevelsOf(types.activations).max;
  const bool weights = types.weights != Operand::kSign &&
                       (unit == 4 ? w == 1 : w == 2 || w == 3);
  const bool activations =
      planes ? types.activations == Operand::kSign
             : IsByteCode(types.activations) && a < (unit == 4 ? 16 : 4);
  return weights && activations ? MaxK(types, 16) : 0;
}

size_t LutLhsBytes(GemmTypes types, size_t rows, size_t k) noexcept {
  return rows * LutLayoutOf(types).LhsRow(k) * sizeof(uint16_t);
}

size_t LutPasses(GemmTypes types) noexcept { return LutLayoutOf(types).digits; }

void PackLutRhs(const CodeMatrix& w, Operand activations, size_t nr,
                size_t (*channel)(size_t p), void* packed) noexcept {
  const LutLayout layout = LutLayoutOf({w.type, activations});
  const Levels& levels = layout.w;
  const size_t unit = layout.unit;
  const auto index = [&](size_t n, size_t k) {
    return n < w.n && k < w.k ? (ValueAt(w, n, k) - levels.lo) / levels.step
                              : 0;
  };
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < w.n; tile += nr) {
    auto* terms = reinterpret_cast<int16_t*>(out);
    for (size_t j = 0; j < nr; ++j) {
      int32_t sum = 0;
      for (size_t k = 0; k < w.k; ++k) sum += index(tile + j, k);
      terms[j] = static_cast<int16_t>(levels.step * layout.a.lo * sum);
    }
    out += nr * sizeof(int16_t);
    for (size_t k = 0; k < w.k; k += unit) {
      for (size_t p = 0; p < nr; ++p) {
        int32_t nibble = 0;
        for (size_t t = 0; t < unit; ++t)
          nibble |= index(tile + channel(p), k + t) << (t * 4 / unit);
        *out++ = static_cast<uint8_t>(nibble);
      }
    }
  }
}

}  // namespace bittern::kernels
