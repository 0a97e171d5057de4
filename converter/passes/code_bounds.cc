// Channel by channel: an interval goes through the steps, each of which keeps
// or turns round the order of numbers.
#include "converter/passes/code_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bittern::convert {
namespace {

using Kind = QuantiserStep::Kind;

float ValueAt(const QuantiserStep& step, size_t channel) {
  return step.values.size() == 1 ? step.values[0] : step.values[channel];
}

// An infinite bound stays one, whatever fp32 says of 0 * infinity.
float Apply(const QuantiserStep& step, size_t channel, float x) {
  switch (step.kind) {
    case Kind::kDivide:
      return x / ValueAt(step, channel);
    case Kind::kMultiply:
      return x * ValueAt(step, channel);
    case Kind::kAdd:
      return x + ValueAt(step, channel);
    case Kind::kClip:
      return std::min(std::max(x, step.lo), step.hi);
    case Kind::kRound:
      return std::nearbyint(x);
  }
  return x;
}

CodeBounds Through(const std::vector<QuantiserStep>& steps, size_t channel) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CodeBounds bounds{-kInfinity, kInfinity};
  for (const QuantiserStep& step : steps) {
    bounds.lo = Apply(step, channel, bounds.lo);
    bounds.hi = Apply(step, channel, bounds.hi);
    if (bounds.lo > bounds.hi) std::swap(bounds.lo, bounds.hi);
  }
  return bounds;
}

}  // namespace

std::optional<CodeBounds> BoundsOf(const std::vector<QuantiserStep>& steps) {
  size_t channels = 1;
  for (const QuantiserStep& step : steps) {
    const bool has_values =
        step.kind != Kind::kClip && step.kind != Kind::kRound;
    if (has_values && step.values.empty()) return std::nullopt;
    channels = std::max(channels, step.values.size());
  }
  const CodeBounds first = Through(steps, 0);
  if (std::isnan(first.lo) || std::isnan(first.hi)) return std::nullopt;
  for (size_t c = 1; c < channels; ++c) {
    const CodeBounds other = Through(steps, c);
    if (other.lo != first.lo || other.hi != first.hi) return std::nullopt;
  }
  return first;
}

}  // namespace bittern::convert
