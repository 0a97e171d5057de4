// Windows of images as rows of memory. Everything that is whole bytes is copied
// as runs of bytes; channels that do not fill bytes are appended bit by bit
// field. Copies of a few dozen bytes dominate, so they are made of overlapping
// 16-byte moves instead of calls.
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/base/check.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/window.h"

namespace bittern::kernels {
namespace {

template <size_t kBytes>
inline void Move(uint8_t* out, const uint8_t* in) {
  uint8_t block[kBytes];
  __builtin_memcpy(block, in, kBytes);
  __builtin_memcpy(out, block, kBytes);
}

// Exactly n bytes, none beyond.
inline void CopyRun(uint8_t* out, const uint8_t* in, size_t n) {
  if (n >= 16) {
    if (n > 256) {
      std::memcpy(out, in, n);
      return;
    }
    for (size_t i = 0; i + 16 < n; i += 16) Move<16>(out + i, in + i);
    Move<16>(out + n - 16, in + n - 16);
  } else if (n >= 8) {
    Move<8>(out, in);
    Move<8>(out + n - 8, in + n - 8);
  } else if (n >= 4) {
    Move<4>(out, in);
    Move<4>(out + n - 4, in + n - 4);
  } else {
    for (size_t i = 0; i < n; ++i) out[i] = in[i];
  }
}

// `rows` runs of n bytes, `step` bytes apart, one after the other; a run is
// kMoves - 1 whole moves of kBytes and a last one that overlaps them.
template <size_t kBytes, size_t kMoves>
uint8_t* CopyRowsOf(uint8_t* out, const uint8_t* in, size_t rows,
                    ptrdiff_t step, size_t n) {
  for (size_t r = 0; r < rows; ++r, in += step, out += n) {
    for (size_t i = 0; i + 1 < kMoves; ++i)
      Move<kBytes>(out + kBytes * i, in + kBytes * i);
    Move<kBytes>(out + n - kBytes, in + n - kBytes);
  }
  return out;
}

inline uint8_t* CopyRows(uint8_t* out, const uint8_t* in, size_t rows,
                         ptrdiff_t step, size_t n) {
  switch ((n + 3) / 4) {
    case 2:
      return CopyRowsOf<4, 2>(out, in, rows, step, n);
    case 3:
      return CopyRowsOf<8, 2>(out, in, rows, step, n);
    case 4:
      return n == 16 ? CopyRowsOf<16, 1>(out, in, rows, step, n)
                     : CopyRowsOf<8, 2>(out, in, rows, step, n);
    case 5:
    case 6:
    case 7:
    case 8:
      return CopyRowsOf<16, 2>(out, in, rows, step, n);
    case 9:
    case 10:
    case 11:
    case 12:
      return CopyRowsOf<16, 3>(out, in, rows, step, n);
    case 21:
    case 22:
    case 23:
    case 24:
      return CopyRowsOf<16, 6>(out, in, rows, step, n);
    default:
      for (size_t r = 0; r < rows; ++r, in += step, out += n)
        CopyRun(out, in, n);
      return out;
  }
}

// How the taps of a window lie in memory, all in bytes.
struct ByteTaps {
  size_t tap;                // one tap
  ptrdiff_t pixel, row;      // between neighbouring pixels, image rows
  ptrdiff_t step_h, step_w;  // between taps
  uint8_t pad;
  const uint8_t* pads;  // a padding tap, or null: `pad` alone
};

// `bytes` is a multiple of b.tap.
inline void FillPadding(uint8_t* out, const ByteTaps& b, size_t bytes) {
  if (b.pads == nullptr) {
    std::memset(out, b.pad, bytes);
    return;
  }
  for (; bytes > 0; bytes -= b.tap, out += b.tap) CopyRun(out, b.pads, b.tap);
}

ByteTaps MakeTaps(const ConvGeometry& g, size_t tap, ptrdiff_t pixel,
                  uint8_t pad, const uint8_t* pads = nullptr) {
  const ptrdiff_t row = pixel * static_cast<ptrdiff_t>(g.w.in);
  return {tap,
          pixel,
          row,
          row * static_cast<ptrdiff_t>(g.h.dilation),
          pixel * static_cast<ptrdiff_t>(g.w.dilation),
          pad,
          pads};
}

// One window; returns the end of what was written.
inline uint8_t* CopyWindow(const ConvGeometry& g, const ByteTaps& b,
                           const TapRange& h, const TapRange& w,
                           const uint8_t* image, uint8_t* out) {
  const size_t row_bytes = g.w.kernel * b.tap, before = w.begin * b.tap,
               inside = (w.end - w.begin) * b.tap,
               after = row_bytes - before - inside;
  const bool joined = b.step_w == static_cast<ptrdiff_t>(b.tap);
  if (joined && inside == row_bytes && h.end - h.begin == g.h.kernel) {
    return CopyRows(out, image + h.at * b.row + w.at * b.pixel, g.h.kernel,
                    b.step_h, row_bytes);
  }
  if (h.begin > 0) FillPadding(out, b, h.begin * row_bytes);
  out += h.begin * row_bytes;
  // Offsets stay integers until a tap is known to lie in the image.
  ptrdiff_t at = h.at * b.row + w.at * b.pixel +
                 static_cast<ptrdiff_t>(h.begin) * b.step_h +
                 static_cast<ptrdiff_t>(w.begin) * b.step_w;
  for (size_t ky = h.begin; ky < h.end; ++ky, at += b.step_h) {
    if (before > 0) FillPadding(out, b, before);
    out += before;
    if (joined) {
      if (inside > 0) CopyRun(out, image + at, inside);
      out += inside;
    } else {
      ptrdiff_t tap = at;
      for (size_t kx = w.begin; kx < w.end; ++kx, tap += b.step_w) {
        CopyRun(out, image + tap, b.tap);
        out += b.tap;
      }
    }
    if (after > 0) FillPadding(out, b, after);
    out += after;
  }
  const size_t below = (g.h.kernel - h.end) * row_bytes;
  if (below > 0) FillPadding(out, b, below);
  return out + below;
}

// Calls fn(row, h, w) for each pixel: its number from 0 and the taps of its
// window.
template <class Fn>
inline void ForWindows(const ConvGeometry& g, size_t pixel, size_t count,
                       Fn fn) {
  size_t oy = pixel / g.w.out, ox = pixel % g.w.out;
  TapRange h = TapsInside(g.h, oy);
  for (size_t r = 0; r < count; ++r) {
    fn(r, h, TapsInside(g.w, ox));
    if (++ox < g.w.out) continue;
    ox = 0;
    h = TapsInside(g.h, ++oy);
  }
}

// Appends fields of bits to a row of words, lowest first.
class BitWriter {
 public:
  explicit BitWriter(uint64_t* out) : out_(out) {}
  // 1 <= count <= 64; bits past count are 0.
  void Append(uint64_t bits, size_t count) {
    word_ |= bits << fill_;
    if (fill_ + count < 64) {
      fill_ += count;
      return;
    }
    *out_++ = word_;
    word_ = fill_ == 0 ? 0 : bits >> (64 - fill_);
    fill_ = fill_ + count - 64;
  }
  void AppendZeros(size_t count) {
    for (; count > 64; count -= 64) Append(0, 64);
    if (count > 0) Append(0, count);
  }
  // A field of `count` bits that starts at a word.
  void AppendField(const uint64_t* words, size_t count) {
    for (; count > 64; count -= 64) Append(*words++, 64);
    Append(*words, count);
  }
  void Finish() {
    if (fill_ > 0) *out_ = word_;
  }

 private:
  uint64_t* out_;
  uint64_t word_ = 0;
  size_t fill_ = 0;
};

void AppendWindow(const ConvGeometry& g, const TapRange& h, const TapRange& w,
                  const uint64_t* image, size_t row_words, uint64_t* out) {
  const size_t tap = g.GroupIn();
  BitWriter bits(out);
  bits.AppendZeros(h.begin * g.w.kernel * tap);
  for (size_t ky = h.begin; ky < h.end; ++ky) {
    bits.AppendZeros(w.begin * tap);
    const auto y =
        static_cast<size_t>(h.at + static_cast<ptrdiff_t>(ky * g.h.dilation));
    for (size_t kx = w.begin; kx < w.end; ++kx) {
      const auto x =
          static_cast<size_t>(w.at + static_cast<ptrdiff_t>(kx * g.w.dilation));
      bits.AppendField(image + (y * g.w.in + x) * row_words, tap);
    }
    bits.AppendZeros((g.w.kernel - w.end) * tap);
  }
  bits.AppendZeros((g.h.kernel - h.end) * g.w.kernel * tap);
  bits.Finish();
}

// Non-zero codes of a window of an image with one group.
inline int32_t CountWindow(const ConvGeometry& g, const TapRange& h,
                           const TapRange& w, const int32_t* valid_count) {
  int32_t count = 0;
  for (size_t ky = h.begin; ky < h.end; ++ky) {
    ptrdiff_t at = (h.at + static_cast<ptrdiff_t>(ky * g.h.dilation)) *
                       static_cast<ptrdiff_t>(g.w.in) +
                   w.at + static_cast<ptrdiff_t>(w.begin * g.w.dilation);
    for (size_t kx = w.begin; kx < w.end; ++kx) {
      count += valid_count[at];
      at += static_cast<ptrdiff_t>(g.w.dilation);
    }
  }
  return count;
}

int32_t CountBits(const uint64_t* words, size_t count) {
  int bits = 0;
  for (size_t i = 0; i < count; ++i) bits += std::popcount(words[i]);
  return bits;
}

}  // namespace

void GatherPlanes(const ConvGeometry& g, const CodePlanes& image, size_t group,
                  size_t pixel, size_t count, const CodePlanes& rows) noexcept {
  BITTERN_DCHECK(image.group == g.GroupIn() && image.cols == g.ic);
  BITTERN_DCHECK(rows.cols == g.K() && rows.group == g.K());
  const size_t column = group * GroupWords(image.group);
  const uint64_t *sign = image.sign + column, *valid = image.valid + column;
  const size_t words = rows.row_words;
  const bool bytes = g.GroupIn() % 8 == 0;
  const ByteTaps taps =
      MakeTaps(g, g.GroupIn() / 8,
               static_cast<ptrdiff_t>(image.row_words * sizeof(uint64_t)), 0);
  const auto copy = [&](const TapRange& h, const TapRange& w,
                        const uint64_t* plane, uint64_t* out) {
    if (!bytes) {
      AppendWindow(g, h, w, plane, image.row_words, out);
      return;
    }
    out[words - 1] = 0;  // bits past K
    CopyWindow(g, taps, h, w, reinterpret_cast<const uint8_t*>(plane),
               reinterpret_cast<uint8_t*>(out));
  };
  ForWindows(
      g, pixel, count, [&](size_t r, const TapRange& h, const TapRange& w) {
        copy(h, w, sign, rows.sign + r * words);
        copy(h, w, valid, rows.valid + r * words);
        rows.valid_count[r] = g.groups == 1
                                  ? CountWindow(g, h, w, image.valid_count)
                                  : CountBits(rows.valid + r * words, words);
      });
}

void GatherElements(const ConvGeometry& g, const ConvImage& image,
                    size_t element_bytes, size_t group, size_t pixel,
                    size_t count, void* rows) noexcept {
  BITTERN_DCHECK(element_bytes == 1 || image.pad == 0);
  BITTERN_DCHECK(image.pads == nullptr ||
                 (element_bytes == 1 && g.groups == 1 &&
                  image.layout == PixelLayout::kNhwc));
  const auto* data = static_cast<const uint8_t*>(image.data);
  auto* out = static_cast<uint8_t*>(rows);
  const size_t channels = g.GroupIn();
  if (image.layout == PixelLayout::kNhwc) {
    data += group * channels * element_bytes;
    const ByteTaps taps = MakeTaps(g, channels * element_bytes, image.stride,
                                   image.pad, image.pads);
    ForWindows(g, pixel, count,
               [&](size_t, const TapRange& h, const TapRange& w) {
                 out = CopyWindow(g, taps, h, w, data, out);
               });
    return;
  }
  data += static_cast<ptrdiff_t>(group * channels) * image.stride;
  const ByteTaps taps = MakeTaps(
      g, element_bytes, static_cast<ptrdiff_t>(element_bytes), image.pad);
  ForWindows(g, pixel, count,
             [&](size_t, const TapRange& h, const TapRange& w) {
               const uint8_t* plane = data;
               for (size_t c = 0; c < channels; ++c, plane += image.stride)
                 out = CopyWindow(g, taps, h, w, plane, out);
             });
}

}  // namespace bittern::kernels
