// What the tests of epilogues share: the kernels of a kind on every target, and
// strips of accumulators between guard bytes.
#pragma once

#include <catch2/catch.hpp>

#include "kernels/epilogue/epilogue.h"
#include "tests/kernels/code_planes.h"
#include "tests/kernels/targets.h"

namespace bittern::kernels {

#if defined(__x86_64__)
std::span<const EpilogueKernel> EpilogueAvx512Simde();  // epilogue_simde.cc
#endif

inline constexpr size_t kRows =
    40;  // of the whole output; a strip covers all but the first and last
inline constexpr size_t kStripRows = kRows - 2;
inline constexpr size_t kWidths[] = {1,  2,  15, 16,  17,  31,  32, 33,
                                     63, 64, 65, 192, 197, 198, 768};
// SSE4 and scalar normalise unfused, so a value at a threshold may fall on its
// other side: at most 1 in 500.
inline constexpr size_t kUnfusedOneIn = 500;

using Target = test::TargetKernel<EpilogueKernel>;

inline std::vector<Target> Targets(EpilogueKind kind) {
  std::vector<Target> all =
      test::KernelsOnTargets<EpilogueKernel>(&EpilogueKernels);
#if defined(__x86_64__)
  for (const EpilogueKernel& kernel : EpilogueAvx512Simde())
    all.push_back({&kernel, "epilogue over SIMDe", true});
#endif
  std::erase_if(all, [&](const Target& t) { return t.kernel->kind != kind; });
  return all;
}

inline const EpilogueKernel& Reference(EpilogueKind kind) {
  for (const EpilogueKernel* kernel : EpilogueKernels(DetectCpu())) {
    if (kernel->kind == kind && kernel->is_reference) return *kernel;
  }
  FAIL("no reference");
  return *EpilogueKernels(DetectCpu()).front();
}

// Accumulators of a strip of kStripRows x cols; exactly cols of them in the
// last row.
struct Strip {
  Strip(size_t col_in, size_t cols_in, uint64_t seed, int32_t magnitude)
      : col(col_in),
        cols(cols_in),
        stride(RoundUp(cols * 4, 64)),
        memory((kStripRows - 1) * stride + cols * 4) {
    test::Random random(seed);
    for (size_t r = 0; r < kStripRows; ++r) {
      for (size_t j = 0; j < cols; ++j)
        At(r, j) = static_cast<int32_t>(
                       random.Below(2 * static_cast<size_t>(magnitude) + 1)) -
                   magnitude;
    }
  }
  int32_t& At(size_t r, size_t j) {
    return memory.As<int32_t>()[r * stride / 4 + j];
  }
  EpilogueStrip View() {
    return {memory.As<void>(),
            static_cast<ptrdiff_t>(stride),
            1,
            kStripRows,
            col,
            cols};
  }

  size_t col, cols, stride;
  test::Guarded memory;
};

}  // namespace bittern::kernels
