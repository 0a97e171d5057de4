// Ops of two inputs that broadcast. An op is a struct Fn with
//   kTypes    element types of a and b (equal to each other)
//   kBool     whether the result is bool instead of that type
//   kKernel   the fp32 kernel, or kernels::Binary::kCount: then Apply is used
//   Apply(a, b)  for every other type
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/elementwise/elementwise.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {

inline float CanonicalNan(float x) {
  return x == x ? x : std::numeric_limits<float>::quiet_NaN();
}

template <class Fn>
class BinaryOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "a", Fn::kTypes));
    type_ = context.inputs[0].type.dtype;
    BITTERN_TRY(CheckType(context, 1, "b", SetOf(type_)));
    const Shape& a = context.inputs[0].type.shape;
    const Shape& b = context.inputs[1].type.shape;
    BITTERN_TRY_ASSIGN(const Shape out, BroadcastShape(context, a, b));
    loop_ = BroadcastLoop<2>(out, {&a, &b});
    whole_ = {!Fn::kBool && a == out, !Fn::kBool && b == out};
    return SetOutput(context, 0, Fn::kBool ? DType::kBool : type_, out);
  }

  Result<void> Prepare(PrepareContext& context) override {
    if (UsesKernel()) kernel_ = kernels::SelectElementwise(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    if (kernel_ != nullptr) return RunKernel(context);
    if constexpr ((Fn::kTypes & kF32Only) != 0 && !kHasKernel) {
      if (type_ == DType::kF32) return RunPlain<float>(context);
    }
    if constexpr ((Fn::kTypes & kI64Only) != 0) {
      if (type_ == DType::kI64) return RunPlain<int64_t>(context);
    }
    if constexpr ((Fn::kTypes & SetOf(DType::kI32)) != 0) {
      if (type_ == DType::kI32) return RunPlain<int32_t>(context);
    }
    if constexpr ((Fn::kTypes & kBoolOnly) != 0) {
      if (type_ == DType::kBool) return RunPlain<uint8_t>(context);
    }
  }

  bool MayLieOver(size_t input) const override { return whole_[input]; }

  std::string Kernel() const override {
    return kernel_ == nullptr ? "plain" : kernel_->name;
  }

 private:
  static constexpr bool kHasKernel = Fn::kKernel != kernels::Binary::kCount;
  bool UsesKernel() const { return kHasKernel && type_ == DType::kF32; }

  void RunKernel(const RunContext& context) const {
    const auto* a = RunInput<float>(context, 0);
    const auto* b = RunInput<float>(context, 1);
    auto* out = RunOutput<float>(context, 0);
    const auto spread = loop_.Inner(0) == 0   ? kernels::Spread::kLeftScalar
                        : loop_.Inner(1) == 0 ? kernels::Spread::kRightScalar
                                              : kernels::Spread::kBoth;
    loop_.For(*context.pool, [&](size_t o, const auto& at, size_t count) {
      kernel_->binary(Fn::kKernel, spread, a + at[0], b + at[1], out + o,
                      count);
    });
  }

  template <class T>
  void RunPlain(const RunContext& context) const {
    using Out = std::conditional_t<Fn::kBool, uint8_t, T>;
    const auto* a = RunInput<T>(context, 0);
    const auto* b = RunInput<T>(context, 1);
    auto* out = RunOutput<Out>(context, 0);
    const size_t step_a = loop_.Inner(0), step_b = loop_.Inner(1);
    loop_.For(*context.pool, [&](size_t o, const auto& at, size_t count) {
      const T *x = a + at[0], *y = b + at[1];
      for (size_t i = 0; i < count; ++i) {
        out[o + i] = static_cast<Out>(Fn::Apply(x[i * step_a], y[i * step_b]));
      }
    });
  }

  DType type_ = DType::kF32;
  BroadcastLoop<2> loop_;
  std::array<bool, 2> whole_{};  // inputs of the output's type
  const kernels::ElementwiseKernel* kernel_ = nullptr;
};

template <class Fn>
constexpr OpInfo BinaryOpInfo(const char* name) {
  return SimpleOpInfo(name, 2, 2, {}, &CreateOp<BinaryOp<Fn>>);
}

// Two's complement arithmetic that wraps.
template <class T, class F>
T Wrap(T a, T b, F f) {
  using U = std::make_unsigned_t<T>;
  return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
}

}  // namespace bittern::runtime
