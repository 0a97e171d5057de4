// Shared parts of the kernel benches.
#include "bench/kernels/bench.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "kernels/base/bits.h"
#include "kernels/base/peak.h"

namespace bittern::bench {
namespace {

uint64_t NextRandom(uint64_t& state) {  // splitmix64
  state += 0x9E3779B97F4A7C15u;
  uint64_t z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double PeakOf(std::string_view arithmetic, std::string_view target) {
  static std::map<std::string, std::vector<kernels::Peak>, std::less<>> cache;
  auto found = cache.find(target);
  if (found == cache.end()) {
    kernels::CpuFeatures cpu;
    std::vector<kernels::Peak> peaks;
    if (kernels::CapCpu(kernels::DetectCpu(), target, &cpu))
      peaks = kernels::MeasurePeaks(cpu, 0.3);
    found = cache.emplace(target, std::move(peaks)).first;
  }
  return kernels::BestPeak(found->second, arithmetic);
}

benchmark::Counter Rate(double per_iteration) {
  return benchmark::Counter(per_iteration,
                            benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

Buffer::Buffer(size_t bytes)
    : data_(std::aligned_alloc(64, kernels::RoundUp(bytes + 1, 64))) {
  std::memset(data_.get(), 0, kernels::RoundUp(bytes + 1, 64));
}

void Buffer::Free::operator()(void* p) const { std::free(p); }

Buffer RandomFloats(size_t count) {
  Buffer buffer(count * sizeof(float));
  uint64_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    buffer.As<float>()[i] = static_cast<float>(NextRandom(state) >> 40) /
                                static_cast<float>(1 << 23) -
                            1;
  }
  return buffer;
}

Buffer RandomBytes(size_t bytes) {
  Buffer buffer(bytes);
  uint64_t state = 2;
  for (size_t i = 0; i < bytes; ++i)
    buffer.As<uint8_t>()[i] = static_cast<uint8_t>(NextRandom(state));
  return buffer;
}

Codes RandomCodes(size_t rows, size_t cols, size_t group, bool zeros) {
  Buffer storage(kernels::CodePlanesBytes(rows, cols, group));
  const kernels::CodePlanes planes =
      kernels::ViewCodePlanes(storage.As<void>(), rows, cols, group);
  uint64_t state = 3;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      const uint64_t random = NextRandom(state);
      if (zeros && random % 8 == 0) continue;
      const size_t word = r * planes.row_words +
                          c / group * kernels::GroupWords(group) +
                          c % group / 64;
      const uint64_t bit = uint64_t{1} << (c % group % 64);
      planes.valid[word] |= bit;
      if ((random & 16) != 0) planes.sign[word] |= bit;
      ++planes.valid_count[r];
    }
  }
  return {std::move(storage), planes};
}

std::string BenchName(std::string_view family, std::string_view kernel,
                      std::string_view target, std::string_view shape) {
  std::string name;
  if (kernel.substr(0, kernel.find('/')) != family)
    name.append(family).append("/");
  name.append(kernel).append("/");
  if (kernel.substr(kernel.rfind('/') + 1) != target)
    name.append(target).append("/");
  return name.append(shape);
}

void CountMacs(benchmark::State& state, double macs,
               std::string_view arithmetic, std::string_view target) {
  const double peak = PeakOf(arithmetic, target);
  state.counters["gmacs"] = Rate(macs / 1e9);
  state.counters["mac_per_cycle"] = Rate(macs / (kernels::MeasuredGhz() * 1e9));
  if (peak > 0) state.counters["pct_peak"] = Rate(100 * macs / (peak * 1e9));
}

void CountElements(benchmark::State& state, double elements) {
  state.counters["gelems"] = Rate(elements / 1e9);
  state.counters["cycles_per_elem"] =
      benchmark::Counter(elements / (kernels::MeasuredGhz() * 1e9),
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
}

}  // namespace bittern::bench
