// Resample gives Pillow's bytes (tests/data/make_resample_table.py).
#include "runtime/exec/resample.h"

#include <catch2/catch.hpp>

namespace bittern::runtime {
namespace {

struct Case {
  size_t channels, width, height;
  ResampleSize size;
  Filter filter;
  std::vector<uint8_t> expected;
};

const std::vector<Case> kCases = {
#include "tests/data/resample_table.inc"
};

// The generator of make_resample_table.py.
PixelImage Noise(size_t width, size_t height, size_t channels) {
  PixelImage image{{}, width, height, channels};
  uint64_t state = 1;
  for (size_t i = 0; i < width * height * channels; ++i) {
    state = (state * 1103515245 + 12345) % (uint64_t{1} << 31);
    image.pixels.push_back(static_cast<uint8_t>(state / 65536 % 256));
  }
  return image;
}

TEST_CASE("resampled pixels are Pillow's") {
  REQUIRE(kCases.size() == 13);
  for (size_t i = 0; i < kCases.size(); ++i) {
    const Case& c = kCases[i];
    const PixelImage result =
        Resample(Noise(c.width, c.height, c.channels), c.filter, c.size);
    INFO("case " << i);
    CHECK(result.width == c.size.window_width);
    CHECK(result.height == c.size.window_height);
    CHECK(result.pixels == c.expected);
  }
}

TEST_CASE("a flat image stays flat") {
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic}) {
    const PixelImage flat{std::vector<uint8_t>(50 * 40, 200), 50, 40, 1};
    const PixelImage result = Resample(flat, filter, {7, 90, 1, 3, 5, 80});
    CHECK(result.pixels == std::vector<uint8_t>(5 * 80, 200));
  }
}

TEST_CASE("a window is a part of the whole") {
  const PixelImage image = Noise(31, 17, 3);
  const PixelImage whole =
      Resample(image, Filter::kBicubic, {12, 25, 0, 0, 12, 25});
  const PixelImage window =
      Resample(image, Filter::kBicubic, {12, 25, 5, 9, 6, 7});
  for (size_t y = 0; y < 7; ++y) {
    for (size_t i = 0; i < 18; ++i)
      CHECK(window.pixels[y * 18 + i] == whole.pixels[(y + 9) * 36 + 15 + i]);
  }
}

}  // namespace
}  // namespace bittern::runtime
