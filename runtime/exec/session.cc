#include "runtime/exec/session.h"

#include <cstring>
#include <utility>

#include "runtime/exec/clock.h"
#include "runtime/plan/memory_planner.h"

namespace bittern::runtime {
namespace {

size_t Alignment(const TensorType& type) {
  return type.dtype == DType::kCode ? 8 : ElementBytes(type.dtype);
}

// Ops that have nothing to compute were not prepared.
std::string KernelOf(const PlanStep& step) {
  return step.runs ? step.op->Kernel() : "empty";
}
OpCost CostOf(const PlanStep& step) {
  return step.runs ? step.op->Cost() : OpCost{};
}

// Keeps the profile of a run by stages, one entry for each op of the model.
class ProfileWatcher final : public StagedRun::Watcher {
 public:
  ProfileWatcher(bool timed, std::vector<ProfileEntry>* entries)
      : Watcher(timed), entries_(entries) {}
  void Planned(size_t op, const PlanStep& step) override {
    (*entries_)[op].kernel = KernelOf(step);
    (*entries_)[op].cost = CostOf(step);
  }
  void Ran(size_t op, int64_t ns) override {
    (*entries_)[op].total_ns += ns;
    ++(*entries_)[op].calls;
  }

 private:
  std::vector<ProfileEntry>* entries_;
};

}  // namespace

Session::Session(std::shared_ptr<const Model> model,
                 const SessionOptions& options)
    : model_(std::move(model)), options_(options) {
  for (const int32_t tensor : model_->def().inputs)
    shapes_.push_back(
        model_->def().tensors[static_cast<size_t>(tensor)].type.shape);
}

Result<std::unique_ptr<Session>> Session::Create(
    std::shared_ptr<const Model> model, const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session(std::move(model), options));
  BITTERN_TRY_ASSIGN(session->pool_,
                     ThreadPool::Make(options.threads, options.parallel_for,
                                      options.parallel_context));
  return session;
}

Result<void> Session::SetInputShape(size_t input, const Shape& shape) {
  BITTERN_TRY_ASSIGN(const int32_t tensor, Slot("set_input_shape", "input",
                                                model_->def().inputs, input));
  const TensorDef& declared =
      model_->def().tensors[static_cast<size_t>(tensor)];
  bool fits = shape.rank() == declared.type.shape.rank();
  for (size_t i = 0; fits && i < shape.rank(); ++i) {
    fits = shape[i] >= 0 &&
           (declared.type.shape[i] == -1 || declared.type.shape[i] == shape[i]);
  }
  if (!fits) {
    return InvalidArgument("input " + std::to_string(input) + " '" +
                           declared.name + "': got shape " + ToString(shape) +
                           ", expected " + ToString(declared.type.shape));
  }
  shapes_[input] = shape;
  prepared_ = false;
  return {};
}

Result<void> Session::Prepare() {
  prepared_ = false;
  if (HasStages(model_->def())) return PrepareStages();
  BITTERN_TRY_ASSIGN(Plan plan, MakePlan(model_, shapes_, OptionsOfPlan()));
  plan_.reset();
  arena_ = {};
  scratch_ = {};
  BITTERN_TRY_ASSIGN(arena_, AlignedBuffer::Make(plan.arena_bytes));
  BITTERN_TRY_ASSIGN(scratch_, AlignedBuffer::Make(plan.ScratchBytes()));
  plan_.emplace(std::move(plan));
  bound_inputs_.assign(model_->def().inputs.size(), {});
  bound_outputs_.assign(model_->def().outputs.size(), {});
  profile_.clear();
  for (const PlanStep& step : plan_->steps)
    profile_.push_back({step.def, KernelOf(step), CostOf(step), 0, 0});
  Locate();
  prepared_ = true;
  return {};
}

PlanOptions Session::OptionsOfPlan() const {
  return {options_.cpu, options_.threads, options_.arena_limit_bytes,
          options_.keep_intermediates};
}

Result<void> Session::PrepareStages() {
  const ModelDef& def = model_->def();
  profile_.clear();
  for (const OpDef& op : def.ops) {
    const bool jumps = FindOp(op.op)->jump != Jump::kNone;
    profile_.push_back({&op, jumps ? "jump" : "not run", {}, 0, 0});
  }
  if (watcher_ == nullptr)
    watcher_ = std::make_unique<ProfileWatcher>(options_.profile, &profile_);
  // The one before lives until the new one is there, for its packed weights.
  BITTERN_TRY_ASSIGN(staged_, StagedRun::Make(model_, shapes_, OptionsOfPlan(),
                                              pool_.get(), watcher_.get()));
  bound_inputs_.assign(def.inputs.size(), {});
  bound_outputs_.assign(def.outputs.size(), {});
  prepared_ = true;
  return {};
}

Result<void> Session::RunStages() {
  const ModelDef& def = model_->def();
  for (size_t i = 0; i < bound_inputs_.size(); ++i) {
    if (bound_inputs_[i].copy)
      std::memcpy(staged_->Data(def.inputs[i]), bound_inputs_[i].data,
                  ByteSize(staged_->Type(def.inputs[i])));
  }
  BITTERN_TRY(staged_->Run());
  for (size_t i = 0; i < bound_outputs_.size(); ++i) {
    if (bound_outputs_[i].data != nullptr)
      std::memcpy(bound_outputs_[i].data, staged_->Data(def.outputs[i]),
                  ByteSize(staged_->Type(def.outputs[i])));
  }
  return {};
}

const TensorType& Session::TypeOf(int32_t tensor) const {
  return staged_ != nullptr ? staged_->Type(tensor)
                            : plan_->types[static_cast<size_t>(tensor)];
}

size_t Session::arena_bytes() const {
  if (!prepared_) return 0;
  return staged_ != nullptr ? staged_->bytes() : plan_->arena_bytes;
}

void Session::Locate() {
  const ModelDef& def = model_->def();
  tensors_.assign(def.tensors.size(), nullptr);
  for (size_t t = 0; t < tensors_.size(); ++t) {
    const auto root = static_cast<size_t>(plan_->roots[t]);
    if (plan_->offsets[t] >= 0) tensors_[t] = arena_.data() + plan_->offsets[t];
    // Ops never write their inputs, so a constant's address may travel as a
    // plain pointer.
    if (def.tensors[root].data != nullptr)
      tensors_[t] = const_cast<void*>(def.tensors[root].data);
  }
  const auto bind = [&](const std::vector<int32_t>& slots,
                        const std::vector<Binding>& bindings) {
    for (size_t i = 0; i < slots.size(); ++i) {
      if (bindings[i].data != nullptr && !bindings[i].copy)
        tensors_[static_cast<size_t>(slots[i])] = bindings[i].data;
    }
  };
  bind(def.inputs, bound_inputs_);
  bind(def.outputs, bound_outputs_);
  for (size_t t = 0; t < tensors_.size(); ++t)
    tensors_[t] = tensors_[static_cast<size_t>(plan_->roots[t])];

  size_t input_count = 0;
  size_t output_count = 0;
  for (const PlanStep& step : plan_->steps) {
    input_count += step.inputs.size();
    output_count += step.outputs.size();
  }
  step_inputs_.assign(input_count, nullptr);
  step_outputs_.assign(output_count, nullptr);
  contexts_.clear();
  contexts_.reserve(plan_->steps.size());
  const void** in = step_inputs_.data();
  void** out = step_outputs_.data();
  for (const PlanStep& step : plan_->steps) {
    contexts_.push_back({{in, step.inputs.size()},
                         {out, step.outputs.size()},
                         scratch_.data(),
                         scratch_.data() + plan_->scratch_shared,
                         plan_->scratch_thread_stride,
                         pool_.get()});
    for (const int32_t tensor : step.inputs)
      *in++ = tensor < 0 ? nullptr : tensors_[static_cast<size_t>(tensor)];
    for (const int32_t tensor : step.outputs)
      *out++ = tensors_[static_cast<size_t>(tensor)];
  }
}

Result<void> Session::Run() {
  BITTERN_TRY(NeedPrepared("run"));
  if (staged_ != nullptr) return RunStages();
  const ModelDef& def = model_->def();
  const auto arena_copy = [&](int32_t tensor) {
    return arena_.data() + plan_->offsets[static_cast<size_t>(tensor)];
  };
  const auto bytes = [&](int32_t tensor) {
    return ByteSize(plan_->types[static_cast<size_t>(tensor)]);
  };
  for (size_t i = 0; i < bound_inputs_.size(); ++i) {
    if (bound_inputs_[i].copy)
      std::memcpy(arena_copy(def.inputs[i]), bound_inputs_[i].data,
                  bytes(def.inputs[i]));
  }
  if (options_.profile) {
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      if (!plan_->steps[i].runs) continue;
      const int64_t start = NowNs();
      plan_->steps[i].op->Run(contexts_[i]);
      profile_[i].total_ns += NowNs() - start;
      ++profile_[i].calls;
    }
  } else {
    for (size_t i = 0; i < plan_->steps.size(); ++i) {
      if (plan_->steps[i].runs) plan_->steps[i].op->Run(contexts_[i]);
    }
  }
  for (size_t i = 0; i < bound_outputs_.size(); ++i) {
    if (bound_outputs_[i].copy)
      std::memcpy(bound_outputs_[i].data, arena_copy(def.outputs[i]),
                  bytes(def.outputs[i]));
  }
  return {};
}

Result<void> Session::RunStep(size_t step) {
  BITTERN_TRY(NeedPrepared("run step"));
  if (plan() == nullptr || !plan_->kept_intermediates ||
      step >= plan_->steps.size()) {
    return InvalidArgument(
        "run step: got " + std::to_string(step) +
        ", expected a step of a plan that keeps its intermediates, below " +
        std::to_string(plan() == nullptr ? 0 : plan_->steps.size()));
  }
  if (plan_->steps[step].runs) plan_->steps[step].op->Run(contexts_[step]);
  return {};
}

Result<void> Session::NeedPrepared(const char* call) const {
  if (prepared_) return {};
  return InvalidState(
      std::string(call) +
      ": got a session that is not prepared, expected prepare before it");
}

Result<int32_t> Session::Slot(const char* call, const char* what,
                              const std::vector<int32_t>& slots,
                              size_t index) const {
  if (index < slots.size()) return slots[index];
  return InvalidArgument(std::string(call) + ": got " + what + " " +
                         std::to_string(index) + ", expected less than " +
                         std::to_string(slots.size()));
}

TensorView Session::View(int32_t tensor, const Binding& binding) const {
  void* own = staged_ != nullptr ? staged_->Data(tensor)
                                 : tensors_[static_cast<size_t>(tensor)];
  return {&TypeOf(tensor), binding.data != nullptr ? binding.data : own};
}

Result<TensorView> Session::Input(size_t input) {
  BITTERN_TRY(NeedPrepared("input"));
  BITTERN_TRY_ASSIGN(const int32_t tensor,
                     Slot("input", "input", model_->def().inputs, input));
  return View(tensor, bound_inputs_[input]);
}

Result<TensorView> Session::Output(size_t output) {
  BITTERN_TRY(NeedPrepared("output"));
  BITTERN_TRY_ASSIGN(const int32_t tensor,
                     Slot("output", "output", model_->def().outputs, output));
  if (staged_ != nullptr && !staged_->done()) {
    return InvalidState(
        "output " + std::to_string(output) + " '" +
        model_->def().tensors[static_cast<size_t>(tensor)].name +
        "': got no finished run, expected one before it: only the run knows "
        "the sizes of this model");
  }
  return View(tensor, bound_outputs_[output]);
}

Result<Session::Binding> Session::MakeBinding(const char* what, int32_t tensor,
                                              void* data, size_t bytes) const {
  const TensorType& type = TypeOf(tensor);
  const std::string where =
      std::string(what) + " '" +
      model_->def().tensors[static_cast<size_t>(tensor)].name + "': ";
  if (data == nullptr && bytes == 0) return Binding{};
  if (data == nullptr)
    return InvalidArgument(where + "got no data, expected " +
                           std::to_string(bytes) + " bytes");
  if (bytes != ByteSize(type)) {
    return InvalidArgument(
        where + "got " + std::to_string(bytes) + " bytes, expected " +
        std::to_string(ByteSize(type)) + " for " + ToString(type));
  }
  const auto address = reinterpret_cast<uintptr_t>(data);
  if (address % Alignment(type) != 0) {
    return InvalidArgument(where +
                           "got an address that is not a multiple of the "
                           "element size, expected one");
  }
  return Binding{data, address % kArenaAlign != 0};
}

Result<void> Session::BindInput(size_t input, const void* data, size_t bytes) {
  BITTERN_TRY(NeedPrepared("bind_input"));
  BITTERN_TRY_ASSIGN(const int32_t tensor,
                     Slot("bind_input", "input", model_->def().inputs, input));
  // Inputs are only read, whatever their pointer says.
  BITTERN_TRY_ASSIGN(
      bound_inputs_[input],
      MakeBinding("input", tensor, const_cast<void*>(data), bytes));
  const Binding& binding = bound_inputs_[input];
  if (staged_ != nullptr) {
    staged_->SetInput(input, binding.copy ? nullptr : binding.data);
  } else {
    Locate();
  }
  return {};
}

Result<void> Session::BindOutput(size_t output, void* data, size_t bytes) {
  BITTERN_TRY(NeedPrepared("bind_output"));
  BITTERN_TRY_ASSIGN(const int32_t tensor, Slot("bind_output", "output",
                                                model_->def().outputs, output));
  const TensorDef& declared =
      model_->def().tensors[static_cast<size_t>(tensor)];
  if (staged_ != nullptr && !declared.type.shape.IsStatic()) {
    return Unsupported("output '" + declared.name + "': got a buffer for " +
                       ToString(declared.type) +
                       ", expected none: only the run knows its size");
  }
  BITTERN_TRY_ASSIGN(bound_outputs_[output],
                     MakeBinding("output", tensor, data, bytes));
  if (staged_ == nullptr) Locate();
  return {};
}

Result<void> Session::SetImage(size_t input, const ImageView& image) {
  BITTERN_TRY(NeedPrepared("set_image"));
  BITTERN_TRY_ASSIGN(const int32_t tensor,
                     Slot("set_image", "input", model_->def().inputs, input));
  const std::string where =
      "input " + std::to_string(input) + " '" +
      model_->def().tensors[static_cast<size_t>(tensor)].name + "': ";
  if (bound_inputs_[input].data != nullptr)
    return InvalidState(where +
                        "got an image for a bound input, expected it unbound");
  const Preprocess* preprocess = FindPreprocess(model_->def(), input);
  if (preprocess == nullptr) {
    return Unsupported(where +
                       "got an image, expected a tensor: the model stores no "
                       "preprocessing for it");
  }
  const TensorType& type = TypeOf(tensor);
  const Shape expected{1, preprocess->channels, preprocess->height,
                       preprocess->width};
  if (type.shape != expected) {
    return InvalidState(where + "got shape " + ToString(type.shape) +
                        ", expected " + ToString(expected) + " for one image");
  }
  return PreprocessImage(*preprocess, image,
                         static_cast<float*>(View(tensor, {}).data));
}

Result<TensorView> Session::Tensor(std::string_view name) {
  BITTERN_TRY(NeedPrepared("tensor"));
  if (!options_.keep_intermediates)
    return InvalidState(
        "tensor: got a session that reuses memory, expected "
        "keep_intermediates");
  const std::vector<TensorDef>& tensors = model_->def().tensors;
  for (size_t t = 0; t < tensors.size(); ++t) {
    if (tensors[t].name != name) continue;
    const TensorView view = View(static_cast<int32_t>(t), {});
    if (view.data != nullptr) return view;
  }
  return NotFound("tensor '" + std::string(name) +
                  "': got a name that the plan does not have");
}

}  // namespace bittern::runtime
