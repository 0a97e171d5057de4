// Ops whose output is one strided view of one dense input, copied: Infer fills
// copy_ and Run is the copy.
#pragma once

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/strided_copy.h"

namespace bittern::runtime {

class StridedOp : public Op {
 public:
  void Run(const RunContext& context) const noexcept final {
    copy_.Run(context.inputs[0], context.outputs[0], *context.pool);
  }
  std::string Kernel() const final { return "copy"; }

 protected:
  StridedCopy copy_;
};

}  // namespace bittern::runtime
