#include "tests/support/random.h"

namespace bittern::test {

uint64_t Random::Next() {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float Random::Uniform(float lo, float hi) {
  const float unit = static_cast<float>(Next() >> 40) * 0x1p-24f;
  return lo + (hi - lo) * unit;
}

float Random::Normal() {
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += Uniform(0, 1);
  return sum - 6;
}

std::vector<float> Random::Normals(size_t count) {
  std::vector<float> values(count);
  for (float& v : values) v = Normal();
  return values;
}

}  // namespace bittern::test
