// What ScatterElements and ScatterNd share: out = x, then at each index in
// ascending order the update replaces what is there, or is combined with it
// (`reduction`: add, mul, max or min; integers wrap).
#pragma once

#include <cstring>
#include <type_traits>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/indices.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {

enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMax, kMin };

template <class T>
T ScatterCombine(ScatterReduction reduction, T old, T update) {
  const auto apply = [&](auto f) -> T {
    if constexpr (std::is_floating_point_v<T>) {
      return CanonicalNan(f(old, update));
    } else {
      return Wrap(old, update, f);
    }
  };
  switch (reduction) {
    case ScatterReduction::kAdd:
      return apply([](auto a, auto b) { return a + b; });
    case ScatterReduction::kMul:
      return apply([](auto a, auto b) { return a * b; });
    case ScatterReduction::kMax:
      return old != old || old > update ? old : update;
    case ScatterReduction::kMin:
      return old != old || old < update ? old : update;
    default:
      return update;
  }
}

// Indices: ElementIndices or SliceIndices.
template <class Indices>
class ScatterOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(const Shape updates, indices_.InferScatter(context));
    const TensorType& type = context.inputs[0].type;
    type_ = type.dtype;
    const std::string_view name = context.String("reduction", "none");
    constexpr std::string_view kNames[] = {"none", "add", "mul", "max", "min"};
    const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
    if (found == std::end(kNames)) {
      return WrongAttribute(context, "reduction",
                            "\"" + std::string(name) + "\"",
                            "none, add, mul, max or min");
    }
    reduction_ = static_cast<ScatterReduction>(found - kNames);
    if (reduction_ != ScatterReduction::kNone) {
      BITTERN_TRY(CheckType(context, 0, "x", kNumeric));
    }
    BITTERN_TRY(CheckIs(context, 2, "updates", type_, updates));
    bytes_ = ByteSize(type);
    return SetOutput(context, 0, type_, type.shape);
  }

  void Run(const RunContext& context) const noexcept override {
    if (bytes_ != 0) {
      std::memcpy(context.outputs[0], context.inputs[0], bytes_);
    }
    if (reduction_ == ScatterReduction::kNone) {
      switch (ElementBytes(type_)) {
        case 1:
          return Scatter<uint8_t>(context);
        case 4:
          return Scatter<uint32_t>(context);
        default:
          return Scatter<uint64_t>(context);
      }
    }
    switch (type_) {
      case DType::kF32:
        return Scatter<float>(context);
      case DType::kI32:
        return Scatter<int32_t>(context);
      default:
        return Scatter<int64_t>(context);
    }
  }

 private:
  template <class T>
  void Scatter(const RunContext& context) const {
    const auto* updates = RunInput<T>(context, 2);
    auto* out = RunOutput<T>(context, 0);
    const size_t slice = indices_.slice();
    indices_.For(context.inputs[1], [&](size_t p, size_t offset) {
      for (size_t i = 0; i < slice; ++i) {
        T& element = out[offset + i];
        element = ScatterCombine(reduction_, element, updates[p * slice + i]);
      }
    });
  }

  Indices indices_;
  DType type_ = DType::kF32;
  ScatterReduction reduction_ = ScatterReduction::kNone;
  size_t bytes_ = 0;
};

}  // namespace bittern::runtime
