// Epilogues over one L1-resident strip: 16 rows x 192 channels, as the widest
// kernels of DeiT-tiny fill it.
#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue.h"

namespace bittern::bench {
namespace {

using kernels::EpilogueArgs;
using kernels::EpilogueKernel;
using kernels::EpilogueKind;

constexpr size_t kRows = 16, kCols = 192, kGroup = 64;

void Run(const EpilogueKernel& kernel, benchmark::State& state) {
  const bool groups = kernel.kind == EpilogueKind::kGroupNormSign;
  const Codes codes = RandomCodes(kRows, kCols, groups ? kGroup : kCols, false);
  const Buffer floats = RandomFloats(kRows * kCols),
               out(kRows * kCols * sizeof(float)),
               strip(kRows * kCols * sizeof(int32_t));
  const Buffer low(kCols * sizeof(int32_t)),
      high(kCols * sizeof(int32_t));  // zero: the window of sums that are 0
  for (size_t i = 0; i < kRows * kCols; ++i) {
    const float x = floats.As<float>()[i];
    if (kernel.kind == EpilogueKind::kFloatF32) {
      strip.As<float>()[i] = x;
    } else {
      strip.As<int32_t>()[i] = static_cast<int32_t>(x * 99);
    }
  }
  const auto row_bytes = static_cast<ptrdiff_t>(kCols * sizeof(float));
  EpilogueArgs args;
  args.scale = args.bias = args.residual = args.gamma = args.beta = args.a =
      args.z = floats.As<float>();
  args.residual_stride = args.out_stride = row_bytes;
  args.out_f32 = out.As<float>();
  args.out_i32 = out.As<int32_t>();
  args.codes = codes.planes;
  args.pos_lo = args.pos_hi = args.neg_lo = low.As<int32_t>();
  args.neg_hi = high.As<int32_t>();
  args.epsilon = 1e-6f;
  for (auto _ : state) {
    kernel.run(args, {strip.As<void>(), row_bytes, 0, kRows, 0, kCols});
    benchmark::ClobberMemory();
  }
  CountElements(state, kRows * kCols);
}

}  // namespace

void RegisterEpilogue() {
  ForEachKernel(kernels::EpilogueKernels, [](const EpilogueKernel& kernel,
                                             std::string_view target) {
    benchmark::RegisterBenchmark(
        BenchName("epilogue", kernel.name, target, "16x192").c_str(),
        [&kernel](benchmark::State& state) { Run(kernel, state); });
  });
}

}  // namespace bittern::bench
