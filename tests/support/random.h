// Deterministic pseudo-random values for tests: the same on every platform,
// unlike <random> distributions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bittern::test {

class Random {  // splitmix64; not thread-safe
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  size_t Below(size_t bound) { return static_cast<size_t>(Next() % bound); }
  float Uniform(float lo, float hi);
  float Normal();  // roughly normal, mean 0, variance 1: a sum of 12 uniforms
  std::vector<float> Normals(size_t count);

 private:
  uint64_t state_;
};

}  // namespace bittern::test
