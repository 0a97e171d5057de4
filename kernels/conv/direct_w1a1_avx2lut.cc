// Direct 1-bit convolution on AVX2 by table look-up: four codes select a row of
// a static table, T[s][w] = 4 + sum of sign * (+-1 of the bits of w), and the
// four filter bits of a channel select the byte in it, so that 32 channels x 4
// codes take vpshufb + vpaddb and zeros cost nothing (measured: 1.5 times
// popcount). Image: states[pixel][g] (uint16) = byte offset of the table row of
// codes 4 g .. 4 g + 3 = sign bits << 4 | validity bits << 8, 16 a plane word,
// made once per pixel and not once per window. Filters: packed[t][tap][g][p]
// (byte) = bits 4 g, ..., 4 g + 3 of channel LutChannel(p) of tile t
// (kernels/base/lut_avx2-inl.h); 0 past n. Range: an entry is in [0, 8], so 31
// steps keep a byte <= 248; 16-bit sums start at -4 * steps and hold |dot| <= k
// <= 32764.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/base/lut_avx2-inl.h"
#include "kernels/base/sign_table.h"
#include "kernels/conv/direct_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kStepBytes = sizeof(uint16_t);
constexpr size_t kMaxSteps = 31;  // between widenings

}  // namespace
}  // namespace bittern::kernels

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

using Tile = LutTile<4>;  // of the filters of one step, or of one pixel's or
                          // two pixels' sums
using Wide = LutWide<4>;

HWY_INLINE Tile Zeros() {
  const __m256i zero = _mm256_setzero_si256();
  return {zero, zero, zero, zero};
}

HWY_INLINE __m256i Load(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

HWY_INLINE __m256i TableRow(const uint8_t* state) {
  uint16_t offset;
  __builtin_memcpy(&offset, state, sizeof(offset));
  return LoadTableRow(kSignTable.data() + offset);
}

HWY_INLINE void StoreVector(__m256i both, __m256i odd, int32_t* strip) {
  StoreSixteen(EvenSums(both, odd), strip);
  StoreSixteen(odd, strip + 16);
}

// A block of pixels that share the filter loads. Pixels past the last repeat
// it.
struct Whole {  // two pixels x 128 channels: what 16 registers hold
  static constexpr size_t kPixels = 2;

  static HWY_INLINE void Step(const uint8_t* const (&a)[kPixels], ptrdiff_t at,
                              const uint8_t* w, Tile& sum0, Tile& sum1) {
    const Tile filters{Load(w), Load(w + 32), Load(w + 64), Load(w + 96)};
    Add(filters, TableRow(a[0] + at), sum0);
    Add(filters, TableRow(a[1] + at), sum1);
  }
  static HWY_INLINE void Add(const Tile& w, __m256i table, Tile& sum) {
    LookUp(table, w.c0, sum.c0);
    LookUp(table, w.c1, sum.c1);
    LookUp(table, w.c2, sum.c2);
    LookUp(table, w.c3, sum.c3);
  }
  static HWY_INLINE void Store(const Wide& wide, int32_t* strip, int32_t*) {
    StoreVector(wide.both.c0, wide.odd.c0, strip);
    StoreVector(wide.both.c1, wide.odd.c1, strip + 32);
    StoreVector(wide.both.c2, wide.odd.c2, strip + 64);
    StoreVector(wide.both.c3, wide.odd.c3, strip + 96);
  }
  static constexpr size_t kPerTile = 1;  // pixels in a Tile
};

struct Half {  // four pixels x the first 64 channels, two pixels to a Tile
  static constexpr size_t kPixels = 4;

  static HWY_INLINE void Step(const uint8_t* const (&a)[kPixels], ptrdiff_t at,
                              const uint8_t* w, Tile& sum0, Tile& sum1) {
    const __m256i w0 = Load(w), w1 = Load(w + 32);
    Add(w0, w1, TableRow(a[0] + at), TableRow(a[1] + at), sum0);
    Add(w0, w1, TableRow(a[2] + at), TableRow(a[3] + at), sum1);
  }
  static HWY_INLINE void Add(__m256i w0, __m256i w1, __m256i table0,
                             __m256i table1, Tile& sum) {
    LookUp(table0, w0, sum.c0);
    LookUp(table0, w1, sum.c1);
    LookUp(table1, w0, sum.c2);
    LookUp(table1, w1, sum.c3);
  }
  static HWY_INLINE void Store(const Wide& wide, int32_t* strip0,
                               int32_t* strip1) {
    StoreVector(wide.both.c0, wide.odd.c0, strip0);
    StoreVector(wide.both.c1, wide.odd.c1, strip0 + 32);
    StoreVector(wide.both.c2, wide.odd.c2, strip1);
    StoreVector(wide.both.c3, wide.odd.c3, strip1 + 32);
  }
  static constexpr size_t kPerTile = 2;
};

// All loops run at least once: g++ 12 copies every accumulator where they might
// not. `chunk` steps at a time, of about equal size, between tests of the
// range.
template <class Shape>
void Block(const DirectArgs& args, const DirectPixel* pixels, size_t count,
           size_t chunk) {
  const uint8_t* a[Shape::kPixels];
  int32_t* strip[Shape::kPixels];
  for (size_t r = 0; r < Shape::kPixels; ++r) {
    const DirectPixel& pixel = pixels[r < count ? r : count - 1];
    a[r] = args.image + pixel.at;
    strip[r] = args.strip + pixel.row * args.strip_stride;
  }
  // So that the 4 of each table entry cancels.
  const auto start =
      static_cast<uint16_t>(0 - 4 * args.rows * args.runs * args.steps);
  Wide wide0 = StartWide<4>(start), wide1 = wide0;
  Tile sum0 = Zeros(), sum1 = Zeros();
  size_t used = 0;
  for (size_t y = 0; y < args.rows; ++y) {
    for (size_t x = 0; x < args.runs; ++x) {
      const uint8_t* w =
          args.filters + y * args.filter_row + x * args.filter_run;
      ptrdiff_t at = static_cast<ptrdiff_t>(y) * args.image_row +
                     static_cast<ptrdiff_t>(x) * args.image_run;
      size_t left = args.steps;
      do {
        size_t n = left < chunk ? left : chunk;
        left -= n;
        if (used + n > kMaxSteps) {
          Widen(sum0, wide0);
          Widen(sum1, wide1);
          sum0 = sum1 = Zeros();
          used = 0;
        }
        used += n;
        do {
          Shape::Step(a, at, w, sum0, sum1);
          w += kLutNr;
          at += kStepBytes;
        } while (--n != 0);
      } while (left != 0);
    }
  }
  Widen(sum0, wide0);
  Widen(sum1, wide1);
  constexpr size_t kSecond = Shape::kPerTile;
  Shape::Store(wide0, strip[0], strip[kSecond - 1]);
  Shape::Store(wide1, strip[kSecond], strip[Shape::kPixels - 1]);
}

template <class Shape>
void Blocks(const DirectArgs& args) {
  const size_t chunks = (args.steps + kMaxSteps - 1) / kMaxSteps;
  const size_t chunk = (args.steps + chunks - 1) / chunks;
  for (size_t r = 0; r < args.count; r += Shape::kPixels)
    Block<Shape>(args, args.pixels + r, args.count - r, chunk);
}

void Run(const DirectArgs& args) noexcept {
  args.cols <= kLutHalf ? Blocks<Half>(args) : Blocks<Whole>(args);
}

void PackImage(const CodePlanes& planes, size_t pixel, size_t count,
               void* packed) noexcept {
  const size_t first = pixel * planes.row_words,
               words = count * planes.row_words;
  auto* states = static_cast<uint16_t*>(packed);
  for (size_t i = first; i < first + words; ++i, states += 16)
    PackSignStates(planes.sign + i, planes.valid + i, states);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

size_t PixelBytes(size_t ic) noexcept {
  return GroupWords(ic) * 16 * kStepBytes;
}

void Pack(const void* canonical, size_t n, size_t taps, size_t ic,
          void* packed) noexcept {
  const auto* rows = static_cast<const uint8_t*>(canonical);
  const size_t row_bytes = CeilDiv(taps * ic, 8);
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, kLutNr); tile += kLutNr) {
    for (size_t tap = 0; tap < taps; ++tap) {
      for (size_t i = 0; i < ic; i += 4) {
        for (size_t p = 0; p < kLutNr; ++p) {
          const size_t j = tile + LutChannel(p);
          *out++ = j < n ? static_cast<uint8_t>(
                               FilterBits(rows + j * row_bytes, tap * ic + i,
                                          ic - i < 4 ? ic - i : 4))
                         : uint8_t{0};
        }
      }
    }
  }
}

constexpr DirectKernel kKernels[] = {
    {"w1a1/direct-lut/avx2", kAvx2, kLutNr, 4, kStepBytes, kLutNr, 32764, &Pack,
     &PixelBytes, &PackImage, &Run, kLutHalf, "w1a1/lut/avx2", 4, false},
};

}  // namespace

std::span<const DirectKernel> DirectW1A1Avx2Lut(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels

#endif  // x86-64
