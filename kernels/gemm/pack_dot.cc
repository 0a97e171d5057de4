// Runs once per weight when a model is planned, so plain loops do.
#include "kernels/gemm/pack_dot.h"

#include <algorithm>

namespace bittern::kernels {
namespace {

bool IsSigned(Operand type) { return RangeOf(type).lo < 0; }

// The weights of channel n, each less `offset`, as 32-bit lanes at out[0],
// out[stride], ...; returns their sum.
int64_t PackChannel(DotElement element, const CodeMatrix& w, size_t n,
                    int32_t offset, size_t stride, uint32_t* out) {
  constexpr size_t kPart = 256;  // a multiple of both units
  const size_t unit = DotUnit(element), bits = 32 / unit;
  const uint32_t mask = ~uint32_t{0} >> (32 - bits);
  int32_t values[kPart];
  int64_t sum = 0;
  for (size_t k = 0; k < w.k; k += kPart) {
    const size_t count = std::min(kPart, w.k - k);
    ReadValues(w, n, k, count, values);
    for (size_t i = 0; i < count; i += unit, out += stride) {
      uint32_t lane = 0;
      for (size_t u = 0; u < unit && i + u < count; ++u) {
        sum += values[i + u];
        lane |= (static_cast<uint32_t>(values[i + u] - offset) & mask)
                << (u * bits);
      }
      *out = lane;
    }
  }
  return sum;
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
  const size_t tile_lanes = nr * (1 + DotWords(element, w.k));
  for (size_t tile = 0; tile < w.n; tile += nr, out += tile_lanes) {
    const size_t channels = std::min(nr, w.n - tile);
    if (channels < nr) std::fill_n(out, tile_lanes, 0u);
    for (size_t j = 0; j < channels; ++j) {
      const int64_t sum =
          PackChannel(element, w, tile + j, offsets.rhs, nr, out + nr + j);
      out[j] = static_cast<uint32_t>(-offsets.lhs * sum);
    }
  }
}

}  // namespace bittern::kernels
