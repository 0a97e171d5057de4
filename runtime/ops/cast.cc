// Cast: to another element type. Floats truncate toward zero, what does not fit
// saturates, NaN gives 0, and to bool is x != 0.
#include <limits>
#include <type_traits>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

template <class To, class From>
To Convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(x);
  } else {
    constexpr To kLow = std::numeric_limits<To>::min(),
                 kHigh = std::numeric_limits<To>::max();
    if constexpr (std::is_floating_point_v<From>) {
      // Both limits as floats: kHigh rounds up to a power of two, which no
      // longer fits.
      if (x != x) return 0;
      if (x >= static_cast<From>(kHigh)) return kHigh;
      if (x <= static_cast<From>(kLow)) return kLow;
    } else {
      const auto wide = static_cast<int64_t>(x);
      if (wide < static_cast<int64_t>(kLow)) return kLow;
      if (wide > static_cast<int64_t>(kHigh)) return kHigh;
    }
    return static_cast<To>(x);
  }
}

template <class To, class From>
void CastRun(const void* in, void* out, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    static_cast<To*>(out)[i] = Convert<To>(static_cast<const From*>(in)[i]);
  }
}

using CastFn = void (*)(const void* in, void* out, size_t begin, size_t end);

template <class From>
CastFn CastFrom(DType to) {
  switch (to) {
    case DType::kF32:
      return &CastRun<float, From>;
    case DType::kI32:
      return &CastRun<int32_t, From>;
    case DType::kI64:
      return &CastRun<int64_t, From>;
    case DType::kU8:
      return &CastRun<uint8_t, From>;
    case DType::kS8:
      return &CastRun<int8_t, From>;
    default:
      return &CastRun<bool, From>;
  }
}

CastFn SelectCast(DType from, DType to) {
  switch (from) {
    case DType::kF32:
      return CastFrom<float>(to);
    case DType::kI32:
      return CastFrom<int32_t>(to);
    case DType::kI64:
      return CastFrom<int64_t>(to);
    case DType::kS8:
      return CastFrom<int8_t>(to);
    default:
      return CastFrom<uint8_t>(to);  // u8 and bool
  }
}

class CastOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const std::string_view name = context.String("to", "");
    DType to = DType::kCode;
    for (DType type : {DType::kF32, DType::kI32, DType::kI64, DType::kU8,
                       DType::kS8, DType::kBool}) {
      if (name == ToString(type)) to = type;
    }
    if (to == DType::kCode) {
      return WrongAttribute(context, "to", "\"" + std::string(name) + "\"",
                            "f32, i32, i64, u8, s8 or bool");
    }
    const TensorType& type = context.inputs[0].type;
    cast_ = SelectCast(type.dtype, to);
    count_ = static_cast<size_t>(type.shape.Elements());
    return SetOutput(context, 0, to, type.shape);
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(
        count_, Grain(1, 8), [&](size_t, size_t begin, size_t end) {
          cast_(context.inputs[0], context.outputs[0], begin, end);
        });
  }

 private:
  CastFn cast_ = nullptr;
  size_t count_ = 0;
};

constexpr AttributeSpec kAttributes[] = {{"to", AttributeKind::kString, true}};

}  // namespace

constinit const OpInfo kCastOp =
    SimpleOpInfo("Cast", 1, 1, kAttributes, &CreateOp<CastOp>);

}  // namespace bittern::runtime
