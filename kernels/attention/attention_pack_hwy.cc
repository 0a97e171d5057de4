// Packing of k and v of a head (attention_layout.h) for every Highway target: k
// by words, v through 64 x 64 bit transposes, one matrix a 64-bit lane, and the
// integers that zero points add to every product.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_pack_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention-inl.h"
#include "kernels/attention/attention_stages.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

using D64 = hn::CappedTag<uint64_t, 4>;
constexpr size_t kMatrices = hn::MaxLanes(D64());

// A plane of one head of a code matrix, one row after the other.
struct HeadPlane {
  const uint64_t* words;
  size_t stride;
};

HeadPlane PlaneOf(const CodePlanes& p, const uint64_t* plane, size_t h) {
  return {plane + h * GroupWords(p.group), p.row_words};
}

// [row][word64] -> [block][word32][lane]
void PackKeys(const HeadPlane& in, size_t keys, const LaneMatrix& m,
              uint32_t* HWY_RESTRICT out) {
  for (size_t j = 0; j < keys; ++j) {
    const uint64_t* HWY_RESTRICT row = in.words + j * in.stride;
    uint32_t* HWY_RESTRICT lane =
        out + j / kLaneBlock * m.words * kLaneBlock + j % kLaneBlock;
    for (size_t w = 0; w < m.words; ++w)
      lane[w * kLaneBlock] = static_cast<uint32_t>(row[w / 2] >> (w % 2 * 32));
  }
}

template <int kStep>
HWY_INLINE void TransposeStep(uint64_t mask_value,
                              uint64_t* HWY_RESTRICT bits) {
  const D64 d;
  const auto mask = hn::Set(d, mask_value);
  for (size_t base = 0; base < 64; base += 2 * kStep) {
    for (size_t r = base; r < base + kStep; ++r) {
      uint64_t* HWY_RESTRICT low = bits + r * kMatrices;
      uint64_t* HWY_RESTRICT high = low + kStep * kMatrices;
      const auto a = hn::Load(d, low), b = hn::Load(d, high);
      const auto swapped = hn::And(hn::Xor(hn::ShiftRight<kStep>(a), b), mask);
      hn::Store(hn::Xor(a, hn::ShiftLeft<kStep>(swapped)), d, low);
      hn::Store(hn::Xor(b, swapped), d, high);
    }
  }
}

// bits[r][matrix]: bit c of row r <-> bit r of row c.
void Transpose(uint64_t* bits) {
  TransposeStep<32>(0x00000000FFFFFFFF, bits);
  TransposeStep<16>(0x0000FFFF0000FFFF, bits);
  TransposeStep<8>(0x00FF00FF00FF00FF, bits);
  TransposeStep<4>(0x0F0F0F0F0F0F0F0F, bits);
  TransposeStep<2>(0x3333333333333333, bits);
  TransposeStep<1>(0x5555555555555555, bits);
}

// 64 columns of transposed keys [first, first + 64 * kMatrices) -> their words.
void StoreColumns(const uint64_t* HWY_RESTRICT bits, size_t column,
                  size_t columns, size_t first, const LaneMatrix& m,
                  uint32_t* HWY_RESTRICT out) {
  for (size_t matrix = 0;
       matrix < kMatrices && first / 32 + 2 * matrix < m.words; ++matrix) {
    const size_t w = first / 32 + 2 * matrix;
    for (size_t c = 0; c < columns; ++c) {
      const size_t d = column + c;
      uint32_t* HWY_RESTRICT lane =
          out + (d / kLaneBlock * m.words + w) * kLaneBlock + d % kLaneBlock;
      lane[0] = static_cast<uint32_t>(bits[c * kMatrices + matrix]);
      if (w + 1 < m.words)
        lane[kLaneBlock] =
            static_cast<uint32_t>(bits[c * kMatrices + matrix] >> 32);
    }
  }
}

// [key][word64] -> [block of columns][word32 of keys][lane]
void PackValues(const HeadPlane& in, size_t keys, size_t head_dim,
                const LaneMatrix& m, uint32_t* out) {
  constexpr size_t kStep = 64 * kMatrices;
  HWY_ALIGN uint64_t bits[kStep];
  for (size_t column = 0; column < head_dim; column += 64) {
    for (size_t first = 0; first < keys; first += kStep) {
      memset(bits, 0, sizeof(bits));
      for (size_t j = first; j < HWY_MIN(keys, first + kStep); ++j) {
        bits[j % 64 * kMatrices + (j - first) / 64] =
            in.words[j * in.stride + column / 64];
      }
      Transpose(bits);
      StoreColumns(bits, column, HWY_MIN(size_t{64}, head_dim - column), first,
                   m, out);
    }
  }
}

struct BitCounts {
  VI sign, valid;
};

// Of one vector of lanes; the pointers are at its lanes in word 0 of a block.
HWY_INLINE BitCounts CountLanes(const uint32_t* sign, const uint32_t* valid,
                                size_t words) {
  const DU d;
  BitCounts counts{hn::Zero(DI()), hn::Zero(DI())};
  for (size_t first = 0; first < words; first += kBytesBeforeWiden) {
    BitCounter sign_bits, valid_bits;
    for (size_t w = first; w < HWY_MIN(words, first + kBytesBeforeWiden); ++w) {
      sign_bits.Add(hn::Load(d, sign + w * kBlock));
      valid_bits.Add(hn::Load(d, valid + w * kBlock));
    }
    counts.sign = hn::Add(counts.sign, sign_bits.Total());
    counts.valid = hn::Add(counts.valid, valid_bits.Total());
  }
  return counts;
}

// base = -left_zero * sum(lane) + length * left_zero * right_zero; lanes of
// padding get values that nobody reads. Returns the number of valid codes.
int32_t FillBases(const LaneMatrix& m, size_t length, int32_t left_zero,
                  int32_t right_zero) {
  const DI d;
  const VI zero = hn::Set(d, left_zero),
           offset = hn::Set(d, static_cast<int32_t>(length) * right_zero);
  VI valid = hn::Zero(d);
  for (size_t lane = 0; lane < m.lanes(); lane += kLanes) {
    const size_t at = lane / kBlock * m.words * kBlock + lane % kBlock;
    const BitCounts c = CountLanes(m.sign + at, m.valid + at, m.words);
    const VI sum = hn::Sub(hn::Add(c.sign, c.sign), c.valid);
    const VI base = hn::Mul(zero, hn::Sub(offset, sum));
    hn::Store(base, d, m.base + lane);
    hn::Store(hn::Add(base, c.valid), d, m.full + lane);
    valid = hn::Add(valid, c.valid);
  }
  return hn::GetLane(hn::SumOfLanes(d, valid));
}

}  // namespace

void PackAttentionBlock(const AttentionArgs& args, size_t h,
                        void* data) noexcept {
  const size_t keys = args.k.rows, dim = args.head_dim;
  const AttentionHead& head = args.head[h];
  memset(data, 0, AttentionBlockBytes(keys, dim));
  const AttentionBlock b = ViewAttentionBlock(data, keys, dim);
  PackKeys(PlaneOf(args.k, args.k.sign, h), keys, b.k, b.k.sign);
  PackKeys(PlaneOf(args.k, args.k.valid, h), keys, b.k, b.k.valid);
  PackValues(PlaneOf(args.v, args.v.sign, h), keys, dim, b.v, b.v.sign);
  PackValues(PlaneOf(args.v, args.v.valid, h), keys, dim, b.v, b.v.valid);
  const auto codes = static_cast<int32_t>(keys * dim);
  b.zeros[0] = codes - FillBases(b.k, dim, head.zq, head.zk);
  b.zeros[1] = codes - FillBases(b.v, keys, head.zp, head.zv);
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
