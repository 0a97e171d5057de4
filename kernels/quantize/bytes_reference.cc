// Plain loops: the definition that the other kernels of this family are tested
// against.
#include <limits>

#include "kernels/base/math_reference.h"
#include "kernels/quantize/bytes_kernels.h"

namespace bittern::kernels {
namespace {

template <class T>
T* RowAt(T* base, ptrdiff_t stride, size_t row) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(base) +
                              static_cast<ptrdiff_t>(row) * stride);
}

void Quantize(const ByteArgs& args, size_t row, size_t rows) noexcept {
  const size_t cols = args.codes.cols;
  const bool normed = args.source == ByteSource::kLayerNorm;
  for (size_t r = row; r < row + rows; ++r) {
    const float* x = RowAt(args.x, args.x_stride, r);
    const MomentsReference m =
        normed
            ? RowMomentsReference(
                  x, cols, args.epsilon,
                  args.lane_sums != nullptr ? args.lane_sums + 16 * r : nullptr)
            : MomentsReference{};
    for (size_t c = 0; c < cols; ++c) {
      float y = x[c];
      if (normed) y = NormaliseReference(y, m, args.gamma[c], args.beta[c]);
      if (args.source == ByteSource::kGeluClip) y = GeluReference(y);
      if (args.source == ByteSource::kGeluClip ||
          args.source == ByteSource::kClip)
        y = ClipReference(y, args.clip_lo, args.clip_hi);
      RowAt(args.codes.data, args.codes.stride, r)[c] =
          ByteCodeReference(args.quantiser, r, c, y);
    }
  }
}

void Dequantize(const ByteLevelArgs& args, size_t row, size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const uint8_t* code = RowAt(args.codes.data, args.codes.stride, r);
    for (size_t c = 0; c < args.codes.cols; ++c) {
      const int value =
          args.is_signed ? static_cast<int8_t>(code[c]) : int{code[c]};
      const size_t i = ScaleIndex(args.per, r, c);
      const float zero = args.zero != nullptr ? args.zero[i] : 0.0f;
      RowAt(args.out, args.out_stride, r)[c] = CanonicalReference(
          (static_cast<float>(value) - zero) * args.scale[i]);
    }
  }
}

// Order of the extremes: by value, -0 below +0.
bool Below(float a, float b) {
  return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}

void RowRange(const FloatRows& rows_of, float* lo, float* hi, size_t row,
              size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const float* x = RowAt(rows_of.x, rows_of.stride, r);
    lo[r] = hi[r] = x[0];
    bool nan = false;
    for (size_t c = 0; c < rows_of.cols; ++c) {
      nan |= x[c] != x[c];
      if (Below(x[c], lo[r])) lo[r] = x[c];
      if (Below(hi[r], x[c])) hi[r] = x[c];
    }
    if (nan) lo[r] = hi[r] = kCanonicalNan;
  }
}

void RowMaxAbs(const FloatRows& rows_of, float* out, size_t row,
               size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const float* x = RowAt(rows_of.x, rows_of.stride, r);
    out[r] = 0;
    bool nan = false;
    for (size_t c = 0; c < rows_of.cols; ++c) {
      nan |= x[c] != x[c];
      if (std::fabs(x[c]) > out[r]) out[r] = std::fabs(x[c]);
    }
    if (nan) out[r] = kCanonicalNan;
  }
}

constexpr ByteKernel kKernels[] = {
    {"bytes/reference", &Quantize, &Dequantize, &RowRange, &RowMaxAbs, true}};

}  // namespace

std::span<const ByteKernel> BytesReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
