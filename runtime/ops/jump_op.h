// Ops that jump (model/bodies.h): exec/staged_run.h does what they say, so they
// are never planned.
#pragma once

#include "runtime/ops/op_registry.h"

namespace bittern::runtime {

class JumpOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    return context.Fail(
        "got a plan of the whole model, expected one of each part between "
        "jumps");
  }
  void Run(const RunContext&) const noexcept override {}
};

constexpr OpInfo JumpOpInfo(const char* name, Jump jump, size_t min_inputs,
                            size_t max_inputs, size_t max_outputs) {
  return {name, min_inputs,        max_inputs, 0,   max_outputs,
          {},   &CreateOp<JumpOp>, {},         jump};
}

}  // namespace bittern::runtime
