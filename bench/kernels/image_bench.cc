// The families that walk planes and pixels: pool, resize, transpose, at sizes
// of ResNet-18 and of a tile that stays in L1.
#include <cstdlib>
#include <memory>
#include <vector>

#include "bench/kernels/bench.h"
#include "kernels/base/bits.h"
#include "kernels/pool/pool.h"
#include "kernels/resize/resize.h"
#include "kernels/transpose/transpose.h"

namespace bittern::bench {
namespace {

constexpr size_t kSide = 56;  // of a plane, or of an image of 64 channels
constexpr size_t kChannels = 64;

// Elements written by a call.
template <class Fn>
void Register(const std::string& name, size_t elements, Fn fn) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [elements, fn](benchmark::State& state) {
                                 for (auto _ : state) {
                                   fn();
                                   benchmark::ClobberMemory();
                                 }
                                 CountElements(state, double(elements));
                               });
}

struct Tensors {
  Buffer x = RandomFloats(kSide * kSide * kChannels);
  Buffer y{4 * kSide * kSide * kChannels * sizeof(float)};
  Buffer scratch{16384 * sizeof(float)};
};

const Tensors& Shared() {
  static const Tensors tensors;
  return tensors;
}

kernels::PoolAxis Axis(size_t kernel, size_t stride) {
  const size_t pad = (kernel - 1) / 2;
  return {kSide, (kSide + 2 * pad - kernel) / stride + 1, kernel, stride, pad,
          pad};
}

void RegisterPool(const kernels::PoolKernel& kernel, std::string_view target,
                  size_t window, size_t stride) {
  const kernels::PoolAxis axis = Axis(window, stride);
  const std::string shape = std::to_string(window) + "x" +
                            std::to_string(window) + "s" +
                            std::to_string(stride) + "/56x56";
  const auto name = [&](const char* what) {
    return BenchName("pool", kernel.name, target, what + shape);
  };
  const kernels::PlanePoolArgs planes{
      Shared().x.As<float>(),      Shared().y.As<float>(), axis, axis, false,
      Shared().scratch.As<float>()};
  const size_t outputs = axis.out * axis.out;
  Register(name("max_planes/"), outputs,
           [&kernel, planes] { kernel.max_planes(planes, 0, 1); });
  Register(name("average_planes/"), outputs,
           [&kernel, planes] { kernel.average_planes(planes, 0, 1); });
  const kernels::BytePoolArgs bytes{
      {Shared().x.As<uint8_t>(), kChannels, kSide * kSide, kChannels},
      {Shared().y.As<uint8_t>(), kChannels, outputs, kChannels},
      axis,
      axis,
      true};
  Register(name("max_bytes/"), outputs * kChannels,
           [&kernel, bytes, outputs] { kernel.max_bytes(bytes, 0, outputs); });
}

void RegisterResize(const kernels::ResizeKernel& kernel,
                    std::string_view target) {
  constexpr size_t kOut = 2 * kSide;
  const kernels::ResizeAxis axis{kSide, kOut, 2.0f,
                                 kernels::ResizeCoordinates::kHalfPixel};
  const size_t entries = kernels::ResizeEntries(kOut);
  const auto index = std::make_shared<std::vector<int32_t>>(3 * entries);
  const auto weight = std::make_shared<std::vector<float>>(entries);
  int32_t* lo = index->data() + entries;
  kernels::MakeNearestTable(axis, kernels::ResizeRounding::kPreferFloor,
                            index->data());
  kernels::MakeLinearTable(axis, lo, lo + entries, weight->data());
  const kernels::ResizePlanes planes{
      Shared().x.As<float>(), Shared().y.As<float>(), kSide, kSide, kOut, kOut};
  Register(BenchName("resize", kernel.name, target, "nearest/56x56to112x112"),
           kOut * kOut, [&kernel, planes, index] {
             kernel.nearest({planes, index->data(), index->data()}, 0, 1);
           });
  const kernels::LinearTable table{lo, lo + entries, weight->data()};
  Register(BenchName("resize", kernel.name, target, "linear/56x56to112x112"),
           kOut * kOut, [&kernel, planes, index, weight, table] {
             kernel.linear({planes, table, table, Shared().scratch.As<float>()},
                           0, 1);
           });
}

void RegisterTranspose(const kernels::TransposeKernel& kernel,
                       std::string_view target) {
  constexpr size_t kRows = 64, kCols = 48;
  const auto args = [](ptrdiff_t size) {
    return kernels::TransposeArgs{Shared().x.As<void>(),
                                  size * static_cast<ptrdiff_t>(kCols),
                                  Shared().y.As<void>(),
                                  size * static_cast<ptrdiff_t>(kRows),
                                  kRows,
                                  kCols};
  };
  Register(BenchName("transpose", kernel.name, target, "words/64x48"),
           kRows * kCols, [&kernel, a = args(4)] { kernel.words(a); });
  Register(BenchName("transpose", kernel.name, target, "bytes/64x48"),
           kRows * kCols, [&kernel, a = args(1)] { kernel.bytes(a); });
}

}  // namespace

void RegisterImage() {
  ForEachKernel(kernels::PoolKernels,
                [](const kernels::PoolKernel& kernel, std::string_view target) {
                  RegisterPool(kernel, target, 3, 2);
                  RegisterPool(kernel, target, 2, 2);
                  RegisterPool(kernel, target, 3, 1);
                });
  ForEachKernel(kernels::ResizeKernels, RegisterResize);
  ForEachKernel(kernels::TransposeKernels, RegisterTranspose);
}

}  // namespace bittern::bench
