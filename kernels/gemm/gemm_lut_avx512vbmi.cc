// Products of codes of at most 2 bits by table look-up on AVX-512 VBMI: vpermb
// reads a table of 64 bytes. With every code as an index, w = w_lo + w_step * u
// and a = a_lo + a_step * v (u, v in [0, 3]),
//   strip[r][j] = row_add[r] + channel_add[j] + a_step * w_step * S
//   S = sum_g T[v of three k of group g][u of the group]
// T is static: three v select a row of 64 bytes, the u of one channel (w2a2:
// three of 2 bits; w1a2: six bits, two rows added) the byte in it. So 192 or
// 384 products a vpermb and a vpaddb; zeros cost nothing. Left operand, rows of
// LhsRow bytes: row_add (int32, 64 bytes), then for every three k the byte
// offset of the table row (uint16); 0 past k. Right operand, tiles of 192
// channels: channel_add[192] (int32), then packed[g][p] (byte); byte p = 64 v +
// 4 i + b is channel 64 v + 16 b + i, which makes widening come out in channel
// order. 0 past n and k. Range: an entry is at most 3 * 3 * 3 = 27 (w1a2: 6 * 3
// = 18), so 8 groups keep a byte <= 216; 16-bit sums start at -32768
// (channel_add has it back) and max_k keeps S <= 65535. 9 byte sums + 18 wide +
// 3 weights + a table fit 32 registers.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include <array>

#include "kernels/base/avx512-inl.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/levels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 192;
constexpr size_t kMr = 3;
constexpr size_t kChunk = 8;       // groups between widenings
constexpr size_t kTableRows = 64;  // of a table, of 64 bytes each
constexpr uint32_t kWideStart = 0x8000;

using Table = std::array<uint8_t, kTableRows * 64>;

// T[row][index] = sum of the three v of `row` times the three u, u number t in
// bits [shift + t * bits, + bits) of the index.
constexpr Table MakeTable(unsigned bits, unsigned shift) {
  Table table{};
  for (unsigned row = 0; row < kTableRows; ++row) {
    for (unsigned index = 0; index < 64; ++index) {
      unsigned sum = 0;
      for (unsigned t = 0; t < 3; ++t) {
        const unsigned u = index >> (shift + t * bits) & ((1u << bits) - 1);
        sum += (row >> (2 * t) & 3) * u;
      }
      table[row * 64 + index] = static_cast<uint8_t>(sum);
    }
  }
  return table;
}

alignas(64) constexpr Table kPairTable = MakeTable(2, 0);
alignas(64) constexpr Table kLowBitTable = MakeTable(1, 0);
alignas(64) constexpr Table kHighBitTable = MakeTable(1, 3);

size_t LhsRow(size_t k) { return 64 + RoundUp(CeilDiv(k, 3) * 2, 64); }

}  // namespace
}  // namespace bittern::kernels

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vbmi,avx512vnni")
namespace bittern::kernels {
namespace {

struct Pairs {  // w2a2
  static constexpr size_t kPerByte = 3;
  static constexpr size_t kOffsets = 1;
  static HWY_INLINE __m512i TableRow(const uint16_t* offsets) {
    return _mm512_load_si512(kPairTable.data() + offsets[0]);
  }
};

struct Bits {  // w1a2
  static constexpr size_t kPerByte = 6;
  static constexpr size_t kOffsets = 2;
  static HWY_INLINE __m512i TableRow(const uint16_t* offsets) {
    return _mm512_add_epi8(
        _mm512_load_si512(kLowBitTable.data() + offsets[0]),
        _mm512_load_si512(kHighBitTable.data() + offsets[1]));
  }
};

struct Tile {  // up to 192 channels: bytes of the weights of a group or of one
               // row's sums, or 16-bit sums
  __m512i c0, c1, c2;
};

// 16-bit sums modulo 2^16 of one row: of the odd bytes alone, and of whole
// lanes (odd byte * 256 + even byte), which saves a mask per widening.
struct Wide {
  Tile both, odd;
};

struct Block {  // rows x 64 to 256 channels
  const uint8_t* lhs;
  size_t lhs_stride;  // bytes
  const uint8_t* w;
  size_t groups;
  const int32_t* channel_add;
  int32_t scale;  // a_step * w_step
  int32_t* strip;
  size_t strip_stride;
};

HWY_INLINE Tile Same(__m512i x) { return {x, x, x}; }

HWY_INLINE Wide StartWide() {
  const Tile start = Same(_mm512_set1_epi16(static_cast<int16_t>(kWideStart)));
  return {start, start};  // 0x8000 * 257 = 0x8000 modulo 2^16
}

template <size_t kVectors>
HWY_INLINE Tile LoadWeights(const uint8_t* w) {
  const __m512i w0 = _mm512_loadu_si512(w);
  return {w0, kVectors > 1 ? _mm512_loadu_si512(w + 64) : w0,
          kVectors > 2 ? _mm512_loadu_si512(w + 128) : w0};
}

HWY_INLINE void LookUp(__m512i w, __m512i table, __m512i& sum) {
  sum = _mm512_add_epi8(sum, _mm512_permutexvar_epi8(w, table));
}

template <class T, size_t kVectors>
HWY_INLINE void Step(const Tile& w, const uint16_t* offsets, Tile& sum) {
  const __m512i table = T::TableRow(offsets);
  LookUp(w.c0, table, sum.c0);
  if constexpr (kVectors > 1) LookUp(w.c1, table, sum.c1);
  if constexpr (kVectors > 2) LookUp(w.c2, table, sum.c2);
}

HWY_INLINE void WidenVector(__m512i bytes, __m512i& both, __m512i& odd) {
  both = _mm512_add_epi16(both, bytes);
  odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
}

template <size_t kVectors>
HWY_INLINE void Widen(const Tile& bytes, Wide& wide) {
  WidenVector(bytes.c0, wide.both.c0, wide.odd.c0);
  if constexpr (kVectors > 1) WidenVector(bytes.c1, wide.both.c1, wide.odd.c1);
  if constexpr (kVectors > 2) WidenVector(bytes.c2, wide.both.c2, wide.odd.c2);
}

// One 16-bit half of each lane, widened, scaled and added by one vpdpwssd:
// `scale` is {scale, 0} or {0, scale}.
HWY_INLINE void StoreHalf(__m512i sums, __m512i scale, __m512i row_add,
                          const int32_t* channel_add, int32_t* strip) {
  const __m512i add =
      _mm512_add_epi32(row_add, _mm512_loadu_si512(channel_add));
  _mm512_store_si512(strip, _mm512_dpwssd_epi32(add, sums, scale));
}

HWY_INLINE void StoreVector(__m512i both, __m512i odd, __m512i row_add,
                            const Block& b, size_t first, int32_t* strip) {
  const __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
  const __m512i low = _mm512_set1_epi32(b.scale);
  const __m512i high = _mm512_slli_epi32(low, 16);
  const int32_t* channel_add = b.channel_add + first;
  strip += first;
  StoreHalf(even, low, row_add, channel_add, strip);
  StoreHalf(odd, low, row_add, channel_add + 16, strip + 16);
  StoreHalf(even, high, row_add, channel_add + 32, strip + 32);
  StoreHalf(odd, high, row_add, channel_add + 48, strip + 48);
}

template <size_t kVectors>
HWY_INLINE void StoreRow(const Wide& wide, const Block& b, size_t r) {
  int32_t row_add;
  std::memcpy(&row_add, b.lhs + r * b.lhs_stride, sizeof(row_add));
  const __m512i add = _mm512_set1_epi32(row_add);
  int32_t* strip = b.strip + r * b.strip_stride;
  StoreVector(wide.both.c0, wide.odd.c0, add, b, 0, strip);
  if constexpr (kVectors > 1)
    StoreVector(wide.both.c1, wide.odd.c1, add, b, 64, strip);
  if constexpr (kVectors > 2)
    StoreVector(wide.both.c2, wide.odd.c2, add, b, 128, strip);
}

struct Sums {  // named rows: g++ 12 keeps arrays in memory
  Tile r0, r1, r2, r3;
};

struct Cursor {  // of a block: the next group
  const uint8_t* w;
  const uint16_t* a;
  size_t stride;  // uint16 between rows
};

// Group `g` from the cursor on.
template <class T, size_t kVectors, size_t kRows>
HWY_INLINE void Group(const Cursor& c, size_t g, Sums& sums) {
  const Tile weights = LoadWeights<kVectors>(c.w + g * kNr);
  const uint16_t* a = c.a + g * T::kOffsets;
  Step<T, kVectors>(weights, a, sums.r0);
  if constexpr (kRows > 1) Step<T, kVectors>(weights, a + c.stride, sums.r1);
  if constexpr (kRows > 2)
    Step<T, kVectors>(weights, a + 2 * c.stride, sums.r2);
  if constexpr (kRows > 3)
    Step<T, kVectors>(weights, a + 3 * c.stride, sums.r3);
}

// kRows rows x 64 * kVectors channels.
template <class T, size_t kVectors, size_t kRows>
void Run(const Block& block) {
  Cursor c{block.w, reinterpret_cast<const uint16_t*>(block.lhs + 64),
           block.lhs_stride / sizeof(uint16_t)};
  const Tile none = Same(_mm512_setzero_si512());
  Wide wide0 = StartWide(), wide1 = wide0, wide2 = wide0, wide3 = wide0;
  size_t left = block.groups;
  do {
    Sums sums{none, none, none, none};
    if (left >= kChunk) {  // unrolled: a loop's exit is predicted badly
      Group<T, kVectors, kRows>(c, 0, sums);
      Group<T, kVectors, kRows>(c, 1, sums);
      Group<T, kVectors, kRows>(c, 2, sums);
      Group<T, kVectors, kRows>(c, 3, sums);
      Group<T, kVectors, kRows>(c, 4, sums);
      Group<T, kVectors, kRows>(c, 5, sums);
      Group<T, kVectors, kRows>(c, 6, sums);
      Group<T, kVectors, kRows>(c, 7, sums);
      c.w += kChunk * kNr;
      c.a += kChunk * T::kOffsets;
      left -= kChunk;
    } else {
      do {
        Group<T, kVectors, kRows>(c, 0, sums);
        c.w += kNr;
        c.a += T::kOffsets;
      } while (--left != 0);
    }
    Widen<kVectors>(sums.r0, wide0);
    if constexpr (kRows > 1) Widen<kVectors>(sums.r1, wide1);
    if constexpr (kRows > 2) Widen<kVectors>(sums.r2, wide2);
    if constexpr (kRows > 3) Widen<kVectors>(sums.r3, wide3);
  } while (left != 0);
  StoreRow<kVectors>(wide0, block, 0);
  if constexpr (kRows > 1) StoreRow<kVectors>(wide1, block, 1);
  if constexpr (kRows > 2) StoreRow<kVectors>(wide2, block, 2);
  if constexpr (kRows > 3) StoreRow<kVectors>(wide3, block, 3);
}

template <class T, size_t kVectors>
void RunRows(Block block, size_t rows) {
  constexpr size_t kAtOnce = kVectors == 3 ? 3 : 4;
  for (; rows >= kAtOnce; rows -= kAtOnce) {
    Run<T, kVectors, kAtOnce>(block);
    block.lhs += kAtOnce * block.lhs_stride;
    block.strip += kAtOnce * block.strip_stride;
  }
  switch (rows) {
    case 3:
      return Run<T, kVectors, 3>(block);
    case 2:
      return Run<T, kVectors, 2>(block);
    case 1:
      return Run<T, kVectors, 1>(block);
    default:
      return;
  }
}

template <class T>
void RunStrip(const GemmStripArgs& args) noexcept {
  const size_t groups = CeilDiv(args.k, T::kPerByte);
  const size_t lhs_stride = LhsRow(args.k);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  const auto* rhs = static_cast<const uint8_t*>(args.packed_rhs) +
                    args.tile * kNr * (sizeof(int32_t) + groups);
  const auto* lhs = static_cast<const uint8_t*>(args.packed_lhs) +
                    (args.row - args.packed_row) * lhs_stride;
  const Block block{lhs,
                    lhs_stride,
                    rhs + kNr * sizeof(int32_t),
                    groups,
                    reinterpret_cast<const int32_t*>(rhs),
                    LevelScale(args.types),
                    static_cast<int32_t*>(args.strip),
                    strip_stride};
  switch (CeilDiv(args.n - args.tile * kNr, 64)) {
    case 1:
      return RunRows<T, 1>(block, args.rows);
    case 2:
      return RunRows<T, 2>(block, args.rows);
    default:
      return RunRows<T, kNr / 64>(block, args.rows);
  }
}

// Bits [8 first, 8 first + 64) of a plane row of `bytes` bytes; zeros past its
// end.
HWY_INLINE uint64_t PlaneBits(const uint64_t* plane, size_t bytes,
                              size_t first) {
  const size_t from = first + 8 <= bytes ? first : bytes - 8;
  uint64_t bits;
  std::memcpy(&bits, reinterpret_cast<const uint8_t*>(plane) + from,
              sizeof(bits));
  return bits >> (8 * (first - from));
}

// v of 64 codes from element i on, a multiple of 8; 0 past k.
HWY_INLINE __m512i LoadIndices(bool planes, Levels levels, const GemmLhs& lhs,
                               size_t row, size_t i, size_t k) {
  __m512i codes;
  if (planes) {
    const CodePlanes& p = lhs.planes;
    const size_t first = row * p.row_words, bytes = p.row_words * 8;
    const uint64_t valid = PlaneBits(p.valid + first, bytes, i / 8);
    const uint64_t sign = PlaneBits(p.sign + first, bytes, i / 8);
    codes = _mm512_mask_set1_epi8(_mm512_movm_epi8(valid), sign, 1);
  } else {
    codes = LoadBytes(
        lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride + i, k - i);
  }
  const __mmask64 in_row =
      k - i < 64 ? (uint64_t{1} << (k - i)) - 1 : ~uint64_t{0};
  const __m512i v = _mm512_maskz_mov_epi8(
      in_row,
      _mm512_sub_epi8(codes, _mm512_set1_epi8(static_cast<char>(levels.lo))));
  // Bipolar levels are even here: no bit crosses into another byte.
  return levels.step == 2 ? _mm512_srli_epi16(v, 1) : v;
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  alignas(64) uint8_t spread[64];  // of 16 triples, one to a 32-bit lane
  for (size_t i = 0; i < 64; ++i)
    spread[i] = static_cast<uint8_t>(i % 4 < 3 ? i / 4 * 3 + i % 4 : 63);
  const __m512i lanes = _mm512_load_si512(spread);
  const __m512i digits = _mm512_set1_epi32(0x00100401);  // 1, 4, 16 and 0
  const __m512i ones = _mm512_set1_epi32(0x00010101);
  const bool planes = types.activations == Operand::kSign;
  const Levels levels = LevelsOf(types.activations);
  const int32_t scale = RowAdd(types);
  const size_t row_bytes = LhsRow(k);
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r, out += row_bytes) {
    __m512i sum = _mm512_setzero_si512();
    uint8_t* offsets = out + 64;
    for (size_t i = 0; i < k; i += 48, offsets += 32) {
      const __m512i triples = _mm512_permutexvar_epi8(
          lanes, LoadIndices(planes, levels, lhs, r, i, k));
      const __m512i state =
          _mm512_dpbusd_epi32(_mm512_setzero_si512(), triples, digits);
      StoreLowWords(_mm512_slli_epi32(state, 6), offsets);
      sum = _mm512_dpbusd_epi32(sum, triples, ones);
    }
    const int32_t row_add = scale * SumLanes(sum);
    std::memcpy(out, &row_add, sizeof(row_add));
  }
}

}  // namespace
}  // namespace bittern::kernels
BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

bool IsTwoBits(Operand type) {
  return type == Operand::kTernary || type == Operand::kBipolar2 ||
         type == Operand::kU2 || type == Operand::kS2;
}

size_t MaxProduct(GemmTypes types) {
  return static_cast<size_t>(LevelsOf(types.weights).max *
                             LevelsOf(types.activations).max);
}

template <class T>
size_t TypesMaxK(GemmTypes types) noexcept {
  const bool activations = types.activations == Operand::kSign ||
                           types.activations == Operand::kU1 ||
                           IsTwoBits(types.activations);
  const bool weights =
      T::kPerByte == Pairs::kPerByte
          ? IsTwoBits(types.weights)
          : types.weights == Operand::kBipolar || types.weights == Operand::kU1;
  return activations && weights ? 0xFFFF / MaxProduct(types) : 0;
}

size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * LhsRow(k);
}
template <class T>
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kNr) * (sizeof(int32_t) + CeilDiv(k, T::kPerByte));
}

// The indices u of channel n in group g.
template <class T>
uint8_t GroupOf(const CodeMatrix& w, size_t n, size_t g) {
  constexpr size_t kBits = 6 / T::kPerByte;
  const Levels levels = LevelsOf(w.type);
  int32_t group = 0;
  if (n >= w.n) return 0;
  for (size_t t = 0; t < T::kPerByte && g * T::kPerByte + t < w.k; ++t) {
    const int32_t value = ValueAt(w, n, g * T::kPerByte + t);
    group |= (value - levels.lo) / levels.step << (t * kBits);
  }
  return static_cast<uint8_t>(group);
}

template <class T>
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  const int64_t start = int64_t{kWideStart} * LevelScale({w.type, activations});
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(w.n, kNr); tile += kNr) {
    for (size_t j = 0; j < kNr; ++j, out += sizeof(int32_t)) {
      const int64_t sum = tile + j < w.n ? RowSum(w, tile + j) : 0;
      const auto add =
          static_cast<int32_t>(ChannelAdd(activations) * sum + start);
      std::memcpy(out, &add, sizeof(add));
    }
    for (size_t g = 0; g < CeilDiv(w.k, T::kPerByte); ++g) {
      for (size_t p = 0; p < kNr; ++p) {
        const size_t channel = p / 64 * 64 + p % 4 * 16 + p % 64 / 4;
        *out++ = GroupOf<T>(w, tile + channel, g);
      }
    }
  }
}

constexpr uint32_t kNeeds = kAvx512 | kAvx512Vbmi | kAvx512Vnni;
constexpr GemmKernel kKernels[] = {
    {"w2a2/lut/avx512vbmi", kNeeds, &TypesMaxK<Pairs>, kNr, kMr, 64,
     Pairs::kPerByte, &RhsBytes<Pairs>, &PackRhs<Pairs>, &LhsBytes, &PackLhs,
     &RunStrip<Pairs>},
    {"w1a2/lut/avx512vbmi", kNeeds, &TypesMaxK<Bits>, kNr, kMr, 64,
     Bits::kPerByte, &RhsBytes<Bits>, &PackRhs<Bits>, &LhsBytes, &PackLhs,
     &RunStrip<Bits>},
};

}  // namespace

#ifdef BITTERN_SIMDE
GemmKernelList GemmLutAvx512VbmiSimde() { return kKernels; }
#else
GemmKernelList GemmLutAvx512Vbmi(const CpuFeatures&) { return kKernels; }
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
