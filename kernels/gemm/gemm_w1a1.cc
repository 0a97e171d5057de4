// w1a1 in portable Highway: channels in lanes, popcounts of bytes, for every
// target without its own kernel file.
//   strip[r][j] = valid_count[r] - 2 * popcount((a[r] ^ w[j]) & valid[r])
//   (valid_count == k: no zeros, the mask drops out)
// Right operand: pack_bits.h; a 32-bit lane holds 32 k of one channel and its
// four bytes count on their own, so a step is xor, byte popcount, add; the
// bytes are summed into 32 bits every 31 steps (31 * 8 = 248 < 256). Range: a
// lane counts at most k mismatches, k <= 2^30.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_bits.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_w1a1.cc"
#include "hwy/foreach_target.h"
#include "kernels/base/hwy-inl.h"
#include "kernels/gemm/count-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

using D = CountD;
using V = CountV;
using Tile = CountTile;

constexpr size_t kLanes = kCountLanes;
// One broadcast activation word serves four vectors of channels; two rows of
// accumulators are what 16 registers hold beside them.
constexpr size_t kStep = 4 * kLanes;
constexpr size_t kNr = kStep < 16 ? 16 : kStep;
constexpr size_t kMr = 2;
constexpr size_t kChunk = 31;

template <bool kMasked>
HWY_INLINE V Count(V count, V w, V a, V valid) {
  const V x = kMasked ? hn::And(hn::Xor(w, a), valid) : hn::Xor(w, a);
  return AddCounts(count, CountBytes(x));
}

template <bool kMasked>
HWY_INLINE void Step(const Tile& w, uint32_t sign, uint32_t valid, Tile& row) {
  const V a = hn::Set(D(), sign);
  const V v = hn::Set(D(), valid);
  row.c0 = Count<kMasked>(row.c0, w.c0, a, v);
  row.c1 = Count<kMasked>(row.c1, w.c1, a, v);
  row.c2 = Count<kMasked>(row.c2, w.c2, a, v);
  row.c3 = Count<kMasked>(row.c3, w.c3, a, v);
}

HWY_INLINE void Store(V count, V valid_count, int32_t* strip) {
  const hn::RebindToSigned<D> ds;
  hn::StoreU(hn::BitCast(ds, hn::Sub(valid_count, hn::Add(count, count))), ds,
             strip);
}

HWY_INLINE void StoreRow(const Tile& row, int32_t valid_count, int32_t* strip) {
  const V base = hn::Set(D(), static_cast<uint32_t>(valid_count));
  Store(row.c0, base, strip);
  Store(row.c1, base, strip + kLanes);
  Store(row.c2, base, strip + 2 * kLanes);
  Store(row.c3, base, strip + 3 * kLanes);
}

struct Rows {  // the left rows and strip rows of one block; strides in elements
  const uint64_t* sign;
  const uint64_t* valid;
  size_t stride;
  const int32_t* valid_count;
  int32_t* strip;
  size_t strip_stride;
};

// One or two rows x kStep channels. Tile accumulators have names: g++ 12 keeps
// an array of them in memory.
template <bool kMasked, bool kTwo>
void Block(const Rows& rows, const uint32_t* w, size_t words) {
  const size_t stride = rows.stride;
  Tile sum0 = Zeros(), sum1 = Zeros();
  size_t i = 0;
  do {  // words >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    Tile bytes0 = Zeros(), bytes1 = Zeros();
    const size_t end = words - i < kChunk ? words : i + kChunk;
    do {
      const Tile weights = LoadWeights(w + i * kNr);
      Step<kMasked>(weights, PlaneWord(rows.sign, i), PlaneWord(rows.valid, i),
                    bytes0);
      if (kTwo)
        Step<kMasked>(weights, PlaneWord(rows.sign + stride, i),
                      PlaneWord(rows.valid + stride, i), bytes1);
    } while (++i < end);
    Widen(bytes0, sum0);
    if (kTwo) Widen(bytes1, sum1);
  } while (i < words);
  StoreRow(sum0, rows.valid_count[0], rows.strip);
  if (kTwo) StoreRow(sum1, rows.valid_count[1], rows.strip + rows.strip_stride);
}

void Run(const GemmStripArgs& args) noexcept {
  const CodePlanes& p = args.lhs->planes;
  const size_t words = CeilDiv(args.k, 32);
  const auto* w =
      static_cast<const uint32_t*>(args.packed_rhs) + args.tile * words * kNr;
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  for (size_t r = 0; r < args.rows; r += kMr) {
    const size_t row = args.row + r;
    const bool two = r + 1 < args.rows;
    Rows rows{p.sign + row * p.row_words,
              p.valid + row * p.row_words,
              p.row_words,
              p.valid_count + row,
              static_cast<int32_t*>(args.strip) + r * strip_stride,
              strip_stride};
    const auto k = static_cast<int32_t>(args.k);
    const bool masked =
        rows.valid_count[0] != k || (two && rows.valid_count[1] != k);
    const auto block = masked
                           ? (two ? &Block<true, true> : &Block<true, false>)
                           : (two ? &Block<false, true> : &Block<false, false>);
    for (size_t j = 0; j < kNr; j += kStep, rows.strip += kStep)
      block(rows, w + j, words);
  }
}

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types == GemmTypes{Operand::kBipolar, Operand::kSign};
  return mine ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return PackedBitsBytes(n, k, kNr);
}
void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  PackBits(w.data, w.n, w.k, kNr, packed);
}

}  // namespace

GemmKernelList W1A1List() {
  static constexpr GemmKernel kKernels[] = {
      {"w1a1/popcount/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kNr, kMr, kNr, 32,
       &RhsBytes, &PackRhs, nullptr, nullptr, &Run},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(W1A1List);
GemmKernelList GemmW1A1(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(W1A1List, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
