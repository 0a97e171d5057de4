// Per-target form of byte_quantiser.h: blocks of 16 floats -> 16 bytes. The
// clamp comes before the rounding, which gives the same codes since its bounds
// are integers, and lets one conversion round.
#if defined(BITTERN_KERNELS_BASE_BYTE_QUANTISER_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_BYTE_QUANTISER_INL_H_
#undef BITTERN_KERNELS_BASE_BYTE_QUANTISER_INL_H_
#else
#define BITTERN_KERNELS_BASE_BYTE_QUANTISER_INL_H_
#endif

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

// Where a block is one vector its integers are truncated to bytes, whatever
// they are above; else packs saturate and want them in [0, 255].
constexpr bool kTruncates = kVecs == 1 && HWY_TARGET != HWY_SCALAR;

// Stores the 16 integers of a block, as step * q + offset.
struct ByteStore {
  bool twice;  // a step of 2
  uint8_t offset;

#if HWY_TARGET == HWY_SCALAR
  HWY_INLINE void operator()(const VI (&q)[kVecs], uint8_t* out) const {
    for (size_t v = 0; v < kVecs; ++v) {
      const auto u = static_cast<uint8_t>(hn::GetLane(q[v]));
      out[v] = static_cast<uint8_t>((twice ? 2 * u : u) + offset);
    }
  }
#else
  using DB = hn::Full128<uint8_t>;
  using VB = hn::Vec<DB>;

  template <class V>  // VI; a template, so that only one branch is compiled
  static HWY_INLINE VB Pack(const V (&q)[kVecs]) {
    const DB d;
    if constexpr (kVecs == 1) {
      return hn::TruncateTo(d, hn::BitCast(hn::RebindToUnsigned<DI>(), q[0]));
    } else if constexpr (kVecs == 2) {
      // In 128-bit lanes: columns 0-3 8-11 | 4-7 12-15, then as listed.
      const hn::Repartition<int16_t, DI> d16;
      const VB bytes =
          hn::DemoteTo(d, hn::ReorderDemote2To(d16, q[0], q[kVecs / 2]));
      const hn::Repartition<uint32_t, DB> d32;
      const auto dwords = hn::BitCast(d32, bytes);
      return hn::BitCast(
          d, hn::InterleaveLower(d32, dwords, hn::Shuffle1032(dwords)));
    } else {
      const hn::Repartition<int16_t, DI> d16;
      const hn::Half<DB> half;
      const auto low = hn::ReorderDemote2To(d16, q[0], q[1]);
      const auto high = hn::ReorderDemote2To(d16, q[kVecs - 2], q[kVecs - 1]);
      return hn::Combine(d, hn::DemoteTo(half, high), hn::DemoteTo(half, low));
    }
  }
  HWY_INLINE void operator()(const VI (&q)[kVecs], uint8_t* out) const {
    const DB d;
    VB u = Pack(q);
    if (HWY_UNLIKELY(twice)) u = hn::Add(u, u);
    hn::StoreU(hn::Add(u, hn::Set(d, offset)), d, out);
  }
#endif
};

// For integers from 0, which is the code lo.
HWY_INLINE ByteStore MakeByteStore(const ByteQuantiser& q) {
  return {q.step == 2, static_cast<uint8_t>(q.step * q.lo + q.offset)};
}

HWY_INLINE bool IsAfterRounding(const ByteQuantiser& q) {
  return q.zero_place == ZeroPointPlace::kAfterRounding;
}

// Whether a ByteRounding of this quantiser gives such integers, or codes as
// they are.
HWY_INLINE bool CountsFromLo(const ByteQuantiser& q) {
  return !kTruncates || IsAfterRounding(q);
}

// For the integers of a ByteRounding.
HWY_INLINE ByteStore MakeRoundedStore(const ByteQuantiser& q) {
  ByteStore store = MakeByteStore(q);
  if (!CountsFromLo(q)) store.offset = static_cast<uint8_t>(q.offset);
  return store;
}

// Of one element: t plus the zero point before the rounding; then the clamp to
// [lo, hi] less the one after it; `shift`, where it is wanted, makes the code
// lo the integer 0. A NaN becomes min(nan, hi).
struct ByteRounding {
  VF before, nan, lo, hi;
  VI shift;
  bool shifts;

  HWY_INLINE VI operator()(VF t) const {
    t = hn::Add(t, before);
    t = hn::IfThenElse(hn::Eq(t, t), hn::Max(t, lo), nan);
    const VI bits = RoundedBits(hn::Min(t, hi));
    return shifts ? hn::Add(bits, shift) : bits;
  }

  // The integer nearest to t, |t| <= 2^22, ties to even, plus Bias().
  static HWY_INLINE VI RoundedBits(VF t) {
    return hn::BitCast(DI(), hn::Add(t, hn::Set(DF(), 0x1.8p+23f)));
  }
  static HWY_INLINE VI Bias() { return hn::Set(DI(), 0x4B400000); }
};

HWY_INLINE ByteRounding MakeByteRounding(const ByteQuantiser& q, VF zero) {
  const DF d;
  const bool after = IsAfterRounding(q);
  const VF none = hn::Zero(d);
  const VF after_zero = after ? zero : none;
  const VF lo = hn::Set(d, static_cast<float>(q.lo));
  const VF hi = hn::Set(d, static_cast<float>(q.hi));
  const VF least = hn::Sub(lo, after_zero);
  return {after ? none : zero,
          hn::Max(hn::Sub(none, after_zero), least),
          least,
          hn::Sub(hi, after_zero),
          hn::Sub(hn::Sub(ByteRounding::RoundedBits(hn::Sub(after_zero, lo)),
                          ByteRounding::Bias()),
                  ByteRounding::Bias()),
          CountsFromLo(q)};
}

// One scale for the columns of a row.
template <bool kMultiply>
struct UniformBytes {
  static constexpr bool kSameForRows = false;

  VF scale;
  ByteRounding rounding;
  ByteStore store;

  HWY_INLINE UniformBytes(const ByteQuantiser& q, size_t row)
      : scale(hn::Set(DF(), q.scale[ScaleIndex(q.per, row, 0)])),
        rounding(MakeByteRounding(
            q,
            hn::Set(DF(), q.zero != nullptr ? q.zero[ScaleIndex(q.per, row, 0)]
                                            : 0.0f))),
        store(MakeRoundedStore(q)) {}

  HWY_INLINE void Block(const VF (&y)[kVecs], size_t, uint8_t* out) const {
    VI codes[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      codes[v] =
          rounding(kMultiply ? hn::Mul(y[v], scale) : hn::Div(y[v], scale));
    }
    store(codes, out);
  }
  HWY_INLINE void Tail(const VF (&y)[kVecs], size_t column, size_t,
                       uint8_t* out) const {
    Block(y, column, out);
  }
};

// A scale of its own for every column.
template <bool kMultiply>
struct ColumnBytes {
  static constexpr bool kSameForRows = true;

  ByteQuantiser q;  // a copy: bytes are stored, which may be any object's
  // Of a zero point before the rounding, which is all of it that varies: made
  // for every vector, these constants took twice the time of the codes.
  ByteRounding common;
  ByteStore store;

  HWY_INLINE ColumnBytes(const ByteQuantiser& quantiser, size_t)
      : q(quantiser),
        common(MakeByteRounding(q, hn::Zero(DF()))),
        store(MakeRoundedStore(q)) {}

  HWY_INLINE ByteRounding RoundingOf(VF zero) const {
    if (IsAfterRounding(q)) return MakeByteRounding(q, zero);
    ByteRounding rounding = common;
    rounding.before = zero;
    return rounding;
  }
  HWY_INLINE void Apply(const VF (&y)[kVecs], const float* scale,
                        const float* zero, uint8_t* out) const {
    const DF d;
    VI codes[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      const VF s = hn::LoadU(d, scale + v * kLanes);
      const VF z =
          zero != nullptr ? hn::LoadU(d, zero + v * kLanes) : hn::Zero(d);
      codes[v] = RoundingOf(z)(kMultiply ? hn::Mul(y[v], s) : hn::Div(y[v], s));
    }
    store(codes, out);
  }
  HWY_INLINE void Block(const VF (&y)[kVecs], size_t column,
                        uint8_t* out) const {
    Apply(y, q.scale + column, q.zero != nullptr ? q.zero + column : nullptr,
          out);
  }
  HWY_INLINE void Tail(const VF (&y)[kVecs], size_t column, size_t count,
                       uint8_t* out) const {
    HWY_ALIGN float block[2][kBlock];
    PadBlock(q.scale + column, count, 1.0f, block[0]);
    if (q.zero != nullptr) PadBlock(q.zero + column, count, 0.0f, block[1]);
    Apply(y, block[0], q.zero != nullptr ? block[1] : nullptr, out);
  }
};

// Codes of columns [0, cols) of a loader; `column` is the quantiser's first.
template <class Loader, class Bytes>
HWY_INLINE void ByteRow(const Loader& row, const Bytes& bytes, size_t column,
                        size_t cols, uint8_t* HWY_RESTRICT out) {
  VF y[kVecs];
  size_t i = 0;
  for (; i + kBlock <= cols; i += kBlock) {
    row.Load(i, y);
    bytes.Block(y, column + i, out + i);
  }
  if (i == cols) return;
  HWY_ALIGN uint8_t block[kBlock];
  row.LoadTail(i, cols - i, y);
  bytes.Tail(y, column + i, cols - i, block);
  memcpy(out + i, block, cols - i);
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_BASE_BYTE_QUANTISER_INL_H_
