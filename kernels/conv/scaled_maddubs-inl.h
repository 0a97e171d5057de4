// Convolution of scaled channels by vpmaddubsw, for the vectors of L: one for a
// quad of taps and L::kChannels output channels, the lines of a window added up
// in 16 bits, which hold them (TakesScaled), then vpmaddwd by ones, vcvtdq2ps
// and a multiply-add by the channel's scale. A 3x3 window takes 8 instructions,
// which all ports share, where fp32 takes 9 on two. Include inside
// HWY_PUSH_ATTRIBUTES.
#pragma once

#include <cstring>

#include "hwy/base.h"
#include "kernels/conv/quads_x86-inl.h"
#include "kernels/conv/scaled_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kMr = 6;
constexpr size_t kTileBytes = kNr * kQuad;  // weights of a line

template <class L>
HWY_INLINE typename L::Ints Products(const uint8_t* quad, typename L::Ints w) {
  int32_t codes;
  std::memcpy(&codes, quad, sizeof(codes));
  return L::Products(codes, w);
}

// Three lines, as windows of 3x3 have.
template <class L>
struct Three {
  const uint8_t *q0, *q1, *q2;
  typename L::Ints w0, w1, w2, ones;
  typename L::Floats scale;

  HWY_INLINE void Pixel(ptrdiff_t at, typename L::Floats& sum) const {
    const auto taps =
        L::Add(L::Add(Products<L>(q0 + at, w0), Products<L>(q1 + at, w1)),
               Products<L>(q2 + at, w2));
    sum = L::MulAdd(L::Pairs(taps, ones), scale, sum);
  }
};

// kRows pixels from `row` on, channels [j, j + L::kChannels) of the tile. Named
// accumulators: g++ 12 keeps an array of them in memory.
template <class L, size_t kRows>
void ThreeLines(const ScaledArgs& args, size_t row, size_t j) {
  const ptrdiff_t p = args.pixel, at = static_cast<ptrdiff_t>(row) * p;
  Three<L> t;
  t.q0 = args.quads[0] + at;
  t.q1 = args.quads[1] + at;
  t.q2 = args.quads[2] + at;
  t.ones = L::Ones();
  const int8_t* w = args.filters + j * kQuad;
  auto s0 = L::Spread(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    t.w0 = L::Load(w);
    t.w1 = L::Load(w + kTileBytes);
    t.w2 = L::Load(w + 2 * kTileBytes);
    t.scale = L::Spread(args.scale[c]);
    t.Pixel(0, s0);
    if constexpr (kRows > 1) t.Pixel(p, s1);
    if constexpr (kRows > 2) t.Pixel(2 * p, s2);
    if constexpr (kRows > 3) t.Pixel(3 * p, s3);
    if constexpr (kRows > 4) t.Pixel(4 * p, s4);
    if constexpr (kRows > 5) t.Pixel(5 * p, s5);
    t.q0 += kQuad;
    t.q1 += kQuad;
    t.q2 += kQuad;
    w += 3 * kTileBytes;
  }
  float* strip = args.strip + row * args.strip_stride + j;
  const size_t stride = args.strip_stride;
  L::Store(s0, strip);
  if constexpr (kRows > 1) L::Store(s1, strip + stride);
  if constexpr (kRows > 2) L::Store(s2, strip + 2 * stride);
  if constexpr (kRows > 3) L::Store(s3, strip + 3 * stride);
  if constexpr (kRows > 4) L::Store(s4, strip + 4 * stride);
  if constexpr (kRows > 5) L::Store(s5, strip + 5 * stride);
}

// Any number of lines; pixels that are not there repeat the last.
template <class L>
void AnyLines(const ScaledArgs& args, size_t row, size_t count, size_t j) {
  const auto at = [&](size_t r) {
    return static_cast<ptrdiff_t>(row + (r < count ? r : count - 1)) *
           args.pixel;
  };
  const ptrdiff_t p0 = at(0), p1 = at(1), p2 = at(2), p3 = at(3);
  const int8_t* w = args.filters + j * kQuad;
  const auto ones = L::Ones();
  auto s0 = L::Spread(0), s1 = s0, s2 = s0, s3 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    auto t0 = L::Zero(), t1 = t0, t2 = t0, t3 = t0;
    for (size_t l = 0; l < args.lines; ++l, w += kTileBytes) {
      const auto weights = L::Load(w);
      const uint8_t* quads = args.quads[l] + c * kQuad;
      t0 = L::Add(t0, Products<L>(quads + p0, weights));
      t1 = L::Add(t1, Products<L>(quads + p1, weights));
      t2 = L::Add(t2, Products<L>(quads + p2, weights));
      t3 = L::Add(t3, Products<L>(quads + p3, weights));
    }
    const auto scale = L::Spread(args.scale[c]);
    s0 = L::MulAdd(L::Pairs(t0, ones), scale, s0);
    s1 = L::MulAdd(L::Pairs(t1, ones), scale, s1);
    s2 = L::MulAdd(L::Pairs(t2, ones), scale, s2);
    s3 = L::MulAdd(L::Pairs(t3, ones), scale, s3);
  }
  float* strip = args.strip + row * args.strip_stride + j;
  const size_t stride = args.strip_stride;
  L::Store(s0, strip);
  if (count > 1) L::Store(s1, strip + stride);
  if (count > 2) L::Store(s2, strip + 2 * stride);
  if (count > 3) L::Store(s3, strip + 3 * stride);
}

template <class L>
void Rows(const ScaledArgs& args, size_t j) {
  size_t row = 0;
  if (args.lines != 3) {
    for (; row < args.rows; row += 4)
      AnyLines<L>(args, row, HWY_MIN(args.rows - row, size_t{4}), j);
    return;
  }
  for (; row + 6 <= args.rows; row += 6) ThreeLines<L, 6>(args, row, j);
  const size_t left = args.rows - row;
  if (left >= 3) ThreeLines<L, 3>(args, row, j);
  for (row += left / 3 * 3; row < args.rows; ++row)
    ThreeLines<L, 1>(args, row, j);
}

template <class L>
void Run(const ScaledArgs& args) noexcept {
  for (size_t j = 0; j < kNr; j += L::kChannels) Rows<L>(args, j);
}

}  // namespace
}  // namespace bittern::kernels
