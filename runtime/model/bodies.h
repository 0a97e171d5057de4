// Bodies in the list of ops: Loop ... EndLoop and If ... Else ... EndIf, nested
// like brackets. What is made in a body may be read only there; EndLoop and
// EndIf hand it on.
//
//   Loop    turns i64?, condition bool?, states... -> turn, condition,
//   states... EndLoop condition, next states..., rows... -> states..., rows
//   stacked... If      condition Else EndIf   values of the first body..., of
//   the second... -> values...
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/model/model.h"
#include "runtime/model/op_info.h"

namespace bittern::runtime {

// Follows the ops in their order, as VerifyModel does.
class BodyCheck {
 public:
  explicit BodyCheck(size_t tensors) : made_in_(tensors, 0) {}

  // Whether `op` may stand here with as many inputs and outputs as it has.
  Result<void> Begin(const OpDef& op, Jump jump);
  // Whether the op that has begun may read `tensor` as this input.
  bool Sees(int32_t tensor, size_t input) const;
  // Bodies that the op ends or starts; what it makes comes after.
  void Turn(Jump jump);
  void Make(int32_t tensor) {
    made_in_[static_cast<size_t>(tensor)] = Innermost();
  }
  // Whether a model output may be this tensor.
  bool IsOutside(int32_t tensor) const {
    return made_in_[static_cast<size_t>(tensor)] == 0;
  }
  Result<void> Finish() const;

 private:
  struct Frame {
    Jump jump;         // kLoop, kIf or kElse
    size_t body;       // its number
    size_t then_body;  // of kElse: the number of the one before
    size_t states;     // of kLoop
  };
  size_t Innermost() const { return open_.empty() ? 0 : open_.back().body; }
  Result<void> BeginEndLoop(const OpDef& op) const;

  std::vector<Frame> open_;
  std::vector<bool> is_open_ = {true};  // by the number of a body; 0: none
  std::vector<size_t> made_in_;         // by tensor: the number of a body
  size_t states_ = 0;                   // of the Loop that has begun
  size_t first_half_ = 0;  // inputs of an EndIf that come from the first body
};

}  // namespace bittern::runtime
