// Runs once per weight when a model is planned, so plain loops do.
#include "kernels/gemm/pack_dot.h"

#include <cstring>

namespace bittern::kernels {
namespace {

bool IsSigned(Operand type) { return RangeOf(type).lo < 0; }

// The weights of channel n in 32-bit lane i, each less `offset`; 0 past the
// matrix.
uint32_t LaneOf(DotElement element, const CodeMatrix& w, size_t n, size_t i,
                int32_t offset) {
  const size_t unit = DotUnit(element), bits = 32 / unit;
  uint32_t lane = 0;
  if (n >= w.n) return lane;
  for (size_t u = 0; u < unit && i * unit + u < w.k; ++u) {
    const auto value =
        static_cast<uint32_t>(ValueAt(w, n, i * unit + u) - offset);
    lane |= (value & (~uint32_t{0} >> (32 - bits))) << (u * bits);
  }
  return lane;
}

}  // namespace

size_t DotMaxK(DotElement element, GemmTypes types) noexcept {
  const bool activations =
      types.activations == Operand::kSign || IsByteCode(types.activations);
  const bool weights =
      element == DotElement::kWord
          ? types.weights == Operand::kS16
          : types.weights != Operand::kS16 && types.weights != Operand::kSign;
  return activations && weights ? MaxK(types, 32) : 0;
}

uint8_t DotLhsOffset(GemmTypes types) noexcept {
  return IsSigned(types.activations) ? 128 : 0;
}

int32_t DotRhsOffset(GemmTypes types) noexcept {
  return types.weights == Operand::kU8 ? 128 : 0;
}

size_t DotRhsBytes(DotElement element, size_t n, size_t k, size_t nr) noexcept {
  return RoundUp(n, nr) * (1 + DotWords(element, k)) * sizeof(uint32_t);
}

void PackDotRhs(DotElement element, const CodeMatrix& w, Operand activations,
                size_t nr, void* packed) noexcept {
  const GemmTypes types{w.type, activations};
  const DotOffsets offsets{DotLhsOffset(types), DotRhsOffset(types)};
  PackDotTiles(element, w,
               element == DotElement::kByte ? offsets : DotOffsets{}, nr,
               packed);
}

void PackDotTiles(DotElement element, const CodeMatrix& w, DotOffsets offsets,
                  size_t nr, void* packed) noexcept {
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(w.n, nr); tile += nr) {
    for (size_t j = 0; j < nr; ++j) {
      const int64_t sum = tile + j < w.n ? RowSum(w, tile + j) : 0;
      *out++ = static_cast<uint32_t>(-offsets.lhs * sum);
    }
    for (size_t i = 0; i < DotWords(element, w.k); ++i) {
      for (size_t j = 0; j < nr; ++j)
        *out++ = LaneOf(element, w, tile + j, i, offsets.rhs);
    }
  }
}

}  // namespace bittern::kernels
