// Plain loops: the definition that the other kernels of this family are tested
// against.
#include "kernels/base/bits.h"
#include "kernels/base/math_reference.h"
#include "kernels/base/sign_window.h"
#include "kernels/quantize/quantize_kernels.h"

namespace bittern::kernels {
namespace {

void Sign(const SignArgs& args, size_t row, size_t rows) noexcept {
  const CodePlanes& p = args.codes;
  for (size_t r = row; r < row + rows; ++r) {
    const auto* x = reinterpret_cast<const float*>(
        reinterpret_cast<const char*>(args.x) +
        static_cast<ptrdiff_t>(r) * args.x_stride);
    for (size_t w = 0; w < p.row_words; ++w)
      p.sign[r * p.row_words + w] = p.valid[r * p.row_words + w] = 0;
    const bool normed = args.gamma != nullptr;
    const MomentsReference m =
        normed ? RowMomentsReference(x, p.cols, args.epsilon)
               : MomentsReference{};
    int32_t count = 0;
    for (size_t c = 0; c < p.cols; ++c) {
      const float value =
          normed ? NormaliseReference(x[c], m, args.gamma[c], args.beta[c])
                 : x[c];
      const size_t group = c / p.group, bit = c % p.group;
      const int code = args.a != nullptr
                           ? SignCode(value, args.a[group], args.z[group])
                           : SignCode(value, 1.0f, 0.0f);
      const size_t word =
          r * p.row_words + group * GroupWords(p.group) + bit / 64;
      p.sign[word] |= static_cast<uint64_t>(code > 0) << (bit % 64);
      p.valid[word] |= static_cast<uint64_t>(code != 0) << (bit % 64);
      count += code != 0;
    }
    p.valid_count[r] = count;
  }
}

void Dequantize(const CodePlanes& codes, const float* a, const float* z,
                float* out, ptrdiff_t out_stride, size_t row,
                size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    auto* y = reinterpret_cast<float*>(reinterpret_cast<char*>(out) +
                                       static_cast<ptrdiff_t>(r) * out_stride);
    for (size_t c = 0; c < codes.cols; ++c) {
      const auto code = static_cast<float>(CodeAt(codes, r, c));
      const size_t group = c / codes.group;
      y[c] = a == nullptr ? code
                          : CanonicalReference((code - z[group]) * a[group]);
    }
  }
}

constexpr QuantizeKernel kKernels[] = {
    {"quantize/reference", &Sign, &Dequantize, true}};

}  // namespace

std::span<const QuantizeKernel> QuantizeReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
