// Output pixels of fp32 images without copies of windows: the rows that some
// output rows look at are copied once, with their padding, into a band, and the
// GEMM kernel reads each window there by the offsets of its taps. Pixels of an
// output row are rows of the left operand, a stride of the convolution apart.
#include <algorithm>
#include <cstring>

#include "kernels/conv/walk.h"

namespace bittern::kernels {
namespace {

class Walker {
 public:
  Walker(const ConvPlan& plan, const ConvRun& run, uint8_t* scratch)
      : plan_(plan),
        g_(plan.query.geometry),
        run_(run),
        nchw_(plan.query.layout == PixelLayout::kNchw),
        width_(Reach(g_.w, g_.w.out)),
        lines_(Reach(g_.h, plan.block_rows)),
        scratch_(scratch),
        band_(reinterpret_cast<float*>(scratch + plan.part_at[kWindows])),
        offsets_(
            reinterpret_cast<uint32_t*>(scratch + plan.part_at[kOffsets])) {}

  void Rows(size_t begin, size_t end) const {
    SetOffsets();
    for (size_t pixel = begin; pixel < end;) {
      const size_t first = pixel / g_.w.out,
                   last = std::min(first + plan_.block_rows, g_.h.out),
                   stop = std::min(end, last * g_.w.out);
      Fill(first, last);
      for (size_t col = 0; col < g_.oc; col += plan_.strip_cols) {
        for (size_t at = pixel; at < stop;) {
          const size_t y = at / g_.w.out,
                       count = std::min({plan_.strip_rows, stop - at,
                                         (y + 1) * g_.w.out - at});
          Strip(y - first, at, count, col);
          at += count;
        }
      }
      pixel = stop;
    }
  }

 private:
  // Elements between columns, lines and channels of the band.
  size_t ColumnStep() const { return nchw_ ? 1 : g_.ic; }
  size_t LineStep() const { return width_ * ColumnStep(); }
  size_t ChannelStep() const { return nchw_ ? lines_ * width_ : 1; }

  void SetOffsets() const {
    for (size_t k = 0; k < g_.K(); ++k) {
      const size_t tap = nchw_ ? k % g_.Taps() : k / g_.ic,
                   channel = nchw_ ? k / g_.Taps() : k % g_.ic;
      offsets_[k] = static_cast<uint32_t>(
          channel * ChannelStep() +
          tap / g_.w.kernel * g_.h.dilation * LineStep() +
          tap % g_.w.kernel * g_.w.dilation * ColumnStep());
    }
  }

  // `count` columns of the image.
  void CopyColumns(const uint8_t* from, size_t count, float* out) const {
    const size_t column = ColumnStep() * sizeof(float);
    const auto step = nchw_ ? column : static_cast<size_t>(run_.image.stride);
    if (step == column) {
      std::memcpy(out, from, count * column);
      return;
    }
    for (size_t i = 0; i < count; ++i)
      std::memcpy(out + i * ColumnStep(), from + i * step, column);
  }

  // One line of the band from a line of the image, null outside of it.
  void FillLine(const uint8_t* line, float* out) const {
    const size_t step = ColumnStep(),
                 before = line == nullptr ? width_ : std::min(g_.w.pad, width_),
                 inside = std::min(g_.w.in, width_ - before);
    std::fill_n(out, before * step, 0.0f);
    out += before * step;
    if (inside > 0 && line != nullptr) CopyColumns(line, inside, out);
    std::fill_n(out + inside * step, (width_ - before - inside) * step, 0.0f);
  }

  // The lines that output rows [first, last) look at.
  void Fill(size_t first, size_t last) const {
    const size_t lines = Reach(g_.h, last - first),
                 channels = nchw_ ? g_.ic : 1;
    const auto stride = static_cast<size_t>(run_.image.stride),
               line_bytes = g_.w.in * (nchw_ ? sizeof(float) : stride);
    const auto* image = static_cast<const uint8_t*>(run_.image.data);
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < lines; ++i) {
        const size_t y = first * g_.h.stride + i;  // from the first padding on
        const bool inside = y >= g_.h.pad && y - g_.h.pad < g_.h.in;
        FillLine(
            inside ? image + c * stride + (y - g_.h.pad) * line_bytes : nullptr,
            band_ + (c * lines_ + i) * LineStep());
      }
    }
  }

  // Pixels [pixel, pixel + count) of output row `row` of the band.
  void Strip(size_t row, size_t pixel, size_t count, size_t col) const {
    GemmLhs lhs;
    lhs.f32 = band_ + row * g_.h.stride * LineStep();
    lhs.f32_stride =
        static_cast<ptrdiff_t>(g_.w.stride * ColumnStep() * sizeof(float));
    lhs.f32_offsets = offsets_;
    const auto stride =
        static_cast<ptrdiff_t>(plan_.strip_cols * sizeof(float));
    const GemmKernel& gemm = *plan_.kernel.gemm;
    const size_t cols = std::min(plan_.strip_cols, g_.oc - col);
    for (size_t j = 0; j < cols; j += gemm.nr) {
      gemm.run({plan_.query.types, &lhs, nullptr, 0, run_.filters, g_.K(),
                g_.oc, pixel % g_.w.out, count, (col + j) / gemm.nr,
                scratch_ + j * sizeof(float), stride,
                scratch_ + plan_.part_at[kGemm]});
    }
    RunEpilogues(plan_, run_,
                 {scratch_, stride, run_.first_row + pixel, count, col, cols});
  }

  const ConvPlan& plan_;
  const ConvGeometry& g_;
  const ConvRun& run_;
  bool nchw_;
  size_t width_, lines_;  // of the band
  uint8_t* scratch_;
  float* band_;
  uint32_t* offsets_;
};

}  // namespace

void BandRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
              size_t end, void* scratch) noexcept {
  Walker(plan, run, static_cast<uint8_t*>(scratch)).Rows(begin, end);
}

}  // namespace bittern::kernels
