// Thresholds live on u = acc ^ flip, in which the codes of every channel rise:
// threshold t is the largest u whose code is at most t.
#include "kernels/epilogue/thresholds.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/check.h"

namespace bittern::kernels {
namespace {

// Evaluates codes, less the quantiser's lo, of rows of accumulators.
class CodeEvaluator {
 public:
  CodeEvaluator(const EpilogueArgs& layer, const EpilogueKernel& kernel,
                size_t n, size_t rows)
      : args_(layer), kernel_(kernel), n_(n), acc_(rows * n), codes_(rows * n) {
    args_.correction = args_.row_term = args_.column_term = nullptr;
    args_.quantiser.step = 1;
    args_.quantiser.offset = -layer.quantiser.lo;
    args_.bytes = {codes_.data(), static_cast<ptrdiff_t>(n), rows, n};
  }
  int32_t* Row(size_t r) { return acc_.data() + r * n_; }
  const uint8_t* Codes(size_t r) const { return codes_.data() + r * n_; }
  void Run(size_t rows) {
    kernel_.run(args_,
                {acc_.data(), static_cast<ptrdiff_t>(n_ * sizeof(int32_t)), 0,
                 rows, 0, n_});
  }

 private:
  EpilogueArgs args_;
  const EpilogueKernel& kernel_;
  size_t n_;
  std::vector<int32_t> acc_;
  std::vector<uint8_t> codes_;
};

constexpr size_t kMostMonotoneSteps = 3;
constexpr float kLargest = 0x1p20f;  // four products of it and 2^31 are finite

bool AllModerate(const float* x, size_t n) {
  return x == nullptr || std::all_of(x, x + n, [](float v) {
           return std::fabs(v) <= kLargest;
         });
}

struct Range {
  int32_t lo, hi;
};

// Binary search of all thresholds of all channels at once: row t of the
// evaluator holds the middles for threshold t.
void Search(CodeEvaluator& evaluator, size_t n, size_t count, Range acc,
            int32_t* thresholds, const int32_t* flip) {
  // Codes are at most t on [.., low] and above it on [high, ..].
  std::vector<int64_t> low(count * n), high(count * n);
  for (size_t i = 0; i < count * n; ++i) {
    const int32_t f = flip[i % n];
    const int64_t a = acc.lo ^ f, b = acc.hi ^ f;
    low[i] = std::min(a, b) - 1;
    high[i] = std::max(a, b) + 1;
  }
  for (bool open = true; open;) {
    open = false;
    for (size_t i = 0; i < count * n; ++i) {
      const int64_t middle = high[i] - low[i] > 1
                                 ? low[i] + (high[i] - low[i]) / 2
                                 : std::int64_t{acc.lo ^ flip[i % n]};
      evaluator.Row(0)[i] = static_cast<int32_t>(middle) ^ flip[i % n];
    }
    evaluator.Run(count);
    for (size_t i = 0; i < count * n; ++i) {
      if (high[i] - low[i] <= 1) continue;
      const int64_t middle = low[i] + (high[i] - low[i]) / 2;
      (evaluator.Codes(0)[i] > i / n ? high[i] : low[i]) = middle;
      open |= high[i] - low[i] > 1;
    }
  }
  for (size_t i = 0; i < count * n; ++i)
    thresholds[i] =
        static_cast<int32_t>(std::clamp<int64_t>(low[i], INT32_MIN, INT32_MAX));
}

constexpr size_t kSweepRows = 64;

// Every accumulator in ascending order. False if codes fall in u.
bool Sweep(CodeEvaluator& evaluator, size_t n, size_t count, Range acc,
           int32_t* thresholds, const int32_t* flip) {
  // A flipped channel passes threshold t until its codes have fallen to t.
  for (size_t i = 0; i < count * n; ++i)
    thresholds[i] = flip[i % n] != 0 ? INT32_MIN : INT32_MAX;
  std::vector<uint8_t> previous(n);
  bool first = true;
  for (int64_t at = acc.lo; at <= acc.hi; at += kSweepRows) {
    const size_t rows =
        std::min(kSweepRows, static_cast<size_t>(int64_t{acc.hi} - at) + 1);
    for (size_t r = 0; r < rows; ++r)
      std::fill_n(evaluator.Row(r), n,
                  static_cast<int32_t>(at + static_cast<int64_t>(r)));
    evaluator.Run(rows);
    for (size_t r = 0; r < rows; ++r) {
      const int32_t value = evaluator.Row(r)[0];
      for (size_t c = 0; c < n; ++c) {
        const size_t code = evaluator.Codes(r)[c];
        const bool falls = flip[c] != 0;
        const size_t before = first ? (falls ? count : 0) : previous[c];
        if (falls ? code > before : code < before) return false;
        // u = value (or its complement, which then is the last to pass).
        for (size_t t = std::min(before, code); t < std::max(before, code); ++t)
          thresholds[t * n + c] = falls ? ~value : value - 1;
        previous[c] = static_cast<uint8_t>(code);
      }
      first = false;
    }
  }
  return true;
}

}  // namespace

// Rounding every operation leaves a monotone function: products and sums with
// finite constants, no overflow to an infinity that a zero meets.
bool IsMonotone(const EpilogueArgs& layer, size_t n) {
  using Kind = EpilogueStep::Kind;
  if (layer.step_count > kMostMonotoneSteps || !AllModerate(layer.scale, n) ||
      !AllModerate(layer.bias, n))
    return false;
  for (size_t i = 0; i < layer.step_count; ++i) {
    const EpilogueStep& step = layer.steps[i];
    if (step.kind == Kind::kGelu || step.kind == Kind::kResidual) return false;
    if (!AllModerate(step.values, step.values != nullptr ? n : 0)) return false;
    if (step.kind == Kind::kPRelu &&
        std::any_of(step.values, step.values + n,
                    [](float slope) { return slope < 0; }))
      return false;
  }
  const ByteQuantiser& q = layer.quantiser;
  const size_t scales = q.per == ScalePer::kColumn ? n : 1;
  const bool usable = std::all_of(q.scale, q.scale + scales, [](float s) {
    return s != 0 && std::fabs(s) <= kLargest;
  });
  return usable && AllModerate(q.zero, scales);
}

bool MakeThresholds(const EpilogueArgs& layer, const EpilogueKernel& kernel,
                    size_t n, int32_t acc_lo, int32_t acc_hi,
                    int32_t* thresholds, int32_t* flip) {
  BITTERN_DCHECK(kernel.kind == EpilogueKind::kScaleBytes);
  const ByteQuantiser& q = layer.quantiser;
  if (layer.residual != nullptr || layer.row_scale != nullptr ||
      q.per == ScalePer::kRow)
    return false;
  const auto count = static_cast<size_t>(q.hi - q.lo);
  CodeEvaluator evaluator(layer, kernel, n, std::max(kSweepRows, count));
  std::fill_n(evaluator.Row(0), n, acc_lo);
  std::fill_n(evaluator.Row(1), n, acc_hi);
  evaluator.Run(2);
  for (size_t c = 0; c < n; ++c)
    flip[c] = evaluator.Codes(1)[c] < evaluator.Codes(0)[c] ? -1 : 0;
  const Range acc{acc_lo, acc_hi};
  if (!IsMonotone(layer, n))
    return Sweep(evaluator, n, count, acc, thresholds, flip);
  Search(evaluator, n, count, acc, thresholds, flip);
  return true;
}

}  // namespace bittern::kernels
