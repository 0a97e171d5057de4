// Convolutions of ResNet-18, of a point-cloud network, stems and depthwise ones
// through every kernel: whole layers, window gathering and epilogue to floats
// included. MACs count every tap, as if padding were part of the image.
// "layer": fp32 pixels in as well, by the sign quantiser.
#include <algorithm>
#include <string>
#include <vector>

#include "bench/kernels/bench.h"
#include "kernels/base/code_matrix.h"
#include "kernels/conv/conv.h"
#include "kernels/quantize/quantize.h"

namespace bittern::bench {
namespace {

using kernels::ConvGeometry;
using kernels::ConvKernel;
using kernels::ConvPlan;
using kernels::ConvRun;
using kernels::GemmTypes;
using kernels::Operand;
using kernels::PixelLayout;

struct Shape {
  size_t ic, size, oc, kernel, stride, pad, groups = 1;
};

constexpr Shape kBitShapes[] = {
    {64, 56, 64, 3, 1, 1},    {128, 28, 128, 3, 1, 1}, {256, 14, 256, 3, 1, 1},
    {512, 7, 512, 3, 1, 1},   {64, 56, 128, 3, 2, 1},  {128, 28, 256, 3, 2, 1},
    {256, 14, 512, 3, 2, 1},  {64, 32, 128, 1, 1, 0},  {128, 32, 1024, 1, 1, 0},
    {1024, 32, 512, 1, 1, 0}, {32, 112, 32, 3, 1, 1}};
constexpr Shape kStems[] = {
    {3, 224, 64, 7, 2, 3}, {3, 224, 192, 16, 16, 0}, {3, 224, 96, 4, 4, 0}};

constexpr GemmTypes kBits{Operand::kBipolar, Operand::kSign};
constexpr GemmTypes kFloats{Operand::kF32, Operand::kF32};
constexpr GemmTypes kBytes{Operand::kS8, Operand::kU8};
// What scaled channels are made of, and the floats that their levels are.
constexpr GemmTypes kScaled{Operand::kS4, Operand::kU4};
constexpr GemmTypes kLevels{Operand::kS4, Operand::kF32};

constexpr Shape kDepthwise[] = {{64, 56, 64, 3, 1, 1, 64},
                                {512, 14, 512, 3, 1, 1, 512},
                                {96, 28, 96, 7, 1, 3, 96}};

constexpr Shape kScaledShapes[] = {
    {64, 56, 64, 3, 1, 1},  {128, 28, 128, 3, 1, 1}, {256, 14, 256, 3, 1, 1},
    {512, 7, 512, 3, 1, 1}, {64, 100, 64, 3, 1, 1},  {256, 28, 256, 3, 2, 1}};

std::string ShapeName(const Shape& s) {
  return std::to_string(s.ic) + "x" + std::to_string(s.size) + "x" +
         std::to_string(s.size) + "-" + std::to_string(s.oc) + "k" +
         std::to_string(s.kernel) + "s" + std::to_string(s.stride) +
         (s.groups > 1 ? "dw" : "");
}

ConvGeometry Geometry(const Shape& s) {
  const kernels::ConvAxis axis{
      s.size,   (s.size + 2 * s.pad - s.kernel) / s.stride + 1,
      s.kernel, s.stride,
      1,        s.pad};
  return {axis, axis, s.ic, s.oc, s.groups};
}

const kernels::EpilogueKernel& Epilogue(GemmTypes types,
                                        std::string_view target) {
  kernels::CpuFeatures cpu;
  kernels::CapCpu(kernels::DetectCpu(), target, &cpu);
  return *kernels::SelectEpilogue(
      types.activations == Operand::kF32 || types == kScaled
          ? kernels::EpilogueKind::kFloatF32
          : kernels::EpilogueKind::kScaleF32,
      cpu);
}

bool IsReference(const ConvKernel& kernel) {
  return kernel.direct != nullptr      ? kernel.direct->is_reference
         : kernel.depthwise != nullptr ? kernel.depthwise->is_reference
         : kernel.scaled != nullptr    ? kernel.scaled->is_reference
                                       : kernels::IsReference(*kernel.gemm);
}

class Layer {
 public:
  Layer(const ConvKernel& kernel, std::string_view target, const Shape& shape,
        GemmTypes types, PixelLayout layout)
      : geometry_(Geometry(shape)),
        plan_(PlanConv({geometry_, types, layout, 1, types == kScaled}, kernel,
                       Epilogue(types, target))),
        pixels_(geometry_.h.in * geometry_.w.in),
        codes_(RandomCodes(pixels_, shape.ic, shape.ic, false)),
        floats_(RandomFloats(pixels_ * shape.ic)),
        scale_(RandomFloats(shape.oc)),
        filters_(plan_.filter_bytes),
        unpacked_(plan_.unpacked_bytes),
        out_(geometry_.Pixels() * shape.oc * sizeof(float)),
        scratch_(plan_.scratch_bytes) {
    const Buffer weights = types.weights == Operand::kF32
                               ? RandomFloats(shape.oc * geometry_.K())
                               : RandomBytes(kernels::CanonicalBytes(
                                     types.weights, shape.oc, geometry_.K()));
    PackFilters(plan_, weights.As<void>(), filters_.As<void>());
    const bool nhwc = layout == PixelLayout::kNhwc;
    const size_t element = types.activations == Operand::kF32 ? 4 : 1;
    run_.image = {
        codes_.planes, floats_.As<void>(), layout,
        static_cast<ptrdiff_t>((nhwc ? shape.ic : pixels_) * element)};
    run_.filters =
        plan_.unpacked_bytes != 0 ? unpacked_.As<void>() : filters_.As<void>();
    run_.channel_scale = floats_.As<float>();
    run_.epilogue.scale = run_.epilogue.bias = scale_.As<float>();
    run_.epilogue.out_f32 = out_.As<float>();
    run_.epilogue.out_stride = static_cast<ptrdiff_t>(shape.oc * sizeof(float));
    kernels::CapCpu(kernels::DetectCpu(), target, &cpu_);
  }

  void Quantise() const {
    const auto stride = static_cast<ptrdiff_t>(geometry_.ic * sizeof(float));
    kernels::SelectQuantize(cpu_)->sign(
        {floats_.As<float>(), stride, nullptr, nullptr, nullptr, nullptr, 0,
         codes_.planes},
        0, pixels_);
  }
  void Run() const {
    if (plan_.unpacked_bytes != 0) {
      UnpackFilters(plan_, filters_.As<void>(), 0, FilterTiles(plan_),
                    unpacked_.As<void>());
    }
    ConvRows(plan_, run_, 0, geometry_.Pixels(), scratch_.As<void>());
  }
  double Macs() const {
    return static_cast<double>(geometry_.Pixels() * geometry_.oc *
                               geometry_.K());
  }

 private:
  ConvGeometry geometry_;
  ConvPlan plan_;
  size_t pixels_;
  Codes codes_;
  Buffer floats_, scale_, filters_, unpacked_, out_, scratch_;
  ConvRun run_;
  kernels::CpuFeatures cpu_;
};

void Register(const ConvKernel& kernel, std::string_view target,
              const Shape& shape, GemmTypes types, PixelLayout layout,
              bool quantise) {
  std::string text = ShapeName(shape);
  const std::string_view arithmetic = types == kFloats || types == kLevels
                                          ? "f32"
                                      : types == kBits   ? "w1a1"
                                      : types == kScaled ? "w4a4"
                                                         : "w8a8";
  if (layout == PixelLayout::kNchw) text += "/nchw";
  if (quantise) text += "/layer";
  const auto run = [=, &shape](benchmark::State& state) {
    const Layer layer(kernel, target, shape, types, layout);
    for (auto _ : state) {
      if (quantise) layer.Quantise();
      layer.Run();
      benchmark::ClobberMemory();
    }
    CountMacs(state, layer.Macs(), arithmetic, target);
  };
  benchmark::RegisterBenchmark(
      BenchName("conv", kernel.name(), target, text).c_str(), run);
}

}  // namespace

void RegisterConv() {
  const auto each = [](const Shape& shape, GemmTypes types, PixelLayout layout,
                       auto fn) {
    std::vector<ConvKernel> seen;
    for (std::string_view target : kernels::TargetNames()) {
      kernels::CpuFeatures cpu;
      if (!kernels::CapCpu(kernels::DetectCpu(), target, &cpu)) continue;
      for (const ConvKernel& kernel : ConvKernels(
               {Geometry(shape), types, layout, 1, types == kScaled}, cpu)) {
        if (std::find(seen.begin(), seen.end(), kernel) != seen.end()) continue;
        seen.push_back(kernel);
        if (!IsReference(kernel)) fn(kernel, target);
      }
    }
  };
  for (const Shape& shape : kBitShapes) {
    each(shape, kBits, PixelLayout::kNhwc,
         [&](const ConvKernel& kernel, std::string_view target) {
           for (bool quantise : {false, true}) {
             Register(kernel, target, shape, kBits, PixelLayout::kNhwc,
                      quantise);
           }
         });
  }
  for (GemmTypes types : {kFloats, kBytes}) {
    for (PixelLayout layout : {PixelLayout::kNhwc, PixelLayout::kNchw}) {
      for (const Shape& shape : kStems) {
        each(shape, types, layout,
             [&](const ConvKernel& kernel, std::string_view target) {
               Register(kernel, target, shape, types, layout, false);
             });
      }
    }
  }
  for (GemmTypes types : {kScaled, kLevels}) {
    for (const Shape& shape : kScaledShapes) {
      each(shape, types, PixelLayout::kNhwc,
           [&](const ConvKernel& kernel, std::string_view target) {
             Register(kernel, target, shape, types, PixelLayout::kNhwc, false);
           });
    }
  }
  for (GemmTypes types : {kBits, kFloats, kBytes}) {
    for (const Shape& shape : kDepthwise) {
      each(shape, types, PixelLayout::kNhwc,
           [&](const ConvKernel& kernel, std::string_view target) {
             Register(kernel, target, shape, types, PixelLayout::kNhwc, false);
           });
    }
  }
}

}  // namespace bittern::bench
