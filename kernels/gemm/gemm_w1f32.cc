// Weights of +-1 x f32 in sums of three (GemmTypes::threes), in portable
// Highway: three weights of +-1 have eight sums
//   t = fl(fl(+-a[3i] +- a[3i+1]) +- a[3i+2])
// which are made once for a row; its channels then look theirs up and add it,
//   sum = fl(sum + t), from +0, i ascending:
// two operations for three products, on every target with the same bits. a is
// +0 past k, which changes no sum: a sum that started from +0 is never -0.
// Left operand: the sums of every three of a row, kSums floats each, [0]
// without a minus; element e has a minus before a[3i + b] where bit b of e is
// set. Vectors of four lanes look up in four: their field's highest bit is a
// minus before the whole sum, whose lower bits are inverted then.
// Right operand: 32-bit words of kFields fields of three bits, lowest first;
// packed[t][c][j] = the fields of three k from 3 kFields c on of channel t *
// kChannels + j, 0 past n and k.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_w1f32.cc"
#include "hwy/foreach_target.h"
#include "kernels/gemm/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

using DU = hn::ScalableTag<uint32_t>;
using VU = hn::Vec<DU>;

constexpr size_t kFields = 10;
constexpr size_t kWordK = 3 * kFields;
constexpr size_t kSums = kLanes == 4 ? 4 : 8;
constexpr size_t kChannels = 64;  // of a tile: many for a row's sums from L2
constexpr size_t kRows = 4;       // of a block
constexpr size_t kStep = (kWide ? 4 : 2) * kLanes;  // its channels
// The sums of a block's rows for so many words stay in L1: 16 KiB.
constexpr size_t kPanelWords = 13;
// 8 rows: the sums of a strip take 10 bytes for each of its k.
constexpr size_t kStripBytes = 8 * kChannels * sizeof(float);

size_t Words(size_t k) { return CeilDiv(k, kWordK); }
size_t RowSums(size_t k) { return Words(k) * kFields * kSums; }  // floats

alignas(64) constexpr uint32_t kMinus[3][8] = {
    {0, 1u << 31, 0, 1u << 31, 0, 1u << 31, 0, 1u << 31},
    {0, 0, 1u << 31, 1u << 31, 0, 0, 1u << 31, 1u << 31},
    {0, 0, 0, 0, 1u << 31, 1u << 31, 1u << 31, 1u << 31}};

void PutSums(float a0, float a1, float a2, float* out) {
  const hn::CappedTag<float, kSums> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  for (size_t e = 0; e < kSums; e += hn::Lanes(d)) {
    const auto term = [&](float a, size_t b) HWY_ATTR {
      return hn::Xor(hn::Set(d, a),
                     hn::BitCast(d, hn::LoadU(du, kMinus[b] + e)));
    };
    hn::StoreU(hn::Add(hn::Add(term(a0, 0), term(a1, 1)), term(a2, 2)), d,
               out + e);
  }
}

void PackLhs(GemmTypes, const GemmLhs& lhs, size_t k, size_t row, size_t rows,
             void* packed) noexcept {
  auto* out = static_cast<float*>(packed);
  for (size_t r = 0; r < rows; ++r) {
    const auto* a = reinterpret_cast<const float*>(
        reinterpret_cast<const uint8_t*>(lhs.f32) +
        static_cast<ptrdiff_t>(row + r) * lhs.f32_stride);
    const size_t whole = k / 3 * 3;
    const float rest[3] = {whole < k ? a[whole] : 0.0f,
                           whole + 1 < k ? a[whole + 1] : 0.0f, 0.0f};
    const float none[3] = {};
    size_t i = 0;
    for (; i < whole; i += 3, out += kSums)
      PutSums(a[i], a[i + 1], a[i + 2], out);
    for (; i < Words(k) * kWordK; i += 3, out += kSums) {
      const float* three = i < k ? rest : none;
      PutSums(three[0], three[1], three[2], out);
    }
  }
}

#if HWY_TARGET == HWY_SCALAR
using Sums = const float*;
Sums LoadSums(const float* sums) { return sums; }
using Fields = size_t;
Fields FieldsOf(VU words) { return hn::GetLane(words) & 7; }
V LookUp(Sums sums, Fields fields) { return hn::Set(D(), sums[fields]); }
#else
// The sums of one three of k of a row, and the lowest field of each word.
using Sums = V;
struct Fields {
  decltype(hn::IndicesFromVec(D(), hn::Zero(hn::RebindToSigned<D>()))) indices;
  VU minus;  // of vectors of four lanes
};

HWY_INLINE Sums LoadSums(const float* sums) {
  const D d;
  if constexpr (kLanes > kSums)
    return hn::ZeroExtendVector(d, hn::LoadU(hn::Half<D>(), sums));
  else
    return hn::LoadU(d, sums);
}

HWY_INLINE Fields FieldsOf(VU words) {
  const DU du;
  const VU index = hn::And(words, hn::Set(du, kSums - 1));
  const VU minus =
      kSums == 4 ? hn::And(hn::ShiftLeft<29>(words), hn::Set(du, 0x80000000u))
                 : words;
  return {hn::IndicesFromVec(D(), hn::BitCast(hn::RebindToSigned<D>(), index)),
          minus};
}

HWY_INLINE V LookUp(Sums sums, const Fields& fields) {
  const V sum = hn::TableLookupLanes(sums, fields.indices);
  return kSums == 4 ? hn::Xor(sum, hn::BitCast(D(), fields.minus)) : sum;
}
#endif

// sum + 1 * t on x86 with fused multiply-add: AMD's cores look up in the units
// that add, and multiply in others (117 -> 140 GMAC/s).
HWY_INLINE V AddSum(V t, V one, V sum) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::MulAdd(t, one, sum);
#else
  static_cast<void>(one);
  return hn::Add(t, sum);
#endif
}

struct Part {  // of a product: rows x kStep channels x a panel's words
  const float* sums[kRows];
  float* strip[kRows];
  const uint32_t* words;
  size_t count;
  bool first;  // sums start from +0, else from the strip
};

HWY_INLINE void AddThree(const float* sums, const Fields& f0, const Fields& f1,
                         const Fields& f2, const Fields& f3, V one,
                         Tile<kWide>& row) {
  const Sums table = LoadSums(sums);
  row.c0 = AddSum(LookUp(table, f0), one, row.c0);
  row.c1 = hn::Add(LookUp(table, f1), row.c1);
  if constexpr (kWide) {
    row.c2 = AddSum(LookUp(table, f2), one, row.c2);
    row.c3 = hn::Add(LookUp(table, f3), row.c3);
  }
}

void Block(const Part& part) {
  const auto start = [&part](size_t r) HWY_ATTR {
    return LoadTile<kWide>(part.first ? kZeros : part.strip[r]);
  };
  Tile<kWide> r0 = start(0), r1 = start(1), r2 = start(2), r3 = start(3);
  const float *s0 = part.sums[0], *s1 = part.sums[1], *s2 = part.sums[2],
              *s3 = part.sums[3];
  const uint32_t* words = part.words;
  V one = hn::Set(D(), 1.0f);
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  asm volatile("" : "+x"(one.raw));  // else the product by 1 is no more
#endif
  for (size_t i = 0; i < part.count; ++i, words += kChannels) {
    const DU du;
    VU x0 = hn::LoadU(du, words), x1 = hn::LoadU(du, words + kLanes), x2 = x0,
       x3 = x1;
    if constexpr (kWide) {
      x2 = hn::LoadU(du, words + 2 * kLanes);
      x3 = hn::LoadU(du, words + 3 * kLanes);
    }
    size_t fields = kFields;
    asm volatile("" : "+r"(fields));  // ten turns in a row spill the sums
    do {
      const Fields f0 = FieldsOf(x0), f1 = FieldsOf(x1), f2 = FieldsOf(x2),
                   f3 = FieldsOf(x3);
      AddThree(s0, f0, f1, f2, f3, one, r0);
      AddThree(s1, f0, f1, f2, f3, one, r1);
      AddThree(s2, f0, f1, f2, f3, one, r2);
      AddThree(s3, f0, f1, f2, f3, one, r3);
      x0 = hn::ShiftRight<3>(x0);
      x1 = hn::ShiftRight<3>(x1);
      x2 = hn::ShiftRight<3>(x2);
      x3 = hn::ShiftRight<3>(x3);
      s0 += kSums;
      s1 += kSums;
      s2 += kSums;
      s3 += kSums;
    } while (--fields != 0);
  }
  StoreRow<kWide>(r0, part.strip[0]);
  StoreRow<kWide>(r1, part.strip[1]);
  StoreRow<kWide>(r2, part.strip[2]);
  StoreRow<kWide>(r3, part.strip[3]);
}

void Run(const GemmStripArgs& args) noexcept {
  const size_t words = Words(args.k), row_sums = RowSums(args.k);
  const size_t left = args.n - args.tile * kChannels;
  const size_t channels = left < kChannels ? left : kChannels;
  const auto* sums = static_cast<const float*>(args.packed_lhs) +
                     (args.row - args.packed_row) * row_sums;
  Part part{};
  for (size_t word = 0; word < words; word += kPanelWords) {
    part.count = words - word < kPanelWords ? words - word : kPanelWords;
    part.first = word == 0;
    for (size_t row = 0; row < args.rows; row += kRows) {
      for (size_t j = 0; j < channels; j += kStep) {
        for (size_t r = 0; r < kRows; ++r) {  // past the last: the last again
          const size_t at = row + r < args.rows ? row + r : args.rows - 1;
          part.sums[r] = sums + at * row_sums + word * kFields * kSums;
          part.strip[r] = reinterpret_cast<float*>(
                              static_cast<uint8_t*>(args.strip) +
                              static_cast<ptrdiff_t>(at) * args.strip_stride) +
                          j;
        }
        part.words = static_cast<const uint32_t*>(args.packed_rhs) +
                     (args.tile * words + word) * kChannels + j;
        Block(part);
      }
    }
  }
}

size_t TypesMaxK(GemmTypes types) noexcept {
  const GemmTypes mine{Operand::kBipolar, Operand::kF32, 0, false, true};
  return types == mine ? size_t{1} << 30 : 0;
}

size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * RowSums(k) * sizeof(float);
}

size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kChannels) * Words(k) * sizeof(uint32_t);
}

uint32_t FieldAt(const CodeMatrix& w, size_t channel, size_t k) {
  uint32_t field = 0;
  for (size_t b = 0; b < 3 && k + b < w.k; ++b)
    field |= (ValueAt(w, channel, k + b) < 0 ? 1u : 0u) << b;
  return kSums == 4 && field > 3 ? field ^ 3 : field;
}

void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(w.n, kChannels); tile += kChannels) {
    for (size_t i = 0; i < w.k; i += kWordK) {
      for (size_t channel = tile; channel < tile + kChannels; ++channel) {
        uint32_t word = 0;
        for (size_t f = 0; channel < w.n && f < kFields; ++f)
          word |= FieldAt(w, channel, i + 3 * f) << (3 * f);
        *out++ = word;
      }
    }
  }
}

}  // namespace

GemmKernelList W1F32List() {
  static constexpr GemmKernel kKernels[] = {
      {"w1f32/lut/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kChannels, kRows, kStep,
       3, &RhsBytes, &PackRhs, &LhsBytes, &PackLhs, &Run, nullptr, nullptr,
       kStripBytes},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(W1F32List);
GemmKernelList GemmW1F32(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(W1F32List, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
