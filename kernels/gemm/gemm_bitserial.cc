// Bit-serial products of codes of at most four bits in portable Highway:
// channels in lanes, popcounts of bytes.
//   strip[r][j] = row_add[r] + channel_add[j] + scale * S
//   S = sum_pq 2^(p + q) * popcount(w plane p & a plane q)
// Operands: pack_planes.h. Pairs of planes run in order of falling p + q, and
// the sums double from one p + q to the next. A 32-bit lane holds 32 k of one
// channel and its four bytes count on their own. Range: a byte grows by 8 a
// step and doubles with the sums; before it could pass 31 * 8 = 248 it is added
// to the 32-bit sum. Those are modulo 2^32, max_k keeps the product within an
// int32.
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_planes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_bitserial.cc"
#include "hwy/foreach_target.h"
#include "kernels/base/hwy-inl.h"
#include "kernels/gemm/count-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

// One broadcast activation word serves four vectors of channels; two rows of
// accumulators are what 16 registers hold beside them.
constexpr size_t kStep = 4 * kCountLanes;
constexpr size_t kNr = kStep < 16 ? 16 : kStep;
constexpr size_t kMr = 2;
constexpr size_t kMaxSteps = 31;

HWY_INLINE void Step(const CountTile& w, uint32_t word, CountTile& bytes) {
  const CountV a = hn::Set(CountD(), word);
  bytes.c0 = AddCounts(bytes.c0, CountBytes(hn::And(w.c0, a)));
  bytes.c1 = AddCounts(bytes.c1, CountBytes(hn::And(w.c1, a)));
  bytes.c2 = AddCounts(bytes.c2, CountBytes(hn::And(w.c2, a)));
  bytes.c3 = AddCounts(bytes.c3, CountBytes(hn::And(w.c3, a)));
}

HWY_INLINE void DoubleSums(CountTile& sum) {
  sum.c0 = hn::Add(sum.c0, sum.c0);
  sum.c1 = hn::Add(sum.c1, sum.c1);
  sum.c2 = hn::Add(sum.c2, sum.c2);
  sum.c3 = hn::Add(sum.c3, sum.c3);
}

HWY_INLINE void DoubleBytes(CountTile& bytes) {
  bytes.c0 = AddCounts(bytes.c0, bytes.c0);
  bytes.c1 = AddCounts(bytes.c1, bytes.c1);
  bytes.c2 = AddCounts(bytes.c2, bytes.c2);
  bytes.c3 = AddCounts(bytes.c3, bytes.c3);
}

// The sums of one row: `bytes` and `wide` together.
struct Sums {
  CountTile bytes, wide;
};

HWY_INLINE void Flush(Sums& sums) {
  Widen(sums.bytes, sums.wide);
  sums.bytes = Zeros();
}

template <bool kTwo>
HWY_INLINE void FlushRows(Sums& sums0, Sums& sums1, size_t& used) {
  Flush(sums0);
  if (kTwo) Flush(sums1);
  used = 0;
}

HWY_INLINE void Double(Sums& sums) {
  DoubleSums(sums.wide);
  DoubleBytes(sums.bytes);
}

// `words` steps of one pair of planes.
template <bool kTwo>
HWY_INLINE void Pass(const uint32_t* a, size_t stride, const uint32_t* w,
                     size_t words, CountTile& bytes0, CountTile& bytes1) {
  const uint32_t* end = a + words;
  do {  // words >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const CountTile weights = LoadWeights(w);
    Step(weights, a[0], bytes0);
    if (kTwo) Step(weights, a[stride], bytes1);
    w += kNr;
  } while (++a != end);
}

HWY_INLINE void Store(CountV sum, uint32_t row_add, const uint32_t* channel_add,
                      int32_t* strip) {
  const CountD d;
  const hn::RebindToSigned<CountD> ds;
  const CountV add = hn::Add(hn::Set(d, row_add), hn::LoadU(d, channel_add));
  hn::StoreU(hn::BitCast(ds, hn::Add(sum, add)), ds, strip);
}

HWY_INLINE void StoreRow(const PlanesCall& call, const Sums& sums, size_t r,
                         size_t j) {
  const uint32_t row_add = call.lhs[r * call.lhs_stride];
  const uint32_t* add = call.rhs + j;
  int32_t* strip = call.strip + r * call.strip_stride + j;
  Store(sums.wide.c0, row_add, add, strip);
  Store(sums.wide.c1, row_add, add + kCountLanes, strip + kCountLanes);
  Store(sums.wide.c2, row_add, add + 2 * kCountLanes, strip + 2 * kCountLanes);
  Store(sums.wide.c3, row_add, add + 3 * kCountLanes, strip + 3 * kCountLanes);
}

// One or two rows x kStep channels from channel j of the tile on. `used` counts
// the steps that a byte may already hold.
template <bool kTwo>
void Block(const PlanesCall& call, size_t j) {
  Sums sums0{Zeros(), Zeros()}, sums1 = sums0;
  const PlanePasses& passes = call.Passes(kTwo ? 2 : 1);
  size_t used = 0;
  for (size_t n = 0; n < passes.count; ++n) {
    const PlanePasses::Pass& pass = passes.pass[n];
    for (int d = 0; d < pass.doublings; ++d) {
      if (2 * used > kMaxSteps) FlushRows<kTwo>(sums0, sums1, used);
      Double(sums0);
      if (kTwo) Double(sums1);
      used *= 2;
    }
    const uint32_t* a = call.lhs + kPlanesHeader + pass.a;
    const uint32_t* w = call.rhs + kNr + pass.w + j;
    for (size_t i = 0; i < call.words;) {
      if (used == kMaxSteps) FlushRows<kTwo>(sums0, sums1, used);
      const size_t left = call.words - i, room = kMaxSteps - used;
      const size_t count = left < room ? left : room;
      Pass<kTwo>(a + i, call.lhs_stride, w + i * kNr, count, sums0.bytes,
                 sums1.bytes);
      i += count;
      used += count;
    }
  }
  FlushRows<kTwo>(sums0, sums1, used);
  for (int d = 0; d < passes.last; ++d) {
    DoubleSums(sums0.wide);
    if (kTwo) DoubleSums(sums1.wide);
  }
  StoreRow(call, sums0, 0, j);
  if (kTwo) StoreRow(call, sums1, 1, j);
}

void Run(const GemmStripArgs& args) noexcept {
  PlanesCall call(args, kNr);
  for (size_t r = 0; r < args.rows; r += kMr) {
    for (size_t j = 0; j < kNr; j += kStep)
      r + 1 < args.rows ? Block<true>(call, j) : Block<false>(call, j);
    call.lhs += kMr * call.lhs_stride;
    call.strip += kMr * call.strip_stride;
  }
}

size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return PlanesRhsBytes(types, n, k, kNr);
}
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackPlanesRhs(w, activations, kNr, packed);
}

}  // namespace

GemmKernelList BitserialList() {
  static constexpr GemmKernel kKernels[] = {
      {"bitserial/popcount/" BITTERN_HWY_ISA, kNone, &PlanesMaxK, kNr, kMr, kNr,
       32, &RhsBytes, &PackRhs, &PlanesLhsBytes, &PackPlanesLhs, &Run,
       &PlanesPasses},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(BitserialList);
GemmKernelList GemmBitserial(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(BitserialList, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
