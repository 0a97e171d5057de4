// What passes that move images know: Transposes between channels first,
// [B,C,H,W], and channels last, and the nodes that work on elements.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "converter/ir/graph.h"
#include "runtime/base/tensor.h"

namespace bittern::convert {

inline const std::vector<int64_t> kToLast = {0, 2, 3, 1};
inline const std::vector<int64_t> kToFirst = {0, 3, 1, 2};

// Node by node; all inputs are images or constants that broadcast to one.
inline bool IsElementwise(std::string_view op) {
  constexpr std::array<std::string_view, 31> kElementwise = {
      "Neg",   "Abs",         "Sqrt",       "Exp",
      "Log",   "Erf",         "Tanh",       "Sigmoid",
      "Relu",  "Sign",        "Round",      "Floor",
      "Ceil",  "Clip",        "Reciprocal", "Gelu",
      "Not",   "Cast",        "Add",        "Sub",
      "Mul",   "Div",         "Min",        "Max",
      "Less",  "LessOrEqual", "Greater",    "GreaterOrEqual",
      "Equal", "Where",       "And"};
  return std::find(kElementwise.begin(), kElementwise.end(), op) !=
         kElementwise.end();
}

// Filters [N,C,h,w] as rows of (h, w, C).
inline std::vector<float> FiltersLast(const std::vector<float>& values,
                                      const runtime::Shape& w) {
  std::vector<float> rows;
  rows.reserve(values.size());
  const int64_t taps = w[2] * w[3];
  for (int64_t n = 0; n < w[0]; ++n) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < w[1]; ++c) {
        rows.push_back(
            values[static_cast<size_t>((n * w[1] + c) * taps + tap)]);
      }
    }
  }
  return rows;
}

// Whether float convolution `conv` has a form that leaves channels last.
bool CanBeConvLast(const Graph& graph, const Node& conv);
// That form of it: of `image`, its input with channels last, or, if that is
// kNone, of its input as it is.
Result<ValueId> EmitConvLast(Graph& graph, const Node& conv, ValueId image);

}  // namespace bittern::convert
