// Epilogues over one L1-resident strip: 16 rows x 192 channels, as the widest
// kernels of DeiT-tiny fill it.
#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue.h"
#include "kernels/quantize/bytes.h"

namespace bittern::bench {
namespace {

using kernels::EpilogueArgs;
using kernels::EpilogueKernel;
using kernels::EpilogueKind;

constexpr size_t kRows = 16, kCols = 192, kGroup = 64;
constexpr size_t kThresholds = 3;  // codes of two bits

// What a kind gets besides its required operands.
enum class Form : uint8_t { kPlain, kSteps, kRowSums, kHalfLines, kGelu };

bool IsFloatStrip(EpilogueKind kind) {
  return kind == EpilogueKind::kFloatF32 || kind == EpilogueKind::kFloatBytes ||
         kind == EpilogueKind::kFloatSign;
}

bool WritesBytes(EpilogueKind kind) {
  return kind == EpilogueKind::kScaleBytes ||
         kind == EpilogueKind::kFloatBytes ||
         kind == EpilogueKind::kThresholdBytes ||
         kind == EpilogueKind::kGroupNormBytes;
}

bool WritesFloats(EpilogueKind kind) {
  return kind == EpilogueKind::kScaleF32 || kind == EpilogueKind::kFloatF32;
}

Buffer MakeStrip(EpilogueKind kind, const float* floats) {
  Buffer strip(kRows * kCols * sizeof(int32_t));
  for (size_t i = 0; i < kRows * kCols; ++i) {
    if (IsFloatStrip(kind)) {
      strip.As<float>()[i] = floats[i];
    } else {
      strip.As<int32_t>()[i] = static_cast<int32_t>(floats[i] * 99);
    }
  }
  return strip;
}

void Run(const EpilogueKernel& kernel, Form form, benchmark::State& state) {
  const bool groups = kernel.kind == EpilogueKind::kGroupNormSign;
  const Codes codes = RandomCodes(kRows, kCols, groups ? kGroup : kCols, false);
  const Buffer floats = RandomFloats(kRows * kCols),
               out(kRows * kCols * sizeof(float)),
               strip = MakeStrip(kernel.kind, floats.As<float>());
  // Windows and half-lines: below 0, above 0.
  const Buffer zeros(kThresholds * kCols * sizeof(int32_t)),
      ones(kCols * sizeof(int32_t)), most(kCols * sizeof(int32_t)),
      least(kCols * sizeof(int32_t)), minus(kCols * sizeof(int32_t));
  for (size_t i = 0; i < kCols; ++i) {
    ones.As<int32_t>()[i] = 1;
    minus.As<int32_t>()[i] = -1;
    most.As<int32_t>()[i] = 99;
    least.As<int32_t>()[i] = -99;
  }
  const auto row_bytes = static_cast<ptrdiff_t>(kCols * sizeof(float));
  EpilogueArgs args;
  args.scale = args.bias = args.residual = args.gamma = args.beta = args.a =
      args.z = floats.As<float>();
  args.residual_stride = args.out_stride = row_bytes;
  // One sink only: floats may come with signs, so more would be done.
  args.out_i32 = out.As<int32_t>();
  if (WritesFloats(kernel.kind)) {
    args.out_f32 = out.As<float>();
  } else if (WritesBytes(kernel.kind)) {
    args.bytes = {out.As<uint8_t>(), kCols, kRows, kCols};
  } else {
    args.codes = codes.planes;
  }
  args.quantiser.scale = floats.As<float>();
  args.pos_lo = ones.As<int32_t>();
  args.pos_hi = most.As<int32_t>();
  args.neg_lo = least.As<int32_t>();
  args.neg_hi = minus.As<int32_t>();
  if (form == Form::kHalfLines)
    args.half_lines = {zeros.As<int32_t>(), zeros.As<int32_t>(),
                       zeros.As<uint64_t>()};
  args.thresholds = args.flip = zeros.As<int32_t>();
  args.threshold_count = kThresholds;
  args.channels = kCols;
  args.epsilon = 1e-6f;
  args.norm_group = kGroup;
  args.norm_bytes = kernels::SelectBytes(kernels::DetectCpu());
  const kernels::EpilogueStep rprelu[] = {
      {kernels::EpilogueStep::Kind::kAdd, floats.As<float>()},
      {kernels::EpilogueStep::Kind::kPRelu, floats.As<float>()},
      {kernels::EpilogueStep::Kind::kAdd, floats.As<float>()}};
  if (form == Form::kSteps) {
    args.steps = rprelu;
    args.step_count = 3;
  }
  const kernels::EpilogueStep gelu{kernels::EpilogueStep::Kind::kGelu};
  if (form == Form::kGelu) {
    args.residual = nullptr;
    args.steps = &gelu;
    args.step_count = 1;
  }
  const Buffer lanes(kRows * 16 * sizeof(float));
  if (form == Form::kRowSums) args.lane_sums = lanes.As<float>();
  for (auto _ : state) {
    kernel.run(args, {strip.As<void>(), row_bytes, 0, kRows, 0, kCols});
    benchmark::ClobberMemory();
  }
  CountElements(state, kRows * kCols);
}

void Register(const EpilogueKernel& kernel, std::string_view target, Form form,
              const char* shape) {
  benchmark::RegisterBenchmark(
      BenchName("epilogue", kernel.name, target, shape).c_str(),
      [&kernel, form](benchmark::State& state) { Run(kernel, form, state); });
}

}  // namespace

void RegisterEpilogue() {
  ForEachKernel(kernels::EpilogueKernels, [](const EpilogueKernel& kernel,
                                             std::string_view target) {
    Register(kernel, target, Form::kPlain, "16x192");
    if (kernel.kind == EpilogueKind::kScaleF32) {
      Register(kernel, target, Form::kSteps, "rprelu/16x192");
      Register(kernel, target, Form::kRowSums, "row_sums/16x192");
    }
    if (kernel.kind == EpilogueKind::kScaleBytes)
      Register(kernel, target, Form::kGelu, "gelu/16x192");
    if (kernel.kind == EpilogueKind::kWindowSign)
      Register(kernel, target, Form::kHalfLines, "half_lines/16x192");
  });
}

}  // namespace bittern::bench
