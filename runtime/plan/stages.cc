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
    return FindOp(op.op)->jump != Jump::kNone || !ValuesOf(def, op).empty();
  });
}

namespace {

// Sets the partners of `stages.back()`, which jumps; `open`: the stages of
// bodies that have not ended.
void Pair(std::vector<Stage>& stages, std::vector<size_t>& open) {
  const size_t now = stages.size() - 1;
  const Jump jump = stages[now].jump;
  if (jump == Jump::kLoop || jump == Jump::kIf) {
    open.push_back(now);
    return;
  }
  const size_t start = open.back();
  stages[now].partner = start;
  if (jump == Jump::kEndIf) {
    stages[stages[start].partner].partner = now;
  } else {
    stages[start].partner = now;
  }
  if (jump != Jump::kElse) open.pop_back();
}

class StageMaker {
 public:
  explicit StageMaker(const ModelDef& def)
      : def_(def), made_in_(def.tensors.size(), kOutside) {}

  std::vector<Stage> Make() && {
    for (size_t i = 0; i < def_.ops.size(); ++i) Add(i);
    for (const int32_t tensor : def_.outputs) Keep(tensor);
    for (Stage& stage : stages_) {
      SortUnique(stage.reads);
      SortUnique(stage.values);
      SortUnique(stage.keeps);
    }
    return std::move(stages_);
  }

 private:
  static constexpr size_t kOutside = SIZE_MAX;  // made by no stage yet

  size_t& StageOf(int32_t tensor) {
    return made_in_[static_cast<size_t>(tensor)];
  }
  void Keep(int32_t tensor) {
    if (StageOf(tensor) != kOutside)
      stages_[StageOf(tensor)].keeps.push_back(tensor);
  }

  void Add(size_t index) {
    const OpDef& op = def_.ops[index];
    const Jump jump = FindOp(op.op)->jump;
    const std::vector<int32_t> values = ValuesOf(def_, op);
    const bool made_here = std::any_of(
        values.begin(), values.end(),
        [&](int32_t tensor) { return StageOf(tensor) == stages_.size() - 1; });
    if (stages_.empty() || made_here || jump != Jump::kNone ||
        stages_.back().jump != Jump::kNone) {
      stages_.emplace_back();
      stages_.back().first = index;
      stages_.back().jump = jump;
      if (jump != Jump::kNone) Pair(stages_, open_);
    }
    Stage& stage = stages_.back();
    stage.last = index + 1;
    stage.values.insert(stage.values.end(), values.begin(), values.end());
    for (const int32_t tensor : op.inputs) {
      if (tensor < 0 ||
          def_.tensors[static_cast<size_t>(tensor)].data != nullptr ||
          StageOf(tensor) == stages_.size() - 1)
        continue;
      stage.reads.push_back(tensor);
      Keep(tensor);
    }
    for (const int32_t tensor : op.outputs)
      StageOf(tensor) = stages_.size() - 1;
  }

  const ModelDef& def_;
  std::vector<size_t> made_in_;  // by tensor
  std::vector<Stage> stages_;
  std::vector<size_t> open_;
};

}  // namespace

std::vector<Stage> MakeStages(const ModelDef& def) {
  return StageMaker(def).Make();
}

}  // namespace bittern::runtime
