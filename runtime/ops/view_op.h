// Ops whose output is the input's bytes under another shape. The planner puts
// both in one place; where it cannot (a bound output), Run copies.
#pragma once

#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {

class ViewOp : public Op {
 public:
  Result<void> Infer(const InferContext& context) final {
    if (!Has(context, 0)) return WrongInput(context, 0, "x", "a tensor");
    const TensorType& type = context.inputs[0].type;
    BITTERN_TRY_ASSIGN(const Shape shape, OutputShape(context, type.shape));
    BITTERN_TRY(SetOutput(context, 0, type.dtype, shape));
    if (shape.Elements() != type.shape.Elements()) {
      return context.Fail("shape: got " + ToString(shape) +
                          " for an input of " + ToString(type.shape) +
                          ", expected as many elements");
    }
    if (type.dtype == DType::kCode && !IsByteEncoding(type.code.encoding) &&
        shape.Last() != type.shape.Last()) {
      return context.Fail("shape: got " + ToString(shape) + " for " +
                          ToString(type) +
                          ", expected the last dimension of codes unchanged");
    }
    context.outputs[0].code = type.code;
    bytes_ = ByteSize(type);
    return {};
  }

  void Run(const RunContext& context) const noexcept final {
    if (context.outputs[0] != context.inputs[0] && bytes_ != 0) {
      std::memcpy(context.outputs[0], context.inputs[0], bytes_);
    }
  }

  bool IsView() const final { return true; }
  std::string Kernel() const final { return "view"; }

 protected:
  virtual Result<Shape> OutputShape(const InferContext& context,
                                    const Shape& in) = 0;

 private:
  size_t bytes_ = 0;
};

}  // namespace bittern::runtime
