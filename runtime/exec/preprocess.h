// From 8-bit pixels of any size to the float tensor that a model was trained
// on: colour, resize, crop, normalise, NCHW.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::runtime {

// 8-bit pixels, interleaved channels, rows `stride` bytes apart. Borrowed.
struct ImageView {
  const uint8_t* pixels = nullptr;
  int32_t width = 0, height = 0;
  int32_t channels = 0;  // 1, 3 (RGB) or 4 (RGBA, alpha ignored)
  ptrdiff_t stride = 0;
};

// Writes channels * height * width floats to `out`. `preprocess` has passed
// VerifyModel.
Result<void> PreprocessImage(const Preprocess& preprocess,
                             const ImageView& image, float* out);

// The part of an image that the network input shows, in pixels of the image;
// where it is padded, more than the image.
struct ImageWindow {
  float left, top, width, height;
};
ImageWindow SeenPart(const Preprocess& preprocess, int32_t width,
                     int32_t height);

}  // namespace bittern::runtime
