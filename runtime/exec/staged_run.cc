#include "runtime/exec/staged_run.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/base/bits.h"
#include "runtime/exec/clock.h"
#include "runtime/plan/memory_planner.h"

namespace bittern::runtime {
Result<std::unique_ptr<StagedRun>> StagedRun::Make(
    std::shared_ptr<const Model> model, const std::vector<Shape>& shapes,
    const PlanOptions& options, const ThreadPool* pool, Watcher* watcher) {
  if (options.threads == 0)
    return InvalidArgument("threads: got 0, expected at least 1");
  std::unique_ptr<StagedRun> run(
      new StagedRun(std::move(model), options, pool, watcher));
  const ModelDef& def = run->model_->def();
  BITTERN_TRY_ASSIGN(run->types_, TypesBeforeRun(def, shapes));
  for (Stage& stage : MakeStages(def))
    run->stages_.emplace_back().stage = std::move(stage);
  run->data_.assign(def.tensors.size(), nullptr);
  for (size_t t = 0; t < def.tensors.size(); ++t)
    // Ops never write their inputs, so a constant's address may travel as a
    // plain pointer.
    run->data_[t] = const_cast<void*>(def.tensors[t].data);
  BITTERN_TRY(run->PlaceInputs());
  // What can be said before there are values is said now.
  const Stage& first = run->stages_[0].stage;
  if (first.jump == Jump::kNone && first.values.empty()) {
    BITTERN_TRY_ASSIGN([[maybe_unused]] Planned * planned, run->PlanFor(0));
  }
  return run;
}

Result<void> StagedRun::PlaceInputs() {
  const ModelDef& def = model_->def();
  std::vector<ArenaBlock> blocks;
  for (const int32_t tensor : def.inputs)
    blocks.push_back({ByteSize(Type(tensor)), 0, 0});
  BITTERN_TRY_ASSIGN(const ArenaLayout layout, PlaceBlocks(blocks));
  BITTERN_TRY(CheckArenaLimit(options_, layout.bytes));
  BITTERN_TRY_ASSIGN(input_arena_, AlignedBuffer::Make(layout.bytes));
  for (size_t i = 0; i < blocks.size(); ++i) {
    own_inputs_.push_back(input_arena_.data() + layout.offsets[i]);
    SetInput(i, nullptr);
  }
  return {};
}

void StagedRun::SetInput(size_t input, void* data) {
  const auto tensor = static_cast<size_t>(model_->def().inputs[input]);
  data_[tensor] = data != nullptr ? data : own_inputs_[input];
  ++placement_;
}

size_t StagedRun::bytes() const {
  size_t total = input_arena_.bytes() + scratch_.bytes();
  for (const StageState& state : stages_)
    total += state.arena.bytes() + state.loop.bytes();
  return total;
}

bool StagedRun::Fits(const Planned& planned, const Stage& stage) const {
  for (size_t i = 0; i < stage.reads.size(); ++i) {
    if (planned.reads[i] != Type(stage.reads[i])) return false;
  }
  const uint8_t* values = planned.values.data();
  for (const int32_t tensor : stage.values) {
    const size_t size = ByteSize(Type(tensor));
    if (size != 0 && std::memcmp(values, Data(tensor), size) != 0) return false;
    values += size;
  }
  return true;
}

Result<StagedRun::Planned*> StagedRun::PlanFor(size_t index) {
  StageState& state = stages_[index];
  Planned* found = nullptr;
  for (const auto& planned : state.plans) {
    if (Fits(*planned, state.stage)) {
      found = planned.get();
      break;
    }
  }
  if (found == nullptr) {
    BITTERN_TRY_ASSIGN(std::unique_ptr<Planned> made, MakePlanned(state.stage));
    ++plans_made_;
    found = made.get();
    if (state.plans.size() == kKeptPlans) {
      const auto oldest = std::min_element(
          state.plans.begin(), state.plans.end(),
          [](const auto& a, const auto& b) { return a->used < b->used; });
      if (state.active == oldest->get()) state.active = nullptr;
      state.plans.erase(oldest);
    }
    state.plans.push_back(std::move(made));
  }
  found->used = ++clock_;
  return found;
}

Result<std::unique_ptr<StagedRun::Planned>> StagedRun::MakePlanned(
    const Stage& stage) {
  auto planned = std::make_unique<Planned>();
  std::vector<const void*> values(types_.size(), nullptr);
  for (const int32_t tensor : stage.reads)
    planned->reads.push_back(Type(tensor));
  // Values too many to keep are refused by the op that wants them.
  constexpr size_t kMaxValueBytes = size_t{1} << 20;
  for (const int32_t tensor : stage.values) {
    const size_t size = ByteSize(Type(tensor));
    if (size > kMaxValueBytes) {
      return InvalidArgument(
          "tensor '" + model_->def().tensors[static_cast<size_t>(tensor)].name +
          "': got " + ToString(Type(tensor)) +
          " of sizes or positions, expected at most 2^20 bytes");
    }
    const auto* first = static_cast<const uint8_t*>(Data(tensor));
    values[static_cast<size_t>(tensor)] = first;
    if (size != 0)
      planned->values.insert(planned->values.end(), first, first + size);
  }
  BITTERN_TRY_ASSIGN(planned->plan, MakePlanPart(model_,
                                                 {stage.first, stage.last,
                                                  types_, values, stage.keeps},
                                                 options_));
  size_t inputs = 0, outputs = 0;
  for (const PlanStep& step : planned->plan.steps) {
    inputs += step.inputs.size();
    outputs += step.outputs.size();
  }
  planned->inputs.resize(inputs);
  planned->outputs.resize(outputs);
  planned->contexts.reserve(planned->plan.steps.size());
  return planned;
}

// Memory that is large enough stays where it is. What later stages hold is of
// the run before, and given up if the limit asks for it.
Result<void> StagedRun::TakeMemory(size_t index, const Plan& plan) {
  StageState& state = stages_[index];
  const bool grows = plan.arena_bytes > state.arena.bytes(),
             scratch_grows = plan.ScratchBytes() > scratch_.bytes();
  if (!grows && !scratch_grows) return {};
  ++placement_;
  const size_t arena_bytes = std::max(plan.arena_bytes, state.arena.bytes()),
               scratch_bytes = std::max(plan.ScratchBytes(), scratch_.bytes());
  const auto needed = [&] {
    return bytes() - state.arena.bytes() - scratch_.bytes() + arena_bytes +
           scratch_bytes;
  };
  if (!CheckArenaLimit(options_, needed()).ok()) {
    for (size_t later = index + 1; later < stages_.size(); ++later) {
      stages_[later].arena = {};
      stages_[later].active = nullptr;
    }
    if (Result<void> fits = CheckArenaLimit(options_, needed()); !fits.ok()) {
      const PlanStep& step = plan.steps[0];
      return OutOfMemory(step.def->op + " '" + step.def->name +
                         "' and what follows: " + fits.error().message);
    }
  }
  if (grows) {
    state.active = nullptr;
    state.arena = {};
    BITTERN_TRY_ASSIGN(state.arena, AlignedBuffer::Make(arena_bytes));
  }
  if (scratch_grows) {
    scratch_ = {};
    BITTERN_TRY_ASSIGN(scratch_, AlignedBuffer::Make(scratch_bytes));
  }
  return {};
}

void StagedRun::Locate(size_t index, Planned& planned) {
  StageState& state = stages_[index];
  const Plan& plan = planned.plan;
  if (state.active == &planned && planned.located == placement_) return;
  // Another plan puts what it makes elsewhere, which later stages must see.
  if (state.active != &planned) ++placement_;
  for (const PlanStep& step : plan.steps) {
    for (const int32_t tensor : step.outputs) {
      const auto t = static_cast<size_t>(tensor);
      const auto root = static_cast<size_t>(plan.roots[t]);
      types_[t] = plan.types[t];
      data_[t] = plan.offsets[root] >= 0
                     ? state.arena.data() + plan.offsets[root]
                     : data_[root];
    }
  }
  planned.contexts.clear();
  const void** in = planned.inputs.data();
  void** out = planned.outputs.data();
  for (const PlanStep& step : plan.steps) {
    planned.contexts.push_back({{in, step.inputs.size()},
                                {out, step.outputs.size()},
                                scratch_.data(),
                                scratch_.data() + plan.scratch_shared,
                                plan.scratch_thread_stride,
                                pool_});
    for (const int32_t tensor : step.inputs)
      *in++ = tensor < 0 ? nullptr : Data(tensor);
    for (const int32_t tensor : step.outputs) *out++ = Data(tensor);
  }
  if (state.active != &planned) {
    for (size_t i = 0; i < plan.steps.size(); ++i)
      watcher_->Planned(state.stage.first + i, plan.steps[i]);
  }
  state.active = &planned;
  planned.located = placement_;
}

Result<void> StagedRun::RunPlan(size_t s) {
  BITTERN_TRY_ASSIGN(Planned * planned, PlanFor(s));
  BITTERN_TRY(TakeMemory(s, planned->plan));
  Locate(s, *planned);
  const std::vector<PlanStep>& steps = planned->plan.steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].runs) continue;
    if (!watcher_->timed()) {
      steps[i].op->Run(planned->contexts[i]);
      continue;
    }
    const int64_t start = NowNs();
    steps[i].op->Run(planned->contexts[i]);
    watcher_->Ran(stages_[s].stage.first + i, NowNs() - start);
  }
  return {};
}

Result<void> StagedRun::Run() {
  done_ = false;
  turns_ = 0;
  for (size_t s = 0; s < stages_.size();) {
    if (stages_[s].stage.jump == Jump::kNone) {
      BITTERN_TRY(RunPlan(s));
      ++s;
      continue;
    }
    Result<size_t> next = RunJump(s);
    if (!next.ok()) {
      const OpDef& op = model_->def().ops[stages_[s].stage.first];
      return Error{next.error().code,
                   op.op + " '" + op.name + "': " + next.error().message};
    }
    s = next.value();
  }
  BITTERN_TRY(CheckOutputs(model_->def(), types_));
  done_ = true;
  return {};
}

}  // namespace bittern::runtime
