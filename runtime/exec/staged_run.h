// Runs a model whose sizes only the run knows, stage by stage: when one has
// run, the next is planned by the values that are there now, and runs. The
// plans of a stage are kept by what they were planned from, so that sizes that
// stay cost a comparison. Every stage has memory of its own, all of it alive
// until the next run. Jumps go from stage to stage: a turn of a Loop runs its
// stages again, planned anew only where sizes changed. Used from one thread at
// a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/exec/loop_memory.h"
#include "runtime/model/model.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/stages.h"

namespace bittern::runtime {

class StagedRun {
 public:
  // Told which plan an op runs by, and, if it is `timed`, how long it took.
  class Watcher {
   public:
    explicit Watcher(bool timed) : timed_(timed) {}
    virtual ~Watcher() = default;
    bool timed() const { return timed_; }
    virtual void Planned(size_t op, const PlanStep& step) = 0;
    virtual void Ran(size_t op, int64_t ns) = 0;

   private:
    bool timed_;
  };

  // Borrows pool and watcher.
  static Result<std::unique_ptr<StagedRun>> Make(
      std::shared_ptr<const Model> model, const std::vector<Shape>& shapes,
      const PlanOptions& options, const ThreadPool* pool, Watcher* watcher);

  // An error leaves no outputs, and the next Run starts from the beginning.
  Result<void> Run();
  bool done() const { return done_; }  // a run has given outputs

  // Outputs and intermediates: of the last run, which is done().
  const TensorType& Type(int32_t tensor) const {
    return types_[static_cast<size_t>(tensor)];
  }
  void* Data(int32_t tensor) const {
    return data_[static_cast<size_t>(tensor)];
  }
  // Puts an input elsewhere; null: back into memory of its own.
  void SetInput(size_t input, void* data);

  size_t stages() const { return stages_.size(); }
  size_t plans_made() const { return plans_made_; }
  size_t bytes() const;  // memory taken for activations and scratch

 private:
  static constexpr size_t kKeptPlans = 4;

  // A stage's plan and what it was made from.
  struct Planned {
    std::vector<TensorType> reads;
    std::vector<uint8_t> values;  // bytes of all, one after another
    Plan plan;
    std::vector<const void*> inputs;  // of all steps, one after another
    std::vector<void*> outputs;
    std::vector<RunContext> contexts;  // per step, pointing into these two
    uint64_t located = 0;              // placement_ when the pointers were set
    uint64_t used = 0;                 // time of its last use
  };
  struct StageState {
    Stage stage;
    AlignedBuffer arena;
    std::vector<std::unique_ptr<Planned>> plans;
    const Planned* active = nullptr;  // whose types and places are set
    bool taken = false;               // of an If: its first body runs
    LoopMemory loop;                  // of a Loop
  };

  StagedRun(std::shared_ptr<const Model> model, const PlanOptions& options,
            const ThreadPool* pool, Watcher* watcher)
      : model_(std::move(model)),
        options_(options),
        pool_(pool),
        watcher_(watcher) {}
  Result<void> RunPlan(size_t stage);
  // The stage that comes next.
  Result<size_t> RunJump(size_t stage);
  Result<size_t> EndIf(size_t stage);
  Result<size_t> StartLoop(size_t stage);
  Result<size_t> EndTurn(size_t stage);
  // The next turn of a Loop, or what comes after it.
  Result<size_t> TurnOrLeave(size_t loop);
  Result<bool> ReadCondition(const OpDef& op, size_t input) const;
  std::vector<LoopMemory::Value> ValuesOf(
      std::span<const int32_t> tensors) const;
  void SetTensor(int32_t tensor, const TensorType& type, const void* data);
  Result<void> MayTake(size_t bytes) const {
    return CheckArenaLimit(options_, this->bytes() + bytes);
  }
  Result<void> PlaceInputs();
  bool Fits(const Planned& planned, const Stage& stage) const;
  Result<Planned*> PlanFor(size_t stage);
  Result<std::unique_ptr<Planned>> MakePlanned(const Stage& stage);
  Result<void> TakeMemory(size_t stage, const Plan& plan);
  void Locate(size_t stage, Planned& planned);

  std::shared_ptr<const Model> model_;
  PlanOptions options_;
  const ThreadPool* pool_;
  Watcher* watcher_;
  std::vector<StageState> stages_;
  std::vector<TensorType> types_;  // per tensor, of the current run
  std::vector<void*> data_;        // per tensor: where its bytes are
  AlignedBuffer input_arena_, scratch_;
  std::vector<void*> own_inputs_;
  uint64_t placement_ = 1;  // counts changes of places
  uint64_t clock_ = 0;
  int64_t turns_ = 0;  // of all loops, in this run
  size_t plans_made_ = 0;
  bool done_ = false;
};

}  // namespace bittern::runtime
