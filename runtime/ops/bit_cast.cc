// BitCast: the bytes of x as another type of the same size.
#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class BitCastOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    const std::string_view to = context.String("to", "");
    for (const DType dtype : {DType::kF32, DType::kI32}) {
      if (to != ToString(dtype) ||
          ElementBytes(type.dtype) != ElementBytes(dtype))
        continue;
      bytes_ = ByteSize(type);
      return SetOutput(context, 0, dtype, type.shape);
    }
    return WrongAttribute(context, "to", std::string(to),
                          "f32 or i32, and an input of that size");
  }

  void Run(const RunContext& context) const noexcept override {
    std::memcpy(context.outputs[0], context.inputs[0], bytes_);
  }

 private:
  size_t bytes_ = 0;
};

constexpr AttributeSpec kAttributes[] = {{"to", AttributeKind::kString, true}};

}  // namespace

constinit const OpInfo kBitCastOp =
    SimpleOpInfo("BitCast", 1, 1, kAttributes, &CreateOp<BitCastOp>);

}  // namespace bittern::runtime
