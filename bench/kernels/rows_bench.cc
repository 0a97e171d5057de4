// The families that walk fp32 rows: norm, softmax, quantize, elementwise, at
// the sizes of DeiT-tiny.
#include <iterator>

#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize/quantize.h"
#include "kernels/softmax/softmax.h"

namespace bittern::bench {
namespace {

constexpr size_t kTokens = 198, kWidth = 192, kHeads = 3;

template <class Fn>
void Register(const std::string& name, size_t elements, Fn fn) {
  benchmark::RegisterBenchmark(
      name.c_str(), [elements, fn](benchmark::State& state) {
        const Buffer x = RandomFloats(elements), y = RandomFloats(elements);
        for (auto _ : state) {
          fn(x.As<float>(), y.As<float>());
          benchmark::ClobberMemory();
        }
        CountElements(state, static_cast<double>(elements));
      });
}

void RegisterNorm() {
  ForEachKernel(kernels::NormKernels, [](const kernels::NormKernel& kernel,
                                         std::string_view target) {
    Register(BenchName("norm", kernel.name, target, "198x192"),
             kTokens * kWidth, [&kernel](const float* x, float* y) {
               kernel.layer_norm(x, x, x + kWidth, 1e-6f, y, kTokens, kWidth);
             });
  });
}

void RegisterSoftmax() {
  ForEachKernel(
      kernels::SoftmaxKernels,
      [](const kernels::SoftmaxKernel& kernel, std::string_view target) {
        Register(BenchName("softmax", kernel.name, target, "594x198"),
                 kHeads * kTokens * kTokens,
                 [&kernel](const float* x, float* y) {
                   kernel.softmax(x, y, kHeads * kTokens, kTokens);
                 });
      });
}

void RunSign(const kernels::QuantizeKernel& kernel, bool norm,
             benchmark::State& state) {
  const Buffer x = RandomFloats(kTokens * kWidth);
  const Codes codes = RandomCodes(kTokens, kWidth, kWidth, false);
  const float* floats = x.As<float>();
  const float* gamma = norm ? floats : nullptr;
  const kernels::SignArgs args{
      floats,      kWidth * sizeof(float), floats, floats, gamma, gamma, 1e-6f,
      codes.planes};
  for (auto _ : state) {
    kernel.sign(args, 0, kTokens);
    benchmark::ClobberMemory();
  }
  CountElements(state, kTokens * kWidth);
}

void RegisterQuantize() {
  ForEachKernel(kernels::QuantizeKernels, [](const kernels::QuantizeKernel&
                                                 kernel,
                                             std::string_view target) {
    benchmark::RegisterBenchmark(
        BenchName("quantize", kernel.name, target, "sign/198x192").c_str(),
        [&kernel](benchmark::State& state) { RunSign(kernel, false, state); });
    benchmark::RegisterBenchmark(
        BenchName("quantize", kernel.name, target, "norm_sign/198x192").c_str(),
        [&kernel](benchmark::State& state) { RunSign(kernel, true, state); });
    Register(BenchName("quantize", kernel.name, target, "dequantize/198x192"),
             kTokens * kWidth,
             [&kernel, codes = std::make_shared<Codes>(
                           RandomCodes(kTokens, kWidth, kWidth, true))](
                 const float* x, float* y) {
               kernel.dequantize(codes->planes, x, x, y, kWidth * sizeof(float),
                                 0, kTokens);
             });
  });
}

constexpr const char* kUnaryNames[] = {
    "neg",  "abs",  "sqrt", "exp",   "erf",   "tanh", "sigmoid",
    "relu", "gelu", "sign", "round", "floor", "ceil", "reciprocal"};
constexpr const char* kBinaryNames[] = {"add", "sub", "mul",
                                        "div", "min", "max"};
static_assert(std::size(kUnaryNames) ==
              static_cast<size_t>(kernels::Unary::kCount));
static_assert(std::size(kBinaryNames) ==
              static_cast<size_t>(kernels::Binary::kCount));

void RegisterElementwise() {
  constexpr size_t kCount = kTokens * 4 * kWidth;
  ForEachKernel(
      kernels::ElementwiseKernels,
      [](const kernels::ElementwiseKernel& kernel, std::string_view target) {
        const auto name = [&](const char* op) {
          return BenchName("elementwise", kernel.name, target,
                           std::string(op) + "/198x768");
        };
        for (size_t f = 0; f < std::size(kUnaryNames); ++f) {
          Register(name(kUnaryNames[f]), kCount,
                   [&kernel, f](const float* x, float* y) {
                     kernel.unary(static_cast<kernels::Unary>(f), x, y, kCount);
                   });
        }
        for (size_t f = 0; f < std::size(kBinaryNames); ++f) {
          Register(name(kBinaryNames[f]), kCount,
                   [&kernel, f](const float* x, float* y) {
                     kernel.binary(static_cast<kernels::Binary>(f),
                                   kernels::Spread::kBoth, x, x, y, kCount);
                   });
        }
      });
}

}  // namespace

void RegisterRows() {
  RegisterNorm();
  RegisterSoftmax();
  RegisterQuantize();
  RegisterElementwise();
}

}  // namespace bittern::bench
