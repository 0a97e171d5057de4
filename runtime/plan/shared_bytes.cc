#include "runtime/plan/shared_bytes.h"

#include <algorithm>
#include <numeric>

namespace bittern::runtime {
namespace {

class RootFinder {
 public:
  RootFinder(const Plan& plan, std::span<const int32_t> kept)
      : plan_(plan),
        is_output_(plan.types.size()),
        last_(plan.types.size(), kNever),
        roots_(plan.types.size()) {
    for (const int32_t tensor : plan.model->def().outputs)
      is_output_[Index(tensor)] = true;
    std::iota(roots_.begin(), roots_.end(), 0);
    FindLastReads(kept);
  }

  std::vector<int32_t> Run() {
    // Per tensor that a step before has made, or whose place another has taken:
    // the step that reads it last. Inputs and constants are never overwritten.
    std::vector<int64_t> until(roots_.size(), kNever);
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const PlanStep& step = plan_.steps[i];
      for (const int32_t tensor : step.outputs)
        until[Index(tensor)] = last_[Index(tensor)];
      const size_t output = Index(step.outputs[0]);
      if (SharesView(step)) {
        roots_[output] = Root(step.inputs[0]);
      } else if (step.runs && !is_output_[output] &&
                 !plan_.kept_intermediates) {
        const int32_t place = PlaceOf(step, static_cast<int64_t>(i), until);
        if (place < 0) continue;
        roots_[output] = place;
        until[Index(place)] = last_[output];
      }
    }
    return std::move(roots_);
  }

 private:
  static constexpr int64_t kNever = -1;

  static size_t Index(int32_t tensor) { return static_cast<size_t>(tensor); }
  int32_t Root(int32_t tensor) const {
    return tensor < 0 ? -1 : roots_[Index(tensor)];
  }
  size_t Bytes(int32_t tensor) const {
    return ByteSize(plan_.types[Index(tensor)]);
  }

  // Every graph output has bytes of its own, because the caller may bind its
  // buffer there.
  bool SharesView(const PlanStep& step) const {
    return step.op->IsView() && !is_output_[Index(step.outputs[0])];
  }

  // Of each tensor and its views.
  void FindLastReads(std::span<const int32_t> kept) {
    const auto end = static_cast<int64_t>(plan_.steps.size());
    const auto read = [&](int32_t tensor, int64_t step) {
      if (tensor >= 0)
        last_[Index(tensor)] = std::max(last_[Index(tensor)], step);
    };
    for (const int32_t tensor : kept) read(tensor, end);
    for (int64_t i = end; i-- > 0;) {
      const PlanStep& step = plan_.steps[static_cast<size_t>(i)];
      for (const int32_t tensor : step.inputs) read(tensor, i);
      if (SharesView(step)) read(step.inputs[0], last_[Index(step.outputs[0])]);
    }
  }

  // The root of an input that output 0 of step `now` may lie over, or -1.
  int32_t PlaceOf(const PlanStep& step, int64_t now,
                  const std::vector<int64_t>& until) const {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const int32_t place = Root(step.inputs[i]);
      if (place < 0 || !step.op->MayLieOver(i)) continue;
      const auto readers =
          std::count_if(step.inputs.begin(), step.inputs.end(),
                        [&](int32_t input) { return Root(input) == place; });
      if (readers == 1 && until[Index(place)] == now &&
          Bytes(place) == Bytes(step.outputs[0]))
        return place;
    }
    return -1;
  }

  const Plan& plan_;
  std::vector<bool> is_output_;  // of the model
  std::vector<int64_t> last_;    // per tensor: the step that reads it last
  std::vector<int32_t> roots_;
};

}  // namespace

std::vector<int32_t> FindRoots(const Plan& plan,
                               std::span<const int32_t> kept) {
  return RootFinder(plan, kept).Run();
}

}  // namespace bittern::runtime
