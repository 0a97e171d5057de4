// Epilogues for every Highway target; y[r][j] as listed in epilogue.h, on a
// strip of accumulators that lies in L1. Float kinds walk rows; window_sign
// walks words of 64 channels (16 bound vectors serve all rows); group_norm_sign
// goes over a group's values three times and never stores a float.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/epilogue/epilogue_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/bits.h"
#include "kernels/base/sign-inl.h"
#include "kernels/epilogue/epilogue_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE const T* RowAt(const void* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) +
                                    static_cast<ptrdiff_t>(row) * stride);
}

template <class T>
HWY_INLINE T* RowAt(T* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<T*>(reinterpret_cast<char*>(base) +
                              static_cast<ptrdiff_t>(row) * stride);
}

void StoreI32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    memcpy(RowAt(args.out_i32, args.out_stride, s.row + r) + s.col,
           RowAt<int32_t>(s.strip, s.stride, r), s.cols * sizeof(int32_t));
  }
}

// One row of operands of the float kinds, already at the strip's first column.
struct FloatOperands {
  const void* acc;
  const float* scale;
  const float* bias;
  const float* residual;
};

template <bool kInteger, bool kBias, bool kResidual>
HWY_INLINE VF FloatVector(const FloatOperands& in, size_t j) {
  const DF d;
  VF y;
  if constexpr (kInteger) {
    const VI acc = hn::LoadU(DI(), static_cast<const int32_t*>(in.acc) + j);
    y = hn::Mul(hn::ConvertTo(d, acc), hn::LoadU(d, in.scale + j));
  } else {
    y = hn::LoadU(d, static_cast<const float*>(in.acc) + j);
  }
  if constexpr (kBias) y = hn::Add(y, hn::LoadU(d, in.bias + j));
  if constexpr (kResidual) y = hn::Add(hn::LoadU(d, in.residual + j), y);
  return Canonical(y);
}

template <bool kInteger, bool kBias, bool kResidual>
void FloatRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  const DF d;
  for (size_t r = 0; r < s.rows; ++r) {
    const FloatOperands in{
        RowAt<char>(s.strip, s.stride, r),
        kInteger ? args.scale + s.col : nullptr,
        kBias ? args.bias + s.col : nullptr,
        kResidual
            ? RowAt<float>(args.residual, args.residual_stride, s.row + r) +
                  s.col
            : nullptr};
    float* HWY_RESTRICT out =
        RowAt(args.out_f32, args.out_stride, s.row + r) + s.col;
    size_t j = 0;
    for (; j + kLanes <= s.cols; j += kLanes)
      hn::StoreU(FloatVector<kInteger, kBias, kResidual>(in, j), d, out + j);
    if (j == s.cols) continue;
    HWY_ALIGN float block[5][kBlock];
    const size_t rest = s.cols - j;
    PadBlock(static_cast<const float*>(in.acc) + j, rest, 0.0f, block[0]);
    if constexpr (kInteger) PadBlock(in.scale + j, rest, 0.0f, block[1]);
    if constexpr (kBias) PadBlock(in.bias + j, rest, 0.0f, block[2]);
    if constexpr (kResidual) PadBlock(in.residual + j, rest, 0.0f, block[3]);
    hn::Store(FloatVector<kInteger, kBias, kResidual>(
                  {block[0], block[1], block[2], block[3]}, 0),
              d, block[4]);
    memcpy(out + j, block[4], rest * sizeof(float));
  }
}

template <bool kInteger>
void FloatKind(const EpilogueArgs& args, const EpilogueStrip& s) {
  if (args.residual == nullptr) {
    return args.bias == nullptr ? FloatRows<kInteger, false, false>(args, s)
                                : FloatRows<kInteger, true, false>(args, s);
  }
  return args.bias == nullptr ? FloatRows<kInteger, false, true>(args, s)
                              : FloatRows<kInteger, true, true>(args, s);
}

void ScaleF32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  FloatKind<true>(args, s);
}
void FloatF32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  FloatKind<false>(args, s);
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

template <bool kBias>
void GroupNormKind(const EpilogueArgs& args, const EpilogueStrip& s) {
  args.codes.group == 64 ? GroupNormRows<kBias, 64>(args, s)
                         : GroupNormRows<kBias, 0>(args, s);
}

void GroupNormSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  args.bias == nullptr ? GroupNormKind<false>(args, s)
                       : GroupNormKind<true>(args, s);
}

}  // namespace

const EpilogueKernel* EpilogueHwyKernels() {
  static constexpr EpilogueKernel kKernels[] = {
      {"store_i32/hwy", EpilogueKind::kStoreI32, &StoreI32, false},
      {"scale_f32/hwy", EpilogueKind::kScaleF32, &ScaleF32, false},
      {"float_f32/hwy", EpilogueKind::kFloatF32, &FloatF32, false},
      {"window_sign/hwy", EpilogueKind::kWindowSign, &WindowSign, false},
      {"group_norm_sign/hwy", EpilogueKind::kGroupNormSign, &GroupNormSign,
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
