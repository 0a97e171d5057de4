// Stages: the parts of a model between which sizes become known. An op that is
// planned by values (OpInfo::values) which another op computes starts a stage:
// when the stages before have run, the values are there. An op that jumps
// (model/bodies.h) is a stage of its own. A model without such ops is one stage
// and is planned before the first run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/model/model.h"
#include "runtime/model/op_info.h"

namespace bittern::runtime {

struct Stage {
  size_t first = 0, last = 0;  // ops [first, last)
  Jump jump = Jump::kNone;     // of its one op, which is not planned
  // Of a jump, another stage: of Loop its EndLoop and the reverse; of If its
  // Else, of Else its EndIf, of EndIf its If.
  size_t partner = 0;
  std::vector<int32_t> reads;   // tensors made before it; no constants
  std::vector<int32_t> values;  // those of them that planning reads
  std::vector<int32_t> keeps;   // tensors made in it that outlive it
};

// Whether an op jumps, or is planned by values that are not constants of the
// model.
bool HasStages(const ModelDef& def);

// In the order of the ops, which all are in one. Linear in the size of `def`,
// which VerifyModel has accepted.
std::vector<Stage> MakeStages(const ModelDef& def);

}  // namespace bittern::runtime
