// Codes of 2 to 16 bits by multiply-add, for each width of vector that has
// pmaddwd and pmaddubsw: channels in lanes, a tile of 6 rows x 2 vectors in
// registers, one 32-bit lane of k a step.
//   strip[r][j] = channel_add[j] + sum_i dot(a'[r][i], w[i][j])
// w8a8/madd: 2 k a lane, pmaddwd, sums in 32 bits, modulo 2^32 (max_k). Exact:
// a pair of products is at most 2 * 255 * 2^15 < 2^31. w4a4/maddubs: 4 k a
// lane, pmaddubsw, sums in 16 bits for types with room there: a step adds at
// most 2 * max|w| * max a', so 32767 / that many steps are exact (w4a4 136,
// ternary x 8 bits 64, 2 x 8 bits 32, w4a8 and w8a4 8); then they are widened.
// a' = a - lo >= 0; channel_add = lo * sum_k w. Right operand: pack_dot.h,
// tiles of 2 vectors of channels. Left operand: rows of a', padded to 32 k;
// what stands past k meets weights 0.
//
// The includer defines BITTERN_MADD_TARGET, the attribute string of its
// instructions, and the vector V of the templates, with LoadCodes(row, i).
#pragma once

#include "hwy/base.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_dot.h"

HWY_PUSH_ATTRIBUTES(BITTERN_MADD_TARGET)
namespace bittern::kernels {
namespace {

constexpr size_t kNr = 32;
constexpr size_t kMr = 6;

// Steps of w4a4/maddubs that a 16-bit lane holds; 0 if weights are no int8.
size_t ByteSteps(GemmTypes types) {
  const ValueRange w = RangeOf(types.weights), a = RangeOf(types.activations);
  if (!RangeOf(Operand::kS8).Holds(w)) return 0;
  return 32767 / (2 * static_cast<size_t>(w.MaxAbs()) *
                  static_cast<size_t>(a.hi - a.lo));
}

size_t LhsRow(DotElement element, size_t k) {  // bytes
  return RoundUp(k, 32) * 4 / DotUnit(element);
}

template <class V>
struct Words {
  using Vec = V;
  using Reg = typename V::Reg;
  static constexpr DotElement kElement = DotElement::kWord;
  static size_t Steps(GemmTypes) { return ~size_t{0}; }
  static HWY_INLINE Reg Add(Reg sum, Reg a, Reg w) {
    return V::Add32(sum, V::Madd(a, w));
  }
  static HWY_INLINE Reg Widen(Reg sum) { return sum; }
  static HWY_INLINE void Put(Reg codes, size_t i, uint8_t* row) {
    V::PutWords(codes, row + 2 * i);
  }
};

template <class V>
struct Bytes {
  using Vec = V;
  using Reg = typename V::Reg;
  static constexpr DotElement kElement = DotElement::kByte;
  static size_t Steps(GemmTypes types) { return ByteSteps(types); }
  static HWY_INLINE Reg Add(Reg sum, Reg a, Reg w) {
    return V::Add16(sum, V::Maddubs(a, w));
  }
  static HWY_INLINE Reg Widen(Reg sum) {
    return V::Madd(sum, V::Set1(0x00010001));
  }
  static HWY_INLINE void Put(Reg codes, size_t i, uint8_t* row) {
    V::PutBytes(codes, row + i);
  }
};

template <class V>
constexpr size_t kPanel = 2 * V::kLanes;  // channels

template <class V>
struct Tile {  // one panel: of the weights of one step, or of one row's sums
  typename V::Reg c0, c1;
};

struct Rows {  // of one block
  const int32_t* lhs;
  size_t lhs_stride;     // int32
  const int32_t* start;  // what the sums start from
  size_t start_stride;
  int32_t* strip;
  size_t strip_stride;
};

template <class T, class V = typename T::Vec>
HWY_INLINE void Step(const Tile<V>& w, int32_t lane, Tile<V>& sum) {
  const typename V::Reg a = V::Set1(lane);
  sum.c0 = T::Add(sum.c0, a, w.c0);
  sum.c1 = T::Add(sum.c1, a, w.c1);
}

template <class T, class V = typename T::Vec>
HWY_INLINE void StoreRow(const Tile<V>& sum, const Rows& rows, size_t r) {
  const int32_t* start = rows.start + r * rows.start_stride;
  int32_t* strip = rows.strip + r * rows.strip_stride;
  V::Store(V::Add32(V::Load(start), T::Widen(sum.c0)), strip);
  V::Store(V::Add32(V::Load(start + V::kLanes), T::Widen(sum.c1)),
           strip + V::kLanes);
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <class T, size_t kRows>
void Block(Rows rows, const int32_t* w, size_t lanes, size_t steps) {
  using V = typename T::Vec;
  const typename V::Reg zero = V::Zero();
  const size_t stride = rows.lhs_stride;
  const int32_t *a = rows.lhs, *b = rows.lhs + 3 * stride;
  do {  // lanes >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const size_t turns = lanes < steps ? lanes : steps;
    const int32_t* end = w + turns * kPanel<V>;
    Tile<V> r0{zero, zero}, r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0;
    do {
      const Tile<V> weights{V::Load(w), V::Load(w + V::kLanes)};
      Step<T>(weights, a[0], r0);
      if constexpr (kRows > 1) Step<T>(weights, a[stride], r1);
      if constexpr (kRows > 2) Step<T>(weights, a[2 * stride], r2);
      if constexpr (kRows > 3) Step<T>(weights, b[0], r3);
      if constexpr (kRows > 4) Step<T>(weights, b[stride], r4);
      if constexpr (kRows > 5) Step<T>(weights, b[2 * stride], r5);
      ++a;
      ++b;
      w += kPanel<V>;
    } while (w != end);
    StoreRow<T>(r0, rows, 0);
    if constexpr (kRows > 1) StoreRow<T>(r1, rows, 1);
    if constexpr (kRows > 2) StoreRow<T>(r2, rows, 2);
    if constexpr (kRows > 3) StoreRow<T>(r3, rows, 3);
    if constexpr (kRows > 4) StoreRow<T>(r4, rows, 4);
    if constexpr (kRows > 5) StoreRow<T>(r5, rows, 5);
    rows.start = rows.strip;
    rows.start_stride = rows.strip_stride;
    lanes -= turns;
  } while (lanes != 0);
}

template <class T>
void BlockOf(size_t count, const Rows& rows, const int32_t* w, size_t lanes,
             size_t steps) {
  switch (count) {
    case 1:
      return Block<T, 1>(rows, w, lanes, steps);
    case 2:
      return Block<T, 2>(rows, w, lanes, steps);
    case 3:
      return Block<T, 3>(rows, w, lanes, steps);
    case 4:
      return Block<T, 4>(rows, w, lanes, steps);
    case 5:
      return Block<T, 5>(rows, w, lanes, steps);
    default:
      return Block<T, kMr>(rows, w, lanes, steps);
  }
}

template <class T>
void Run(const GemmStripArgs& args) noexcept {
  const size_t lanes = DotWords(T::kElement, args.k);
  const size_t steps = T::Steps(args.types);
  const size_t lhs_stride = LhsRow(T::kElement, args.k) / sizeof(int32_t);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  const auto* lhs = static_cast<const int32_t*>(args.packed_lhs) +
                    (args.row - args.packed_row) * lhs_stride;
  const size_t first = args.tile * kNr;
  const auto* w =
      static_cast<const int32_t*>(args.packed_rhs) + first * (1 + lanes);
  constexpr size_t kStep = kPanel<typename T::Vec>;
  for (size_t j = 0; j < kNr && first + j < args.n;
       j += kStep, w += (1 + lanes) * kStep) {
    auto* strip = static_cast<int32_t*>(args.strip) + j;
    for (size_t r = 0; r < args.rows; r += kMr) {
      BlockOf<T>(args.rows - r,
                 {lhs + r * lhs_stride, lhs_stride, w, 0,
                  strip + r * strip_stride, strip_stride},
                 w + kStep, lanes, steps);
    }
  }
}

template <class T>
void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  using V = typename T::Vec;
  const auto all = CodeRowsOf(types.activations, lhs, k);
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    const auto codes = RowOf(all, r);
    for (size_t i = 0; i < k; i += V::kCodes)
      T::Put(LoadCodes(codes, i), i, out);
    out += LhsRow(T::kElement, k);
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

bool IsCodePair(GemmTypes types) {
  return types.weights != Operand::kF32 && types.weights != Operand::kSign &&
         (types.activations == Operand::kSign || IsByteCode(types.activations));
}
size_t WordsMaxK(GemmTypes types) noexcept {
  return IsCodePair(types) ? MaxK(types, 32) : 0;
}
size_t BytesMaxK(GemmTypes types) noexcept {  // fewer steps: slower than madd
  return IsCodePair(types) && ByteSteps(types) >= 4 ? MaxK(types, 32) : 0;
}

template <class T>
size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * LhsRow(T::kElement, k);
}
template <class T>
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return DotRhsBytes(T::kElement, n, k, kPanel<typename T::Vec>);
}
template <class T>
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackDotTiles(T::kElement, w, {-RangeOf(activations).lo, 0},
               kPanel<typename T::Vec>, packed);
}

template <class T>
constexpr GemmKernel MaddKernel(const char* name, uint32_t needs,
                                size_t (*max_k)(GemmTypes) noexcept) {
  return {name,
          needs,
          max_k,
          kNr,
          kMr,
          kPanel<typename T::Vec>,
          DotUnit(T::kElement),
          &RhsBytes<T>,
          &PackRhs<T>,
          &LhsBytes<T>,
          &PackLhs<T>,
          &Run<T>};
}

}  // namespace
}  // namespace bittern::kernels
