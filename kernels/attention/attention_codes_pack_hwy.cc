// Packing of k, v and query rows for attention on codes (layout:
// attention_codes_stages.h): k by transposes of 4 keys x 4 words, v by zipping
// the bytes of four keys; sums of lanes and rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_codes_pack_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention_codes_stages.h"
#include "kernels/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
namespace {

using D8 = hn::CappedTag<uint8_t, 16>;
using V8 = hn::Vec<D8>;
using D16 = hn::CappedTag<uint16_t, 8>;
using D32 = hn::CappedTag<uint32_t, 4>;
using D64 = hn::CappedTag<uint64_t, 2>;

// `count` <= 16 bytes of a row plus the offset of its type; zeros after them.
HWY_INLINE V8 LoadCodes(const uint8_t* row, size_t count, V8 offset) {
  const D8 d;
  if (HWY_LIKELY(count == 16)) return hn::Add(hn::LoadU(d, row), offset);
  HWY_ALIGN uint8_t bytes[16] = {};
  memcpy(bytes, row, count);
  const auto real = hn::VecFromMask(d, hn::FirstN(d, count));
  return hn::And(hn::Add(hn::Load(d, bytes), offset), real);
}

// Codes of one head.
struct HeadCodes {
  const uint8_t* data;  // its first column
  ptrdiff_t stride;
  size_t rows, dim;
  int32_t offset;

  HWY_INLINE V8 At(size_t row, size_t column) const {
    const D8 d;
    if (row >= rows) return hn::Zero(d);
    return LoadCodes(data + static_cast<ptrdiff_t>(row) * stride + column,
                     HWY_MIN(size_t{16}, dim - column),
                     hn::Set(d, static_cast<uint8_t>(offset)));
  }
};

HeadCodes CodesOf(const CodeBytes& x, size_t dim, size_t h, int32_t offset) {
  return {x.data + h * dim, x.stride, x.rows, dim, offset};
}

template <class D, class V>
HWY_INLINE auto Wide(D d, V v) {
  return hn::BitCast(d, v);
}

void PackKeys(const HeadCodes& in, const CodeLanes& b) {
  const D8 d8;
  const D32 d;
  const D64 d64;
  for (size_t c = 0; c < in.dim; c += 16) {
    for (size_t j = 0; j < b.lanes; j += 4) {
      const auto r0 = Wide(d, in.At(j, c)), r1 = Wide(d, in.At(j + 1, c)),
                 r2 = Wide(d, in.At(j + 2, c)), r3 = Wide(d, in.At(j + 3, c));
      const auto low01 = Wide(d64, hn::InterleaveLower(d, r0, r1)),
                 high01 = Wide(d64, hn::InterleaveUpper(d, r0, r1)),
                 low23 = Wide(d64, hn::InterleaveLower(d, r2, r3)),
                 high23 = Wide(d64, hn::InterleaveUpper(d, r2, r3));
      const V8 group[4] = {Wide(d8, hn::InterleaveLower(d64, low01, low23)),
                           Wide(d8, hn::InterleaveUpper(d64, low01, low23)),
                           Wide(d8, hn::InterleaveLower(d64, high01, high23)),
                           Wide(d8, hn::InterleaveUpper(d64, high01, high23))};
      for (size_t g = 0; g < HWY_MIN(size_t{4}, b.groups - c / 4); ++g) {
        hn::StoreU(group[g], d8,
                   reinterpret_cast<uint8_t*>(b.packed) +
                       ((c / 4 + g) * b.lanes + j) * 4);
      }
    }
  }
}

void PackValues(const HeadCodes& in, const CodeLanes& b) {
  const D8 d8;
  const D16 d;
  for (size_t g = 0; g < b.groups; ++g) {
    auto* out = reinterpret_cast<uint8_t*>(b.packed) + g * b.lanes * 4;
    for (size_t c = 0; c < b.lanes; c += 16, out += 64) {
      const V8 r0 = in.At(4 * g, c), r1 = in.At(4 * g + 1, c),
               r2 = in.At(4 * g + 2, c), r3 = in.At(4 * g + 3, c);
      const auto low01 = Wide(d, hn::InterleaveLower(d8, r0, r1)),
                 high01 = Wide(d, hn::InterleaveUpper(d8, r0, r1)),
                 low23 = Wide(d, hn::InterleaveLower(d8, r2, r3)),
                 high23 = Wide(d, hn::InterleaveUpper(d8, r2, r3));
      hn::StoreU(Wide(d8, hn::InterleaveLower(d, low01, low23)), d8, out);
      hn::StoreU(Wide(d8, hn::InterleaveUpper(d, low01, low23)), d8, out + 16);
      hn::StoreU(Wide(d8, hn::InterleaveLower(d, high01, high23)), d8,
                 out + 32);
      hn::StoreU(Wide(d8, hn::InterleaveUpper(d, high01, high23)), d8,
                 out + 48);
    }
  }
}

// What the zero points add to the products with a lane.
struct ZeroPoints {
  int32_t left, right, left_shift;
};

void FillBases(const CodeLanes& b, size_t terms, const ZeroPoints& zero) {
  const DI d;
  const hn::Repartition<int16_t, DI> d16;
  const auto ones = hn::Set(d16, 1);
  const VI factor = hn::Set(d, zero.left_shift - zero.left);
  const VI constant =
      hn::Set(d, static_cast<int32_t>(terms) * zero.left * zero.right);
  for (size_t lane = 0; lane < b.lanes; lane += kLanes) {
    VI sum0 = hn::Zero(d), sum1 = sum0;
    for (size_t g = 0; g < b.groups; ++g) {
      const auto* at = reinterpret_cast<const int32_t*>(b.packed);
      const auto x = hn::BitCast(d16, hn::Load(d, at + g * b.lanes + lane));
      const auto pairs =
          hn::Add(hn::ShiftRight<8>(hn::ShiftLeft<8>(x)), hn::ShiftRight<8>(x));
      sum0 = hn::ReorderWidenMulAccumulate(d, pairs, ones, sum0, sum1);
    }
    const VI sum = hn::RearrangeToOddPlusEven(sum0, sum1);
    hn::Store(hn::Add(constant, hn::Mul(factor, sum)), d, b.base + lane);
  }
}

}  // namespace

void PackCodes(const CodeHead& head) {
  const CodeAttentionArgs& args = *head.args;
  const CodeAttentionHead& values = args.head[head.h];
  const int32_t k_offset = RightOffset(args.k_type),
                v_offset = RightOffset(args.v_type);
  PackKeys(CodesOf(args.k, args.head_dim, head.h, k_offset), head.block.k);
  PackValues(CodesOf(args.v, args.head_dim, head.h, v_offset), head.block.v);
  FillBases(head.block.k, args.head_dim,
            {values.zq + LeftOffset(args.q_type), values.zk + k_offset,
             head.left_shift});
  FillBases(head.block.v, args.k.rows,
            {values.zp, values.zv + v_offset, head.left_shift});
}

// Sum of `bytes` bytes, a multiple of 16. They were stored 16 at a time just
// before: wider loads would have to wait for the cache.
int32_t SumBytes(const uint8_t* x, size_t bytes) {
  const D8 d;
  const D64 d64;
  auto sum = hn::Zero(d64);
  for (size_t i = 0; i < bytes; i += 16)
    sum = hn::Add(sum, hn::SumsOf8(hn::Load(d, x + i)));
  return static_cast<int32_t>(hn::GetLane(hn::SumOfLanes(d64, sum)));
}

void LoadQueryCodes(const CodeHead& head, size_t row, size_t rows,
                    CodeRows* q) {
  const D8 d;
  const CodeAttentionArgs& args = *head.args;
  const HeadCodes in =
      CodesOf(args.q, args.head_dim, head.h, LeftOffset(args.q_type));
  const int32_t zero = args.head[head.h].zk + RightOffset(args.k_type);
  const ValueRange left = RangeOf(args.q_type);
  q->max_pair =
      2 * (left.hi - left.lo) *
      (args.k_type == Operand::kU8 ? 128 : RangeOf(args.k_type).MaxAbs());
  for (size_t r = 0; r < rows; ++r) {
    uint8_t* out = head.scratch.query + r * q->stride;
    for (size_t c = 0; c < in.dim; c += 16)
      hn::Store(in.At(row + r, c), d, out + c);
    q->base[r] = zero == 0 ? 0 : -zero * SumBytes(out, RoundUp(in.dim, 16));
  }
}

#endif  // a target with byte shuffles
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
