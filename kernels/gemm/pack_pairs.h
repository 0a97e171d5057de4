// Right operand of w8a8/maddubs: panels of 16 channels, k in steps of 4 (one
// 32-bit lane a channel), the steps in an order of the panel's own. First come
// pairs of steps whose 16-bit results may be added in 16 bits, then the others.
//   sum_k a * w = sum_k c * w' + row_add + channel_add
// c = a - lo - 128 in [-128, 127], w' = w (w - 128 for kU8). The kernel
// multiplies |c| by w' ^ m, m = -1 where c < 0, and row_add makes up for the
// ones' complement: c * w' = |c| * (w' ^ m) + (c < 0 ? |c| : 0).
// Range: |c| * (w' ^ m) lies in [-128 * t, 128 * (t - 1)], t = w' + 1 if w' >=
// 0, else -w'. So sums of products are exact in 16 bits while the sum of t is
// at most 256: two products always are (t <= 128), four where PackPairs found
// it so in every lane of the panel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/bits.h"
#include "kernels/base/code_matrix.h"

namespace bittern::kernels {

inline constexpr size_t kPairsPanel = 16;  // channels

// One packed panel of ceil(k / 4) steps: pairs of steps 2 p and 2 p + 1 for p <
// pairs, then single ones. Step s is that of k = 4 i .. 4 i + 3 with i =
// offset[s] / 8, the place of its activations (8 bytes a step) in a row of the
// left operand.
struct PairsPanel {
  const int32_t* channel_add;  // [kPairsPanel]: (lo + 128) * sum_k w
  size_t pairs;
  const uint32_t* offset;
  const int32_t* weights;  // [step][kPairsPanel]: four w' each; 0 past n and k
};

inline size_t PairsSteps(size_t k) { return CeilDiv(k, 4); }

size_t PairsPanelWords(size_t k) noexcept;  // int32
inline size_t PairsRhsBytes(size_t n, size_t k) noexcept {
  return CeilDiv(n, kPairsPanel) * PairsPanelWords(k) * sizeof(int32_t);
}
PairsPanel ViewPairsPanel(const void* packed, size_t panel, size_t k) noexcept;

// 128 for kU8, else 0: w - w'.
int32_t PairsWeightOffset(Operand weights) noexcept;

// For weights of at most 8 bits.
void PackPairs(const CodeMatrix& w, Operand activations, void* packed) noexcept;

}  // namespace bittern::kernels
