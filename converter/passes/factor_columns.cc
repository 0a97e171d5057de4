// Exact: products by powers of two, in integers.
#include "converter/passes/factor_columns.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/code_matrix.h"

namespace bittern::convert {
namespace {

constexpr int kMaxShift = 7;  // weights take 8 bits at most
constexpr float kMaxZeroPoint = 1 << 20;

// The scale of column k as factor[k] times one scale.
struct Factors {
  float scale = 0;
  std::vector<int> factor;
  bool shifts = false;  // not only signs
};

std::optional<Factors> FactorsOf(const std::vector<float>& scales) {
  Factors found;
  found.scale = std::fabs(scales[0]);
  for (float s : scales) found.scale = std::min(found.scale, std::fabs(s));
  int base = 0;
  const float mantissa = std::frexp(found.scale, &base);
  if (found.scale == 0 || !std::isfinite(found.scale)) return std::nullopt;
  for (float s : scales) {
    int exponent = 0;
    if (std::frexp(std::fabs(s), &exponent) != mantissa ||
        exponent - base > kMaxShift) {
      return std::nullopt;
    }
    const int power = 1 << (exponent - base);
    found.factor.push_back(s < 0 ? -power : power);
    found.shifts = found.shifts || power != 1;
  }
  return found;
}

bool AreIntegers(const std::vector<float>& zeros) {
  return std::all_of(zeros.begin(), zeros.end(), [](float z) {
    return std::fabs(z) <= kMaxZeroPoint && z == std::nearbyint(z);
  });
}

}  // namespace

std::optional<FactoredColumns> FactorColumns(const Activation& activation,
                                             const WeightCodes& weights) {
  const auto factors = FactorsOf(activation.scale);
  if (!factors || !AreIntegers(activation.zero)) return std::nullopt;
  FactoredColumns made{activation, weights};
  const size_t k = factors->factor.size();
  for (size_t i = 0; i < made.weights.values.size(); ++i) {
    const int value = weights.values[i] * factors->factor[i % k];
    if (std::abs(value) > 255) return std::nullopt;
    made.weights.values[i] = static_cast<int16_t>(value);
  }
  const auto [lo, hi] = std::minmax_element(made.weights.values.begin(),
                                            made.weights.values.end());
  const kernels::ValueRange own =
      kernels::RangeOf(runtime::OperandOf(weights.type));
  if (factors->shifts || !own.Holds({*lo, *hi})) {
    const auto type = NarrowestType(*lo, *hi);
    if (!type) return std::nullopt;
    made.weights.type = *type;
  }
  made.activation.kind = Activation::Kind::kTensor;
  made.activation.scale = {factors->scale};
  made.activation.text += " of one scale";
  return made;
}

}  // namespace bittern::convert
