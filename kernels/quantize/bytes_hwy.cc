// Multi-bit quantiser for every Highway target: a row passes once through L1,
// blocks of 16 floats become 16 bytes in registers.
//   code[r][c] = q(y), y = x[r][c], its LayerNorm, clip(x) or clip(gelu(x)); q
//   as in base/byte_quantiser.h.
// Row extremes are found on integers that sort as the floats do, so that a NaN
// and the sign of a zero come out the same on every target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize/bytes_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/byte_quantiser-inl.h"
#include "kernels/quantize/bytes_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE const float* Row(const float* x, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<const float*>(reinterpret_cast<const char*>(x) +
                                        static_cast<ptrdiff_t>(row) * stride);
}

// x, or clip(x), or clip(gelu(x)).
template <bool kGelu>
struct ClippedRow {
  FloatRow row;
  float lo, hi;

  HWY_INLINE void Apply(VF (&y)[kVecs]) const {
    const DF d;
    for (size_t v = 0; v < kVecs; ++v) {
      if constexpr (kGelu) y[v] = Gelu(y[v]);
      y[v] = Clip(y[v], hn::Set(d, lo), hn::Set(d, hi));
    }
  }
  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    row.Load(column, y);
    Apply(y);
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    row.LoadTail(column, count, y);
    Apply(y);
  }
};

// As in quantize_hwy.cc: the moments of some rows first, four at a time.
constexpr size_t kRowBlock = 32;

void RowBlockMoments(const ByteArgs& args, size_t row, size_t rows,
                     RowMoments* moments) {
  const auto x = [&args](size_t r) -> FloatRow {
    return {Row(args.x, args.x_stride, r)};
  };
  const auto sums = [&args](size_t r) -> const float* {
    return args.lane_sums != nullptr ? args.lane_sums + r * kBlock : nullptr;
  };
  const size_t cols = args.codes.cols;
  size_t r = row;
  for (; r + kMomentRows <= row + rows; r += kMomentRows) {
    const FloatRow four[] = {x(r), x(r + 1), x(r + 2), x(r + 3)};
    Moments4(four, cols, args.epsilon, moments + (r - row), sums(r));
  }
  for (; r < row + rows; ++r)
    moments[r - row] = Moments(x(r), cols, args.epsilon, sums(r));
}

// GELU and the quantiser in two short loops: one long chain of operations for
// each vector would leave most of the core waiting (Zen 5, AVX2: 2.5 cycles an
// element instead of 1.8).
constexpr size_t kChunk = 256;

template <class Bytes>
HWY_INLINE void GeluByteRow(const ByteArgs& args, const FloatRow& x,
                            const Bytes& bytes, uint8_t* out) {
  const ClippedRow<true> row{x, args.clip_lo, args.clip_hi};
  const size_t cols = args.codes.cols;
  HWY_ALIGN float chunk[kChunk];
  VF y[kVecs];
  for (size_t c = 0; c < cols; c += kChunk) {
    const size_t width = HWY_MIN(kChunk, cols - c);
    for (size_t i = 0; i < width; i += kBlock) {
      if (width - i >= kBlock) {
        row.Load(c + i, y);
      } else {
        row.LoadTail(c + i, width - i, y);
      }
      for (size_t v = 0; v < kVecs; ++v)
        hn::Store(y[v], DF(), chunk + i + v * kLanes);
    }
    ByteRow(FloatRow{chunk}, bytes, c, width, out + c);
  }
}

template <class Bytes>
HWY_INLINE void QuantizeRow(const ByteArgs& args, size_t row,
                            const RowMoments& moments, const Bytes& bytes) {
  const size_t cols = args.codes.cols;
  const FloatRow x{Row(args.x, args.x_stride, row)};
  uint8_t* out =
      args.codes.data + static_cast<ptrdiff_t>(row) * args.codes.stride;
  switch (args.source) {
    case ByteSource::kPlain:
      ByteRow(x, bytes, 0, cols, out);
      break;
    case ByteSource::kLayerNorm:
      ByteRow(NormedRow<FloatRow>{x, args.gamma, args.beta, moments}, bytes, 0,
              cols, out);
      break;
    case ByteSource::kClip:
      ByteRow(ClippedRow<false>{x, args.clip_lo, args.clip_hi}, bytes, 0, cols,
              out);
      break;
    case ByteSource::kGeluClip:
      GeluByteRow(args, x, bytes, out);
      break;
  }
}

template <class Bytes>
void QuantizeRows(const ByteArgs& args, size_t row, size_t rows) {
  RowMoments moments[kRowBlock];
  if (args.source == ByteSource::kLayerNorm)
    RowBlockMoments(args, row, rows, moments);
  const Bytes common(args.quantiser, row);
  for (size_t r = 0; r < rows; ++r) {
    if constexpr (Bytes::kSameForRows) {
      QuantizeRow(args, row + r, moments[r], common);
    } else {
      QuantizeRow(args, row + r, moments[r], Bytes(args.quantiser, row + r));
    }
  }
}

void Quantize(const ByteArgs& args, size_t row, size_t rows) noexcept {
  const ByteQuantiser& q = args.quantiser;
  const bool columns = q.per == ScalePer::kColumn;
  for (size_t r = row; r < row + rows; r += kRowBlock) {
    const size_t block = HWY_MIN(kRowBlock, row + rows - r);
    if (columns) {
      q.multiply ? QuantizeRows<ColumnBytes<true>>(args, r, block)
                 : QuantizeRows<ColumnBytes<false>>(args, r, block);
    } else {
      q.multiply ? QuantizeRows<UniformBytes<true>>(args, r, block)
                 : QuantizeRows<UniformBytes<false>>(args, r, block);
    }
  }
}

// Levels of up to 16 bytes of one row.
template <bool kColumns>
HWY_INLINE VF Level(VF value, const ByteLevelArgs& args, size_t at) {
  const DF d;
  VF zero = hn::Zero(d);
  if (args.zero != nullptr) {
    zero = kColumns ? hn::LoadU(d, args.zero + at) : hn::Set(d, args.zero[at]);
  }
  const VF scale =
      kColumns ? hn::LoadU(d, args.scale + at) : hn::Set(d, args.scale[at]);
  return Canonical(hn::Mul(hn::Sub(value, zero), scale));
}

HWY_INLINE VF ByteValue(const uint8_t* codes, bool is_signed) {
  const DI di;
  if (is_signed) {
    const hn::Rebind<int8_t, DI> d8;
    const auto bytes = hn::LoadU(d8, reinterpret_cast<const int8_t*>(codes));
    return hn::ConvertTo(DF(), hn::PromoteTo(di, bytes));
  }
  const hn::Rebind<uint8_t, DI> d8;
  return hn::ConvertTo(DF(), hn::PromoteTo(di, hn::LoadU(d8, codes)));
}

template <bool kColumns>
void LevelRow(const ByteLevelArgs& args, size_t r) {
  const uint8_t* codes =
      args.codes.data + static_cast<ptrdiff_t>(r) * args.codes.stride;
  float* out = const_cast<float*>(Row(args.out, args.out_stride, r));
  const size_t cols = args.codes.cols;
  const size_t uniform = ScaleIndex(args.per, r, 0);
  size_t i = 0;
  for (; i + kLanes <= cols; i += kLanes) {
    hn::StoreU(Level<kColumns>(ByteValue(codes + i, args.is_signed), args,
                               kColumns ? i : uniform),
               DF(), out + i);
  }
  if (i == cols) return;
  const size_t count = cols - i;
  HWY_ALIGN float block[3][kBlock];
  uint8_t bytes[kBlock] = {};
  memcpy(bytes, codes + i, count);
  ByteLevelArgs tail = args;
  if constexpr (kColumns) {
    PadBlock(args.scale + i, count, 1.0f, block[0]);
    tail.scale = block[0];
    if (args.zero != nullptr) {
      PadBlock(args.zero + i, count, 0.0f, block[1]);
      tail.zero = block[1];
    }
  }
  hn::Store(Level<kColumns>(ByteValue(bytes, args.is_signed), tail,
                            kColumns ? 0 : uniform),
            DF(), block[2]);
  memcpy(out + i, block[2], count * sizeof(float));
}

void Dequantize(const ByteLevelArgs& args, size_t row, size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    args.per == ScalePer::kColumn ? LevelRow<true>(args, r)
                                  : LevelRow<false>(args, r);
  }
}

// Sorts as the float does, -0 below +0, NaNs outside the infinities; its own
// inverse.
HWY_INLINE VI SortKey(VI bits) {
  const VI sign = hn::BroadcastSignBit(bits);
  return hn::Xor(bits, hn::And(sign, hn::Set(DI(), 0x7fffffff)));
}
HWY_INLINE VI MagnitudeKey(VI bits) {
  return hn::And(bits, hn::Set(DI(), 0x7fffffff));
}

struct KeyRange {
  VI lo, hi;

  HWY_INLINE void Add(VI key) {
    lo = hn::Min(lo, key);
    hi = hn::Max(hi, key);
  }
};

struct FloatPair {
  float lo, hi;
};

HWY_INLINE float FromKey(VI key) { return hn::GetLane(hn::BitCast(DF(), key)); }

// Extremes of a row under a key. The tail repeats the row's first value.
template <VI (*kKey)(VI)>
HWY_INLINE FloatPair KeyExtremes(const float* x, size_t cols) {
  const DI di;
  HWY_ALIGN float block[kBlock];
  PadBlock(x + cols / kBlock * kBlock, cols % kBlock, x[0], block);
  const auto key = [di](const float* at) HWY_ATTR {
    return kKey(hn::LoadU(di, reinterpret_cast<const int32_t*>(at)));
  };
  const VI first = kKey(hn::BitCast(di, hn::Set(DF(), x[0])));
  KeyRange even{first, first}, odd{first, first};
  size_t i = 0;
  for (; i + 2 * kLanes <= cols; i += 2 * kLanes) {
    even.Add(key(x + i));
    odd.Add(key(x + i + kLanes));
  }
  for (; i + kLanes <= cols; i += kLanes) even.Add(key(x + i));
  for (size_t v = 0; v < kBlock; v += kLanes) odd.Add(key(block + v));
  const VI lo = hn::MinOfLanes(di, hn::Min(even.lo, odd.lo));
  const VI hi = hn::MaxOfLanes(di, hn::Max(even.hi, odd.hi));
  return {FromKey(kKey(lo)), FromKey(kKey(hi))};
}

void RowRange(const FloatRows& rows_of, float* lo, float* hi, size_t row,
              size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const FloatPair range =
        KeyExtremes<SortKey>(Row(rows_of.x, rows_of.stride, r), rows_of.cols);
    const bool nan = range.lo != range.lo || range.hi != range.hi;
    const float canonical =
        hn::GetLane(hn::BitCast(DF(), hn::Set(DI(), 0x7fc00000)));
    lo[r] = nan ? canonical : range.lo;
    hi[r] = nan ? canonical : range.hi;
  }
}

void RowMaxAbs(const FloatRows& rows_of, float* out, size_t row,
               size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const FloatPair range = KeyExtremes<MagnitudeKey>(
        Row(rows_of.x, rows_of.stride, r), rows_of.cols);
    out[r] = hn::GetLane(Canonical(hn::Set(DF(), range.hi)));
  }
}

}  // namespace

const ByteKernel* BytesHwyKernel() {
  static constexpr ByteKernel kKernel = {"bytes/hwy", &Quantize,  &Dequantize,
                                         &RowRange,   &RowMaxAbs, false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(BytesHwyKernel);

std::span<const ByteKernel> BytesHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(BytesHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
