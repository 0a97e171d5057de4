// Codes on NEON without the dot product instruction: channels in lanes, one
// 32-bit lane of k a step, a tile of 2 rows x 8 channels in registers.
//   strip[r][j] = row_add[r] + channel_add[j] + sum_i dot(a'[r][i], w'[i][j])
// w8a8: bytes, smlal into 16 bits, 8 products an instruction, then sadalp into
// 32. Range: a step adds one product to a 16-bit lane, so 32767 / (max |a'| *
// max |w'|) steps are exact before they are widened: 1 for 8 x 8 bits where a
// weight is -128, 2 where none is, 17 for 4 x 8 bits. w16a8: words, smlal into
// 32 bits. 32-bit sums are modulo 2^32, max_k keeps the product within an
// int32. Operands: dot_neon-inl.h.
#if defined(__aarch64__)

#include "kernels/gemm/dot_neon-inl.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kMr = 2;

struct Sums {  // two partial sums of each of 8 channels
  int32x4_t c0, c1, c2, c3;
};

HWY_INLINE int32x4_t BroadcastLane(const int8_t* lane) {
  int32_t codes;
  std::memcpy(&codes, lane, sizeof(codes));
  return vdupq_n_s32(codes);
}

struct Bytes {
  static constexpr DotElement kElement = DotElement::kByte;
  struct Products {  // of one row with two channels x 4 k a vector
    int16x8_t c0, c1, c2, c3;
  };
  static HWY_INLINE Products Zero() {
    const int16x8_t zero = vdupq_n_s16(0);
    return {zero, zero, zero, zero};
  }
  static HWY_INLINE void Step(const int8_t* w, const int8_t* lane,
                              Products& sum) {
    const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
    const int8x16_t a = vreinterpretq_s8_s32(BroadcastLane(lane));
    sum.c0 = vmlal_s8(sum.c0, vget_low_s8(w0), vget_low_s8(a));
    sum.c1 = vmlal_high_s8(sum.c1, w0, a);
    sum.c2 = vmlal_s8(sum.c2, vget_low_s8(w1), vget_low_s8(a));
    sum.c3 = vmlal_high_s8(sum.c3, w1, a);
  }
  static HWY_INLINE void Widen(const Products& products, Sums& sums) {
    sums.c0 = vpadalq_s16(sums.c0, products.c0);
    sums.c1 = vpadalq_s16(sums.c1, products.c1);
    sums.c2 = vpadalq_s16(sums.c2, products.c2);
    sums.c3 = vpadalq_s16(sums.c3, products.c3);
  }
  static size_t Steps(Operand activations, int32_t weight) {
    const int32_t code =
        activations == Operand::kU8 ? 128 : RangeOf(activations).MaxAbs();
    return static_cast<size_t>(32767 / (weight == 0 ? 1 : weight * code));
  }
};

struct Words {
  static constexpr DotElement kElement = DotElement::kWord;
  using Products = Sums;
  static HWY_INLINE Products Zero() {
    const int32x4_t zero = vdupq_n_s32(0);
    return {zero, zero, zero, zero};
  }
  static HWY_INLINE void Step(const int8_t* w, const int8_t* lane,
                              Products& sum) {
    const int16x8_t w0 = vreinterpretq_s16_s8(vld1q_s8(w));
    const int16x8_t w1 = vreinterpretq_s16_s8(vld1q_s8(w + 16));
    const int16x8_t a = vreinterpretq_s16_s32(BroadcastLane(lane));
    sum.c0 = vmlal_s16(sum.c0, vget_low_s16(w0), vget_low_s16(a));
    sum.c1 = vmlal_high_s16(sum.c1, w0, a);
    sum.c2 = vmlal_s16(sum.c2, vget_low_s16(w1), vget_low_s16(a));
    sum.c3 = vmlal_high_s16(sum.c3, w1, a);
  }
  static HWY_INLINE void Widen(const Products& products, Sums& sums) {
    sums = products;
  }
  static size_t Steps(Operand, int32_t) { return ~size_t{0}; }
};

HWY_INLINE void StoreRow(const Sums& sums, const DotBlock& block, size_t r) {
  int32_t* strip = block.strip + r * block.strip_stride;
  const int32x4_t add = vdupq_n_s32(block.RowAdd(r));
  const int32x4_t low = vaddq_s32(vld1q_s32(block.channel_add), add);
  const int32x4_t high = vaddq_s32(vld1q_s32(block.channel_add + 4), add);
  vst1q_s32(strip, vaddq_s32(vpaddq_s32(sums.c0, sums.c1), low));
  vst1q_s32(strip + 4, vaddq_s32(vpaddq_s32(sums.c2, sums.c3), high));
}

// One or two rows x 8 of the tile's 16 channels.
template <class T, bool kTwo>
void Block(const DotBlock& block, size_t steps) {
  const int8_t *a = block.lhs, *w = block.w;
  const int32x4_t zero = vdupq_n_s32(0);
  Sums sum0{zero, zero, zero, zero}, sum1 = sum0;
  size_t left = block.words;
  do {  // words >= 1
    const size_t turns = left < steps ? left : steps;
    const int8_t* end = a + turns * 4;
    typename T::Products p0 = T::Zero(), p1 = p0;
    do {
      T::Step(w, a, p0);
      if (kTwo) T::Step(w, a + block.lhs_stride, p1);
      a += 4;
      w += 4 * kDotNr;
    } while (a != end);
    T::Widen(p0, sum0);
    if (kTwo) T::Widen(p1, sum1);
    left -= turns;
  } while (left != 0);
  StoreRow(sum0, block, 0);
  if (kTwo) StoreRow(sum1, block, 1);
}

template <class T>
void Run(const GemmStripArgs& args) noexcept {
  int32_t weight;
  std::memcpy(&weight, args.packed_rhs, sizeof(weight));
  const size_t steps = T::Steps(args.types.activations, weight);
  DotBlock block = FirstBlock<T::kElement>(args);
  for (size_t r = 0; r < args.rows; r += kMr) {
    const auto run = r + 1 < args.rows ? &Block<T, true> : &Block<T, false>;
    DotBlock half = block;
    run(half, steps);
    half.channel_add += 8;
    half.w += 32;
    half.strip += 8;
    run(half, steps);
    NextRows(block, kMr);
  }
}

template <class T>
constexpr GemmKernel Kernel(const char* name) {
  return {name,
          kNeon,
          &NeonMaxK<T::kElement>,
          kDotNr,
          kMr,
          kDotNr,
          DotUnit(T::kElement),
          &NeonRhsBytes<T::kElement>,
          &PackNeonRhs<T::kElement>,
          &NeonLhsBytes<T::kElement>,
          &PackNeonLhs<T::kElement>,
          &Run<T>};
}

constexpr GemmKernel kKernels[] = {Kernel<Bytes>("w8a8/mlal/neon"),
                                   Kernel<Words>("w16a8/mlal/neon")};

}  // namespace

GemmKernelList GemmW8A8Neon(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // AArch64
