// Output pixels by a kernel for scaled channels: every padded row of the image
// that a window sees becomes lines of quads, one for each output column, in a
// ring of as many rows as a window spans; each is made once. Pixels of an
// output row are rows of the strip.
#include <algorithm>
#include <cstring>

#include "kernels/base/code_matrix.h"
#include "kernels/conv/walk.h"

namespace bittern::kernels {
namespace {

class Walker {
 public:
  Walker(const ConvPlan& plan, const ConvRun& run, uint8_t* scratch)
      : plan_(plan),
        kernel_(*plan.kernel.scaled),
        g_(plan.query.geometry),
        run_(run),
        rows_(Reach(g_.h, 1)),
        quads_(QuadsOf(g_.w.kernel)),
        pixel_(quads_ * g_.ic * kQuad),
        scratch_(scratch),
        ring_(scratch + plan.part_at[kRing]),
        pads_(scratch + plan.part_at[kPads]),
        lines_(
            reinterpret_cast<const uint8_t**>(scratch + plan.part_at[kLines])) {
    const bool is_signed = RangeOf(plan.query.types.activations).lo < 0;
    flip_ = is_signed == kernel_.signed_quads ? 0 : 0x80;
    if (run.image.pads != nullptr) {
      std::memcpy(pads_, run.image.pads, g_.ic);
    } else {
      std::memset(pads_, run.image.pad, g_.ic);
    }
  }

  void Rows(size_t begin, size_t end) {
    filled_ = begin / g_.w.out * g_.h.stride;
    for (size_t pixel = begin; pixel < end;) {
      const size_t y = pixel / g_.w.out,
                   stop = std::min(end, (y + 1) * g_.w.out);
      FillRing(y * g_.h.stride);
      for (; pixel < stop;) {
        const size_t count = std::min(plan_.strip_rows, stop - pixel);
        Strip(y, pixel, count);
        pixel += count;
      }
    }
  }

 private:
  uint8_t* RingRow(size_t row) const {
    return ring_ + row % rows_ * g_.w.out * pixel_;
  }

  // Rows [first, first + rows_) from the first padding on, but those there.
  void FillRing(size_t first) {
    for (size_t row = std::max(filled_, first); row < first + rows_; ++row)
      FillRow(row, RingRow(row));
    filled_ = first + rows_;
  }

  void FillRow(size_t row, uint8_t* out) const {
    const size_t y = row - g_.h.pad;  // past the end where it would be negative
    const auto stride = static_cast<size_t>(run_.image.stride);
    const auto* image = static_cast<const uint8_t*>(run_.image.data);
    const auto tap_at = [&](size_t column, size_t tap) {
      const size_t x = column * g_.w.stride + tap * g_.w.dilation - g_.w.pad;
      const bool inside = tap < g_.w.kernel && y < g_.h.in && x < g_.w.in;
      return inside ? image + (y * g_.w.in + x) * stride : pads_;
    };
    for (size_t column = 0; column < g_.w.out; ++column) {
      for (size_t tap = 0; tap < quads_ * kQuad; tap += kQuad) {
        const uint8_t* taps[kQuad] = {
            tap_at(column, tap), tap_at(column, tap + 1),
            tap_at(column, tap + 2), tap_at(column, tap + 3)};
        kernel_.make_quads(taps, flip_, g_.ic, out);
        out += g_.ic * kQuad;
      }
    }
  }

  // Pixels [pixel, pixel + count) of output row y.
  void Strip(size_t y, size_t pixel, size_t count) {
    const size_t lines = g_.h.kernel * quads_;
    for (size_t l = 0; l < lines; ++l) {
      lines_[l] = RingRow(y * g_.h.stride + l / quads_ * g_.h.dilation) +
                  pixel % g_.w.out * pixel_ + l % quads_ * g_.ic * kQuad;
    }
    auto* strip = reinterpret_cast<float*>(scratch_);
    for (size_t col = 0; col < g_.oc; col += plan_.strip_cols) {
      const size_t cols = std::min(plan_.strip_cols, g_.oc - col);
      for (size_t j = 0; j < cols; j += kernel_.nr) {
        const size_t tile_bytes = kernel_.nr * g_.ic * lines * kQuad;
        kernel_.run({lines_, lines, static_cast<ptrdiff_t>(pixel_),
                     run_.channel_scale, g_.ic,
                     static_cast<const int8_t*>(run_.filters) +
                         (col + j) / kernel_.nr * tile_bytes,
                     count, strip + j, plan_.strip_cols});
      }
      RunEpilogues(
          plan_, run_,
          {scratch_, static_cast<ptrdiff_t>(plan_.strip_cols * sizeof(float)),
           run_.first_row + pixel, count, col, cols});
    }
  }

  const ConvPlan& plan_;
  const ScaledKernel& kernel_;
  const ConvGeometry& g_;
  const ConvRun& run_;
  size_t rows_, quads_, pixel_;  // of a window; of its row; bytes of a pixel
  uint8_t* scratch_;
  uint8_t *ring_, *pads_;
  const uint8_t** lines_;
  uint8_t flip_;
  size_t filled_ = 0;  // rows below it are in the ring, or gone
};

}  // namespace

void ScaledRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept {
  Walker(plan, run, static_cast<uint8_t*>(scratch)).Rows(begin, end);
}

}  // namespace bittern::kernels
