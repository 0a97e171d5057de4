// Plain loops: the definition that the other kernels of this family are tested
// against. (r, j) is an element of the strip.
#include "kernels/base/bits.h"
#include "kernels/base/math_reference.h"
#include "kernels/base/sign_window.h"
#include "kernels/epilogue/epilogue_kernels.h"

namespace bittern::kernels {
namespace {

template <class T>
const T* RowAt(const void* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) +
                                    static_cast<ptrdiff_t>(row) * stride);
}

template <class T>
T* RowAt(T* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<T*>(reinterpret_cast<char*>(base) +
                              static_cast<ptrdiff_t>(row) * stride);
}

void StoreI32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<int32_t>(s.strip, s.stride, r);
    int32_t* out = RowAt(args.out_i32, args.out_stride, s.row + r) + s.col;
    for (size_t j = 0; j < s.cols; ++j) out[j] = acc[j];
  }
}

// One row of the two float kinds, after the accumulator has become a float.
void StoreFloat(const EpilogueArgs& args, const EpilogueStrip& s, size_t r,
                size_t j, float y) {
  if (args.bias != nullptr) y = y + args.bias[s.col + j];
  if (args.residual != nullptr)
    y = RowAt<float>(args.residual, args.residual_stride,
                     s.row + r)[s.col + j] +
        y;
  RowAt(args.out_f32, args.out_stride, s.row + r)[s.col + j] =
      CanonicalReference(y);
}

void ScaleF32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<int32_t>(s.strip, s.stride, r);
    for (size_t j = 0; j < s.cols; ++j)
      StoreFloat(args, s, r, j,
                 static_cast<float>(acc[j]) * args.scale[s.col + j]);
  }
}

void FloatF32(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<float>(s.strip, s.stride, r);
    for (size_t j = 0; j < s.cols; ++j) StoreFloat(args, s, r, j, acc[j]);
  }
}

// Writes one code, given in ascending column order: the first column of a word
// clears it.
void StoreCode(const CodePlanes& p, size_t row, size_t column, int code) {
  const size_t bit = column % p.group;
  const size_t word =
      row * p.row_words + column / p.group * GroupWords(p.group) + bit / 64;
  if (bit % 64 == 0) p.sign[word] = p.valid[word] = 0;
  p.sign[word] |= static_cast<uint64_t>(code > 0) << (bit % 64);
  p.valid[word] |= static_cast<uint64_t>(code != 0) << (bit % 64);
  p.valid_count[row] += code != 0;
}

void WindowSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<int32_t>(s.strip, s.stride, r);
    for (size_t j = 0; j < s.cols; ++j) {
      const size_t n = s.col + j;
      const bool positive =
          args.pos_lo[n] <= acc[j] && acc[j] <= args.pos_hi[n];
      const bool negative =
          args.neg_lo[n] <= acc[j] && acc[j] <= args.neg_hi[n];
      StoreCode(args.codes, s.row + r, n, positive ? 1 : (negative ? -1 : 0));
    }
  }
}

void GroupNormSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const size_t group = args.codes.group;
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<int32_t>(s.strip, s.stride, r);
    const auto value = [&](size_t j) {
      const float y = static_cast<float>(acc[j]) * args.scale[s.col + j];
      return args.bias != nullptr ? y + args.bias[s.col + j] : y;
    };
    for (size_t first = 0; first < s.cols; first += group) {
      const size_t g = (s.col + first) / group;
      LaneSumReference sum, squares;
      for (size_t i = 0; i < group; ++i) sum.Add(i, value(first + i));
      MomentsReference m;
      m.mean = sum.Total() / static_cast<float>(group);
      for (size_t i = 0; i < group; ++i)
        squares.AddSquare(i, value(first + i) - m.mean);
      m.rstd = 1.0f / std::sqrt(squares.Total() / static_cast<float>(group) +
                                args.epsilon);
      for (size_t i = 0; i < group; ++i) {
        const float y = NormaliseReference(value(first + i), m, args.gamma[i],
                                           args.beta[i]);
        StoreCode(args.codes, s.row + r, s.col + first + i,
                  args.a != nullptr ? SignCode(y, args.a[g], args.z[g])
                                    : SignCode(y, 1, 0));
      }
    }
  }
}

constexpr EpilogueKernel kKernels[] = {
    {"store_i32/reference", EpilogueKind::kStoreI32, &StoreI32, true},
    {"scale_f32/reference", EpilogueKind::kScaleF32, &ScaleF32, true},
    {"float_f32/reference", EpilogueKind::kFloatF32, &FloatF32, true},
    {"window_sign/reference", EpilogueKind::kWindowSign, &WindowSign, true},
    {"group_norm_sign/reference", EpilogueKind::kGroupNormSign, &GroupNormSign,
     true},
};

}  // namespace

std::span<const EpilogueKernel> EpilogueReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
