// What the benches of all kernel families share: names, targets, buffers,
// counters.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::bench {

// Owns `bytes` zero bytes aligned to 64.
class Buffer {
 public:
  explicit Buffer(size_t bytes);
  template <class T>
  T* As() const {
    return static_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> data_;
};

// Values in [-1, 1), the same in every run.
Buffer RandomFloats(size_t count);
Buffer RandomBytes(size_t bytes);

// Codes without zeros, or with one zero in eight.
struct Codes {
  Buffer storage;
  kernels::CodePlanes planes;
};
Codes RandomCodes(size_t rows, size_t cols, size_t group, bool zeros);

// "<family>/<kernel>/<target>/<shape>"; the family or target is not repeated
// where the kernel's name has it.
std::string BenchName(std::string_view family, std::string_view kernel,
                      std::string_view target, std::string_view shape);

// Per iteration: gmacs, mac_per_cycle, and pct_peak: percent of the fastest
// loop of `arithmetic` ("w1a1", "f32") that `target` can run on this core
// (kernels/base/peak.h).
void CountMacs(benchmark::State& state, double macs,
               std::string_view arithmetic, std::string_view target);
// Per iteration: gelems and cycles_per_elem.
void CountElements(benchmark::State& state, double elements);

// Calls fn(kernel, target) for each distinct kernel of list(cpu), with the
// weakest target that reaches it.
template <class List, class Fn>
void ForEachKernel(List list, Fn fn) {
  using Kernels = decltype(list(kernels::CpuFeatures{}));
  Kernels seen;
  for (std::string_view target : kernels::TargetNames()) {
    kernels::CpuFeatures cpu;
    if (!kernels::CapCpu(kernels::DetectCpu(), target, &cpu)) continue;
    for (const auto* kernel : list(cpu)) {
      bool known = false;
      for (const auto* other : seen) known |= other == kernel;
      if (known) continue;
      seen.push_back(kernel);
      fn(*kernel, target);
    }
  }
}

// One per file; main.cc calls them all.
void RegisterAttention();
void RegisterConv();
void RegisterEpilogue();
void RegisterGemm();
void RegisterImage();  // pool, resize, transpose
void RegisterRows();   // norm, softmax, quantize, elementwise

}  // namespace bittern::bench
