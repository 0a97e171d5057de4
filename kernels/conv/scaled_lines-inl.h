// The loops of kernels for scaled channels, for the vectors of L: channels
// ascending, the lines of a window into L::Taps, those by the channel's scale
// into L::Sums. Include inside the attributes of the target, after
// scaled_kernels.h outside of them. L has
//   kNr, kChannels, kRows  of a tile, of vectors, pixels held in registers
//   Weights Load(w), Add(quad, weights, taps)  of one line
//   Scales Spread(scale), Scale(taps, scales, sums), Store(sums, strip)
//   NoTaps(), NoSums()     zeros
#pragma once

#include <cstddef>
#include <cstdint>

#include "hwy/base.h"
#include "kernels/conv/scaled_kernels.h"

namespace bittern::kernels {
namespace {

// Three lines, as windows of 3x3 have.
template <class L>
struct Three {
  const uint8_t *q0, *q1, *q2;
  typename L::Weights w0, w1, w2;
  typename L::Scales scale;

  HWY_INLINE void Pixel(ptrdiff_t at, typename L::Sums& sums) const {
    typename L::Taps taps = L::NoTaps();
    L::Add(q0 + at, w0, taps);
    L::Add(q1 + at, w1, taps);
    L::Add(q2 + at, w2, taps);
    L::Scale(taps, scale, sums);
  }
};

// kRows pixels from `row` on, channels [j, j + L::kChannels) of the tile. Named
// accumulators: g++ 12 keeps an array of them in memory.
template <class L, size_t kRows>
void ThreeLines(const ScaledArgs& args, size_t row, size_t j) {
  constexpr size_t kLine = L::kNr * kQuad;
  const ptrdiff_t p = args.pixel, at = static_cast<ptrdiff_t>(row) * p;
  Three<L> t;
  t.q0 = args.quads[0] + at;
  t.q1 = args.quads[1] + at;
  t.q2 = args.quads[2] + at;
  const int8_t* w = args.filters + j * kQuad;
  typename L::Sums s0 = L::NoSums(), s1 = s0, s2 = s0, s3 = s0, s4 = s0,
                   s5 = s0, s6 = s0, s7 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    t.w0 = L::Load(w);
    t.w1 = L::Load(w + kLine);
    t.w2 = L::Load(w + 2 * kLine);
    t.scale = L::Spread(args.scale[c]);
    t.Pixel(0, s0);
    if constexpr (kRows > 1) t.Pixel(p, s1);
    if constexpr (kRows > 2) t.Pixel(2 * p, s2);
    if constexpr (kRows > 3) t.Pixel(3 * p, s3);
    if constexpr (kRows > 4) t.Pixel(4 * p, s4);
    if constexpr (kRows > 5) t.Pixel(5 * p, s5);
    if constexpr (kRows > 6) t.Pixel(6 * p, s6);
    if constexpr (kRows > 7) t.Pixel(7 * p, s7);
    t.q0 += kQuad;
    t.q1 += kQuad;
    t.q2 += kQuad;
    w += 3 * kLine;
  }
  float* strip = args.strip + row * args.strip_stride + j;
  const size_t stride = args.strip_stride;
  L::Store(s0, strip);
  if constexpr (kRows > 1) L::Store(s1, strip + stride);
  if constexpr (kRows > 2) L::Store(s2, strip + 2 * stride);
  if constexpr (kRows > 3) L::Store(s3, strip + 3 * stride);
  if constexpr (kRows > 4) L::Store(s4, strip + 4 * stride);
  if constexpr (kRows > 5) L::Store(s5, strip + 5 * stride);
  if constexpr (kRows > 6) L::Store(s6, strip + 6 * stride);
  if constexpr (kRows > 7) L::Store(s7, strip + 7 * stride);
}

// All pixels from `row` on, as many as fit at once, then half of that.
template <class L, size_t kRows>
void ThreeLinesFrom(const ScaledArgs& args, size_t row, size_t j) {
  for (; row + kRows <= args.rows; row += kRows)
    ThreeLines<L, kRows>(args, row, j);
  if constexpr (kRows > 1) ThreeLinesFrom<L, kRows / 2>(args, row, j);
}

// Any number of lines, four pixels; those that are not there repeat the last.
template <class L>
void AnyLines(const ScaledArgs& args, size_t row, size_t count, size_t j) {
  const auto at = [&](size_t r) {
    return static_cast<ptrdiff_t>(row + (r < count ? r : count - 1)) *
           args.pixel;
  };
  const ptrdiff_t p0 = at(0), p1 = at(1), p2 = at(2), p3 = at(3);
  const int8_t* w = args.filters + j * kQuad;
  typename L::Sums s0 = L::NoSums(), s1 = s0, s2 = s0, s3 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    typename L::Taps t0 = L::NoTaps(), t1 = t0, t2 = t0, t3 = t0;
    for (size_t l = 0; l < args.lines; ++l, w += L::kNr * kQuad) {
      const typename L::Weights weights = L::Load(w);
      const uint8_t* quads = args.quads[l] + c * kQuad;
      L::Add(quads + p0, weights, t0);
      L::Add(quads + p1, weights, t1);
      L::Add(quads + p2, weights, t2);
      L::Add(quads + p3, weights, t3);
    }
    const typename L::Scales scale = L::Spread(args.scale[c]);
    L::Scale(t0, scale, s0);
    L::Scale(t1, scale, s1);
    L::Scale(t2, scale, s2);
    L::Scale(t3, scale, s3);
  }
  float* strip = args.strip + row * args.strip_stride + j;
  const size_t stride = args.strip_stride;
  L::Store(s0, strip);
  if (count > 1) L::Store(s1, strip + stride);
  if (count > 2) L::Store(s2, strip + 2 * stride);
  if (count > 3) L::Store(s3, strip + 3 * stride);
}

template <class L>
void RunLines(const ScaledArgs& args) noexcept {
  for (size_t j = 0; j < L::kNr; j += L::kChannels) {
    if (args.lines == 3) {
      ThreeLinesFrom<L, L::kRows>(args, 0, j);
      continue;
    }
    for (size_t row = 0; row < args.rows; row += 4)
      AnyLines<L>(args, row, HWY_MIN(args.rows - row, size_t{4}), j);
  }
}

}  // namespace
}  // namespace bittern::kernels
