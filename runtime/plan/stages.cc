#include "runtime/plan/stages.h"

#include <algorithm>

#include "runtime/ops/op.h"

namespace bittern::runtime {
namespace {

// The tensors that `op` is planned by; no constants.
std::vector<int32_t> ValuesOf(const ModelDef& def, const OpDef& op) {
  std::vector<int32_t> values;
  for (const ValueInput& value : FindOp(op.op)->values) {
    if (value.input >= op.inputs.size() || op.inputs[value.input] < 0) continue;
    const int32_t tensor = op.inputs[value.input];
    if (def.tensors[static_cast<size_t>(tensor)].data == nullptr)
      values.push_back(tensor);
  }
  return values;
}

void SortUnique(std::vector<int32_t>& tensors) {
  std::sort(tensors.begin(), tensors.end());
  tensors.erase(std::unique(tensors.begin(), tensors.end()), tensors.end());
}

}  // namespace

bool HasStages(const ModelDef& def) {
  return std::any_of(def.ops.begin(), def.ops.end(), [&](const OpDef& op) {
    return !ValuesOf(def, op).empty();
  });
}

std::vector<Stage> MakeStages(const ModelDef& def) {
  constexpr size_t kOutside = SIZE_MAX;  // made by no stage yet
  std::vector<size_t> made_in(def.tensors.size(), kOutside);
  const auto stage_of = [&](int32_t tensor) -> size_t& {
    return made_in[static_cast<size_t>(tensor)];
  };
  std::vector<Stage> stages(1);
  for (size_t i = 0; i < def.ops.size(); ++i) {
    const OpDef& op = def.ops[i];
    const std::vector<int32_t> values = ValuesOf(def, op);
    const size_t current = stages.size() - 1;
    const bool cut = std::any_of(values.begin(), values.end(), [&](int32_t t) {
      return stage_of(t) == current;
    });
    if (cut) stages.push_back({i, i, {}, {}, {}});
    Stage& stage = stages.back();
    stage.last = i + 1;
    stage.values.insert(stage.values.end(), values.begin(), values.end());
    for (const int32_t tensor : op.inputs) {
      if (tensor < 0 ||
          def.tensors[static_cast<size_t>(tensor)].data != nullptr)
        continue;
      const size_t made = stage_of(tensor);
      if (made == stages.size() - 1) continue;
      stage.reads.push_back(tensor);
      if (made != kOutside) stages[made].keeps.push_back(tensor);
    }
    for (const int32_t tensor : op.outputs)
      stage_of(tensor) = stages.size() - 1;
  }
  for (const int32_t tensor : def.outputs)
    stages[stage_of(tensor)].keeps.push_back(tensor);
  for (Stage& stage : stages) {
    SortUnique(stage.reads);
    SortUnique(stage.values);
    SortUnique(stage.keeps);
  }
  return stages;
}

}  // namespace bittern::runtime
