// Output pixels by a direct kernel: a strip of pixels is split into runs that
// lose the same taps to the padding, and every run goes over the taps that are
// left.
#include <algorithm>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/conv/walk.h"
#include "kernels/conv/window.h"

namespace bittern::kernels {
namespace {

// Outputs of one axis whose windows lose no tap: [begin, end).
struct Interior {
  size_t begin, end;
};

Interior InteriorOf(const ConvAxis& a) {
  const size_t reach = (a.kernel - 1) * a.dilation + 1;
  if (a.in + a.pad < reach) return {a.out, a.out};
  const size_t begin = std::min(a.out, CeilDiv(a.pad, a.stride)),
               end = std::min(a.out, (a.in + a.pad - reach) / a.stride + 1);
  return {begin, std::max(begin, end)};
}

bool SameTaps(const TapRange& a, const TapRange& b) {
  return a.begin == b.begin && a.end == b.end;
}

class Walker {
 public:
  Walker(const ConvPlan& plan, const ConvRun& run, void* scratch)
      : plan_(plan),
        kernel_(*plan.kernel.direct),
        g_(plan.query.geometry),
        run_(run),
        scratch_(static_cast<uint8_t*>(scratch)),
        inside_(InteriorOf(g_.w)),
        steps_(CeilDiv(g_.ic, kernel_.k_step)),
        pixel_bytes_(DirectPixelBytes(kernel_, g_.ic)) {
    joined_ = g_.w.dilation == 1 && JoinsTaps(kernel_, g_.ic);
    pixels_ = reinterpret_cast<DirectPixel*>(scratch_ + plan.part_at[kPixels]);
    runs_ = reinterpret_cast<TapRun*>(scratch_ + plan.part_at[kTapRuns]);
  }

  void Rows(size_t begin, size_t end) {
    const size_t band = kernel_.pack_image != nullptr
                            ? plan_.block_rows * g_.w.out
                            : end - begin;
    for (size_t pixel = begin; pixel < end;) {
      // Bands end with an output row.
      const size_t last =
          kernel_.pack_image != nullptr
              ? std::min(end, pixel / g_.w.out * g_.w.out + band)
              : end;
      OpenBand(pixel / g_.w.out, (last - 1) / g_.w.out);
      while (pixel < last) {
        const size_t left = last - pixel;
        const size_t count = std::min(left, plan_.strip_rows);
        Strip(pixel, count);
        pixel += count;
      }
    }
  }

 private:
  // Input rows that output rows [first, last] see: packed, and searched for
  // zeros.
  void OpenBand(size_t first, size_t last) {
    const CodePlanes& planes = run_.image.planes;
    const TapRange top = TapsInside(g_.h, first), end = TapsInside(g_.h, last);
    const auto in = static_cast<ptrdiff_t>(g_.h.in);
    const ptrdiff_t reach =
        static_cast<ptrdiff_t>((g_.h.kernel - 1) * g_.h.dilation) + 1;
    const auto row0 = static_cast<size_t>(std::clamp<ptrdiff_t>(top.at, 0, in)),
               row1 = static_cast<size_t>(
                   std::clamp<ptrdiff_t>(end.at + reach, 0, in));
    uint8_t* zeros = scratch_ + plan_.part_at[kRowFlags];
    const auto ic = static_cast<int32_t>(g_.ic);
    for (size_t y = row0; y < row1; ++y) {
      const int32_t* count = planes.valid_count + y * g_.w.in;
      int32_t different = 0;
      for (size_t x = 0; x < g_.w.in; ++x) different |= count[x] ^ ic;
      zeros[y] = different != 0;
    }
    first_row_ = 0;
    image_ = reinterpret_cast<const uint8_t*>(planes.sign);
    valid_after_ =
        static_cast<ptrdiff_t>(reinterpret_cast<uintptr_t>(planes.valid) -
                               reinterpret_cast<uintptr_t>(planes.sign));
    if (kernel_.pack_image != nullptr && row1 > row0) {
      uint8_t* packed = scratch_ + plan_.part_at[kImage];
      kernel_.pack_image(planes, row0 * g_.w.in, (row1 - row0) * g_.w.in,
                         packed);
      image_ = packed;
      first_row_ = row0;
    }
  }

  // Whether input rows of these taps have a zero code.
  bool HasZeros(const TapRange& h) const {
    const uint8_t* zeros = scratch_ + plan_.part_at[kRowFlags];
    bool any = false;
    for (size_t t = h.begin; t < h.end; ++t)
      any |= zeros[h.at + static_cast<ptrdiff_t>(t * g_.h.dilation)] != 0;
    return any;
  }

  int32_t CountWindow(const TapRange& h, const TapRange& w) const {
    int32_t count = 0;
    for (size_t ky = h.begin; ky < h.end; ++ky) {
      const ptrdiff_t row =
          (h.at + static_cast<ptrdiff_t>(ky * g_.h.dilation)) *
          static_cast<ptrdiff_t>(g_.w.in);
      for (size_t kx = w.begin; kx < w.end; ++kx) {
        count += run_.image.planes
                     .valid_count[row + w.at +
                                  static_cast<ptrdiff_t>(kx * g_.w.dilation)];
      }
    }
    return count;
  }

  // Adds the pixels [begin, end) x columns [x, x_end) of output row oy that lie
  // in the strip to the last run.
  void AddPixels(size_t oy, size_t x, size_t x_end, const TapRange& h,
                 bool masked) {
    TapRun& run = runs_[run_count_ - 1];
    TapRange w = TapsInside(g_.w, x);
    const auto pixel_bytes = static_cast<ptrdiff_t>(pixel_bytes_);
    const ptrdiff_t y = h.at + static_cast<ptrdiff_t>(h.begin * g_.h.dilation) -
                        static_cast<ptrdiff_t>(first_row_);
    ptrdiff_t at = (y * static_cast<ptrdiff_t>(g_.w.in) + w.at +
                    static_cast<ptrdiff_t>(w.begin * g_.w.dilation)) *
                   pixel_bytes;
    const ptrdiff_t step = static_cast<ptrdiff_t>(g_.w.stride) * pixel_bytes;
    const auto full =
        static_cast<int32_t>((h.end - h.begin) * (w.end - w.begin) * g_.ic);
    DirectPixel* out = pixels_ + pixel_count_;
    auto row = static_cast<uint32_t>(oy * g_.w.out + x - strip_begin_);
    pixel_count_ += x_end - x;
    run.count += x_end - x;
    for (; x < x_end; ++x, at += step) {
      *out++ = {at, masked ? CountWindow(h, TapsInside(g_.w, x)) : full, row++};
    }
  }

  // Output rows [oy, oy_end) have the taps h; columns [x, x_end) the taps w.
  void AddRun(size_t oy, size_t oy_end, size_t x, size_t x_end,
              size_t strip_end) {
    const TapRange h = TapsInside(g_.h, oy), w = TapsInside(g_.w, x);
    runs_[run_count_++] = {h.begin,      h.end, w.begin, w.end,
                           pixel_count_, 0,     false};
    TapRun& run = runs_[run_count_ - 1];
    for (; oy < oy_end; ++oy) {
      const size_t row = oy * g_.w.out;
      const size_t from =
                       std::max(x, strip_begin_ - std::min(row, strip_begin_)),
                   to = std::min(x_end, strip_end - row);
      if (from >= to) continue;
      const TapRange taps = TapsInside(g_.h, oy);
      const bool masked = HasZeros(taps);
      run.masked |= masked;
      AddPixels(oy, from, to, taps, masked);
    }
    if (run.count == 0) --run_count_;
  }

  void FindRuns(size_t strip_end) {
    run_count_ = pixel_count_ = 0;
    const size_t last = (strip_end - 1) / g_.w.out;
    for (size_t oy = strip_begin_ / g_.w.out; oy <= last;) {
      const TapRange h = TapsInside(g_.h, oy);
      size_t oy_end = oy + 1;
      while (oy_end <= last && SameTaps(TapsInside(g_.h, oy_end), h)) ++oy_end;
      for (size_t x = 0; x < g_.w.out;) {
        const size_t x_end =
            x == inside_.begin && x < inside_.end ? inside_.end : x + 1;
        AddRun(oy, oy_end, x, x_end, strip_end);
        x = x_end;
      }
      oy = oy_end;
    }
  }

  // One tile of channels of one run.
  void Tile(const TapRun& run, size_t tile, size_t cols, int32_t* strip) const {
    const size_t taps_w = run.w_end - run.w_begin,
                 tap_bytes = steps_ * kernel_.filter_bytes,
                 taps = g_.h.kernel * g_.w.kernel;
    if (run.h_begin == run.h_end || taps_w == 0) {
      for (size_t i = 0; i < run.count; ++i) {
        std::memset(strip + pixels_[run.first + i].row * plan_.strip_cols, 0,
                    kernel_.nr * sizeof(int32_t));
      }
      return;
    }
    const auto pixel = static_cast<ptrdiff_t>(pixel_bytes_);
    kernel_.run({image_, valid_after_, run.masked,
                 static_cast<const uint8_t*>(run_.filters) +
                     (tile * taps + run.h_begin * g_.w.kernel + run.w_begin) *
                         tap_bytes,
                 run.h_end - run.h_begin, joined_ ? 1 : taps_w,
                 joined_ ? taps_w * steps_ : steps_,
                 pixel * static_cast<ptrdiff_t>(g_.w.in * g_.h.dilation),
                 pixel * static_cast<ptrdiff_t>(g_.w.dilation),
                 g_.w.kernel * tap_bytes, tap_bytes, pixels_ + run.first,
                 run.count, cols, strip, plan_.strip_cols});
  }

  void Strip(size_t pixel, size_t count) {
    strip_begin_ = pixel;
    FindRuns(pixel + count);
    auto* strip = reinterpret_cast<int32_t*>(scratch_);
    for (size_t col = 0; col < g_.oc; col += plan_.strip_cols) {
      const size_t cols = std::min(plan_.strip_cols, g_.oc - col);
      for (size_t j = 0; j < cols; j += kernel_.nr) {
        for (size_t i = 0; i < run_count_; ++i) {
          Tile(runs_[i], (col + j) / kernel_.nr, std::min(kernel_.nr, cols - j),
               strip + j);
        }
      }
      RunEpilogues(
          plan_, run_,
          {scratch_, static_cast<ptrdiff_t>(plan_.strip_cols * sizeof(int32_t)),
           run_.first_row + pixel, count, col, cols});
    }
  }

  const ConvPlan& plan_;
  const DirectKernel& kernel_;
  const ConvGeometry& g_;
  const ConvRun& run_;
  uint8_t* scratch_;
  Interior inside_;
  size_t steps_, pixel_bytes_;  // of one tap; of the image that is read
  bool joined_;  // taps of a window row follow one another in memory
  DirectPixel* pixels_;
  TapRun* runs_;
  size_t run_count_ = 0, pixel_count_ = 0;
  size_t strip_begin_ = 0;
  // Of the band: input row at image_.
  size_t first_row_ = 0;
  const uint8_t* image_ = nullptr;
  ptrdiff_t valid_after_ = 0;
};

}  // namespace

void DirectRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept {
  Walker(plan, run, scratch).Rows(begin, end);
}

}  // namespace bittern::kernels
