// Conv: NCHW in and out, as a product of image windows (im2col, a block of
// pixels at a time in thread scratch) and filters, k = (ic, kh, kw) row-major;
// the product comes out pixel by pixel and is transposed on the way to NCHW.
// Depthwise ones go their own way (depthwise_f32.h).
#include "kernels/conv/conv.h"

#include <algorithm>

#include "runtime/ops/depthwise_f32.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/transpose_block.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {
namespace {

constexpr size_t kBlockPixels = 48;  // a multiple of the rows that f32 kernels
                                     // take; 48 x 768 floats are 144 KiB

// How many of `left` pixels the next block takes: blocks of about equal size,
// in whole rows of the kernel.
size_t BlockOf(size_t left, size_t mr) {
  const size_t blocks = (left + kBlockPixels - 1) / kBlockPixels;
  const size_t size = (left + blocks - 1) / blocks;
  return std::min({left, kBlockPixels, (size + mr - 1) / mr * mr});
}

class ConvOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override {
    return depthwise_.prepared() ? depthwise_.Name()
                                 : "im2col + " + driver_.Name();
  }
  OpCost Cost() const override {
    const auto filters = static_cast<double>(groups_ * oc_),
               k = static_cast<double>(k_);
    return {static_cast<double>(batch_ * pixels_) * filters * k, 32, 32,
            filters * k * sizeof(float)};
  }

 private:
  void Windows(const float* x, size_t pixel, size_t count, float* rows) const;
  void Block(const RunContext& context, const uint8_t* rhs, size_t image,
             size_t pixel, size_t count, uint8_t* scratch) const;

  Window window_{};
  kernels::ConvGeometry geometry_;
  size_t batch_ = 0, groups_ = 1, oc_ = 0;  // channels of one group
  bool pointwise_ = false;                  // windows are pixels
  size_t k_ = 0, pixels_ = 0;  // of one filter; of one output channel
  DepthwiseF32 depthwise_;     // in place of all that follows, if prepared
  GemmDriver driver_;
  size_t rows_bytes_ = 0,
         out_bytes_ = 0;  // thread scratch: windows, product, then the driver's
  std::shared_ptr<const AlignedBuffer>
      packed_;  // null if the filters are no constant
};

Result<void> ConvOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
  BITTERN_TRY(CheckType(context, 1, "w", kF32Only));
  const Shape &x = context.inputs[0].type.shape,
              &w = context.inputs[1].type.shape;
  if (x.rank() != 4) return WrongInput(context, 0, "x", "rank 4 (NCHW)");
  if (w.rank() != 4)
    return WrongInput(context, 1, "w", "rank 4 (filters, channels, h, w)");
  const int64_t groups = context.Int("group", 1);
  if (groups < 1 || w[0] < 1 || w[1] < 1 || x[1] % groups != 0 ||
      x[1] / groups != w[1] || w[0] % groups != 0) {
    return context.Fail("channels: got " + ToString(x) + ", filters " +
                        ToString(w) + " and group " + std::to_string(groups) +
                        ", expected group * filter channels = input channels");
  }
  if (Has(context, 2))
    BITTERN_TRY(CheckIs(context, 2, "bias", DType::kF32, Shape{w[0]}));
  BITTERN_TRY_ASSIGN(window_, MakeWindow(context, x, w[2], w[3], false));
  BITTERN_TRY(SetOutput(context, 0, DType::kF32,
                        Shape{x[0], w[0], window_.h.out, window_.w.out}));
  batch_ = static_cast<size_t>(x[0]);
  groups_ = static_cast<size_t>(groups);
  oc_ = static_cast<size_t>(w[0]) / groups_;
  k_ = static_cast<size_t>(w[1] * w[2] * w[3]);
  geometry_ = {AxisOf(window_.h), AxisOf(window_.w), static_cast<size_t>(x[1]),
               static_cast<size_t>(w[0]), groups_};
  pixels_ = geometry_.Pixels();
  const auto one = [](const WindowAxis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.out == axis.in &&
           axis.pad_before == 0;
  };
  pointwise_ = one(window_.h) && one(window_.w);
  return {};
}

Result<void> ConvOp::Prepare(PrepareContext& context) {
  if (geometry_.IsDepthwise() && context.inputs[1].constant != nullptr &&
      DepthwiseF32::Takes(window_, groups_, context.cpu)) {
    return depthwise_.Prepare(context, window_, batch_, groups_);
  }
  const kernels::GemmTypes types{};
  const auto* gemm =
      kernels::SelectGemm({types, pixels_, oc_, k_}, context.cpu);
  const auto* epilogue =
      kernels::SelectEpilogue(kernels::EpilogueKind::kFloatF32, context.cpu);
  driver_ = GemmDriver(gemm, epilogue, types, oc_, k_, 1);
  rows_bytes_ = AlignUp64(kBlockPixels * k_ * sizeof(float));
  out_bytes_ = AlignUp64(kBlockPixels * oc_ * sizeof(float));
  context.scratch_per_thread =
      rows_bytes_ + out_bytes_ + driver_.ScratchPerThread();
  const InputInfo& filters = context.inputs[1];
  if (filters.constant == nullptr) {
    context.scratch_shared = groups_ * driver_.RhsBytes();
    return {};
  }
  const auto* w = static_cast<const float*>(filters.constant);
  const std::string layout = std::to_string(groups_) + " groups " + gemm->name;
  BITTERN_TRY_ASSIGN(
      packed_,
      context.model.Packed(
          filters.tensor, layout, groups_ * driver_.RhsBytes(), [&](void* out) {
            for (size_t g = 0; g < groups_; ++g) {
              driver_.PackRhs(w + g * oc_ * k_, static_cast<uint8_t*>(out) +
                                                    g * driver_.RhsBytes());
            }
          }));
  return {};
}

// Those of `count` output pixels of one group, whose first channel is `x`.
void ConvOp::Windows(const float* x, size_t pixel, size_t count,
                     float* rows) const {
  const size_t plane = geometry_.h.in * geometry_.w.in;
  if (pointwise_) {
    TransposeBlocks(x + pixel, plane, k_, count, rows, k_);
    return;
  }
  kernels::ConvImage image;
  image.data = x;
  image.layout = kernels::PixelLayout::kNchw;
  image.stride = static_cast<ptrdiff_t>(plane * sizeof(float));
  kernels::GatherElements(geometry_, image, sizeof(float), 0, pixel, count,
                          rows);
}

// Output pixels [pixel, pixel + count) of one image, all groups.
void ConvOp::Block(const RunContext& context, const uint8_t* rhs, size_t image,
                   size_t pixel, size_t count, uint8_t* scratch) const {
  auto* rows = reinterpret_cast<float*>(scratch);
  auto* product = reinterpret_cast<float*>(scratch + rows_bytes_);
  const size_t plane = geometry_.h.in * geometry_.w.in;
  const auto* bias = RunInput<float>(context, 2);
  for (size_t g = 0; g < groups_; ++g) {
    Windows(RunInput<float>(context, 0) +
                (image * groups_ + g) * geometry_.GroupIn() * plane,
            pixel, count, rows);
    kernels::GemmLhs lhs;
    lhs.f32 = rows;
    lhs.f32_stride = static_cast<ptrdiff_t>(k_ * sizeof(float));
    kernels::EpilogueArgs args;
    args.bias = bias == nullptr ? nullptr : bias + g * oc_;
    args.out_f32 = product;
    args.out_stride = static_cast<ptrdiff_t>(oc_ * sizeof(float));
    driver_.Rows(lhs, rhs + g * driver_.RhsBytes(), args, 0, count,
                 scratch + rows_bytes_ + out_bytes_);
    float* out = RunOutput<float>(context, 0) +
                 (image * groups_ + g) * oc_ * pixels_ + pixel;
    TransposeBlocks(product, oc_, count, oc_, out, pixels_);
  }
}

void ConvOp::Run(const RunContext& context) const noexcept {
  if (depthwise_.prepared()) return depthwise_.Run(context);
  const uint8_t* rhs =
      packed_ != nullptr ? packed_->data() : context.scratch_shared;
  if (packed_ == nullptr) {
    for (size_t g = 0; g < groups_; ++g) {
      driver_.PackRhs(RunInput<float>(context, 1) + g * oc_ * k_,
                      context.scratch_shared + g * driver_.RhsBytes());
    }
  }
  context.pool->For(
      batch_ * pixels_, Grain(groups_ * oc_ * k_, 1),
      [&](size_t part, size_t begin, size_t end) {
        uint8_t* scratch =
            context.scratch_thread + part * context.scratch_thread_stride;
        while (begin < end) {
          const size_t pixel = begin % pixels_;
          const size_t count = BlockOf(std::min(end - begin, pixels_ - pixel),
                                       driver_.gemm().mr);
          Block(context, rhs, begin / pixels_, pixel, count, scratch);
          begin += count;
        }
      });
}

constexpr AttributeSpec kAttributes[] = {
    {"strides", AttributeKind::kInts, false},
    {"pads", AttributeKind::kInts, false},
    {"dilations", AttributeKind::kInts, false},
    {"group", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kConvOp =
    SimpleOpInfo("Conv", 2, 3, kAttributes, &CreateOp<ConvOp>);

}  // namespace bittern::runtime
