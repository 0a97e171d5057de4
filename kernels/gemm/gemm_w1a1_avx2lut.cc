// w1a1 on AVX2 by table look-up (lut_avx2-inl.h): no xor, no mask, zeros cost
// nothing. Four activations select a row of a static table,
//   T[s][w] = 4 + sum of sign * (+-1 of the bits of w) over the four k of a
//   group,
// and the four weight bits of a channel select the byte in it: vpshufb + vpaddb
// per 32 channels x 4 k, where a popcount takes eight instructions.
// Measured 1.5 times the popcount form (README.md).
// Left operand: states[row][g] (uint16) = byte offset of the table row of group
// g = sign bits << 4 | validity bits << 8. Right operand: nibble g of a channel
// = its four bits from k = 4 g on.
// Range: an entry is in [0, 8], so 31 groups keep a byte <= 248; 16-bit sums
// start at -4 * groups.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/base/sign_table.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/lut_avx2-inl.h"

namespace bittern::kernels {
namespace {

constexpr size_t kChunk = 31;  // groups between widenings

size_t Groups(size_t k) { return CeilDiv(k, 4); }
size_t StateRow(size_t k) {
  return GroupWords(k) * 16;
}  // uint16 per row of states: whole 64-bit plane words

}  // namespace
}  // namespace bittern::kernels

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct Plain {
  HWY_INLINE __m256i operator()(__m256i sums, const uint16_t*, size_t) const {
    return sums;
  }
};

void Run(const GemmStripArgs& args) noexcept {
  const size_t groups = Groups(args.k), stride = StateRow(args.k);
  const auto* states = static_cast<const uint16_t*>(args.packed_lhs) +
                       (args.row - args.packed_row) * stride;
  const auto start = static_cast<uint16_t>(0 - 4 * groups);
  const LutRows rows{kSignTable.data(),
                     states,
                     stride,
                     1,
                     0,
                     groups,
                     kChunk,
                     start,
                     static_cast<int32_t*>(args.strip),
                     static_cast<size_t>(args.strip_stride) / sizeof(int32_t)};
  const auto* w = static_cast<const uint8_t*>(args.packed_rhs) +
                  args.tile * groups * kLutNr;
  LutStrip(rows, args.rows, args.n - args.tile * kLutNr, w, Plain());
}

void PackLhs(GemmTypes, const GemmLhs& lhs, size_t k, size_t row, size_t rows,
             void* packed) noexcept {
  const CodePlanes& p = lhs.planes;
  auto* states = static_cast<uint16_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    const uint64_t *sign = p.sign + r * p.row_words,
                   *valid = p.valid + r * p.row_words;
    for (size_t i = 0; i < GroupWords(k); ++i, states += 16)
      PackSignStates(sign + i, valid + i, states);
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types == GemmTypes{Operand::kBipolar, Operand::kSign};
  return mine ? 32764 : 0;
}

size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * StateRow(k) * sizeof(uint16_t);
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kLutNr) * Groups(k);
}

void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  const auto* rows = static_cast<const uint8_t*>(w.data);
  const size_t n = w.n, k = w.k;
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, kLutNr); tile += kLutNr) {
    for (size_t g = 0; g < Groups(k); ++g) {
      for (size_t p = 0; p < kLutNr; ++p) {
        const size_t channel = tile + LutChannel(p);
        const int byte =
            channel < n ? rows[channel * CeilDiv(k, 8) + g / 2] : 0;
        *out++ = static_cast<uint8_t>(g % 2 == 0 ? byte & 15 : byte >> 4);
      }
    }
  }
}

constexpr GemmKernel kKernels[] = {
    {"w1a1/lut/avx2", kAvx2, &TypesMaxK, kLutNr, kLutMr, kLutHalf, 4, &RhsBytes,
     &PackRhs, &LhsBytes, &PackLhs, &Run},
};

}  // namespace

GemmKernelList GemmW1A1Avx2Lut(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
