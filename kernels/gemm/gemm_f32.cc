// f32 in portable Highway: channels in lanes, so that every output is one chain
// of fused multiply-adds over k ascending,
//   sum = +0; sum = fma(a[r][k], w[j][k], sum)
// and has the same bits on every target with fused multiply-add, whatever the
// tile (kernels/README.md). Right operand: packed[t][k][j] = w[t * kNr + j][k],
// 0 past n. A tile of kMr rows x kWide channels stays in registers; two fma
// units of latency 4 need 8 independent chains, the tiles have 12 or more. One
// row alone takes four vectors at once.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_f32.cc"
#include "hwy/foreach_target.h"
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
HWY_INLINE Tile<kFour> LoadWeights(const float* w) {
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

struct Rows {  // left rows and strip rows of one block; strides in bytes
  const uint8_t* a;
  ptrdiff_t a_stride;
  uint8_t* strip;
  ptrdiff_t strip_stride;
};

// kRows rows x 2 or 4 vectors. Tile accumulators have names: g++ 12 keeps an
// array of them in memory.
template <size_t kRows, bool kFour>
void Block(const Rows& rows, const float* w, size_t k) {
  const V zero = hn::Zero(D());
  Tile<kFour> r0{zero, zero, zero, zero}, r1 = r0, r2 = r0, r3 = r0, r4 = r0,
                                          r5 = r0;
  const auto row = [&rows](ptrdiff_t r) HWY_ATTR {
    return reinterpret_cast<const float*>(rows.a + r * rows.a_stride);
  };
  const float *a0 = row(0), *a1 = row(kRows > 1 ? 1 : 0),
              *a2 = row(kRows > 2 ? 2 : 0), *a3 = row(kRows > 3 ? 3 : 0),
              *a4 = row(kRows > 4 ? 4 : 0), *a5 = row(kRows > 5 ? 5 : 0);
  size_t i = 0;
  do {  // k >= 1; g++ 12 copies every accumulator once a turn in a loop that
        // may run zero times
    const Tile<kFour> weights = LoadWeights<kFour>(w);
    Step<kFour>(weights, a0 + i, r0);
    if constexpr (kRows > 1) Step<kFour>(weights, a1 + i, r1);
    if constexpr (kRows > 2) Step<kFour>(weights, a2 + i, r2);
    if constexpr (kRows > 3) Step<kFour>(weights, a3 + i, r3);
    if constexpr (kRows > 4) Step<kFour>(weights, a4 + i, r4);
    if constexpr (kRows > 5) Step<kFour>(weights, a5 + i, r5);
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
template <size_t kRows>
void BlockOf(Rows rows, const float* w, size_t k) {
  constexpr bool kFour = kLanes >= 4 && (kWide || kRows <= 2);
  constexpr size_t kStep = (kFour ? 4 : 2) * kLanes;
  for (size_t j = 0; j < kNr; j += kStep, rows.strip += kStep * sizeof(float))
    Block<kRows, kFour>(rows, w + j, k);
}

void Run(const GemmStripArgs& args) noexcept {
  const auto* w =
      static_cast<const float*>(args.packed_rhs) + args.tile * args.k * kNr;
  Rows rows{reinterpret_cast<const uint8_t*>(args.lhs->f32) +
                static_cast<ptrdiff_t>(args.row) * args.lhs->f32_stride,
            args.lhs->f32_stride, static_cast<uint8_t*>(args.strip),
            args.strip_stride};
  size_t left = args.rows;
  for (; left >= kMr; left -= kMr) {
    BlockOf<kMr>(rows, w, args.k);
    rows.a += static_cast<ptrdiff_t>(kMr) * rows.a_stride;
    rows.strip += static_cast<ptrdiff_t>(kMr) * rows.strip_stride;
  }
  switch (left) {
    case 5:
      return BlockOf<5>(rows, w, args.k);
    case 4:
      return BlockOf<4>(rows, w, args.k);
    case 3:
      return BlockOf<3>(rows, w, args.k);
    case 2:
      return BlockOf<2>(rows, w, args.k);
    case 1:
      return BlockOf<1>(rows, w, args.k);
    default:
      return;
  }
}

size_t TypesMaxK(GemmTypes types) noexcept {
  return types == GemmTypes{Operand::kF32, Operand::kF32} ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kNr) * k * sizeof(float);
}

void PackRhs(const CodeMatrix& weights, Operand, void* packed) noexcept {
  const auto* w = static_cast<const float*>(weights.data);
  const size_t n = weights.n, k = weights.k;
  auto* out = static_cast<float*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, kNr); tile += kNr) {
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < kNr; ++j)
        *out++ = tile + j < n ? w[(tile + j) * k + i] : 0.0f;
    }
  }
}

}  // namespace

GemmKernelList F32List() {
  static constexpr GemmKernel kKernels[] = {
      {"f32/fma/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kNr, kMr, kNr, 1,
       &RhsBytes, &PackRhs, nullptr, nullptr, &Run},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(F32List);
GemmKernelList GemmF32(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(F32List, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
