// Per-target inner block of fp32 products: channels in lanes, so that every
// output is one chain of fused multiply-adds over k ascending,
//   sum = start; sum = fma(a[r][k], w[j][k], sum)
// and has the same bits on every target with fused multiply-add, whatever the
// tile (kernels/README.md). Weights of a tile: w[k][j], kNr channels. A block
// of kMr rows x kWide channels stays in registers; two fma units of latency 4
// need 8 independent chains, the blocks have 12 or more. One row alone takes
// four vectors at once. Rows may be scattered: element k of one lies offsets[k]
// elements behind its first (convolutions read windows where they are).
#if defined(BITTERN_KERNELS_GEMM_GEMM_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_GEMM_GEMM_F32_INL_H_
#undef BITTERN_KERNELS_GEMM_GEMM_F32_INL_H_
#else
#define BITTERN_KERNELS_GEMM_GEMM_F32_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr size_t kLanes = hn::MaxLanes(D());
constexpr size_t kNr = kLanes < 4 ? 16 : 4 * kLanes;
constexpr size_t kMr = 6;
// 24 accumulators where there are 32 registers, 12 where there are 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr bool kWide = true;
#else
constexpr bool kWide = false;
#endif

template <bool kFour>
struct Tile {  // 2 or 4 vectors of channels: of the weights for one k, or of
               // one row's sums
  V c0, c1, c2, c3;
};

template <bool kFour>
HWY_INLINE Tile<kFour> LoadTile(const float* w) {
  const D d;
  const V w0 = hn::LoadU(d, w), w1 = hn::LoadU(d, w + kLanes);
  if constexpr (kFour)
    return {w0, w1, hn::LoadU(d, w + 2 * kLanes), hn::LoadU(d, w + 3 * kLanes)};
  return {w0, w1, w0, w1};
}

template <bool kFour>
HWY_INLINE void Step(const Tile<kFour>& w, const float* a, Tile<kFour>& row) {
  const V av = hn::Set(D(), *a);
  row.c0 = hn::MulAdd(av, w.c0, row.c0);
  row.c1 = hn::MulAdd(av, w.c1, row.c1);
  if constexpr (kFour) {
    row.c2 = hn::MulAdd(av, w.c2, row.c2);
    row.c3 = hn::MulAdd(av, w.c3, row.c3);
  }
}

template <bool kFour>
HWY_INLINE void StoreRow(const Tile<kFour>& row, float* strip) {
  const D d;
  hn::StoreU(row.c0, d, strip);
  hn::StoreU(row.c1, d, strip + kLanes);
  if constexpr (kFour) {
    hn::StoreU(row.c2, d, strip + 2 * kLanes);
    hn::StoreU(row.c3, d, strip + 3 * kLanes);
  }
}

struct Rows {  // left rows, what the sums start from, and strip rows; strides
               // in bytes
  const uint8_t* a;
  ptrdiff_t a_stride;
  const uint8_t* start;
  ptrdiff_t start_stride;
  uint8_t* strip;
  ptrdiff_t strip_stride;
  const uint32_t* offsets = nullptr;  // of elements, where kScattered
};

// Where first sums start: a row of zeros for all rows.
alignas(64) constexpr float kZeros[kNr] = {};

// kRows rows x 2 or 4 vectors. Tile accumulators have names: g++ 12 keeps an
// array of them in memory.
template <size_t kRows, bool kFour, bool kScattered>
void Block(const Rows& rows, const float* w, size_t k) {
  const auto start = [&rows](ptrdiff_t r) HWY_ATTR {
    return LoadTile<kFour>(
        reinterpret_cast<const float*>(rows.start + r * rows.start_stride));
  };
  Tile<kFour> r0 = start(0), r1 = start(kRows > 1 ? 1 : 0),
              r2 = start(kRows > 2 ? 2 : 0), r3 = start(kRows > 3 ? 3 : 0),
              r4 = start(kRows > 4 ? 4 : 0), r5 = start(kRows > 5 ? 5 : 0);
  const auto row = [&rows](ptrdiff_t r) HWY_ATTR {
    return reinterpret_cast<const float*>(rows.a + r * rows.a_stride);
  };
  const float *a0 = row(0), *a1 = row(kRows > 1 ? 1 : 0),
              *a2 = row(kRows > 2 ? 2 : 0), *a3 = row(kRows > 3 ? 3 : 0),
              *a4 = row(kRows > 4 ? 4 : 0), *a5 = row(kRows > 5 ? 5 : 0);
  // The next rows, in as many steps: from memory, six rows at once are more
  // streams than a CPU's own prefetchers follow (1x1 convolutions of Q-DETR's
  // R50, `exact`, 54 MB: 11.0 -> 7.9 ms; rows from caches: nothing).
  const float* next = row(kRows);
  size_t i = 0;
  do {  // k >= 1; g++ 12 copies every accumulator once a turn in a loop that
        // may run zero times
    const Tile<kFour> weights = LoadTile<kFour>(w);
    const size_t at = kScattered ? rows.offsets[i] : i;
    Step<kFour>(weights, a0 + at, r0);
    if constexpr (kRows > 1) Step<kFour>(weights, a1 + at, r1);
    if constexpr (kRows > 2) Step<kFour>(weights, a2 + at, r2);
    if constexpr (kRows > 3) Step<kFour>(weights, a3 + at, r3);
    if constexpr (kRows > 4) Step<kFour>(weights, a4 + at, r4);
    if constexpr (kRows > 5) Step<kFour>(weights, a5 + at, r5);
    if constexpr (kRows == kMr && !kScattered)
      __builtin_prefetch(next + i * kMr);
    w += kNr;
  } while (++i < k);
  const auto strip = [&rows](ptrdiff_t r) HWY_ATTR {
    return reinterpret_cast<float*>(rows.strip + r * rows.strip_stride);
  };
  StoreRow<kFour>(r0, strip(0));
  if constexpr (kRows > 1) StoreRow<kFour>(r1, strip(1));
  if constexpr (kRows > 2) StoreRow<kFour>(r2, strip(2));
  if constexpr (kRows > 3) StoreRow<kFour>(r3, strip(3));
  if constexpr (kRows > 4) StoreRow<kFour>(r4, strip(4));
  if constexpr (kRows > 5) StoreRow<kFour>(r5, strip(5));
}

// All kNr channels of one block of rows. Few rows always take four vectors:
// they need the chains.
template <size_t kRows, bool kScattered>
void BlockOf(Rows rows, const float* w, size_t k) {
  constexpr bool kFour = kLanes >= 4 && (kWide || kRows <= 2);
  constexpr size_t kStep = (kFour ? 4 : 2) * kLanes;
  for (size_t j = 0; j < kNr; j += kStep) {
    Block<kRows, kFour, kScattered>(rows, w + j, k);
    rows.start += kStep * sizeof(float);
    rows.strip += kStep * sizeof(float);
  }
}

// `count` rows of a strip.
template <bool kScattered = false>
HWY_INLINE void Strip(Rows rows, size_t count, const float* w, size_t k) {
  for (; count >= kMr; count -= kMr) {
    BlockOf<kMr, kScattered>(rows, w, k);
    const auto mr = static_cast<ptrdiff_t>(kMr);
    rows.a += mr * rows.a_stride;
    rows.start += mr * rows.start_stride;
    rows.strip += mr * rows.strip_stride;
  }
  switch (count) {
    case 5:
      return BlockOf<5, kScattered>(rows, w, k);
    case 4:
      return BlockOf<4, kScattered>(rows, w, k);
    case 3:
      return BlockOf<3, kScattered>(rows, w, k);
    case 2:
      return BlockOf<2, kScattered>(rows, w, k);
    case 1:
      return BlockOf<1, kScattered>(rows, w, k);
    default:
      return;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_GEMM_GEMM_F32_INL_H_
