// Plain loops that define what a direct kernel computes:
//   strip[row][j] = valid - 2 * mismatches over rows x runs x steps of 32 codes
// where a zero code mismatches nothing.
#include <bit>
#include <cstring>

#include "kernels/conv/direct_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;

uint32_t WordAt(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

void Pack(const void* canonical, size_t n, size_t taps, size_t ic,
          void* packed) noexcept {
  PackFilterWords(canonical, n, taps, ic, kNr, packed);
}

int Mismatches(const DirectArgs& args, const DirectPixel& pixel, size_t j) {
  int count = 0;
  for (size_t y = 0; y < args.rows; ++y) {
    for (size_t x = 0; x < args.runs; ++x) {
      const uint8_t* a = args.image + pixel.at +
                         static_cast<ptrdiff_t>(y) * args.image_row +
                         static_cast<ptrdiff_t>(x) * args.image_run;
      const uint8_t* w = args.filters + y * args.filter_row +
                         x * args.filter_run + j * sizeof(uint32_t);
      for (size_t i = 0; i < args.steps; ++i) {
        const uint32_t valid = WordAt(a + i * 4 + args.valid_after);
        count += std::popcount(
            (WordAt(a + i * 4) ^ WordAt(w + i * kNr * sizeof(uint32_t))) &
            valid);
      }
    }
  }
  return count;
}

void Run(const DirectArgs& args) noexcept {
  for (size_t r = 0; r < args.count; ++r) {
    const DirectPixel& pixel = args.pixels[r];
    for (size_t j = 0; j < kNr; ++j) {
      args.strip[pixel.row * args.strip_stride + j] =
          pixel.valid - 2 * Mismatches(args, pixel, j);
    }
  }
}

constexpr DirectKernel kKernels[] = {
    {"w1a1/direct/reference", kNone, kNr, 32, 4, kNr * 4, size_t{1} << 30,
     &Pack, nullptr, nullptr, &Run, kNr, "codes/reference", 1, true},
};

}  // namespace

std::span<const DirectKernel> DirectReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
