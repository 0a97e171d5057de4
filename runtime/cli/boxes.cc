#include "runtime/cli/boxes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace bittern::cli {
namespace {

using runtime::Detection;
using runtime::ImageView;
using runtime::Model;

using Colour = std::array<uint8_t, 3>;

// Colours that differ in hue and brightness, by class.
constexpr Colour kColours[] = {{230, 25, 75},  {60, 180, 75},  {0, 130, 200},
                               {245, 130, 48}, {145, 30, 180}, {0, 128, 128},
                               {240, 50, 230}, {128, 0, 0},    {0, 0, 128},
                               {128, 128, 0}};
constexpr Colour kInk = {255, 255, 255};
constexpr size_t kMostText = 64;  // characters of a name that are drawn

struct Rectangle {
  int32_t left, top, right, bottom;  // right and bottom are outside
};

class Canvas {
 public:
  explicit Canvas(const ImageView& from) {
    image_ = {{}, from.width, from.height, 3};
    for (int32_t y = 0; y < from.height; ++y) {
      const uint8_t* pixel = from.pixels + y * from.stride;
      for (int32_t x = 0; x < from.width; ++x, pixel += from.channels) {
        for (int32_t c = 0; c < 3; ++c)
          image_.pixels.push_back(pixel[from.channels < 3 ? 0 : c]);
      }
    }
    const int32_t side = std::min(from.width, from.height);
    line_ = std::max(1, side / 250);
    font_ = std::max(1, side / 350);
  }

  void Frame(const Rectangle& r, const Colour& colour) {
    const int32_t w = line_;
    Fill({r.left, r.top, r.right, r.top + w}, colour);
    Fill({r.left, r.bottom - w, r.right, r.bottom}, colour);
    Fill({r.left, r.top, r.left + w, r.bottom}, colour);
    Fill({r.right - w, r.top, r.right, r.bottom}, colour);
  }

  // Above the point where there is room, else below it, within the image.
  void Text(std::string text, int32_t left, int32_t top, const Colour& paper) {
    text.resize(std::min(text.size(), kMostText));
    for (char& c : text) {
      if (c < ' ' || c > '~') c = '?';  // what the font has
    }
    const int32_t width = font_ * (stb_easy_font_width(text.data()) + 2),
                  height = font_ * kFontHeight;
    left = std::clamp(left, 0, std::max(0, image_.width - width));
    if (top >= height) top -= height;
    Fill({left, top, left + width, top + height}, paper);
    // The font comes as rectangles, 4 corners of 16 bytes each.
    struct Corner {
      float x, y, z;
      uint8_t colour[4];
    };
    std::vector<Corner> corners(kMostText * kCornersOfCharacter);
    const int quads =
        stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                            static_cast<int>(corners.size() * sizeof(Corner)));
    const auto at = [&](float x) { return font_ * static_cast<int32_t>(x); };
    for (size_t i = 0; i < static_cast<size_t>(quads); ++i) {
      const Corner &a = corners[4 * i], &b = corners[4 * i + 2];
      const int32_t x = left + font_, y = top + font_;
      Fill({x + at(a.x), y + at(a.y), x + at(b.x), y + at(b.y)}, kInk);
    }
  }

  Image Take() && { return std::move(image_); }

 private:
  static constexpr int32_t kFontHeight = 12;
  static constexpr size_t kCornersOfCharacter = 4 * 16;

  void Fill(Rectangle r, const Colour& colour) {
    r.left = std::max(r.left, 0);
    r.top = std::max(r.top, 0);
    r.right = std::min(r.right, image_.width);
    r.bottom = std::min(r.bottom, image_.height);
    for (int32_t y = r.top; y < r.bottom; ++y) {
      for (int32_t x = r.left; x < r.right; ++x) {
        const auto at = static_cast<ptrdiff_t>(3) *
                        (static_cast<ptrdiff_t>(y) * image_.width + x);
        std::copy(colour.begin(), colour.end(), image_.pixels.begin() + at);
      }
    }
  }

  Image image_;
  int32_t line_ = 1, font_ = 1;
};

std::string Title(const Model& model, const Detection& box) {
  return fmt::format(
      "{} {:.2f}", ClassName(model, static_cast<size_t>(box.label)), box.score);
}

}  // namespace

std::string ClassName(const Model& model, size_t index) {
  const auto& labels = model.def().labels;
  return index < labels.size() ? labels[index] : fmt::format("class {}", index);
}

void PrintBoxes(const Model& model, const std::string& name,
                const std::vector<Detection>& boxes, bool pixels) {
  fmt::print("{}: {} box{}{}\n", name, boxes.size(),
             boxes.size() == 1 ? "" : "es",
             boxes.empty() ? ""
             : pixels      ? ", left top right bottom in pixels"
                           : ", left top right bottom of the input, 0 to 1");
  for (const Detection& box : boxes) {
    const std::string title = fmt::format(
        "{} ({:.4f})", ClassName(model, static_cast<size_t>(box.label)),
        box.score);
    const int digits = pixels ? 1 : 4;
    fmt::print("  {:<24} {:8.{}f} {:8.{}f} {:8.{}f} {:8.{}f}\n", title,
               box.left, digits, box.top, digits, box.right, digits, box.bottom,
               digits);
  }
}

Image DrawBoxes(const Model& model, const ImageView& image,
                const std::vector<Detection>& boxes) {
  Canvas canvas(image);
  for (auto box = boxes.rbegin(); box != boxes.rend(); ++box) {
    const Colour& colour =
        kColours[static_cast<size_t>(box->label) % std::size(kColours)];
    const Rectangle frame = {static_cast<int32_t>(std::lround(box->left)),
                             static_cast<int32_t>(std::lround(box->top)),
                             static_cast<int32_t>(std::lround(box->right)),
                             static_cast<int32_t>(std::lround(box->bottom))};
    canvas.Frame(frame, colour);
    canvas.Text(Title(model, *box), frame.left, frame.top, colour);
  }
  return std::move(canvas).Take();
}

}  // namespace bittern::cli
