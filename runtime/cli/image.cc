#include "runtime/cli/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <string_view>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS 32768
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#include "runtime/cli/files.h"

namespace bittern::cli {

using runtime::InvalidArgument;
using runtime::Result;

bool IsImageName(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos) return false;
  std::string ending = path.substr(dot + 1);
  std::transform(
      ending.begin(), ending.end(), ending.begin(),
      [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kEndings[] = {"png", "jpg", "jpeg", "bmp", "tga",
                                           "gif", "pnm", "pgm",  "ppm"};
  return std::find(std::begin(kEndings), std::end(kEndings), ending) !=
         std::end(kEndings);
}

Result<Image> ReadImage(const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::string file, ReadFile(path));
  if (file.size() > INT_MAX)
    return InvalidArgument(fmt::format(
        "'{}': {} bytes, expected an image below 2 GiB", path, file.size()));
  Image image;
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const auto size = static_cast<int>(file.size());
  int found = 0;
  if (stbi_info_from_memory(bytes, size, &image.width, &image.height, &found) ==
      0) {
    return InvalidArgument(
        fmt::format("'{}': not an image that can be read: {}, expected PNG, "
                    "JPEG, BMP, GIF, TGA or PNM",
                    path, stbi_failure_reason()));
  }
  image.channels = found < 3 ? 1 : 3;
  stbi_uc* pixels = stbi_load_from_memory(
      bytes, size, &image.width, &image.height, &found, image.channels);
  if (pixels == nullptr) {
    return InvalidArgument(
        fmt::format("'{}': damaged image: {}", path, stbi_failure_reason()));
  }
  const size_t count = static_cast<size_t>(image.width) *
                       static_cast<size_t>(image.height) *
                       static_cast<size_t>(image.channels);
  image.pixels.assign(pixels, pixels + count);
  stbi_image_free(pixels);
  return image;
}

Result<void> WritePng(const std::string& path, const Image& image) {
  // stb_image_write counts in int.
  if (image.pixels.size() > static_cast<size_t>(INT_MAX) / 2) {
    return InvalidArgument(
        fmt::format("'{}': got {} x {} pixels, expected less than 1 GiB", path,
                    image.width, image.height));
  }
  std::string bytes;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data),
                                          static_cast<size_t>(size));
  };
  if (stbi_write_png_to_func(append, &bytes, image.width, image.height,
                             image.channels, image.pixels.data(),
                             image.width * image.channels) == 0) {
    return runtime::IoError(
        fmt::format("'{}': {} x {} pixels cannot be packed as PNG", path,
                    image.width, image.height));
  }
  return WriteFile(path, bytes);
}

}  // namespace bittern::cli
