// bittern_bench_kernels: every kernel of every family on every target that this
// CPU has. Pick with --benchmark_filter=REGEX.
#include "bench/kernels/bench.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  bittern::bench::RegisterGemm();
  bittern::bench::RegisterConv();
  bittern::bench::RegisterAttention();
  bittern::bench::RegisterEpilogue();
  bittern::bench::RegisterRows();
  bittern::bench::RegisterImage();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
