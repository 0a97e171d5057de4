// Binary attention of DeiT-tiny (3 heads) and -small (6 heads) at 224x224:
// prepare and run, all heads, codes out.
#include <vector>

#include "bench/kernels/bench.h"
#include "kernels/attention/attention.h"
#include "kernels/base/bits.h"

namespace bittern::bench {
namespace {

using kernels::AttentionKernel;

constexpr size_t kTokens = 198, kHeadDim = 64;

void Run(const AttentionKernel& kernel, size_t heads, std::string_view target,
         benchmark::State& state) {
  const size_t cols = heads * kHeadDim;
  const Codes q = RandomCodes(kTokens, cols, kHeadDim, false),
              k = RandomCodes(kTokens, cols, kHeadDim, false);
  const Codes v = RandomCodes(kTokens, cols, kHeadDim, true),
              out = RandomCodes(kTokens, cols, cols, false);
  const std::vector<kernels::AttentionHead> head(
      heads, {0.05f, 1, -1, 0, 1, 0.01f, 1.0f});
  const Buffer prepared(heads * kernel.prepared_bytes(kTokens, kHeadDim));
  const Buffer scratch(kernel.scratch_bytes(kTokens, kHeadDim));
  const kernels::AttentionArgs args{q.planes,   k.planes, v.planes,
                                    heads,      kHeadDim, head.data(),
                                    out.planes, nullptr,  prepared.As<void>()};
  for (auto _ : state) {
    for (size_t h = 0; h < heads; ++h) kernel.prepare(args, h);
    kernel.run(args, 0, kTokens, scratch.As<void>());
    benchmark::ClobberMemory();
  }
  CountMacs(state, static_cast<double>(2 * kTokens * kTokens * cols), "w1a1",
            target);
}

}  // namespace

void RegisterAttention() {
  ForEachKernel(kernels::AttentionKernels, [](const AttentionKernel& kernel,
                                              std::string_view target) {
    for (size_t heads : {size_t{3}, size_t{6}}) {
      const std::string shape = std::to_string(kTokens) + "x" +
                                std::to_string(heads) + "x" +
                                std::to_string(kHeadDim);
      benchmark::RegisterBenchmark(
          BenchName("attention", kernel.name, target, shape).c_str(),
          [&kernel, heads, target](benchmark::State& state) {
            Run(kernel, heads, target, state);
          });
    }
  });
}

}  // namespace bittern::bench
