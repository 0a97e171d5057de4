// Which taps of a convolution window lie in the image; private to this folder.
#pragma once

#include <cstddef>

#include "kernels/conv/conv.h"

namespace bittern::kernels {

// Taps [begin, end) of one axis lie in the image; `at` is the input coordinate
// of tap 0.
struct TapRange {
  size_t begin, end;
  ptrdiff_t at;
};

inline TapRange TapsInside(const ConvAxis& axis, size_t out) {
  const auto in = static_cast<ptrdiff_t>(axis.in),
             dilation = static_cast<ptrdiff_t>(axis.dilation),
             kernel = static_cast<ptrdiff_t>(axis.kernel);
  const ptrdiff_t at = static_cast<ptrdiff_t>(out * axis.stride) -
                       static_cast<ptrdiff_t>(axis.pad);
  if (at >= 0 && at + (kernel - 1) * dilation < in) return {0, axis.kernel, at};
  const auto taps_to = [&](ptrdiff_t limit) {  // taps below coordinate `limit`
    if (at >= limit) return ptrdiff_t{0};
    const ptrdiff_t taps = (limit - at + dilation - 1) / dilation;
    return taps < kernel ? taps : kernel;
  };
  const auto begin = static_cast<size_t>(taps_to(0)),
             end = static_cast<size_t>(taps_to(in));
  return {begin < end ? begin : end, end, at};
}

}  // namespace bittern::kernels
