// MaxPool and AveragePool: a window function over each channel of NCHW.
#pragma once

#include <algorithm>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {

// The part of a window inside the input, and its place relative to it.
struct WindowSpan {
  int64_t begin, end;    // inside the input
  int64_t padded_count;  // inside input and padding together
};

inline WindowSpan SpanOf(const WindowAxis& axis, int64_t out) {
  const int64_t start = out * axis.stride - axis.pad_before;
  const int64_t end = start + axis.kernel;
  return {std::max<int64_t>(start, 0), std::min(end, axis.in),
          std::min(end, axis.in + axis.pad_after) - start};
}

inline constexpr AttributeSpec kPoolAttributes[] = {
    {"kernel", AttributeKind::kInts, true},
    {"strides", AttributeKind::kInts, false},
    {"pads", AttributeKind::kInts, false},
    {"ceil_mode", AttributeKind::kInt, false},
    {"count_include_pad", AttributeKind::kInt, false}};

// Fn: float operator()(const float* image, int64_t width, WindowSpan h,
// WindowSpan w, bool count_padding).
template <class Fn>
class PoolOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& in = context.inputs[0].type.shape;
    const auto kernel = context.Ints("kernel");
    if (kernel.size() != 2)
      return WrongAttribute(context, "kernel",
                            std::to_string(kernel.size()) + " values", "2");
    BITTERN_TRY_ASSIGN(window_, MakeWindow(context, in, kernel[0], kernel[1],
                                           context.Int("ceil_mode", 0) != 0));
    for (const WindowAxis& axis : {window_.h, window_.w}) {
      if (axis.pad_before >= axis.kernel || axis.pad_after >= axis.kernel) {
        return WrongAttribute(
            context, "pads",
            std::to_string(std::max(axis.pad_before, axis.pad_after)),
            "less than the kernel, " + std::to_string(axis.kernel));
      }
    }
    count_padding_ = context.Int("count_include_pad", 0) != 0;
    const Shape out{in[0], in[1], window_.h.out, window_.w.out};
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, out));
    channels_ = static_cast<size_t>(in[0] * in[1]);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const WindowAxis &h = window_.h, &w = window_.w;
    const auto in_size = static_cast<size_t>(h.in * w.in),
               out_size = static_cast<size_t>(h.out * w.out);
    const size_t work = out_size * static_cast<size_t>(h.kernel * w.kernel);
    context.pool->For(
        channels_, Grain(work, 16), [&](size_t, size_t begin, size_t end) {
          for (size_t c = begin; c < end; ++c) {
            const float* image = RunInput<float>(context, 0) + c * in_size;
            float* out = RunOutput<float>(context, 0) + c * out_size;
            for (int64_t y = 0; y < h.out; ++y) {
              for (int64_t x = 0; x < w.out; ++x) {
                *out++ = Fn()(image, w.in, SpanOf(h, y), SpanOf(w, x),
                              count_padding_);
              }
            }
          }
        });
  }

 private:
  Window window_{};
  bool count_padding_ = false;
  size_t channels_ = 0;
};

template <class Fn>
constexpr OpInfo PoolOpInfo(const char* name) {
  return SimpleOpInfo(name, 1, 1, kPoolAttributes, &CreateOp<PoolOp<Fn>>);
}

}  // namespace bittern::runtime
