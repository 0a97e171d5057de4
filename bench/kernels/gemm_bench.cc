// GEMM kernels over the products of DeiT-tiny and -small, a Swin window and
// stage, and a point-cloud layer: whole products, strip by strip as the runtime
// walks them, the packing of the left operand included. Every kernel runs every
// pair of operand types of the table that it takes; w1a1 once more with the
// epilogue that turns every strip into bits ("/bits").
#include <algorithm>
#include <cstring>

#include "bench/kernels/bench.h"
#include "bench/kernels/gemm_cases.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue.h"
#include "kernels/gemm/gemm_workload.h"

namespace bittern::bench {
namespace {

using kernels::GemmFill;
using kernels::GemmKernel;
using kernels::Operand;

// The windows of a layer that signs its sums, and where the codes go.
class SignEpilogue {
 public:
  SignEpilogue(const GemmShape& shape, std::string_view target)
      : n_(shape.n),
        codes_(kernels::CodePlanesBytes(shape.m, shape.n, shape.n)),
        zeros_(shape.n * sizeof(int32_t)),
        above_(shape.n * sizeof(int32_t)),
        most_(shape.n * sizeof(int32_t)),
        least_(shape.n * sizeof(int32_t)) {
    kernels::CpuFeatures cpu;
    CapCpu(kernels::DetectCpu(), target, &cpu);
    kernel_ = SelectEpilogue(kernels::EpilogueKind::kWindowSign, cpu);
    args_.codes =
        kernels::ViewCodePlanes(codes_.As<void>(), shape.m, shape.n, shape.n);
    for (size_t i = 0; i < n_; ++i) {
      above_.As<int32_t>()[i] = 1;
      most_.As<int32_t>()[i] = INT32_MAX;
      least_.As<int32_t>()[i] = INT32_MIN;
    }
    args_.pos_lo = above_.As<int32_t>();
    args_.pos_hi = most_.As<int32_t>();
    args_.neg_lo = least_.As<int32_t>();
    args_.neg_hi = zeros_.As<int32_t>();
    args_.half_lines = {zeros_.As<int32_t>(), above_.As<int32_t>(),
                        zeros_.As<uint64_t>()};
  }

  void StartRows(size_t row, size_t rows) const {
    std::memset(args_.codes.valid_count + row, 0, rows * sizeof(int32_t));
  }
  void Run(const void* strip, ptrdiff_t stride, size_t row, size_t rows,
           size_t col) const {
    const size_t cols = static_cast<size_t>(stride) / sizeof(int32_t);
    kernel_->run(args_, {strip, stride, row, rows, col,
                         col + cols < n_ ? cols : n_ - col});
  }

 private:
  size_t n_;
  Buffer codes_, zeros_, above_, most_, least_;
  const kernels::EpilogueKernel* kernel_;
  kernels::EpilogueArgs args_;
};

std::string ShapeName(const GemmShape& shape) {
  return std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" +
         std::to_string(shape.k);
}

// A kernel of w1a1 whose tiles are whole 64-bit words of codes.
bool WritesBits(const GemmKernel& kernel, const GemmPair& pair) {
  constexpr std::string_view kFamily = "w1a1";
  return kFamily == pair.name && kernel.nr % 64 == 0 &&
         std::string_view(kernel.name).substr(0, kFamily.size()) == kFamily;
}

void RegisterBits(const GemmKernel& kernel, std::string_view target,
                  GemmShape shape, GemmFill fill) {
  const auto run = [&kernel, target, shape, fill](benchmark::State& state) {
    const kernels::GemmTypes types{Operand::kBipolar, Operand::kSign};
    const kernels::GemmWorkload product(
        kernel, {types, shape.m, shape.n, shape.k}, fill);
    const SignEpilogue epilogue(shape, target);
    for (auto _ : state) {
      for (size_t row = 0; row < shape.m; row += kernels::kWorkloadStripRows) {
        const size_t rows =
            std::min(kernels::kWorkloadStripRows, shape.m - row);
        product.PackLhs(row, rows);
        epilogue.StartRows(row, rows);
        product.RunStrip(
            row, rows,
            [&](size_t r, size_t count, size_t col, const void* strip) {
              epilogue.Run(strip, product.strip_stride(), r, count, col);
            });
      }
      benchmark::ClobberMemory();
    }
    CountMacs(state, product.macs(), "w1a1", target);
  };
  const std::string text =
      ShapeName(shape) + (fill.zeros ? "/zeros/bits" : "/bits");
  benchmark::RegisterBenchmark(
      BenchName("gemm", kernel.name, target, text).c_str(), run);
}

void Register(const GemmKernel& kernel, std::string_view target,
              const GemmPair& pair, GemmShape shape, GemmFill fill) {
  std::string text = ShapeName(shape);
  const std::string_view name = kernel.name;
  const std::string family(name.substr(0, name.find('/')));
  if (family != pair.name) text.append("/").append(pair.name);
  if (fill.zeros) text += "/zeros";
  if (fill.uniform_weights) text += "/uniform";
  const auto run = [&kernel, family, target, types = pair.types, shape,
                    fill](benchmark::State& state) {
    const kernels::GemmWorkload product(
        kernel, {types, shape.m, shape.n, shape.k}, fill);
    for (auto _ : state) {
      product.Run();
      benchmark::ClobberMemory();
    }
    CountMacs(state, product.macs(), family, target);
  };
  benchmark::RegisterBenchmark(
      BenchName("gemm", kernel.name, target, text).c_str(), run);
}

}  // namespace

void RegisterGemm() {
  ForEachKernel(kernels::GemmKernels, [](const GemmKernel& kernel,
                                         std::string_view target) {
    const bool plain = IsReference(kernel);
    for (const GemmPair& pair : kGemmPairs) {
      if (kernel.max_k(pair.types) == 0) continue;
      for (const GemmShape& shape : kGemmShapes) {
        // The plain loops: one shape is enough to see how slow
        // they are.
        if (plain && &shape != &kGemmShapes[0]) continue;
        if (kernel.max_k(pair.types) < shape.k) continue;
        Register(kernel, target, pair, shape, {});
        if (WritesBits(kernel, pair)) RegisterBits(kernel, target, shape, {});
      }
      if (pair.types.activations == Operand::kSign && !plain)
        Register(kernel, target, pair, kGemmShapes[2], {.zeros = true});
      if (pair.types.weights == Operand::kS8 && !plain)
        Register(kernel, target, pair, kGemmShapes[2],
                 {.uniform_weights = true});
      if (WritesBits(kernel, pair))
        RegisterBits(kernel, target, kGemmShapes[2], {.zeros = true});
      if (pair.types.weights == Operand::kF32 && !plain)
        Register(kernel, target, pair, kGemmOneRow, {});
      for (const GemmShape& shape : kGemmGroupShapes) {
        if (pair.types.group != 0 && !plain)
          Register(kernel, target, pair, shape, {});
      }
    }
  });
}

}  // namespace bittern::bench
