// Transposes for every Highway target, in blocks held in 128-bit registers: 4 x
// 4 words or 8 x 8 bytes, interleaved in two or three steps. Blocks go down a
// column of x first, so that the lines of y are written from end to end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose/transpose_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include <cstring>

#include "kernels/base/hwy-inl.h"
#include "kernels/transpose/transpose_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE const uint8_t* Source(const TransposeArgs& args, size_t r, size_t c,
                                 size_t size) {
  return static_cast<const uint8_t*>(args.x) +
         static_cast<ptrdiff_t>(r) * args.x_stride +
         static_cast<ptrdiff_t>(c * size);
}
HWY_INLINE uint8_t* Target(const TransposeArgs& args, size_t r, size_t c,
                           size_t size) {
  return static_cast<uint8_t*>(args.y) +
         static_cast<ptrdiff_t>(c) * args.y_stride +
         static_cast<ptrdiff_t>(r * size);
}

template <size_t kSize>
HWY_INLINE void Element(const TransposeArgs& args, size_t r, size_t c) {
  memcpy(Target(args, r, c, kSize), Source(args, r, c, kSize), kSize);
}

#if HWY_TARGET == HWY_SCALAR
constexpr size_t kWordBlock = 1, kByteBlock = 1;

struct WordBlock {
  static HWY_INLINE void Run(const TransposeArgs& args, size_t r, size_t c) {
    Element<4>(args, r, c);
  }
};
struct ByteBlock {
  static HWY_INLINE void Run(const TransposeArgs& args, size_t r, size_t c) {
    Element<1>(args, r, c);
  }
};
#else
constexpr size_t kWordBlock = 4, kByteBlock = 8;

struct WordBlock {
  using D32 = hn::Full128<uint32_t>;
  using D64 = hn::Full128<uint64_t>;
  using V32 = hn::Vec<D32>;
  using V64 = hn::Vec<D64>;

  static HWY_INLINE V32 Load(const TransposeArgs& args, size_t r, size_t c) {
    return hn::LoadU(D32(),
                     reinterpret_cast<const uint32_t*>(Source(args, r, c, 4)));
  }
  static HWY_INLINE void Store(const TransposeArgs& args, size_t r, size_t c,
                               V64 v) {
    hn::StoreU(hn::BitCast(D32(), v), D32(),
               reinterpret_cast<uint32_t*>(Target(args, r, c, 4)));
  }
  static HWY_INLINE V64 Low(V32 a, V32 b) {
    return hn::BitCast(D64(), hn::InterleaveLower(D32(), a, b));
  }
  static HWY_INLINE V64 High(V32 a, V32 b) {
    return hn::BitCast(D64(), hn::InterleaveUpper(D32(), a, b));
  }
  static HWY_INLINE void Run(const TransposeArgs& args, size_t r, size_t c) {
    const D64 d;
    const V32 x0 = Load(args, r, c), x1 = Load(args, r + 1, c),
              x2 = Load(args, r + 2, c), x3 = Load(args, r + 3, c);
    const V64 a = Low(x0, x1), b = Low(x2, x3);    // columns 0 and 1
    const V64 e = High(x0, x1), f = High(x2, x3);  // columns 2 and 3
    Store(args, r, c, hn::InterleaveLower(d, a, b));
    Store(args, r, c + 1, hn::InterleaveUpper(d, a, b));
    Store(args, r, c + 2, hn::InterleaveLower(d, e, f));
    Store(args, r, c + 3, hn::InterleaveUpper(d, e, f));
  }
};

struct ByteBlock {
  using D8 = hn::Full128<uint8_t>;
  using D16 = hn::Full128<uint16_t>;
  using D32 = hn::Full128<uint32_t>;
  using D64 = hn::Full128<uint64_t>;
  using V16 = hn::Vec<D16>;
  using V32 = hn::Vec<D32>;

  // Rows r and r + 1, their bytes alternating.
  static HWY_INLINE V16 Pair(const TransposeArgs& args, size_t r, size_t c) {
    const D8 d;
    const D64 d64;
    uint64_t low, high;
    memcpy(&low, Source(args, r, c, 1), 8);
    memcpy(&high, Source(args, r + 1, c, 1), 8);
    return hn::BitCast(D16(),
                       hn::InterleaveLower(d, hn::BitCast(d, hn::Set(d64, low)),
                                           hn::BitCast(d, hn::Set(d64, high))));
  }
  // Two lines of y.
  static HWY_INLINE void Store(const TransposeArgs& args, size_t r, size_t c,
                               V32 v) {
    const D64 d;
    const auto lines = hn::BitCast(d, v);
    const uint64_t first = hn::GetLane(lines);
    const uint64_t second = hn::GetLane(hn::BitCast(d, hn::Shuffle1032(v)));
    memcpy(Target(args, r, c, 1), &first, 8);
    memcpy(Target(args, r, c + 1, 1), &second, 8);
  }
  static HWY_INLINE V32 Low(V16 a, V16 b) {
    return hn::BitCast(D32(), hn::InterleaveLower(D16(), a, b));
  }
  static HWY_INLINE V32 High(V16 a, V16 b) {
    return hn::BitCast(D32(), hn::InterleaveUpper(D16(), a, b));
  }
  static HWY_INLINE void Run(const TransposeArgs& args, size_t r, size_t c) {
    const D32 d;
    const V16 p0 = Pair(args, r, c), p2 = Pair(args, r + 2, c),
              p4 = Pair(args, r + 4, c), p6 = Pair(args, r + 6, c);
    const V32 a = Low(p0, p2), b = Low(p4, p6);    // columns 0 to 3
    const V32 e = High(p0, p2), f = High(p4, p6);  // columns 4 to 7
    Store(args, r, c, hn::InterleaveLower(d, a, b));
    Store(args, r, c + 2, hn::InterleaveUpper(d, a, b));
    Store(args, r, c + 4, hn::InterleaveLower(d, e, f));
    Store(args, r, c + 6, hn::InterleaveUpper(d, e, f));
  }
};
#endif

template <size_t kSize, size_t kSide, class Block>
void Blocks(const TransposeArgs& args) noexcept {
  const size_t rows = args.rows / kSide * kSide;
  const size_t cols = args.cols / kSide * kSide;
  for (size_t c = 0; c < cols; c += kSide) {
    for (size_t r = 0; r < rows; r += kSide) Block::Run(args, r, c);
    for (size_t r = rows; r < args.rows; ++r) {
      for (size_t i = 0; i < kSide; ++i) Element<kSize>(args, r, c + i);
    }
  }
  for (size_t c = cols; c < args.cols; ++c) {
    for (size_t r = 0; r < args.rows; ++r) Element<kSize>(args, r, c);
  }
}

}  // namespace

const TransposeKernel* TransposeHwyKernel() {
  static constexpr TransposeKernel kKernel = {
      "transpose/hwy", &Blocks<4, kWordBlock, WordBlock>,
      &Blocks<1, kByteBlock, ByteBlock>, false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(TransposeHwyKernel);

std::span<const TransposeKernel> TransposeHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(TransposeHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
