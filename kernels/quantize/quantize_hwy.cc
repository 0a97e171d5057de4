// Sign quantiser for every Highway target: two comparisons a vector, their
// masks straight to bits of the planes.
//   code[r][c] = sign(fl(fl(y / a) + z)), y = x[r][c] or its LayerNorm; word c
//   / 64 of a group holds columns 64w..64w+63.
// The division is replaced by the exact window of base/sign_window.h; LayerNorm
// keeps the row in L1 and stores no float.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize/quantize_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/bits.h"
#include "kernels/base/sign-inl.h"
#include "kernels/quantize/quantize_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

// Codes of one group of row `row`; column 0 of the loader is column 0 of the
// matrix.
template <class Loader>
HWY_INLINE void GroupCodes(const CodePlanes& p, size_t row, size_t group,
                           const Loader& loader, const SignQuantiser& q) {
  const size_t words = GroupWords(p.group);
  uint64_t* HWY_RESTRICT sign = p.sign + row * p.row_words + group * words;
  uint64_t* HWY_RESTRICT valid = p.valid + row * p.row_words + group * words;
  int32_t count = 0;
  for (size_t w = 0; w < words; ++w) {
    const size_t width = HWY_MIN(size_t{64}, p.group - w * 64);
    const CodeBits bits = WordCodes(loader, group * p.group + w * 64, width, q);
    sign[w] = bits.sign;
    valid[w] = bits.valid;
    count += static_cast<int32_t>(hwy::PopCount(bits.valid));
  }
  p.valid_count[row] += count;
}

HWY_INLINE FloatRow Row(const SignArgs& args, size_t row) {
  return {reinterpret_cast<const float*>(reinterpret_cast<const char*>(args.x) +
                                         static_cast<ptrdiff_t>(row) *
                                             args.x_stride)};
}

// Groups outside, so that a window is made once for many rows; the LayerNorm
// needs whole rows, so its moments come first.
constexpr size_t kRowBlock = 32;

void RowBlockMoments(const SignArgs& args, size_t row, size_t rows,
                     RowMoments* moments) {
  const size_t cols = args.codes.cols;
  size_t r = 0;
  for (; r + kMomentRows <= rows; r += kMomentRows) {
    const FloatRow x[] = {Row(args, row + r), Row(args, row + r + 1),
                          Row(args, row + r + 2), Row(args, row + r + 3)};
    Moments4(x, cols, args.epsilon, moments + r);
  }
  for (; r < rows; ++r)
    moments[r] = Moments(Row(args, row + r), cols, args.epsilon);
}

template <bool kNormed>
void SignRows(const SignArgs& args, size_t row, size_t rows) {
  const CodePlanes& p = args.codes;
  RowMoments moments[kRowBlock];
  if constexpr (kNormed) RowBlockMoments(args, row, rows, moments);
  for (size_t r = 0; r < rows; ++r) p.valid_count[row + r] = 0;
  for (size_t group = 0; group < p.cols / p.group; ++group) {
    const SignQuantiser q = MakeSignQuantiser(args.a, args.z, group);
    for (size_t r = 0; r < rows; ++r) {
      const FloatRow x = Row(args, row + r);
      if constexpr (kNormed) {
        GroupCodes(p, row + r, group,
                   NormedRow<FloatRow>{x, args.gamma, args.beta, moments[r]},
                   q);
      } else {
        GroupCodes(p, row + r, group, x, q);
      }
    }
  }
}

void Sign(const SignArgs& args, size_t row, size_t rows) noexcept {
  for (size_t r = 0; r < rows; r += kRowBlock) {
    const size_t block = HWY_MIN(kRowBlock, rows - r);
    args.gamma != nullptr ? SignRows<true>(args, row + r, block)
                          : SignRows<false>(args, row + r, block);
  }
}

// Level of each of the three codes, chosen bit by bit; not on the path of a
// converted model.
void Dequantize(const CodePlanes& codes, const float* a, const float* z,
                float* out, ptrdiff_t out_stride, size_t row,
                size_t rows) noexcept {
  const size_t words = GroupWords(codes.group);
  for (size_t group = 0; group < codes.cols / codes.group; ++group) {
    HWY_ALIGN float level[kBlock];
    const DF d;
    for (int code = -1; code <= 1; ++code) {
      const float value = static_cast<float>(code);
      level[code + 1] = a == nullptr ? value
                                     : hn::GetLane(Canonical(hn::Set(
                                           d, (value - z[group]) * a[group])));
    }
    for (size_t r = row; r < row + rows; ++r) {
      const uint64_t* sign = codes.sign + r * codes.row_words + group * words;
      const uint64_t* valid = codes.valid + r * codes.row_words + group * words;
      float* y =
          reinterpret_cast<float*>(reinterpret_cast<char*>(out) +
                                   static_cast<ptrdiff_t>(r) * out_stride) +
          group * codes.group;
      for (size_t c = 0; c < codes.group; ++c) {
        const size_t s = sign[c / 64] >> (c % 64) & 1,
                     v = valid[c / 64] >> (c % 64) & 1;
        y[c] = level[1 + 2 * s - v];
      }
    }
  }
}

}  // namespace

const QuantizeKernel* QuantizeHwyKernel() {
  static constexpr QuantizeKernel kKernel = {"quantize/hwy", &Sign, &Dequantize,
                                             false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(QuantizeHwyKernel);

std::span<const QuantizeKernel> QuantizeHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(QuantizeHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
