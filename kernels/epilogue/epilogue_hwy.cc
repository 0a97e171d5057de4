// Epilogues that need no float per element, or LayerNorm, for every Highway
// target; as listed in epilogue.h, on a strip of accumulators that lies in L1.
// window_sign walks words of 64 channels (16 bound vectors serve all rows);
// group_norm_sign goes over a group's values three times and never stores a
// float, group_norm_bytes makes floats of a few rows of a group, which stay in
// L1 while a byte kernel norms and quantises them; threshold_bytes compares 16
// channels with every threshold.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/epilogue/epilogue_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/bits.h"
#include "kernels/base/byte_quantiser-inl.h"
#include "kernels/base/sign-inl.h"
#include "kernels/epilogue/epilogue-inl.h"
#include "kernels/epilogue/epilogue_kernels.h"
#include "kernels/quantize/bytes.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

void StoreI32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    memcpy(RowAt(args.out_i32, args.out_stride, s.row + r) + s.col,
           RowAt<int32_t>(s.strip, s.stride, r), s.cols * sizeof(int32_t));
  }
}

struct Windows {
  const int32_t* pos_lo;
  const int32_t* pos_hi;
  const int32_t* neg_lo;
  const int32_t* neg_hi;
};

// Lanes in [lo, hi], none if lo > hi: max(acc, lo) >= acc >= min(acc, hi), all
// equal only inside. One comparison instead of two: mask instructions are the
// bottleneck with AVX-512.
HWY_INLINE MF Inside(VI acc, const int32_t* lo, const int32_t* hi) {
  const DI d;
  return hn::RebindMask(DF(), hn::Eq(hn::Max(acc, hn::LoadU(d, lo)),
                                     hn::Min(acc, hn::LoadU(d, hi))));
}

HWY_INLINE CodeBits WindowBlock(const int32_t* acc, const Windows& w) {
  MF positive[kVecs], negative[kVecs];
  for (size_t v = 0; v < kVecs; ++v) {
    const size_t j = v * kLanes;
    const VI x = hn::LoadU(DI(), acc + j);
    positive[v] = Inside(x, w.pos_lo + j, w.pos_hi + j);
    negative[v] = Inside(x, w.neg_lo + j, w.neg_hi + j);
  }
  const uint64_t sign = BlockBits(positive);
  return {sign, sign | BlockBits(negative)};
}

// Copies `count` < 16 integers into a block.
HWY_INLINE void PadIntegers(const int32_t* x, size_t count, int32_t* block) {
  for (size_t i = count; i < kBlock; ++i) block[i] = 0;
  memcpy(block, x, count * sizeof(int32_t));
}

CodeBits WindowTail(const int32_t* acc, const Windows& w, size_t count) {
  HWY_ALIGN int32_t block[5][kBlock];
  PadIntegers(acc, count, block[0]);
  PadIntegers(w.pos_lo, count, block[1]);
  PadIntegers(w.pos_hi, count, block[2]);
  PadIntegers(w.neg_lo, count, block[3]);
  PadIntegers(w.neg_hi, count, block[4]);
  return WindowBlock(block[0], {block[1], block[2], block[3], block[4]});
}

HWY_INLINE CodeBits WindowWord(const int32_t* acc, const Windows& w,
                               size_t width) {
  CodeBits word{0, 0};
  if (HWY_LIKELY(width == 64)) {
    for (size_t i = 0; i < 64; i += kBlock) {
      const CodeBits bits = WindowBlock(
          acc + i, {w.pos_lo + i, w.pos_hi + i, w.neg_lo + i, w.neg_hi + i});
      word.sign |= bits.sign << i;
      word.valid |= bits.valid << i;
    }
    return word;
  }
  for (size_t i = 0; i < width; i += kBlock) {
    const Windows at{w.pos_lo + i, w.pos_hi + i, w.neg_lo + i, w.neg_hi + i};
    const CodeBits bits = width - i >= kBlock
                              ? WindowBlock(acc + i, at)
                              : WindowTail(acc + i, at, width - i);
    word.sign |= bits.sign << i;
    word.valid |= bits.valid << i;
  }
  const uint64_t real = (uint64_t{1} << width) - 1;
  return {word.sign & real, word.valid & real};
}

HWY_INLINE void StoreWord(const CodePlanes& p, size_t row, size_t word,
                          const CodeBits& bits) {
  p.sign[row * p.row_words + word] = bits.sign;
  p.valid[row * p.row_words + word] = bits.valid;
  p.valid_count[row] += static_cast<int32_t>(hwy::PopCount(bits.valid));
}

void WindowSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const CodePlanes& p = args.codes;
  for (size_t j = 0; j < s.cols;) {
    const size_t n = s.col + j;
    const size_t width =
        HWY_MIN(HWY_MIN(size_t{64}, p.group - n % p.group), s.cols - j);
    const size_t word = n / p.group * GroupWords(p.group) + n % p.group / 64;
    const Windows windows{args.pos_lo + n, args.pos_hi + n, args.neg_lo + n,
                          args.neg_hi + n};
    for (size_t r = 0; r < s.rows; ++r) {
      StoreWord(
          p, s.row + r, word,
          WindowWord(RowAt<int32_t>(s.strip, s.stride, r) + j, windows, width));
    }
    j += width;
  }
}

// Columns of one group: fl(acc * scale) [+ bias].
template <bool kBias>
struct ScaledRow {
  const int32_t* acc;
  const float* scale;
  const float* bias;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    const DF d;
    for (size_t v = 0; v < kVecs; ++v) {
      const size_t j = column + v * kLanes;
      y[v] = hn::Mul(hn::ConvertTo(d, hn::LoadU(DI(), acc + j)),
                     hn::LoadU(d, scale + j));
      if constexpr (kBias) y[v] = hn::Add(y[v], hn::LoadU(d, bias + j));
    }
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    HWY_ALIGN int32_t integers[kBlock];
    HWY_ALIGN float block[2][kBlock];
    PadIntegers(acc + column, count, integers);
    PadBlock(scale + column, count, 0.0f, block[0]);
    if constexpr (kBias) PadBlock(bias + column, count, 0.0f, block[1]);
    ScaledRow{integers, block[0], block[1]}.Load(0, y);
  }
};

// Codes of one group of one row.
template <class Loader>
HWY_INLINE void StoreGroup(const EpilogueArgs& args, size_t row, size_t group,
                           size_t columns, const Loader& loader,
                           const RowMoments& moments, const SignQuantiser& q) {
  const NormedRow<Loader> normed{loader, args.gamma, args.beta, moments};
  const size_t words = GroupWords(columns);
  for (size_t w = 0; w < words; ++w) {
    const size_t width = HWY_MIN(size_t{64}, columns - w * 64);
    StoreWord(args.codes, row, group * words + w,
              WordCodes(normed, w * 64, width, q));
  }
}

constexpr size_t kRowBlock = 32;

// One group of at most kRowBlock rows: all moments first, since their chains of
// dependent operations overlap only with each other. kGroup: columns per group,
// 0 = as the planes say; a constant lets the compiler unroll.
template <bool kBias, size_t kGroup>
void GroupNormBlock(const EpilogueArgs& args, const EpilogueStrip& s,
                    size_t first, const SignQuantiser& q) {
  const size_t columns = kGroup != 0 ? kGroup : args.codes.group;
  const size_t n = s.col + first;
  const auto row = [&](size_t r) -> ScaledRow<kBias> {
    return {RowAt<int32_t>(s.strip, s.stride, r) + first, args.scale + n,
            kBias ? args.bias + n : nullptr};
  };
  RowMoments moments[kRowBlock];
  size_t r = 0;
  for (; r + kMomentRows <= s.rows; r += kMomentRows) {
    const ScaledRow<kBias> rows[] = {row(r), row(r + 1), row(r + 2),
                                     row(r + 3)};
    Moments4(rows, columns, args.epsilon, moments + r);
  }
  for (; r < s.rows; ++r) moments[r] = Moments(row(r), columns, args.epsilon);
  for (r = 0; r < s.rows; ++r)
    StoreGroup(args, s.row + r, n / columns, columns, row(r), moments[r], q);
}

template <bool kBias, size_t kGroup>
void GroupNormRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  const size_t columns = kGroup != 0 ? kGroup : args.codes.group;
  for (size_t j = 0; j < s.cols; j += columns) {
    const SignQuantiser q =
        MakeSignQuantiser(args.a, args.z, (s.col + j) / columns);
    for (size_t r = 0; r < s.rows; r += kRowBlock) {
      const size_t rows = HWY_MIN(kRowBlock, s.rows - r);
      GroupNormBlock<kBias, kGroup>(args,
                                    {RowAt<char>(s.strip, s.stride, r),
                                     s.stride, s.row + r, rows, s.col, s.cols},
                                    j, q);
    }
  }
}

// Older CPUs do without the unrolled copy: 20 KB of the library.
template <bool kBias>
void GroupNormKind(const EpilogueArgs& args, const EpilogueStrip& s) {
#if HWY_TARGET != HWY_SSE4 && HWY_TARGET != HWY_SCALAR
  if (args.codes.group == 64) return GroupNormRows<kBias, 64>(args, s);
#endif
  GroupNormRows<kBias, 0>(args, s);
}

void GroupNormSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  args.bias == nullptr ? GroupNormKind<false>(args, s)
                       : GroupNormKind<true>(args, s);
}

constexpr size_t kNormFloats = 32 * 64;  // 8 KB
static_assert(kNormFloats >= kMaxNormGroup);

// fl(acc' * scale) [+ bias] of columns [first, first + cols) of a strip's rows,
// to `y`, row after row.
HWY_NOINLINE void FinishFloats(const EpilogueArgs& args, const EpilogueStrip& s,
                               size_t first, size_t cols,
                               float* HWY_RESTRICT y) {
  const DF d;
  const DI di;
  const size_t n = s.col + first;
  const int32_t* correction = args.correction;
  const float *scale = args.scale + n, *bias = args.bias;
  if (correction != nullptr) correction += n;
  if (bias != nullptr) bias += n;
  for (size_t r = 0; r < s.rows; ++r, y += cols) {
    const int32_t* acc = RowAt<int32_t>(s.strip, s.stride, r) + first;
    size_t j = 0;
    for (; j + kLanes <= cols; j += kLanes) {
      VI x = hn::LoadU(di, acc + j);
      if (correction != nullptr) x = hn::Add(x, hn::LoadU(di, correction + j));
      VF v = hn::Mul(hn::ConvertTo(d, x), hn::LoadU(d, scale + j));
      if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + j));
      hn::StoreU(v, d, y + j);
    }
    for (; j < cols; ++j) {
      const int32_t x = correction != nullptr ? acc[j] + correction[j] : acc[j];
      const float v = static_cast<float>(x) * scale[j];
      y[j] = bias != nullptr ? v + bias[j] : v;
    }
  }
}

// Block by block of as many rows of one group as the floats have room for.
void GroupNormBytes(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const size_t columns = args.norm_group;
  const size_t most = HWY_MIN(kRowBlock, kNormFloats / columns);
  HWY_ALIGN float y[kNormFloats];
  ByteArgs bytes;
  bytes.x = y;
  bytes.x_stride = static_cast<ptrdiff_t>(columns * sizeof(float));
  bytes.source = ByteSource::kLayerNorm;
  bytes.gamma = args.gamma;
  bytes.beta = args.beta;
  bytes.epsilon = args.epsilon;
  for (size_t j = 0; j < s.cols; j += columns) {
    const size_t n = s.col + j;
    bytes.quantiser = args.quantiser;
    if (bytes.quantiser.per == ScalePer::kColumn) {
      bytes.quantiser.scale += n;
      if (bytes.quantiser.zero != nullptr) bytes.quantiser.zero += n;
    }
    for (size_t r = 0; r < s.rows; r += most) {
      const size_t rows = HWY_MIN(most, s.rows - r);
      FinishFloats(args,
                   {RowAt<char>(s.strip, s.stride, r), s.stride, s.row + r,
                    rows, s.col, s.cols},
                   j, columns, y);
      bytes.codes = {RowAt(args.bytes.data, args.bytes.stride, s.row + r) + n,
                     args.bytes.stride, rows, columns};
      args.norm_bytes->quantize(bytes, 0, rows);
    }
  }
}

// Number of thresholds that 16 channels pass, as codes; pointers at the first
// of them.
struct ThresholdBlock {
  const int32_t* flip;
  const int32_t* thresholds;
  size_t stride;  // elements between thresholds of a channel
  const int32_t* correction;
  const int32_t* column_term;
};

HWY_INLINE void ThresholdCodes(const int32_t* acc, const ThresholdBlock& b,
                               const EpilogueArgs& args, size_t row,
                               const ByteStore& store, uint8_t* out) {
  const DI d;
  VI x[kVecs], count[kVecs];
  for (size_t v = 0; v < kVecs; ++v) {
    const size_t j = v * kLanes;
    x[v] = hn::LoadU(d, acc + j);
    if (b.correction != nullptr)
      x[v] = hn::Add(x[v], hn::LoadU(d, b.correction + j));
    if (b.column_term != nullptr) {
      x[v] = hn::Add(x[v], hn::Mul(hn::Set(d, args.row_term[row]),
                                   hn::LoadU(d, b.column_term + j)));
    }
    x[v] = hn::Xor(x[v], hn::LoadU(d, b.flip + j));
    count[v] = hn::Zero(d);
  }
  const int32_t* HWY_RESTRICT threshold = b.thresholds;
  for (size_t t = 0; t < args.threshold_count; ++t, threshold += b.stride) {
    for (size_t v = 0; v < kVecs; ++v) {
      const VI passed = hn::VecFromMask(
          d, hn::Gt(x[v], hn::LoadU(d, threshold + v * kLanes)));
      count[v] = hn::Sub(count[v], passed);
    }
  }
  store(count, out);
}

// 16 channels of all rows where nothing is added to their sums and one or two
// thresholds are to pass, which then stay in registers.
void FewThresholds(const EpilogueArgs& args, const EpilogueStrip& s, size_t j,
                   const ByteStore& store) {
  const DI d;
  const size_t n = s.col + j;
  VI flip[kVecs], first[kVecs], second[kVecs];
  for (size_t v = 0; v < kVecs; ++v) {
    const size_t at = n + v * kLanes;
    flip[v] = hn::LoadU(d, args.flip + at);
    first[v] = hn::LoadU(d, args.thresholds + at);
    second[v] = args.threshold_count == 2
                    ? hn::LoadU(d, args.thresholds + args.channels + at)
                    : hn::Set(d, INT32_MAX);
  }
  for (size_t r = 0; r < s.rows; ++r) {
    const int32_t* acc = RowAt<int32_t>(s.strip, s.stride, r) + j;
    VI count[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      const VI x = hn::Xor(hn::LoadU(d, acc + v * kLanes), flip[v]);
      count[v] =
          hn::Sub(hn::Sub(hn::Zero(d), hn::VecFromMask(d, hn::Gt(x, first[v]))),
                  hn::VecFromMask(d, hn::Gt(x, second[v])));
    }
    store(count, RowAt(args.bytes.data, args.bytes.stride, s.row + r) + n);
  }
}

// The last count < 16 channels of a strip, from padded copies.
void ThresholdTail(const EpilogueArgs& args, const EpilogueStrip& s, size_t j,
                   const ByteStore& store) {
  const size_t n = s.col + j, count = s.cols - j;
  HWY_ALIGN int32_t block[4][kBlock];
  HWY_ALIGN int32_t thresholds[255 * kBlock];
  ThresholdBlock b{block[0], thresholds, kBlock, nullptr, nullptr};
  PadIntegers(args.flip + n, count, block[0]);
  if (args.correction != nullptr) {
    PadIntegers(args.correction + n, count, block[1]);
    b.correction = block[1];
  }
  if (args.row_term != nullptr) {
    PadIntegers(args.column_term + n, count, block[2]);
    b.column_term = block[2];
  }
  for (size_t t = 0; t < args.threshold_count; ++t) {
    PadIntegers(args.thresholds + t * args.channels + n, count,
                thresholds + t * kBlock);
  }
  uint8_t codes[kBlock];
  for (size_t r = 0; r < s.rows; ++r) {
    PadIntegers(RowAt<int32_t>(s.strip, s.stride, r) + j, count, block[3]);
    ThresholdCodes(block[3], b, args, s.row + r, store, codes);
    memcpy(RowAt(args.bytes.data, args.bytes.stride, s.row + r) + n, codes,
           count);
  }
}

void ThresholdBytes(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const ByteStore store = MakeByteStore(args.quantiser);
  const auto at = [](const int32_t* x, size_t n) {
    return x != nullptr ? x + n : nullptr;
  };
  const bool few = args.threshold_count - 1 < 2 && args.correction == nullptr &&
                   args.row_term == nullptr;
  size_t j = 0;
  for (; j + kBlock <= s.cols; j += kBlock) {
    const size_t n = s.col + j;
    if (few) {
      FewThresholds(args, s, j, store);
      continue;
    }
    const ThresholdBlock b{
        args.flip + n, at(args.thresholds, n), args.channels,
        at(args.correction, n),
        args.row_term != nullptr ? args.column_term + n : nullptr};
    for (size_t r = 0; r < s.rows; ++r) {
      ThresholdCodes(RowAt<int32_t>(s.strip, s.stride, r) + j, b, args,
                     s.row + r, store,
                     RowAt(args.bytes.data, args.bytes.stride, s.row + r) + n);
    }
  }
  if (j < s.cols) ThresholdTail(args, s, j, store);
}

}  // namespace

const EpilogueKernel* EpilogueHwyKernels() {
  static constexpr EpilogueKernel kKernels[] = {
      {"store_i32/hwy", EpilogueKind::kStoreI32, &StoreI32, false},
      {"threshold_bytes/hwy", EpilogueKind::kThresholdBytes, &ThresholdBytes,
       false},
      {"window_sign/hwy", EpilogueKind::kWindowSign, &WindowSign, false},
      {"group_norm_sign/hwy", EpilogueKind::kGroupNormSign, &GroupNormSign,
       false},
      {"group_norm_bytes/hwy", EpilogueKind::kGroupNormBytes, &GroupNormBytes,
       false},
  };
  return kKernels;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(EpilogueHwyKernels);

std::span<const EpilogueKernel> EpilogueHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(EpilogueHwyKernels, cpu)(), 5};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
