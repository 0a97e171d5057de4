// Antialiased separable resampling of 8-bit images: the arithmetic of Pillow's
// resize, so that a model sees the bytes it was trained on. Filter weights are
// rounded to 22 fraction bits and each of the two passes (first along rows,
// then along columns, as Pillow 11 does) rounds to 8 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/result.h"

namespace bittern::runtime {

enum class Filter : uint8_t { kBilinear, kBicubic };  // bicubic with a = -0.5

struct PixelImage {
  std::vector<uint8_t> pixels;  // rows of interleaved channels, no padding
  size_t width = 0, height = 0, channels = 0;
};

struct ResampleSize {
  size_t width = 0, height = 0;  // of the whole resized image, >= 1
  size_t left = 0, top = 0;      // of the window that is wanted
  size_t window_width = 0,
         window_height = 0;  // left + window_width <= width, and so on
};

// The window of `image` resized to size.width x size.height. Only what the
// window needs is computed and stored.
PixelImage Resample(const PixelImage& image, Filter filter,
                    const ResampleSize& size);

}  // namespace bittern::runtime
