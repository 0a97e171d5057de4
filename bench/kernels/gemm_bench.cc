// GEMM kernels over the products of DeiT-tiny and -small: whole products, strip
// by strip as the runtime walks them, the packing of the left operand included.
#include <algorithm>

#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"

namespace bittern::bench {
namespace {

using kernels::GemmKernel;
using kernels::Operand;

struct Shape {
  size_t m, k, n;
};

constexpr Shape kCodeShapes[] = {{198, 192, 192},
                                 {198, 192, 576},
                                 {198, 192, 768},
                                 {198, 768, 192},
                                 {198, 384, 1536}};
constexpr Shape kFloatShapes[] = {{196, 768, 192}, {1, 192, 1000}};
constexpr size_t kStripRows = 32;

class Product {
 public:
  Product(const GemmKernel& kernel, Shape shape, bool zeros)
      : kernel_(kernel),
        shape_(shape),
        codes_(RandomCodes(shape.m, shape.k, shape.k, zeros)),
        floats_(RandomFloats(shape.m * shape.k)),
        rhs_(kernel.packed_rhs_bytes(shape.n, shape.k)),
        packed_lhs_(kernel.packed_lhs_bytes != nullptr
                        ? kernel.packed_lhs_bytes(kStripRows, shape.k)
                        : 0),
        strip_(kStripRows * kernel.nr * sizeof(int32_t)) {
    const bool floats = kernel.weights == Operand::kF32;
    const Buffer weights =
        floats ? RandomFloats(shape.n * shape.k)
               : RandomBytes(shape.n * kernels::CeilDiv(shape.k, 8));
    kernel.pack_rhs(weights.As<void>(), shape.n, shape.k, rhs_.As<void>());
    lhs_.f32 = floats_.As<float>();
    lhs_.f32_stride = static_cast<ptrdiff_t>(shape.k * sizeof(float));
    lhs_.planes = codes_.planes;
  }

  void Run() const {
    for (size_t row = 0; row < shape_.m; row += kStripRows) {
      const size_t rows = std::min(kStripRows, shape_.m - row);
      if (kernel_.pack_lhs != nullptr)
        kernel_.pack_lhs(lhs_, shape_.k, row, rows, packed_lhs_.As<void>());
      for (size_t tile = 0; tile < kernels::CeilDiv(shape_.n, kernel_.nr);
           ++tile) {
        kernel_.run({&lhs_, packed_lhs_.As<void>(), row, rhs_.As<void>(),
                     shape_.k, shape_.n, row, rows, tile, strip_.As<void>(),
                     static_cast<ptrdiff_t>(kernel_.nr * sizeof(int32_t))});
      }
    }
  }

 private:
  const GemmKernel& kernel_;
  Shape shape_;
  Codes codes_;
  Buffer floats_, rhs_, packed_lhs_, strip_;
  kernels::GemmLhs lhs_;
};

void Register(const GemmKernel& kernel, std::string_view target, Shape shape,
              bool zeros) {
  std::string text = std::to_string(shape.m) + "x" + std::to_string(shape.n) +
                     "x" + std::to_string(shape.k);
  if (zeros) text += "/zeros";
  const auto run = [&kernel, target, shape, zeros](benchmark::State& state) {
    const Product product(kernel, shape, zeros);
    for (auto _ : state) {
      product.Run();
      benchmark::ClobberMemory();
    }
    const auto macs = static_cast<double>(shape.m * shape.n * shape.k);
    CountMacs(state, macs, kernel.weights == Operand::kF32 ? "f32" : "w1a1",
              target);
  };
  benchmark::RegisterBenchmark(
      BenchName("gemm", kernel.name, target, text).c_str(), run);
}

}  // namespace

void RegisterGemm() {
  ForEachKernel(kernels::GemmKernels,
                [](const GemmKernel& kernel, std::string_view target) {
                  if (kernel.weights == Operand::kF32) {
                    for (const Shape& shape : kFloatShapes)
                      Register(kernel, target, shape, false);
                    return;
                  }
                  for (const Shape& shape : kCodeShapes)
                    Register(kernel, target, shape, false);
                  Register(kernel, target, kCodeShapes[2], true);
                });
}

}  // namespace bittern::bench
