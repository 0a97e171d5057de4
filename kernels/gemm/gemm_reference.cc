// Plain loops that define what every GEMM kernel computes:
//   strip[r][j] = sum_k a[row + r][k] * w[tile * 16 + j][k]
// exact in int32 for codes; for fp32 one fused multiply-add chain over k
// ascending, starting from +0.
#include <cmath>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;

template <class T>
T& StripAt(const GemmStripArgs& args, size_t r, size_t j) {
  auto* row = static_cast<uint8_t*>(args.strip) +
              static_cast<ptrdiff_t>(r) * args.strip_stride;
  return reinterpret_cast<T*>(row)[j];
}

size_t BitBytes(size_t n, size_t k) noexcept { return n * CeilDiv(k, 8); }
size_t FloatBytes(size_t n, size_t k) noexcept { return n * k * sizeof(float); }
void CopyBits(const void* w, size_t n, size_t k, void* packed) noexcept {
  std::memcpy(packed, w, BitBytes(n, k));
}
void CopyFloats(const void* w, size_t n, size_t k, void* packed) noexcept {
  std::memcpy(packed, w, FloatBytes(n, k));
}

void RunW1A1(const GemmStripArgs& args) noexcept {
  const auto* bits =
      static_cast<const uint8_t*>(args.packed_rhs);  // [n][ceil(k / 8)]
  for (size_t r = 0; r < args.rows; ++r) {
    for (size_t j = 0; j < kNr && args.tile * kNr + j < args.n; ++j) {
      const uint8_t* w = bits + (args.tile * kNr + j) * CeilDiv(args.k, 8);
      int32_t sum = 0;
      for (size_t k = 0; k < args.k; ++k) {
        const int code = CodeAt(args.lhs->planes, args.row + r, k);
        sum += (w[k / 8] >> (k % 8) & 1) != 0 ? code : -code;
      }
      StripAt<int32_t>(args, r, j) = sum;
    }
  }
}

void RunF32(const GemmStripArgs& args) noexcept {
  const auto* weights = static_cast<const float*>(args.packed_rhs);  // [n][k]
  const auto* rows = reinterpret_cast<const uint8_t*>(args.lhs->f32);
  for (size_t r = 0; r < args.rows; ++r) {
    const auto* a = reinterpret_cast<const float*>(
        rows + static_cast<ptrdiff_t>(args.row + r) * args.lhs->f32_stride);
    for (size_t j = 0; j < kNr && args.tile * kNr + j < args.n; ++j) {
      const float* w = weights + (args.tile * kNr + j) * args.k;
      float sum = 0;
      for (size_t k = 0; k < args.k; ++k) sum = std::fma(a[k], w[k], sum);
      StripAt<float>(args, r, j) = sum;
    }
  }
}

// Loops of this shape run at about 1 MAC per cycle or less: any real kernel
// wins.
double Cycles(const GemmQuery& q) noexcept {
  return 2.0 * static_cast<double>(q.m * q.n * q.k);
}

constexpr size_t kAnyK = size_t{1} << 30;  // |sum| <= k fits int32
constexpr GemmKernel kKernels[] = {
    {"w1a1/reference", kNone, Operand::kBipolar, Operand::kSign, kNr, 1, kAnyK,
     &BitBytes, &CopyBits, nullptr, nullptr, &RunW1A1, &Cycles},
    {"f32/reference", kNone, Operand::kF32, Operand::kF32, kNr, 1, kAnyK,
     &FloatBytes, &CopyFloats, nullptr, nullptr, &RunF32, &Cycles},
};

}  // namespace

GemmKernelList GemmReference(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels
