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

float Finish(const EpilogueArgs& args, size_t m, size_t n, float v) {
  const auto residual = [&] {
    return RowAt<float>(args.residual, args.residual_stride, m)[n];
  };
  bool residual_added = args.residual == nullptr;
  if (args.bias != nullptr) v = v + args.bias[n];
  for (size_t i = 0; i < args.step_count; ++i) {
    const EpilogueStep& step = args.steps[i];
    switch (step.kind) {
      case EpilogueStep::Kind::kMul:
        v = v * step.values[n];
        break;
      case EpilogueStep::Kind::kAdd:
        v = v + step.values[n];
        break;
      case EpilogueStep::Kind::kResidual:
        v = residual() + v;
        residual_added = true;
        break;
      case EpilogueStep::Kind::kRelu:
        v = v <= 0 ? 0.0f : v;
        break;
      case EpilogueStep::Kind::kGelu:
        v = GeluReference(v);
        break;
      case EpilogueStep::Kind::kClip:
        v = ClipReference(v, step.lo, step.hi);
        break;
      case EpilogueStep::Kind::kPRelu:
        v = PReluReference(v, step.values[n]);
        break;
    }
  }
  return CanonicalReference(residual_added ? v : residual() + v);
}

int32_t Corrected(const EpilogueArgs& args, size_t m, size_t n, int32_t acc) {
  auto sum = static_cast<uint32_t>(acc);  // terms of the run may wrap
  if (args.correction != nullptr)
    sum += static_cast<uint32_t>(args.correction[n]);
  if (args.row_term != nullptr)
    sum += static_cast<uint32_t>(args.row_term[m]) *
           static_cast<uint32_t>(args.column_term[n]);
  return static_cast<int32_t>(sum);
}

// The finished value of element (r, j).
template <bool kInteger>
float Value(const EpilogueArgs& args, const EpilogueStrip& s, size_t r,
            size_t j) {
  const size_t m = s.row + r, n = s.col + j;
  if constexpr (kInteger) {
    const auto acc = static_cast<float>(
        Corrected(args, m, n, RowAt<int32_t>(s.strip, s.stride, r)[j]));
    const float scale = args.row_scale != nullptr
                            ? args.scale[n] * args.row_scale[m]
                            : args.scale[n];
    return Finish(args, m, n, acc * scale);
  } else {
    const float acc = RowAt<float>(s.strip, s.stride, r)[j];
    return Finish(args, m, n,
                  args.scale != nullptr ? acc * args.scale[n] : acc);
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

// Sinks of a finished value.
void PutF32(const EpilogueArgs& args, size_t m, size_t n, float v) {
  RowAt(args.out_f32, args.out_stride, m)[n] = v;
  if (args.lane_sums != nullptr) args.lane_sums[16 * m + n % 16] += v;
  if (args.codes.sign == nullptr) return;
  const float shift = args.sign_shift != nullptr ? args.sign_shift[n] : 0;
  StoreCode(args.codes, m, n, SignCode(v, 1, shift));
}

void PutByte(const EpilogueArgs& args, size_t m, size_t n, float v) {
  RowAt(args.bytes.data, args.bytes.stride, m)[n] =
      ByteCodeReference(args.quantiser, m, n, v);
}

void PutSign(const EpilogueArgs& args, size_t m, size_t n, float v) {
  const size_t group = n / args.codes.group;
  StoreCode(args.codes, m, n,
            args.a != nullptr ? SignCode(v, args.a[group], args.z[group])
                              : SignCode(v, 1, 0));
}

template <bool kInteger,
          void (*kPut)(const EpilogueArgs&, size_t, size_t, float)>
void FloatKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  for (size_t r = 0; r < s.rows; ++r) {
    for (size_t j = 0; j < s.cols; ++j)
      kPut(args, s.row + r, s.col + j, Value<kInteger>(args, s, r, j));
  }
}

void ThresholdBytes(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const ByteQuantiser& q = args.quantiser;
  for (size_t r = 0; r < s.rows; ++r) {
    const size_t m = s.row + r;
    for (size_t j = 0; j < s.cols; ++j) {
      const size_t n = s.col + j;
      const int32_t acc =
          Corrected(args, m, n, RowAt<int32_t>(s.strip, s.stride, r)[j]);
      int32_t code = q.lo;
      for (size_t t = 0; t < args.threshold_count; ++t)
        code += (acc ^ args.flip[n]) > args.thresholds[t * args.channels + n];
      RowAt(args.bytes.data, args.bytes.stride, m)[n] =
          static_cast<uint8_t>(q.step * code + q.offset);
    }
  }
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

// LayerNorm over groups of columns of fl(acc' * scale) [+ bias], each value
// given to kPut.
template <void (*kPut)(const EpilogueArgs&, size_t, size_t, float)>
void GroupNorm(const EpilogueArgs& args, const EpilogueStrip& s, size_t group) {
  for (size_t r = 0; r < s.rows; ++r) {
    const auto* acc = RowAt<int32_t>(s.strip, s.stride, r);
    const auto value = [&](size_t j) {
      const size_t n = s.col + j;
      const float y =
          static_cast<float>(Corrected(args, s.row + r, n, acc[j])) *
          args.scale[n];
      return args.bias != nullptr ? y + args.bias[n] : y;
    };
    for (size_t first = 0; first < s.cols; first += group) {
      LaneSumReference sum, squares;
      for (size_t i = 0; i < group; ++i) sum.Add(i, value(first + i));
      MomentsReference m;
      m.mean = sum.Total() / static_cast<float>(group);
      for (size_t i = 0; i < group; ++i)
        squares.AddSquare(i, value(first + i) - m.mean);
      m.rstd = 1.0f / std::sqrt(squares.Total() / static_cast<float>(group) +
                                args.epsilon);
      for (size_t i = 0; i < group; ++i) {
        kPut(args, s.row + r, s.col + first + i,
             NormaliseReference(value(first + i), m, args.gamma[i],
                                args.beta[i]));
      }
    }
  }
}

void GroupNormSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  GroupNorm<PutSign>(args, s, args.codes.group);
}

void GroupNormBytes(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  GroupNorm<PutByte>(args, s, args.norm_group);
}

constexpr EpilogueKernel kKernels[] = {
    {"store_i32/reference", EpilogueKind::kStoreI32, &StoreI32, true},
    {"scale_f32/reference", EpilogueKind::kScaleF32, &FloatKind<true, PutF32>,
     true},
    {"float_f32/reference", EpilogueKind::kFloatF32, &FloatKind<false, PutF32>,
     true},
    {"scale_bytes/reference", EpilogueKind::kScaleBytes,
     &FloatKind<true, PutByte>, true},
    {"float_bytes/reference", EpilogueKind::kFloatBytes,
     &FloatKind<false, PutByte>, true},
    {"scale_sign/reference", EpilogueKind::kScaleSign,
     &FloatKind<true, PutSign>, true},
    {"float_sign/reference", EpilogueKind::kFloatSign,
     &FloatKind<false, PutSign>, true},
    {"threshold_bytes/reference", EpilogueKind::kThresholdBytes,
     &ThresholdBytes, true},
    {"window_sign/reference", EpilogueKind::kWindowSign, &WindowSign, true},
    {"group_norm_sign/reference", EpilogueKind::kGroupNormSign, &GroupNormSign,
     true},
    {"group_norm_bytes/reference", EpilogueKind::kGroupNormBytes,
     &GroupNormBytes, true},
};

}  // namespace

std::span<const EpilogueKernel> EpilogueReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
