#include "tests/models/qdetr/detections.h"

#include <algorithm>

namespace bittern::test {

float Overlap(const Box& a, const Box& b) {
  const auto shared = [](float p, float p_size, float q, float q_size) {
    const float low = std::max(p - p_size / 2, q - q_size / 2);
    const float high = std::min(p + p_size / 2, q + q_size / 2);
    return std::max(high - low, 0.0f);
  };
  const float both =
      shared(a.x, a.width, b.x, b.width) * shared(a.y, a.height, b.y, b.height);
  return both / (a.width * a.height + b.width * b.height - both);
}

std::vector<Detection> Detections(const float* logits, const float* boxes) {
  std::vector<Detection> found;
  for (size_t q = 0; q < kQueries; ++q) {
    const float* scores = logits + q * kClasses;
    const float* best = std::max_element(scores, scores + kClasses);
    if (*best <= 0) continue;  // the sigmoid of 0 is one half
    const float* box = boxes + 4 * q;
    found.push_back(
        {static_cast<size_t>(best - scores), {box[0], box[1], box[2], box[3]}});
  }
  return found;
}

size_t Found(const std::vector<Detection>& some,
             const std::vector<Detection>& others, float overlap) {
  return static_cast<size_t>(
      std::count_if(some.begin(), some.end(), [&](const Detection& one) {
        return std::any_of(others.begin(), others.end(),
                           [&](const Detection& other) {
                             return one.label == other.label &&
                                    Overlap(one.box, other.box) >= overlap;
                           });
      }));
}

}  // namespace bittern::test
