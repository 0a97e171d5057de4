// Session: one plan, or the stages of a model whose sizes only the run knows,
// with memory and threads. Used from one thread at a time;
// different sessions of one model run concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/thread_pool.h"
#include "runtime/exec/preprocess.h"
#include "runtime/exec/staged_run.h"
#include "runtime/model/model.h"
#include "runtime/plan/plan.h"

namespace bittern::runtime {

struct SessionOptions {
  size_t threads = 1;
  ParallelForFn parallel_for = nullptr;
  void* parallel_context = nullptr;
  size_t arena_limit_bytes = 0;
  kernels::CpuFeatures cpu = kernels::DetectCpu();  // narrowed by max_target
  bool profile = false;
  bool keep_intermediates = false;
};

struct TensorView {
  const TensorType* type = nullptr;
  void* data = nullptr;
};

// One op of the plan. Calls and times stay 0 unless SessionOptions::profile.
struct ProfileEntry {
  const OpDef* def = nullptr;
  std::string kernel;
  OpCost cost;
  int64_t calls = 0;
  int64_t total_ns = 0;
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> Create(
      std::shared_ptr<const Model> model, const SessionOptions& options);

  Result<void> SetInputShape(size_t input,
                             const Shape& shape);  // undoes Prepare
  Result<void> Prepare();  // plans and allocates; drops bindings
  // After Prepare: the session's buffer, or the bound one. Outputs hold values
  // after Run; where only a run knows their sizes, they are there after one
  // that succeeded, until the next.
  Result<TensorView> Input(size_t input);
  Result<TensorView> Output(size_t output);
  // Exact size, element alignment; used by every Run until rebound or prepared.
  // Null and 0 unbind. A buffer that is not aligned to 64 bytes costs a copy
  // per run.
  Result<void> BindInput(size_t input, const void* data, size_t bytes);
  Result<void> BindOutput(size_t output, void* data, size_t bytes);
  Result<void> SetImage(
      size_t input,
      const ImageView& image);  // applies the model's preprocessing
  // No allocation, unless sizes are not those of one of the last runs (staged).
  Result<void> Run();
  // One step of the plan on what its inputs hold; needs keep_intermediates.
  Result<void> RunStep(size_t step);
  Result<TensorView> Tensor(
      std::string_view name);  // any tensor; needs keep_intermediates
  bool prepared() const { return prepared_; }
  // Null before Prepare, and where sizes are known only by stages.
  const Plan* plan() const {
    return prepared_ && staged_ == nullptr ? &*plan_ : nullptr;
  }
  // Null before Prepare, and where one plan says all.
  const StagedRun* staged() const {
    return prepared_ ? staged_.get() : nullptr;
  }
  size_t arena_bytes() const;  // of activations; 0 before Prepare
  const std::vector<ProfileEntry>& profile() const { return profile_; }
  const Model& model() const { return *model_; }

 private:
  // Caller's memory in place of a tensor's. With `copy` the tensor stays in the
  // arena and run copies.
  struct Binding {
    void* data = nullptr;
    bool copy = false;
  };

  Session(std::shared_ptr<const Model> model, const SessionOptions& options);
  Result<void> NeedPrepared(const char* call) const;
  Result<int32_t> Slot(const char* call, const char* what,
                       const std::vector<int32_t>& slots, size_t index) const;
  Result<Binding> MakeBinding(const char* what, int32_t tensor, void* data,
                              size_t bytes) const;
  TensorView View(int32_t tensor, const Binding& binding) const;
  const TensorType& TypeOf(int32_t tensor) const;
  PlanOptions OptionsOfPlan() const;
  Result<void> PrepareStages();
  Result<void> RunStages();
  void
  Locate();  // fills tensors_ and the steps' pointers from arena and bindings

  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<Shape> shapes_;
  std::optional<Plan> plan_;  // outlives `prepared_`, so that the next plan
                              // finds its packed weights
  bool prepared_ = false;
  AlignedBuffer arena_;
  AlignedBuffer scratch_;
  std::vector<Binding> bound_inputs_, bound_outputs_;
  std::vector<void*> tensors_;  // per tensor: where its bytes are
  std::vector<const void*>
      step_inputs_;  // pointers of all steps, one after another
  std::vector<void*> step_outputs_;
  std::vector<RunContext> contexts_;  // per step, pointing into the two above
  std::vector<ProfileEntry> profile_;
  std::unique_ptr<StagedRun::Watcher> watcher_;
  std::unique_ptr<StagedRun> staged_;  // in place of plan_ and its memory
};

}  // namespace bittern::runtime
