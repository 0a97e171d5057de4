// From the outputs of a detector of digits to detections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bittern::test {

struct Box {
  float x, y, width, height;  // the centre; shares of the image
};

struct Detection {
  size_t label;
  Box box;
};

constexpr size_t kQueries = 16, kClasses = 10;

// Intersection over union.
float Overlap(const Box& a, const Box& b);

// Of one image: every query whose best class scores more than one half.
// logits [kQueries, kClasses], boxes [kQueries, 4].
std::vector<Detection> Detections(const float* logits, const float* boxes);

// How many of `some` have one of `others` of the same class that overlaps by at
// least `overlap`.
size_t Found(const std::vector<Detection>& some,
             const std::vector<Detection>& others, float overlap);

}  // namespace bittern::test
