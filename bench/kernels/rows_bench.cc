// The families that walk fp32 rows: norm, softmax, quantize, elementwise, at
// the sizes of vision transformers. All of it stays in L1 (rows and
// elementwise) or L2 (quantize: a whole layer of DeiT-tiny).
#include <iterator>

#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize/bytes.h"
#include "kernels/quantize/quantize.h"
#include "kernels/softmax/softmax.h"

namespace bittern::bench {
namespace {

constexpr size_t kTokens = 198, kWidth = 192;

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

// Rows of 192 (DeiT-tiny) to 3072 (the MLP of DeiT-base) columns; as many of
// them as lie in L1 together with their results.
constexpr size_t kRowCols[] = {192, 768, 3072};
constexpr size_t kRowElements = 3072;

template <class Kernel, class Fn>
void RegisterRowShapes(const char* family, const Kernel& kernel,
                       std::string_view target, Fn fn) {
  for (const size_t cols : kRowCols) {
    const size_t rows = kRowElements / cols;
    Register(BenchName(family, kernel.name, target,
                       std::to_string(rows) + "x" + std::to_string(cols)),
             kRowElements, [&kernel, fn, rows, cols](const float* x, float* y) {
               fn(kernel, x, y, rows, cols);
             });
  }
}

void RegisterNorm() {
  ForEachKernel(kernels::NormKernels, [](const kernels::NormKernel& kernel,
                                         std::string_view target) {
    RegisterRowShapes("norm", kernel, target,
                      [](const kernels::NormKernel& k, const float* x, float* y,
                         size_t rows, size_t cols) {
                        k.layer_norm({x, x, x, 1e-6f, y, cols}, 0, rows);
                      });
  });
}

void RegisterSoftmax() {
  ForEachKernel(
      kernels::SoftmaxKernels,
      [](const kernels::SoftmaxKernel& kernel, std::string_view target) {
        RegisterRowShapes(
            "softmax", kernel, target,
            [](const kernels::SoftmaxKernel& k, const float* x, float* y,
               size_t rows, size_t cols) { k.softmax(x, y, rows, cols); });
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

constexpr size_t kByteRows = 16;

void RunBytes(const kernels::ByteKernel& kernel, kernels::ByteSource source,
              bool multiply, benchmark::State& state) {
  const Buffer x = RandomFloats(kByteRows * kWidth), out(kByteRows * kWidth);
  const float* floats = x.As<float>();
  kernels::ByteArgs args;
  args.x = args.gamma = args.beta = floats;
  args.x_stride = kWidth * sizeof(float);
  args.source = source;
  args.epsilon = 1e-6f;
  args.quantiser.scale = floats;
  args.quantiser.multiply = multiply;
  args.codes = {out.As<uint8_t>(), kWidth, kByteRows, kWidth};
  for (auto _ : state) {
    kernel.quantize(args, 0, kByteRows);
    benchmark::ClobberMemory();
  }
  CountElements(state, kByteRows * kWidth);
}

void RegisterBytes() {
  using kernels::ByteSource;
  struct Form {
    const char* name;
    ByteSource source;
    bool multiply;
  };
  static constexpr Form kForms[] = {
      {"multiply/16x192", ByteSource::kPlain, true},
      {"divide/16x192", ByteSource::kPlain, false},
      {"norm_divide/16x192", ByteSource::kLayerNorm, false},
      {"gelu_divide/16x192", ByteSource::kGeluClip, false}};
  ForEachKernel(kernels::ByteKernels, [](const kernels::ByteKernel& kernel,
                                         std::string_view target) {
    for (const Form& form : kForms) {
      benchmark::RegisterBenchmark(
          BenchName("quantize", kernel.name, target, form.name).c_str(),
          [&kernel, &form](benchmark::State& state) {
            RunBytes(kernel, form.source, form.multiply, state);
          });
    }
    Register(BenchName("quantize", kernel.name, target, "max_abs/16x192"),
             kByteRows * kWidth, [&kernel](const float* x, float* y) {
               kernel.row_max_abs({x, kWidth * sizeof(float), kWidth}, y, 0,
                                  kByteRows);
             });
  });
}

constexpr const char* kUnaryNames[] = {
    "neg",  "abs",  "sqrt", "exp",   "erf",   "tanh", "sigmoid",
    "relu", "gelu", "sign", "round", "floor", "ceil", "reciprocal"};
constexpr const char* kBinaryNames[] = {"add", "sub", "mul",  "div",
                                        "min", "max", "prelu"};
static_assert(std::size(kUnaryNames) ==
              static_cast<size_t>(kernels::Unary::kCount));
static_assert(std::size(kBinaryNames) ==
              static_cast<size_t>(kernels::Binary::kCount));

void RegisterElementwise() {
  constexpr size_t kCount = kRowElements;
  ForEachKernel(
      kernels::ElementwiseKernels,
      [](const kernels::ElementwiseKernel& kernel, std::string_view target) {
        const auto name = [&](const char* op) {
          return BenchName("elementwise", kernel.name, target,
                           std::string(op) + "/1x3072");
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
  RegisterBytes();
  RegisterElementwise();
}

}  // namespace bittern::bench
