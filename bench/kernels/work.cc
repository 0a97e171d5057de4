// Runs one product once, for counting its instructions (instructions.sh):
// unlike time, their number does not depend on what else the machine does.
//   bittern_bench_work KERNEL PAIR MxNxK     e.g. w1a1/lut/avx2 w1a1
//   198x768x192 bittern_bench_work                       lists every kernel and
//   pair that can run here
#include <cstdio>
#include <string_view>

#include "bench/kernels/gemm_cases.h"
#include "kernels/gemm/gemm_workload.h"

namespace bittern::bench {
namespace {

using kernels::GemmKernel;

// What is counted: callgrind toggles collection at this function.
[[gnu::noinline]] void MeasuredRun(const kernels::GemmWorkload& work) {
  work.Run();
  asm volatile("" ::: "memory");
}

// Calls fn(kernel, pair) for all that can run here; fn returns whether to stop.
template <class Fn>
bool Find(Fn fn) {
  for (const GemmKernel* kernel : GemmKernels(kernels::DetectCpu())) {
    for (const GemmPair& pair : kGemmPairs) {
      if (!IsReference(*kernel) && kernel->max_k(pair.types) != 0 &&
          fn(*kernel, pair))
        return true;
    }
  }
  return false;
}

int List() {
  Find([](const GemmKernel& kernel, const GemmPair& pair) {
    std::printf("%s %s\n", kernel.name, pair.name);
    return false;
  });
  return 0;
}

int Run(std::string_view name, std::string_view types, const char* shape) {
  size_t m = 0, n = 0, k = 0;
  if (std::sscanf(shape, "%zux%zux%zu", &m, &n, &k) != 3) {
    std::fprintf(stderr, "bittern_bench_work: shape: got %s, expected MxNxK\n",
                 shape);
    return 2;
  }
  const bool found = Find([&](const GemmKernel& kernel, const GemmPair& pair) {
    if (kernel.name != name || pair.name != types) return false;
    MeasuredRun(kernels::GemmWorkload(kernel, {pair.types, m, n, k}));
    return true;
  });
  if (!found) std::fprintf(stderr, "bittern_bench_work: no such kernel here\n");
  return found ? 0 : 1;
}

}  // namespace
}  // namespace bittern::bench

int main(int argc, char** argv) {
  if (argc == 1) return bittern::bench::List();
  if (argc == 4) return bittern::bench::Run(argv[1], argv[2], argv[3]);
  std::fprintf(stderr, "usage: bittern_bench_work [KERNEL PAIR MxNxK]\n");
  return 2;
}
