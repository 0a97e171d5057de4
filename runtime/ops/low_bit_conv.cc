// LowBitConv: a convolution of images of codes, channels last, by low-bit
// weights, exact in integers, or of floats, and the epilogue of LowBitLinear
// (linear_epilogue.h). README.md has the definition; kernels/conv the ways to
// compute it.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels/base/bits.h"
#include "kernels/conv/conv.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/linear_epilogue.h"
#include "runtime/ops/low_bit_operands.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {
namespace {

using kernels::Operand;

// Multiplications below which a second thread costs more than it saves
// (gemm_driver.cc has the measurement).
constexpr size_t kThreadMacs = size_t{1} << 17;

class LowBitConvOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  bool MayLieOver(size_t input) const override {
    return epilogue_.MayLieOver(input);
  }
  std::string Kernel() const override {
    const kernels::ConvKernel& kernel = plan_.kernel;
    return std::string(plan_.unpacked_bytes != 0 ? "unpacked, " : "") +
           (plan_.bands                               ? "bands + "
            : kernel.gemm != nullptr && plan_.gathers ? "gather + "
                                                      : "") +
           kernel.name() + " + " + epilogue_.kernel()->name +
           (epilogue_.second() != nullptr ? " and bytes" : "");
  }
  OpCost Cost() const override {
    const auto k = static_cast<double>(geometry_.K()),
               filters = static_cast<double>(geometry_.oc);
    const size_t bytes = kernels::CanonicalBytes(operands_.types.weights,
                                                 geometry_.oc, geometry_.K());
    return {static_cast<double>(batch_ * geometry_.Pixels()) * filters * k,
            operands_.weight_bits, operands_.activation_bits,
            static_cast<double>(bytes)};
  }

 private:
  Result<void> ReadGeometry(const InferContext& context);
  Result<void> ReadPad(const InferContext& context);
  Result<void> ReadChannelPads(const InferContext& context);
  Result<void> CheckPlanes(const InferContext& context);
  Result<void> CheckChannelScale(const InferContext& context);
  kernels::ConvImage Image(const void* x, size_t index) const;
  uint8_t PadOf(const RunContext& context) const;
  const void* Filters(const RunContext& context) const;

  LowBitOperands operands_;
  kernels::ConvGeometry geometry_;
  size_t batch_ = 0;
  bool padded_ = false;
  bool pad_row_term_ = false;  // padding is -row_term
  uint8_t pad_ = 0;
  std::vector<uint8_t> channel_pads_;  // in place of pad_, if there are any
  bool scaled_ = false;                // channels have scales
  CodeLayout planes_;                  // of x, if it is sign codes
  LinearEpilogue epilogue_;
  kernels::ConvPlan plan_{};
  std::shared_ptr<const AlignedBuffer> packed_;
};

// Window, channels and groups; the number of filters is the weights'.
Result<void> LowBitConvOp::ReadGeometry(const InferContext& context) {
  const Shape& x = context.inputs[kLinearX].type.shape;
  if (x.rank() != 4) return WrongInput(context, kLinearX, "x", "rank 4 (NHWC)");
  const auto kernel = context.Ints("kernel");
  if (kernel.size() != 2) {
    return WrongAttribute(context, "kernel",
                          std::to_string(kernel.size()) + " values", "2");
  }
  BITTERN_TRY_ASSIGN(const Window window,
                     MakeWindow(context, Shape{x[0], x[3], x[1], x[2]},
                                kernel[0], kernel[1], false));
  const int64_t groups = context.Int("groups", 1);
  if (groups < 1 || x[3] % groups != 0) {
    return WrongAttribute(context, "groups", std::to_string(groups),
                          "a divisor of " + std::to_string(x[3]) + " channels");
  }
  const int64_t channels = x[3] / groups, taps = kernel[0] * kernel[1];
  if (taps > (int64_t{1} << 40) / channels) {
    return WrongAttribute(context, "kernel", std::to_string(taps) + " taps",
                          "at most 2^40 weights a filter");
  }
  BITTERN_TRY(CheckWeights(context, taps * channels, operands_));
  const int64_t filters = context.inputs[kLinearWeights].type.shape[0];
  if (filters % groups != 0) {
    return WrongInput(context, kLinearWeights, "w",
                      "filters in " + std::to_string(groups) + " groups");
  }
  geometry_ = {AxisOf(window.h), AxisOf(window.w), static_cast<size_t>(x[3]),
               static_cast<size_t>(filters), static_cast<size_t>(groups)};
  const auto reaches = [](const WindowAxis& axis) {
    return axis.pad_before > 0 || axis.pad_after > 0;
  };
  padded_ = reaches(window.h) || reaches(window.w);
  return {};
}

// The code that stands for zero, which padding is made of.
Result<void> LowBitConvOp::ReadPad(const InferContext& context) {
  const int64_t pad = context.Int("pad", 0);
  const Operand type = operands_.types.activations;
  const kernels::ValueRange range =
      type == Operand::kF32    ? kernels::ValueRange{0, 0}
      : type == Operand::kSign ? kernels::ValueRange{0, 0}
                               : kernels::RangeOf(type);
  const bool odd = type == Operand::kBipolar2;
  pad_row_term_ = context.Int("pad_row_term", 0) != 0;
  if (pad_row_term_) {
    if (kernels::IsByteCode(type) && !odd && pad == 0 &&
        Has(context, kLinearRowTerm) &&
        context.inputs[kLinearRowTerm].type.shape == Shape{1}) {
      return {};
    }
    return WrongAttribute(context, "pad_row_term", "1",
                          "0 but for byte codes of step 1, one row_term for "
                          "all rows and no pad");
  }
  if (!padded_ && pad == 0) return {};
  if (pad < range.lo || pad > range.hi || (odd && pad % 2 == 0)) {
    return WrongAttribute(
        context, "pad", std::to_string(pad),
        "a code of " + ToString(context.inputs[kLinearX].type));
  }
  pad_ = static_cast<uint8_t>(pad);
  return {};
}

// The same for each channel, whose codes have zero points of their own. One
// that is none of the codes makes bytes of them for the kernels.
Result<void> LowBitConvOp::ReadChannelPads(const InferContext& context) {
  const auto pads = context.Ints("channel_pads");
  channel_pads_.clear();
  if (pads.empty()) return {};
  const Operand type = operands_.types.activations;
  if (!kernels::IsByteCode(type) || geometry_.groups != 1 || pad_row_term_ ||
      pad_ != 0 || pads.size() != geometry_.ic) {
    return WrongAttribute(context, "channel_pads",
                          std::to_string(pads.size()) + " values",
                          std::to_string(geometry_.ic) +
                              ", for byte codes in one group, without pad and "
                              "pad_row_term");
  }
  const bool odd = type == Operand::kBipolar2;
  const kernels::ValueRange codes = kernels::RangeOf(type);
  const Operand widest = codes.lo < 0 ? Operand::kS8 : Operand::kU8;
  const kernels::ValueRange range = odd ? codes : kernels::RangeOf(widest);
  bool beyond = false;
  for (const int64_t pad : pads) {
    if (pad < range.lo || pad > range.hi || (odd && pad % 2 == 0)) {
      return WrongAttribute(context, "channel_pads", std::to_string(pad),
                            "codes of " +
                                ToString(context.inputs[kLinearX].type) +
                                ", or of 8 bits");
    }
    beyond = beyond || pad < codes.lo || pad > codes.hi;
    channel_pads_.push_back(static_cast<uint8_t>(pad));
  }
  if (!beyond) return {};
  operands_.types.activations = widest;
  return CheckSumLength(context, geometry_.K(), operands_);
}

// Planes keep the channels of each group apart.
Result<void> LowBitConvOp::CheckPlanes(const InferContext& context) {
  const TensorType& x = context.inputs[kLinearX].type;
  if (x.code.encoding != Encoding::kSign) return {};
  const size_t group = kernels::PlanesInOneGroup(geometry_, operands_.types)
                           ? geometry_.ic
                           : geometry_.GroupIn();
  if (GroupOf(x) != static_cast<int64_t>(group)) {
    return WrongInput(context, kLinearX, "x",
                      "groups of " + std::to_string(group) + " columns");
  }
  planes_ = CodeLayout(x);
  return {};
}

// Sums are floats, then.
Result<void> LowBitConvOp::CheckChannelScale(const InferContext& context) {
  scaled_ = Has(context, kLinearChannelScale);
  if (!scaled_) return {};
  BITTERN_TRY(CheckConstant(context, kLinearChannelScale, "channel_scale",
                            DType::kF32,
                            Shape{static_cast<int64_t>(geometry_.ic)}));
  if (geometry_.groups == 1 && !pad_row_term_ && pad_ == 0 &&
      kernels::TakesScaled(operands_.types, geometry_.h.kernel,
                           geometry_.w.kernel)) {
    if (kernels::ScaledRingBytes(geometry_) != 0) return {};
    return context.Fail(
        "window: got rows of " + std::to_string(geometry_.w.out) +
        " columns spread over " + std::to_string(geometry_.h.dilation) +
        " lines, expected less than 2^30 bytes of their codes at once");
  }
  return WrongInput(context, kLinearChannelScale, "channel_scale",
                    "nothing but for byte codes in one group, without pad and "
                    "pad_row_term, whose taps add up in 16 bits");
}

Result<void> LowBitConvOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckActivations(context, operands_));
  BITTERN_TRY(ReadGeometry(context));
  BITTERN_TRY(ReadPad(context));
  BITTERN_TRY(ReadChannelPads(context));
  BITTERN_TRY(CheckPlanes(context));
  BITTERN_TRY(CheckChannelScale(context));
  for (const size_t input : {kLinearGroupScale, kLinearGroupZero}) {
    if (Has(context, input))
      return WrongInput(context, input, "group_scale, group_zero",
                        "nothing: filters are not in groups");
  }
  batch_ = static_cast<size_t>(context.inputs[kLinearX].type.shape[0]);
  kernels::GemmTypes types = operands_.types;
  if (scaled_) types.activations = Operand::kF32;
  const LinearProduct product{types, geometry_.K(),
                              Shape{context.inputs[kLinearX].type.shape[0],
                                    static_cast<int64_t>(geometry_.h.out),
                                    static_cast<int64_t>(geometry_.w.out),
                                    static_cast<int64_t>(geometry_.oc)}};
  return epilogue_.Infer(context, product);
}

Result<void> LowBitConvOp::Prepare(PrepareContext& context) {
  BITTERN_TRY(epilogue_.Prepare(context));
  const kernels::ConvQuery query{geometry_, operands_.types,
                                 kernels::PixelLayout::kNhwc,
                                 epilogue_.StripUnit(), scaled_};
  const kernels::ConvKernel kernel = kernels::SelectConv(query, context.cpu);
  if (kernel == kernels::ConvKernel{}) {
    return Unsupported(context.def.op + " '" + context.def.name +
                       "': got sums of " + std::to_string(geometry_.K()) +
                       " products, more than any kernel takes");
  }
  plan_ = kernels::PlanConv(query, kernel, *epilogue_.kernel());
  context.scratch_per_thread = AlignUp64(plan_.scratch_bytes);
  context.scratch_shared =
      AlignUp64(epilogue_.ScratchBytes()) + plan_.unpacked_bytes;
  const InputInfo& weights = context.inputs[kLinearWeights];
  // What the packed form depends on beside the weights.
  std::string layout = std::string("conv ") + kernel.name();
  for (const size_t part :
       {static_cast<size_t>(operands_.types.activations), geometry_.h.kernel,
        geometry_.w.kernel, geometry_.ic, geometry_.groups}) {
    layout += " " + std::to_string(part);
  }
  BITTERN_TRY_ASSIGN(
      packed_, context.model.Packed(
                   weights.tensor, layout, plan_.filter_bytes, [&](void* out) {
                     kernels::PackFilters(plan_, weights.constant, out);
                   }));
  return {};
}

// Image `index` of the batch.
kernels::ConvImage LowBitConvOp::Image(const void* x, size_t index) const {
  const size_t first = index * geometry_.h.in * geometry_.w.in;
  kernels::ConvImage image;
  if (operands_.types.activations == Operand::kSign) {
    image.planes = planes_.View(x);
    image.planes.sign += first * image.planes.row_words;
    image.planes.valid += first * image.planes.row_words;
    image.planes.valid_count += first;
    image.planes.rows = geometry_.h.in * geometry_.w.in;
    return image;
  }
  const size_t pixel =
      geometry_.ic *
      (operands_.types.activations == Operand::kF32 ? sizeof(float) : 1);
  image.data = static_cast<const uint8_t*>(x) + first * pixel;
  image.stride = static_cast<ptrdiff_t>(pixel);
  return image;
}

// The byte of taps outside the image.
uint8_t LowBitConvOp::PadOf(const RunContext& context) const {
  if (!pad_row_term_) return pad_;
  const kernels::ValueRange range =
      kernels::RangeOf(operands_.types.activations);
  const int64_t code = -int64_t{*RunInput<int32_t>(context, kLinearRowTerm)};
  return static_cast<uint8_t>(std::clamp<int64_t>(code, range.lo, range.hi));
}

// The packed filters, or those of this run as floats.
const void* LowBitConvOp::Filters(const RunContext& context) const {
  if (plan_.unpacked_bytes == 0) return packed_->data();
  uint8_t* out = context.scratch_shared + AlignUp64(epilogue_.ScratchBytes());
  const size_t tiles = kernels::FilterTiles(plan_),
               tile = plan_.unpacked_bytes / tiles;
  context.pool->For(tiles, std::max<size_t>(1, kThreadMacs / tile),
                    [&](size_t, size_t begin, size_t end) {
                      kernels::UnpackFilters(plan_, packed_->data(), begin, end,
                                             out);
                    });
  return out;
}

// Threads share whole output rows, whose pixels share taps.
void LowBitConvOp::Run(const RunContext& context) const noexcept {
  const kernels::EpilogueArgs args =
      epilogue_.Args(context, context.scratch_shared);
  const kernels::EpilogueKernel* second = epilogue_.second();
  const kernels::EpilogueArgs second_args = second != nullptr
                                                ? epilogue_.SecondArgs(context)
                                                : kernels::EpilogueArgs();
  const void* filters = Filters(context);
  const uint8_t pad = PadOf(context);
  const size_t rows = geometry_.h.out, cols = geometry_.w.out;
  const size_t row_macs = cols * geometry_.oc * geometry_.K();
  const size_t grain =
      std::max<size_t>(1, kThreadMacs / std::max<size_t>(1, row_macs));
  context.pool->For(
      batch_ * rows, grain, [&](size_t part, size_t begin, size_t end) {
        uint8_t* scratch =
            context.scratch_thread + part * context.scratch_thread_stride;
        while (begin < end) {
          const size_t image = begin / rows, row = begin % rows,
                       count = std::min(end - begin, rows - row);
          kernels::ConvRun run{Image(context.inputs[kLinearX], image),
                               filters,
                               args,
                               image * geometry_.Pixels(),
                               second,
                               second_args};
          run.image.pad = pad;
          if (!channel_pads_.empty()) run.image.pads = channel_pads_.data();
          if (scaled_)
            run.channel_scale = RunInput<float>(context, kLinearChannelScale);
          kernels::ConvRows(plan_, run, row * cols, (row + count) * cols,
                            scratch);
          begin += count;
        }
      });
}

constexpr auto kAttributes = WithEpilogueAttributes(
    std::array{AttributeSpec{"kernel", AttributeKind::kInts, true},
               AttributeSpec{"strides", AttributeKind::kInts, false},
               AttributeSpec{"pads", AttributeKind::kInts, false},
               AttributeSpec{"dilations", AttributeKind::kInts, false},
               AttributeSpec{"groups", AttributeKind::kInt, false},
               AttributeSpec{"pad", AttributeKind::kInt, false},
               AttributeSpec{"channel_pads", AttributeKind::kInts, false},
               AttributeSpec{"pad_row_term", AttributeKind::kInt, false}});

}  // namespace

constinit const OpInfo kLowBitConvOp = {
    "LowBitConv", 3, kLinearInputs, 1, 2, kAttributes, &CreateOp<LowBitConvOp>};

}  // namespace bittern::runtime
