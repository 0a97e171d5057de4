// PNG, JPEG and the other formats that stb_image reads, as 8-bit pixels; PNG
// out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace bittern::cli {

struct Image {
  std::vector<uint8_t> pixels;  // rows of interleaved channels
  int32_t width = 0, height = 0, channels = 0;
};

// True if the file name ends like an image (png jpg jpeg bmp tga gif pnm pgm
// ppm).
bool IsImageName(const std::string& path);
runtime::Result<Image> ReadImage(const std::string& path);
// Whole or not at all.
runtime::Result<void> WritePng(const std::string& path, const Image& image);

}  // namespace bittern::cli
