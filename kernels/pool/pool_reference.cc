// Plain loops: the definition that the other kernels of this family are tested
// against.
#include <limits>

#include "kernels/base/math_reference.h"
#include "kernels/pool/pool_kernels.h"

namespace bittern::kernels {
namespace {

// Values of a channel lie `step` floats apart.
float MaxOf(const float* plane, size_t width, size_t step, const PoolSpan& h,
            const PoolSpan& w) {
  float best = -std::numeric_limits<float>::infinity();
  for (size_t y = h.begin; y < h.end; ++y) {
    for (size_t x = w.begin; x < w.end; ++x) {
      const float value = plane[(y * width + x) * step];
      if (best == best && !(value <= best)) best = value;
    }
  }
  return best;
}

float SumOf(const float* plane, size_t width, size_t step, const PoolSpan& h,
            const PoolSpan& w) {
  float sum = 0;
  for (size_t y = h.begin; y < h.end; ++y) {
    for (size_t x = w.begin; x < w.end; ++x)
      sum = sum + plane[(y * width + x) * step];
  }
  return sum;
}

template <bool kMax>
float Pooled(const float* x, size_t width, size_t step, bool count_padding,
             const PoolSpan& rows, const PoolSpan& cols) {
  if (kMax) return CanonicalReference(MaxOf(x, width, step, rows, cols));
  const size_t count = count_padding
                           ? rows.padded_count * cols.padded_count
                           : (rows.end - rows.begin) * (cols.end - cols.begin);
  return CanonicalReference(SumOf(x, width, step, rows, cols) /
                            static_cast<float>(count));
}

template <bool kMax>
void PoolPlanes(const PlanePoolArgs& args, size_t plane,
                size_t planes) noexcept {
  const PoolAxis &h = args.h, &w = args.w;
  for (size_t p = plane; p < plane + planes; ++p) {
    const float* x = args.x + p * h.in * w.in;
    float* y = args.y + p * h.out * w.out;
    for (size_t i = 0; i < h.out * w.out; ++i) {
      y[i] = Pooled<kMax>(x, w.in, 1, args.count_padding, SpanOf(h, i / w.out),
                          SpanOf(w, i % w.out));
    }
  }
}

template <bool kMax>
void PoolPixels(const PixelPoolArgs& args, size_t pixel,
                size_t pixels) noexcept {
  const PoolAxis &h = args.h, &w = args.w;
  const size_t channels = args.channels, all = h.out * w.out;
  for (size_t i = pixel; i < pixel + pixels; ++i) {
    for (size_t c = 0; c < channels; ++c) {
      args.y[i * channels + c] = Pooled<kMax>(
          args.x + i / all * h.in * w.in * channels + c, w.in, channels,
          args.count_padding, SpanOf(h, i % all / w.out), SpanOf(w, i % w.out));
    }
  }
}

void MaxBytes(const BytePoolArgs& args, size_t row, size_t rows) noexcept {
  const PoolAxis &h = args.h, &w = args.w;
  const auto order = [&](uint8_t code) {
    return args.is_signed ? static_cast<int8_t>(code) : int{code};
  };
  for (size_t r = row; r < row + rows; ++r) {
    const size_t image = r / (h.out * w.out), pixel = r % (h.out * w.out);
    const PoolSpan ys = SpanOf(h, pixel / w.out), xs = SpanOf(w, pixel % w.out);
    const auto at = [&](size_t y, size_t x, size_t c) {
      const size_t source = (image * h.in + y) * w.in + x;
      return args.x.data[static_cast<ptrdiff_t>(source) * args.x.stride +
                         static_cast<ptrdiff_t>(c)];
    };
    for (size_t c = 0; c < args.x.cols; ++c) {
      uint8_t best = at(ys.begin, xs.begin, c);
      for (size_t y = ys.begin; y < ys.end; ++y) {
        for (size_t x = xs.begin; x < xs.end; ++x) {
          if (order(at(y, x, c)) > order(best)) best = at(y, x, c);
        }
      }
      args.y.data[static_cast<ptrdiff_t>(r) * args.y.stride +
                  static_cast<ptrdiff_t>(c)] = best;
    }
  }
}

constexpr PoolKernel kKernels[] = {{"pool/reference", &PoolPlanes<true>,
                                    &PoolPlanes<false>, &PoolPixels<true>,
                                    &PoolPixels<false>, &MaxBytes, true}};

}  // namespace

std::span<const PoolKernel> PoolReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
