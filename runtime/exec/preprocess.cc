#include "runtime/exec/preprocess.h"

#include <algorithm>
#include <string>

#include "runtime/exec/resample.h"

namespace bittern::runtime {
namespace {

constexpr int32_t kMaxSide = 1 << 16;

Result<void> CheckImage(const ImageView& image) {
  if (image.pixels == nullptr) return InvalidArgument("image: got no pixels");
  if (image.width < 1 || image.height < 1 || image.width > kMaxSide ||
      image.height > kMaxSide) {
    return InvalidArgument("image: got " + std::to_string(image.width) + " x " +
                           std::to_string(image.height) +
                           " pixels, expected 1 to " +
                           std::to_string(kMaxSide) + " each");
  }
  if (image.channels != 1 && image.channels != 3 && image.channels != 4) {
    return InvalidArgument("image: got " + std::to_string(image.channels) +
                           " channels, expected 1, 3 or 4");
  }
  const ptrdiff_t row = ptrdiff_t{image.width} * image.channels;
  if (image.stride < row) {
    return InvalidArgument("image: got a stride of " +
                           std::to_string(image.stride) +
                           " bytes, expected at least " + std::to_string(row));
  }
  return {};
}

// ITU-R 601 luma in 16 fraction bits, as Pillow's mode "L".
uint8_t Luma(const uint8_t* rgb) {
  return static_cast<uint8_t>(
      (19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

// Colour comes first: filtering and colour mixing both round, and training
// scripts open images in the network's mode.
PixelImage ConvertColour(const ImageView& image, int32_t channels) {
  PixelImage result{{},
                    static_cast<size_t>(image.width),
                    static_cast<size_t>(image.height),
                    static_cast<size_t>(channels)};
  result.pixels.resize(result.width * result.height * result.channels);
  uint8_t* to = result.pixels.data();
  for (int32_t y = 0; y < image.height; ++y) {
    const uint8_t* from = image.pixels + y * image.stride;
    for (int32_t x = 0; x < image.width; ++x, from += image.channels) {
      if (channels == 1) {
        *to++ = image.channels == 1 ? from[0] : Luma(from);
      } else {
        for (int32_t c = 0; c < 3; ++c)
          *to++ = from[image.channels == 1 ? 0 : c];
      }
    }
  }
  return result;
}

// Half to even, as Python's round(), which the usual centre crop calls.
size_t RoundedHalf(size_t difference) {
  return difference / 2 + (difference % 4 == 3 ? 1 : 0);
}

// Sizes of the whole resized image and of the window that becomes the input.
ResampleSize MakeSize(const Preprocess& p, size_t width, size_t height) {
  const auto to_width = static_cast<size_t>(p.width);
  const auto to_height = static_cast<size_t>(p.height);
  if (p.pad) {
    const auto fitted = [](size_t side, size_t to, size_t from) {
      return std::max<size_t>(1, (2 * side * to + from) / (2 * from));
    };
    ResampleSize size{to_width, to_height, 0, 0, 0, 0};
    if (width * to_height >= height * to_width) {
      size.height = fitted(height, to_width, width);
    } else {
      size.width = fitted(width, to_height, height);
    }
    size.window_width = size.width;
    size.window_height = size.height;
    return size;
  }
  if (p.resize_shorter == 0)
    return {to_width, to_height, 0, 0, to_width, to_height};
  const auto shorter = static_cast<size_t>(p.resize_shorter);
  ResampleSize size{shorter, shorter, 0, 0, to_width, to_height};
  if (width <= height) {
    size.height = shorter * height / width;
  } else {
    size.width = shorter * width / height;
  }
  size.left = RoundedHalf(size.width - to_width);
  size.top = RoundedHalf(size.height - to_height);
  return size;
}

}  // namespace

Result<void> PreprocessImage(const Preprocess& p, const ImageView& image,
                             float* out) {
  BITTERN_TRY(CheckImage(image));
  PixelImage pixels = ConvertColour(image, p.channels);
  if (p.resize != Preprocess::Resize::kNone) {
    const Filter filter = p.resize == Preprocess::Resize::kBicubic
                              ? Filter::kBicubic
                              : Filter::kBilinear;
    pixels = Resample(pixels, filter, MakeSize(p, pixels.width, pixels.height));
  } else if (image.width != p.width || image.height != p.height) {
    return InvalidArgument("image: got " + std::to_string(image.width) + " x " +
                           std::to_string(image.height) + " pixels, expected " +
                           std::to_string(p.width) + " x " +
                           std::to_string(p.height) +
                           " (the model does not resize)");
  }
  const auto width = static_cast<size_t>(p.width),
             height = static_cast<size_t>(p.height);
  for (size_t c = 0; c < pixels.channels; ++c) {
    const uint8_t* from = pixels.pixels.data() + c;
    float* plane = out + c * width * height;
    for (size_t y = 0; y < pixels.height; ++y) {
      float* row = plane + y * width;
      for (size_t x = 0; x < pixels.width; ++x, from += pixels.channels) {
        row[x] = (static_cast<float>(*from) * p.scale - p.mean[c]) / p.std[c];
      }
      std::fill(row + pixels.width, row + width, 0.0f);
    }
    std::fill(plane + pixels.height * width, plane + height * width, 0.0f);
  }
  return {};
}

ImageWindow SeenPart(const Preprocess& p, int32_t width, int32_t height) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  if (p.resize == Preprocess::Resize::kNone || width < 1 || height < 1)
    return {0, 0, w, h};
  const ResampleSize size =
      MakeSize(p, static_cast<size_t>(width), static_cast<size_t>(height));
  const float x = w / static_cast<float>(size.width),
              y = h / static_cast<float>(size.height);
  return {static_cast<float>(size.left) * x, static_cast<float>(size.top) * y,
          static_cast<float>(p.width) * x, static_cast<float>(p.height) * y};
}

}  // namespace bittern::runtime
