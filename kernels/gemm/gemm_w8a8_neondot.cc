// Codes of 1 to 8 bits on NEON with the dot product instruction: sdot by lane,
// channels in lanes, 4 k a step, a tile of 4 rows x 16 channels in registers.
//   strip[r][j] = row_add[r] + channel_add[j] + sum_i dot(a'[r][i], w'[i][j])
// Operands: dot_neon-inl.h. Sixteen bytes of a row serve four steps. Range:
// sums modulo 2^32, max_k keeps the product within an int32.
#if defined(__aarch64__)

#include "kernels/gemm/dot_neon-inl.h"
#include "kernels/gemm/gemm_kernels.h"

HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod")
namespace bittern::kernels {
namespace {

constexpr size_t kMr = 4;

struct Tile {  // 16 channels: of the weights of one step, or of one row's sums
  int32x4_t c0, c1, c2, c3;
};

struct Weights {
  int8x16_t c0, c1, c2, c3;
};

HWY_INLINE Weights LoadWeights(const int8_t* w) {
  return {vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)};
}

HWY_INLINE Tile Start(const DotBlock& block, size_t r) {
  const int32x4_t add = vdupq_n_s32(block.RowAdd(r));
  const int32_t* channels = block.channel_add;
  return {vaddq_s32(vld1q_s32(channels), add),
          vaddq_s32(vld1q_s32(channels + 4), add),
          vaddq_s32(vld1q_s32(channels + 8), add),
          vaddq_s32(vld1q_s32(channels + 12), add)};
}

template <int kLane>
HWY_INLINE void Step(const Weights& w, int8x16_t a, Tile& sum) {
  sum.c0 = vdotq_laneq_s32(sum.c0, w.c0, a, kLane);
  sum.c1 = vdotq_laneq_s32(sum.c1, w.c1, a, kLane);
  sum.c2 = vdotq_laneq_s32(sum.c2, w.c2, a, kLane);
  sum.c3 = vdotq_laneq_s32(sum.c3, w.c3, a, kLane);
}

HWY_INLINE void Store(const Tile& sum, int32_t* strip) {
  vst1q_s32(strip, sum.c0);
  vst1q_s32(strip + 4, sum.c1);
  vst1q_s32(strip + 8, sum.c2);
  vst1q_s32(strip + 12, sum.c3);
}

struct Codes {  // 16 k of each row
  int8x16_t a0, a1, a2, a3;
};

template <size_t kRows, int kLane>
HWY_INLINE void StepRows(const int8_t* w, const Codes& a, Tile& r0, Tile& r1,
                         Tile& r2, Tile& r3) {
  const Weights weights = LoadWeights(w + kLane * 64);
  Step<kLane>(weights, a.a0, r0);
  if constexpr (kRows > 1) Step<kLane>(weights, a.a1, r1);
  if constexpr (kRows > 2) Step<kLane>(weights, a.a2, r2);
  if constexpr (kRows > 3) Step<kLane>(weights, a.a3, r3);
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <size_t kRows>
void Block(const DotBlock& block) {
  const size_t stride = block.lhs_stride;
  const size_t s1 = kRows > 1 ? stride : 0, s2 = kRows > 2 ? 2 * stride : 0,
               s3 = kRows > 3 ? 3 * stride : 0;
  const int8_t *a = block.lhs, *w = block.w;
  Tile r0 = Start(block, 0), r1 = r0, r2 = r0, r3 = r0;
  if constexpr (kRows > 1) r1 = Start(block, 1);
  if constexpr (kRows > 2) r2 = Start(block, 2);
  if constexpr (kRows > 3) r3 = Start(block, 3);
  size_t left = block.words;
  const auto load = [&] {  // rows are padded to 64 k
    const Codes codes{vld1q_s8(a), vld1q_s8(a + s1), vld1q_s8(a + s2),
                      vld1q_s8(a + s3)};
    a += 16;
    return codes;
  };
  for (; left >= 4; left -= 4, w += 4 * 64) {
    const Codes codes = load();
    StepRows<kRows, 0>(w, codes, r0, r1, r2, r3);
    StepRows<kRows, 1>(w, codes, r0, r1, r2, r3);
    StepRows<kRows, 2>(w, codes, r0, r1, r2, r3);
    StepRows<kRows, 3>(w, codes, r0, r1, r2, r3);
  }
  if (left > 0) {
    const Codes codes = load();
    StepRows<kRows, 0>(w, codes, r0, r1, r2, r3);
    if (left > 1) StepRows<kRows, 1>(w, codes, r0, r1, r2, r3);
    if (left > 2) StepRows<kRows, 2>(w, codes, r0, r1, r2, r3);
  }
  Store(r0, block.strip);
  if constexpr (kRows > 1) Store(r1, block.strip + block.strip_stride);
  if constexpr (kRows > 2) Store(r2, block.strip + 2 * block.strip_stride);
  if constexpr (kRows > 3) Store(r3, block.strip + 3 * block.strip_stride);
}

void Run(const GemmStripArgs& args) noexcept {
  DotBlock block = FirstBlock<DotElement::kByte>(args);
  size_t left = args.rows;
  for (; left >= kMr; left -= kMr) {
    Block<kMr>(block);
    NextRows(block, kMr);
  }
  switch (left) {
    case 3:
      return Block<3>(block);
    case 2:
      return Block<2>(block);
    case 1:
      return Block<1>(block);
    default:
      return;
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

constexpr GemmKernel kKernels[] = {
    {"w8a8/dot/neondot", kNeon | kNeonDot, &NeonMaxK<DotElement::kByte>, kDotNr,
     kMr, kDotNr, 4, &NeonRhsBytes<DotElement::kByte>,
     &PackNeonRhs<DotElement::kByte>, &NeonLhsBytes<DotElement::kByte>,
     &PackNeonLhs<DotElement::kByte>, &Run},
};

}  // namespace

GemmKernelList GemmW8A8NeonDot(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // AArch64
