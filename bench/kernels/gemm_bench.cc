// GEMM kernels over the products of DeiT-tiny and -small, a Swin window and
// stage, and a point-cloud layer: whole products, strip by strip as the runtime
// walks them, the packing of the left operand included. Every kernel runs every
// pair of operand types of the table that it takes.
#include <algorithm>

#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"

namespace bittern::bench {
namespace {

using kernels::GemmKernel;
using kernels::GemmTypes;
using kernels::Operand;

struct Shape {
  size_t m, n, k;
};

constexpr Shape kShapes[] = {
    {198, 192, 192},  {198, 576, 192},  {198, 768, 192}, {198, 192, 768},
    {198, 1536, 384}, {198, 384, 1536}, {49, 3072, 768}, {3136, 288, 96},
    {1024, 128, 64},  {1024, 1024, 128}};
constexpr Shape kOneRow = {1, 1000, 192};
constexpr size_t kStripRows = 32;

struct Pair {
  const char* name;
  GemmTypes types;
};

constexpr Pair kPairs[] = {
    {"w1a1", {Operand::kBipolar, Operand::kSign}},
    {"w1a2", {Operand::kBipolar, Operand::kU2}},
    {"w1a4", {Operand::kBipolar, Operand::kU4}},
    {"w2a1", {Operand::kTernary, Operand::kSign}},
    {"w2a2", {Operand::kTernary, Operand::kU2}},
    {"w3a3", {Operand::kS3, Operand::kU3}},
    {"w4a4", {Operand::kS4, Operand::kU4}},
    {"w2a8", {Operand::kTernary, Operand::kS8}},
    {"w4a8", {Operand::kS4, Operand::kS8}},
    {"w8a4", {Operand::kS8, Operand::kU4}},
    {"w8a8", {Operand::kS8, Operand::kU8}},
    {"w16a4", {Operand::kS16, Operand::kU4}},
    {"w2f32", {Operand::kTernary, Operand::kF32}},
    {"w4f32", {Operand::kS4, Operand::kF32}},
    {"f32", {Operand::kF32, Operand::kF32}},
};

Buffer RandomWeights(Operand type, size_t n, size_t k) {
  if (type == Operand::kF32) return RandomFloats(n * k);
  return RandomBytes(CanonicalBytes(type, n, k));
}

// Any byte is a code once it is masked to the type's bits.
Buffer RandomByteCodes(Operand type, size_t count) {
  Buffer bytes = RandomBytes(count);
  const kernels::ValueRange range = RangeOf(type);
  for (size_t i = 0; i < count; ++i) {
    uint8_t& byte = bytes.As<uint8_t>()[i];
    byte = static_cast<uint8_t>(range.lo + byte % (range.hi - range.lo + 1));
  }
  return bytes;
}

class Product {
 public:
  Product(const GemmKernel& kernel, GemmTypes types, Shape shape, bool zeros)
      : kernel_(kernel),
        types_(types),
        shape_(shape),
        codes_(RandomCodes(shape.m, shape.k, shape.k, zeros)),
        floats_(RandomFloats(shape.m * shape.k)),
        bytes_(RandomByteCodes(types.activations, shape.m * shape.k)),
        rhs_(kernel.packed_rhs_bytes(types, shape.n, shape.k)),
        packed_lhs_(kernel.packed_lhs_bytes != nullptr
                        ? kernel.packed_lhs_bytes(types, kStripRows, shape.k)
                        : 0),
        scratch_(kernel.scratch_bytes != nullptr
                     ? kernel.scratch_bytes(types, shape.k)
                     : 0),
        strip_(kStripRows * kernel.nr * sizeof(int32_t)) {
    const Buffer weights = RandomWeights(types.weights, shape.n, shape.k);
    kernel.pack_rhs({weights.As<void>(), types.weights, shape.n, shape.k},
                    types.activations, rhs_.As<void>());
    lhs_.f32 = floats_.As<float>();
    lhs_.f32_stride = static_cast<ptrdiff_t>(shape.k * sizeof(float));
    lhs_.planes = codes_.planes;
    lhs_.bytes = bytes_.As<uint8_t>();
    lhs_.bytes_stride = static_cast<ptrdiff_t>(shape.k);
  }

  void Run() const {
    for (size_t row = 0; row < shape_.m; row += kStripRows) {
      const size_t rows = std::min(kStripRows, shape_.m - row);
      if (kernel_.pack_lhs != nullptr) {
        kernel_.pack_lhs(types_, lhs_, shape_.k, row, rows,
                         packed_lhs_.As<void>());
      }
      for (size_t tile = 0; tile < kernels::CeilDiv(shape_.n, kernel_.nr);
           ++tile) {
        kernel_.run({types_, &lhs_, packed_lhs_.As<void>(), row,
                     rhs_.As<void>(), shape_.k, shape_.n, row, rows, tile,
                     strip_.As<void>(),
                     static_cast<ptrdiff_t>(kernel_.nr * sizeof(int32_t)),
                     scratch_.As<void>()});
      }
    }
  }

 private:
  const GemmKernel& kernel_;
  GemmTypes types_;
  Shape shape_;
  Codes codes_;
  Buffer floats_, bytes_, rhs_, packed_lhs_, scratch_, strip_;
  kernels::GemmLhs lhs_;
};

void Register(const GemmKernel& kernel, std::string_view target,
              const Pair& pair, Shape shape, bool zeros) {
  std::string text = std::to_string(shape.m) + "x" + std::to_string(shape.n) +
                     "x" + std::to_string(shape.k);
  const std::string_view name = kernel.name;
  const std::string family(name.substr(0, name.find('/')));
  if (family != pair.name) text.append("/").append(pair.name);
  if (zeros) text += "/zeros";
  const auto run = [&kernel, family, target, types = pair.types, shape,
                    zeros](benchmark::State& state) {
    const Product product(kernel, types, shape, zeros);
    for (auto _ : state) {
      product.Run();
      benchmark::ClobberMemory();
    }
    const auto macs = static_cast<double>(shape.m * shape.n * shape.k);
    CountMacs(state, macs, family, target);
  };
  benchmark::RegisterBenchmark(
      BenchName("gemm", kernel.name, target, text).c_str(), run);
}

}  // namespace

void RegisterGemm() {
  ForEachKernel(kernels::GemmKernels,
                [](const GemmKernel& kernel, std::string_view target) {
                  const bool plain = IsReference(kernel);
                  for (const Pair& pair : kPairs) {
                    if (kernel.max_k(pair.types) == 0) continue;
                    for (const Shape& shape : kShapes) {
                      // The plain loops: one shape is enough to see how slow
                      // they are.
                      if (plain && &shape != &kShapes[0]) continue;
                      if (kernel.max_k(pair.types) < shape.k) continue;
                      Register(kernel, target, pair, shape, false);
                    }
                    if (pair.types.activations == Operand::kSign && !plain)
                      Register(kernel, target, pair, kShapes[2], true);
                    if (pair.types.weights == Operand::kF32 && !plain)
                      Register(kernel, target, pair, kOneRow, false);
                  }
                });
}

}  // namespace bittern::bench
