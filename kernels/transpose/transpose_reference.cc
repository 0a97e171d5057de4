// Plain loops: the definition that the other kernels of this family are tested
// against.
#include "kernels/transpose/transpose_kernels.h"

namespace bittern::kernels {
namespace {

template <class T>
void Transpose(const TransposeArgs& args) noexcept {
  for (size_t r = 0; r < args.rows; ++r) {
    const auto* x =
        reinterpret_cast<const T*>(static_cast<const char*>(args.x) +
                                   static_cast<ptrdiff_t>(r) * args.x_stride);
    for (size_t c = 0; c < args.cols; ++c) {
      reinterpret_cast<T*>(static_cast<char*>(args.y) +
                           static_cast<ptrdiff_t>(c) * args.y_stride)[r] = x[c];
    }
  }
}

constexpr TransposeKernel kKernels[] = {
    {"transpose/reference", &Transpose<uint32_t>, &Transpose<uint8_t>, true}};

}  // namespace

std::span<const TransposeKernel> TransposeReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
