// Row by row in double; rounded once, to the integers of the row.
#include "converter/passes/fold_input_scales.h"

#include <algorithm>
#include <cmath>

namespace bittern::convert {
runtime::CodeType FoldedType(InputScale mode) {
  const bool wide = mode == InputScale::kFast16;
  return {runtime::Encoding::kSigned, static_cast<uint8_t>(wide ? 16 : 8), 0};
}

FoldedWeights FoldInputScales(const Activation& activation,
                              const WeightCodes& weights, InputScale mode) {
  const size_t n = weights.scales.size();
  const size_t k = weights.values.size() / n;
  const size_t channels = activation.scale.size();
  const double limit = mode == InputScale::kFast16 ? 32767 : 127;
  FoldedWeights folded;
  folded.type = FoldedType(mode);
  folded.values.resize(n * k);
  std::vector<double> row(k);
  for (size_t j = 0; j < n; ++j) {
    double largest = 0, bias = 0;
    for (size_t i = 0; i < k; ++i) {
      row[i] = static_cast<double>(activation.scale[i % channels]) *
               static_cast<double>(weights.scales[j]) *
               weights.values[j * k + i];
      largest = std::max(largest, std::fabs(row[i]));
      bias -= static_cast<double>(activation.zero[i % channels]) * row[i];
    }
    const auto scale = static_cast<float>(largest / limit);
    folded.scales.push_back(scale);
    folded.bias.push_back(bias);
    if (scale == 0) continue;
    for (size_t i = 0; i < k; ++i) {
      const double value = std::nearbyint(row[i] / static_cast<double>(scale));
      folded.values[j * k + i] =
          static_cast<int16_t>(std::clamp(value, -limit, limit));
    }
  }
  return folded;
}

}  // namespace bittern::convert
