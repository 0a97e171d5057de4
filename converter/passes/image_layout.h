// What passes that move images know: Transposes between channels first,
// [B,C,H,W], and channels last, and the nodes that work on elements.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

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

}  // namespace bittern::convert
