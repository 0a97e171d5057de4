// PreprocessImage: colours, crop, normalisation, layout and errors. The filters
// have their own test.
#include "runtime/exec/preprocess.h"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "runtime/exec/resample.h"

namespace bittern::runtime {
namespace {

using Resize = Preprocess::Resize;

std::vector<float> Run(const Preprocess& p, const ImageView& image) {
  std::vector<float> out(static_cast<size_t>(p.width) *
                             static_cast<size_t>(p.height) *
                             static_cast<size_t>(p.channels),
                         -99.0f);
  const Result<void> result = PreprocessImage(p, image, out.data());
  INFO(result.error().message);
  REQUIRE(result.ok());
  return out;
}

std::string ErrorOf(const Preprocess& p, const ImageView& image) {
  std::vector<float> out(static_cast<size_t>(p.width) *
                         static_cast<size_t>(p.height) *
                         static_cast<size_t>(p.channels));
  const Result<void> result = PreprocessImage(p, image, out.data());
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::kInvalidArgument);
  return result.error().message;
}

TEST_CASE("channels come apart and are normalised one by one") {
  const uint8_t pixels[] = {0, 51, 102, 153, 204, 255};  // two RGB pixels
  const Preprocess p{
      0, 2, 1, 3, Resize::kNone, 0, 1.0f / 255, {0, 0.5f, 1}, {1, 0.5f, 0.25f}};
  const std::vector<float> out = Run(p, {pixels, 2, 1, 3, 6});
  const float expected[] = {0.0f, 0.6f, -0.6f, 0.6f, -2.4f, 0.0f};
  for (size_t i = 0; i < 6; ++i)
    CHECK(out[i] == Approx(expected[i]).margin(1e-6));
}

TEST_CASE("the arithmetic is fp32, scale then mean then std") {
  const uint8_t pixels[] = {200};
  const Preprocess p{0, 1,          1,         1,        Resize::kNone,
                     0, 1.0f / 255, {0.1307f}, {0.3081f}};
  CHECK(Run(p, {pixels, 1, 1, 1, 1})[0] ==
        (200.0f * (1.0f / 255) - 0.1307f) / 0.3081f);
}

TEST_CASE(
    "colour becomes grey with Pillow's weights, alpha is ignored, grey is "
    "repeated") {
  const Preprocess grey{0, 1, 1, 1, Resize::kNone, 0, 1, {0}, {1}};
  const uint8_t rgba[] = {10, 200, 30, 7};
  const float luma =
      124;  // (10 * 19595 + 200 * 38470 + 30 * 7471 + 32768) >> 16
  CHECK(Run(grey, {rgba, 1, 1, 3, 3})[0] == luma);
  CHECK(Run(grey, {rgba, 1, 1, 4, 4})[0] == luma);
  const Preprocess colour{0, 1, 1,         3,        Resize::kNone,
                          0, 1, {0, 0, 0}, {1, 1, 1}};
  CHECK(Run(colour, {rgba, 1, 1, 4, 4}) == std::vector<float>{10, 200, 30});
  CHECK(Run(colour, {rgba, 1, 1, 1, 1}) == std::vector<float>{10, 10, 10});
}

TEST_CASE("rows may be padded") {
  const uint8_t pixels[] = {1, 2, 99, 99, 3, 4};
  const Preprocess p{0, 2, 2, 1, Resize::kNone, 0, 1, {0}, {1}};
  CHECK(Run(p, {pixels, 2, 2, 1, 4}) == std::vector<float>{1, 2, 3, 4});
}

// The crop must be the window that torchvision's Resize and CenterCrop take.
TEST_CASE("the shorter side is resized and the centre is cut out") {
  struct Geometry {
    int32_t width, height, shorter, crop;
    ResampleSize expected;
  };
  const Geometry geometries[] = {
      {10,
       7,
       8,
       4,
       {11, 8, 4, 2, 4, 4}},  // 8 * 10 / 7 = 11.4; (11 - 4) / 2 = 3.5 -> 4
      {7, 10, 8, 6, {8, 11, 1, 2, 6, 6}},  // (11 - 6) / 2 = 2.5 -> 2
      {9, 9, 5, 5, {5, 5, 0, 0, 5, 5}},
      {13, 4, 4, 4, {13, 4, 4, 0, 4, 4}},  // 4.5 -> 4, no resampling
  };
  for (const Geometry& g : geometries) {
    PixelImage image{
        {}, static_cast<size_t>(g.width), static_cast<size_t>(g.height), 1};
    for (int32_t i = 0; i < g.width * g.height; ++i)
      image.pixels.push_back(static_cast<uint8_t>(i * 37 % 251));
    const Preprocess p{0,         g.crop, g.crop, 1,  Resize::kBicubic,
                       g.shorter, 1,      {0},    {1}};
    const std::vector<float> got =
        Run(p, {image.pixels.data(), g.width, g.height, 1, g.width});
    const PixelImage expected = Resample(image, Filter::kBicubic, g.expected);
    CHECK(got ==
          std::vector<float>(expected.pixels.begin(), expected.pixels.end()));
  }
}

TEST_CASE("without a crop both sides are resized") {
  const PixelImage image{{0, 100, 200, 50, 150, 250}, 3, 2, 1};
  const Preprocess p{0, 2, 4, 1, Resize::kBilinear, 0, 1, {0}, {1}};
  const PixelImage expected =
      Resample(image, Filter::kBilinear, {2, 4, 0, 0, 2, 4});
  CHECK(Run(p, {image.pixels.data(), 3, 2, 1, 3}) ==
        std::vector<float>(expected.pixels.begin(), expected.pixels.end()));
}

TEST_CASE("padded images keep their aspect at the top left") {
  const PixelImage image{{0, 100, 200, 50, 150, 250}, 3, 2, 1};
  const ImageView view{image.pixels.data(), 3, 2, 1, 3};
  for (const auto& [width, height, w, h] : {std::array<int32_t, 4>{6, 6, 6, 4},
                                            {4, 8, 4, 3},
                                            {9, 4, 6, 4},
                                            {1, 1, 1, 1},
                                            {3, 2, 3, 2}}) {
    Preprocess p{0, width, height, 1, Resize::kBilinear, 0, 1, {40}, {2}};
    p.pad = true;
    const PixelImage small =
        Resample(image, Filter::kBilinear,
                 {static_cast<size_t>(w), static_cast<size_t>(h), 0, 0,
                  static_cast<size_t>(w), static_cast<size_t>(h)});
    const std::vector<float> got = Run(p, view);
    for (int32_t y = 0; y < height; ++y) {
      for (int32_t x = 0; x < width; ++x) {
        const float expected =
            x < w && y < h
                ? (static_cast<float>(
                       small.pixels[static_cast<size_t>(y * w + x)]) -
                   40) /
                      2
                : 0;
        CHECK(got[static_cast<size_t>(y * width + x)] == expected);
      }
    }
    const ImageWindow seen = SeenPart(p, 3, 2);
    CHECK(seen.left == 0);
    CHECK(seen.top == 0);
    CHECK(seen.width == Approx(3.0 * width / w));
    CHECK(seen.height == Approx(2.0 * height / h));
  }
}

TEST_CASE("the part of an image that the network sees") {
  const auto check = [](const Preprocess& p, const ImageWindow& expected) {
    const ImageWindow seen = SeenPart(p, 300, 200);
    CHECK(seen.left == Approx(expected.left));
    CHECK(seen.top == Approx(expected.top));
    CHECK(seen.width == Approx(expected.width));
    CHECK(seen.height == Approx(expected.height));
  };
  check({0, 50, 50, 1, Resize::kBilinear, 0, 1, {0}, {1}}, {0, 0, 300, 200});
  // 300 x 200 becomes 150 x 100, of which the middle 80 x 80 is seen.
  check({0, 80, 80, 1, Resize::kBilinear, 100, 1, {0}, {1}},
        {70, 20, 160, 160});
  check({0, 300, 200, 1, Resize::kNone, 0, 1, {0}, {1}}, {0, 0, 300, 200});
}

TEST_CASE("a thin image needs no more memory than its window") {
  const std::vector<uint8_t> pixels(65536, 9);
  const Preprocess p{
      0,     16, 16,  1,  Resize::kBilinear,
      16384, 1,  {0}, {1}};  // resized in full: 2^14 x 2^30 pixels
  CHECK(Run(p, {pixels.data(), 1, 65536, 1, 1}) == std::vector<float>(256, 9));
}

TEST_CASE("bad images are refused") {
  const uint8_t pixels[12] = {};
  const Preprocess p{0, 2, 2, 1, Resize::kNone, 0, 1, {0}, {1}};
  CHECK(ErrorOf(p, {nullptr, 2, 2, 1, 2}).find("no pixels") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 0, 2, 1, 2}).find("got 0 x 2") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 2, -1, 1, 2}).find("got 2 x -1") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 65537, 1, 1, 65537}).find("got 65537") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 2, 2, 2, 4}).find("got 2 channels") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 2, 2, 1, 1}).find("stride of 1") !=
        std::string::npos);
  CHECK(ErrorOf(p, {pixels, 3, 2, 1, 3})
            .find("expected 2 x 2 (the model does not resize)") !=
        std::string::npos);
}

}  // namespace
}  // namespace bittern::runtime
