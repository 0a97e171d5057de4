// Pooling for every Highway target.
// Planes: y[r][o] = f over taps (i, j) of x[r * sh + i - ph][o * sw + j - pw].
// A line of x is padded and split by column mod sw into phases, so that tap j
// of 16 outputs is one contiguous load from phase j mod sw; the taps are taken
// in row-major order, which fixes sums, NaNs and zeros.
// Pixels and bytes: lanes are channels; a pixel's taps are rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool/pool_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/math-inl.h"
#include "kernels/pool/pool_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

struct MaxFn {
  static HWY_INLINE VF Padding() {
    return hn::BitCast(DF(), hn::Set(DI(), static_cast<int32_t>(0xff800000)));
  }
  // A NaN wins, and stays.
  static HWY_INLINE VF Combine(VF best, VF x) {
    const VF larger = hn::IfThenElse(hn::Le(x, best), best, x);
    return hn::IfThenElse(hn::Eq(best, best), larger, best);
  }
};

struct SumFn {
  static HWY_INLINE VF Padding() { return hn::Zero(DF()); }
  static HWY_INLINE VF Combine(VF sum, VF x) { return hn::Add(sum, x); }
};

// Columns of parity q of the line: element `at` + m of a phase is column 2 * m
// + q. Stride 2, the most usual one.
struct Half {
  float* at;
  size_t end;  // elements of the phase from `at` on

  Half(const PoolAxis& w, float* phases, size_t width, size_t q) {
    const size_t column = q + w.pad_before, p = column % 2;
    at = phases + p * width + column / 2;
    end = width - column / 2;
  }
};

void SplitLine2(const float* line, const PoolAxis& w, size_t width,
                float* phases) {
  const DF d;
  const Half even(w, phases, width, 0), odd(w, phases, width, 1);
  const size_t end = HWY_MIN(even.end, odd.end);
  size_t m = 0;
  for (; 2 * (m + kLanes) <= w.in && m + kLanes <= end; m += kLanes) {
    VF v0, v1;
    hn::LoadInterleaved2(d, line + 2 * m, v0, v1);
    hn::StoreU(v0, d, even.at + m);
    hn::StoreU(v1, d, odd.at + m);
  }
  for (; 2 * m < w.in; ++m) {
    if (m < even.end) even.at[m] = line[2 * m];
    if (m < odd.end && 2 * m + 1 < w.in) odd.at[m] = line[2 * m + 1];
  }
}

// Element i of phase p: column i * stride + p - pad_before of the line.
void SplitLine(const float* line, const PoolAxis& w, size_t width,
               float* phases) {
  if (w.stride == 1) {
    const size_t room = width - w.pad_before;
    memcpy(phases + w.pad_before, line, HWY_MIN(w.in, room) * sizeof(float));
    return;
  }
  if (w.stride == 2) return SplitLine2(line, w, width, phases);
  for (size_t p = 0; p < w.stride; ++p) {
    float* HWY_RESTRICT phase = phases + p * width;
    const size_t before = w.pad_before > p ? w.pad_before - p : 0;
    size_t i = (before + w.stride - 1) / w.stride;
    for (size_t column = i * w.stride + p - w.pad_before;
         column < w.in && i < width; ++i, column += w.stride)
      phase[i] = line[column];
  }
}

HWY_INLINE float CountOf(const PoolSpan& span, bool padding) {
  return static_cast<float>(padding ? span.padded_count
                                    : span.end - span.begin);
}

// The scratch memory: the split lines of one window, line y in slot y mod
// h.kernel, so that each line of a plane is split once; then the counts.
struct Lines {
  const PoolAxis &h, &w;
  size_t width;  // of a phase; kept, as it takes a division
  size_t slot_size;
  float* slots;
  float* counts;    // of each output's columns, 1 past the last
  size_t end = 0;   // lines of the plane before this one are split
  size_t slot = 0;  // end mod h.kernel

  explicit Lines(const PlanePoolArgs& args)
      : h(args.h),
        w(args.w),
        width(PoolPhaseWidth(w)),
        slot_size(w.stride * width),
        slots(args.scratch),
        counts(slots + h.kernel * slot_size) {}

  // Of the line after the one in `i`.
  HWY_INLINE size_t Next(size_t i) const {
    return i + 1 == h.kernel ? 0 : i + 1;
  }
  // Splits what is missing of lines [begin, stop); the slot of line begin.
  size_t Split(const float* plane, size_t begin, size_t stop) {
    for (; end < stop; ++end, slot = Next(slot)) {
      if (end >= begin)
        SplitLine(plane + end * w.in, w, width, slots + slot * slot_size);
    }
    return begin % h.kernel;
  }
};

struct MaxFinish {
  HWY_INLINE VF operator()(VF x, const float*, VF) const {
    return Canonical(x);
  }
};

// Counts are exact in fp32: windows have fewer than 2^24 elements.
struct MeanFinish {
  HWY_INLINE VF operator()(VF x, const float* counts, VF rows) const {
    return Canonical(hn::Div(x, hn::Mul(hn::Load(DF(), counts), rows)));
  }
};

HWY_INLINE void StoreSome(VF y, float* out, size_t count) {
  const DF d;
  if (HWY_LIKELY(count >= kLanes)) {
    hn::StoreU(y, d, out);
  } else {
    HWY_ALIGN float block[kBlock];
    hn::Store(y, d, block);
    memcpy(out, block, count * sizeof(float));
  }
}

// Outputs [o, o + kLanes) of a row, from `count` lines, the first in `slot`.
template <class Fn>
HWY_INLINE VF PoolVector(const Lines& lines, size_t slot, size_t count,
                         size_t o) {
  const size_t kernel = lines.w.kernel, stride = lines.w.stride;
  const size_t width = lines.width;
  VF result = Fn::Padding();
  for (size_t y = 0; y < count; ++y, slot = lines.Next(slot)) {
    const float* tap = lines.slots + slot * lines.slot_size + o;
    size_t phase = 0;
    for (size_t j = 0; j < kernel; ++j) {
      result = Fn::Combine(result, hn::LoadU(DF(), tap));
      tap += width;
      if (++phase == stride) {
        phase = 0;
        tap -= stride * width - 1;
      }
    }
  }
  return result;
}

template <class Fn, class Finish>
void PoolPlanes(const PlanePoolArgs& args, size_t plane,
                size_t planes) noexcept {
  const PoolAxis &h = args.h, &w = args.w;
  Lines lines(args);
  // The padding of the lines stays: SplitLine leaves it alone.
  for (size_t i = 0; i < h.kernel * lines.slot_size; i += kLanes)
    hn::Store(Fn::Padding(), DF(), lines.slots + i);
  for (size_t o = 0; o < (w.out + kBlock - 1) / kBlock * kBlock; ++o) {
    lines.counts[o] =
        o < w.out ? CountOf(SpanOf(w, o), args.count_padding) : 1.0f;
  }
  for (size_t p = plane; p < plane + planes; ++p) {
    lines.end = lines.slot = 0;
    for (size_t r = 0; r < h.out; ++r) {
      const PoolSpan rows = SpanOf(h, r);
      const size_t slot =
          lines.Split(args.x + p * h.in * w.in, rows.begin, rows.end);
      const VF count = hn::Set(DF(), CountOf(rows, args.count_padding));
      float* out = args.y + (p * h.out + r) * w.out;
      for (size_t o = 0; o < w.out; o += kLanes) {
        const VF y =
            Finish()(PoolVector<Fn>(lines, slot, rows.end - rows.begin, o),
                     lines.counts + o, count);
        StoreSome(y, out + o, w.out - o);
      }
    }
  }
}

struct PixelTaps {
  const float* first;
  size_t line, pixel;  // floats between them
  size_t lines, pixels;
};

// Floats ahead of a window to ask for: its rows are more streams than a CPU's
// own prefetchers follow (54 MB, 3x3 with stride 2: 4.9 -> 2.5 ms on Zen 5).
constexpr size_t kFloatsAhead = 1024;

// Pools channels [c, c + kVectors * kLanes) of a window.
template <class Fn, size_t kVectors>
HWY_INLINE void PoolChannels(const PixelTaps& t, size_t c, VF (&result)[4]) {
  for (size_t v = 0; v < kVectors; ++v) result[v] = Fn::Padding();
  for (size_t y = 0; y < t.lines; ++y) {
    const float* at = t.first + y * t.line + c;
    for (size_t x = 0; x < t.pixels; ++x, at += t.pixel) {
      for (size_t v = 0; v < kVectors; v += kVecs)
        __builtin_prefetch(at + v * kLanes + kFloatsAhead);
      for (size_t v = 0; v < kVectors; ++v) {
        result[v] = Fn::Combine(result[v], hn::LoadU(DF(), at + v * kLanes));
      }
    }
  }
}

template <class Finish>
HWY_INLINE void PoolTail(const PixelTaps& t, size_t c, size_t channels,
                         const Finish& finish, float* out) {
  using Fn = typename Finish::Fn;
  HWY_ALIGN float block[kBlock];
  for (; c < channels; c += kLanes) {
    const size_t count = HWY_MIN(kLanes, channels - c);
    VF result = Fn::Padding();
    for (size_t y = 0; y < t.lines; ++y) {
      for (size_t x = 0; x < t.pixels; ++x) {
        PadBlock(t.first + y * t.line + x * t.pixel + c, count, 0.0f, block);
        result = Fn::Combine(result, hn::Load(DF(), block));
      }
    }
    hn::Store(finish(result), DF(), block);
    memcpy(out + c, block, count * sizeof(float));
  }
}

struct MaxPixels {
  using Fn = MaxFn;
  explicit MaxPixels(float) {}
  HWY_INLINE VF operator()(VF x) const { return Canonical(x); }
};

struct MeanPixels {
  using Fn = SumFn;
  float count;
  explicit MeanPixels(float n) : count(n) {}
  HWY_INLINE VF operator()(VF x) const {
    return Canonical(hn::Div(x, hn::Set(DF(), count)));
  }
};

template <class Finish>
void PoolPixels(const PixelPoolArgs& args, size_t pixel,
                size_t pixels) noexcept {
  const DF d;
  const PoolAxis &h = args.h, &w = args.w;
  const size_t channels = args.channels, all = h.out * w.out;
  for (size_t p = pixel; p < pixel + pixels; ++p) {
    const PoolSpan rows = SpanOf(h, p % all / w.out),
                   cols = SpanOf(w, p % w.out);
    const size_t first = (p / all * h.in + rows.begin) * w.in + cols.begin;
    const PixelTaps taps{args.x + first * channels, w.in * channels, channels,
                         rows.end - rows.begin, cols.end - cols.begin};
    const Finish finish(CountOf(rows, args.count_padding) *
                        CountOf(cols, args.count_padding));
    float* out = args.y + p * channels;
    size_t c = 0;
    VF result[4];
    for (; c + 4 * kLanes <= channels; c += 4 * kLanes) {
      PoolChannels<typename Finish::Fn, 4>(taps, c, result);
      for (size_t v = 0; v < 4; ++v)
        hn::StoreU(finish(result[v]), d, out + c + v * kLanes);
    }
    for (; c + kLanes <= channels; c += kLanes) {
      PoolChannels<typename Finish::Fn, 1>(taps, c, result);
      hn::StoreU(finish(result[0]), d, out + c);
    }
    PoolTail(taps, c, channels, finish, out);
  }
}

// The pixel's window, and the bytes between its rows and pixels.
struct Window {
  const uint8_t* first;
  ptrdiff_t line, pixel;
  size_t lines, pixels;
};

template <class T, class D>
HWY_INLINE hn::Vec<D> MaxOfWindow(D d, const Window& w, size_t c) {
  const auto load = [d, c](const uint8_t* at) HWY_ATTR {
    return hn::LoadU(d, reinterpret_cast<const T*>(at) + c);
  };
  auto best = load(w.first);
  for (size_t y = 0; y < w.lines; ++y) {
    const uint8_t* at = w.first + static_cast<ptrdiff_t>(y) * w.line;
    for (size_t x = 0; x < w.pixels; ++x, at += w.pixel)
      best = hn::Max(best, load(at));
  }
  return best;
}

// Full vectors of channels, then single ones.
template <class T>
void MaxPixel(const Window& w, size_t channels, uint8_t* out) {
  const hn::CappedTag<T, 64> d;
  const hn::CappedTag<T, 1> d1;
  const size_t lanes = hn::Lanes(d);
  T* y = reinterpret_cast<T*>(out);
  size_t c = 0;
  for (; c + lanes <= channels; c += lanes)
    hn::StoreU(MaxOfWindow<T>(d, w, c), d, y + c);
  for (; c < channels; ++c) hn::StoreU(MaxOfWindow<T>(d1, w, c), d1, y + c);
}

void MaxBytes(const BytePoolArgs& args, size_t row, size_t rows) noexcept {
  const PoolAxis &h = args.h, &w = args.w;
  const size_t pixels = h.out * w.out;
  for (size_t r = row; r < row + rows; ++r) {
    const PoolSpan ys = SpanOf(h, r % pixels / w.out);
    const PoolSpan xs = SpanOf(w, r % w.out);
    const size_t source = (r / pixels * h.in + ys.begin) * w.in + xs.begin;
    const Window window{
        args.x.data + static_cast<ptrdiff_t>(source) * args.x.stride,
        static_cast<ptrdiff_t>(w.in) * args.x.stride, args.x.stride,
        ys.end - ys.begin, xs.end - xs.begin};
    uint8_t* out = args.y.data + static_cast<ptrdiff_t>(r) * args.y.stride;
    args.is_signed ? MaxPixel<int8_t>(window, args.x.cols, out)
                   : MaxPixel<uint8_t>(window, args.x.cols, out);
  }
}

}  // namespace

const PoolKernel* PoolHwyKernel() {
  static constexpr PoolKernel kKernel = {"pool/hwy",
                                         &PoolPlanes<MaxFn, MaxFinish>,
                                         &PoolPlanes<SumFn, MeanFinish>,
                                         &PoolPixels<MaxPixels>,
                                         &PoolPixels<MeanPixels>,
                                         &MaxBytes,
                                         false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(PoolHwyKernel);

std::span<const PoolKernel> PoolHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(PoolHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
