// f32 in portable Highway (gemm_f32-inl.h): one chain of fused multiply-adds an
// output, from +0, over k ascending. Right operand: packed[t][k][j] = w[t * kNr
// + j][k], 0 past n.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_f32.cc"
#include "hwy/foreach_target.h"
#include "kernels/gemm/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

void Run(const GemmStripArgs& args) noexcept {
  const auto* w =
      static_cast<const float*>(args.packed_rhs) + args.tile * args.k * kNr;
  const Rows rows{reinterpret_cast<const uint8_t*>(args.lhs->f32) +
                      static_cast<ptrdiff_t>(args.row) * args.lhs->f32_stride,
                  args.lhs->f32_stride,
                  reinterpret_cast<const uint8_t*>(kZeros),
                  0,
                  static_cast<uint8_t*>(args.strip),
                  args.strip_stride,
                  args.lhs->f32_offsets};
  rows.offsets != nullptr ? Strip<true>(rows, args.rows, w, args.k)
                          : Strip<false>(rows, args.rows, w, args.k);
}

size_t TypesMaxK(GemmTypes types) noexcept {
  return types == GemmTypes{Operand::kF32, Operand::kF32} ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kNr) * k * sizeof(float);
}

void PackRhs(const CodeMatrix& weights, Operand, void* packed) noexcept {
  const auto* w = static_cast<const float*>(weights.data);
  const size_t n = weights.n, k = weights.k;
  auto* out = static_cast<float*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, kNr); tile += kNr) {
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < kNr; ++j)
        *out++ = tile + j < n ? w[(tile + j) * k + i] : 0.0f;
    }
  }
}

}  // namespace

GemmKernelList F32List() {
  static constexpr GemmKernel kKernels[] = {
      {"f32/fma/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kNr, kMr, kNr, 1,
       &RhsBytes, &PackRhs, nullptr, nullptr, &Run, nullptr, nullptr, 0,
       nullptr, true},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(F32List);
GemmKernelList GemmF32(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(F32List, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
