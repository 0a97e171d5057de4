#include "runtime/plan/plan.h"

#include <algorithm>
#include <utility>

#include "kernels/base/bits.h"
#include "runtime/ops/infer.h"
#include "runtime/plan/memory_planner.h"
#include "runtime/plan/shared_bytes.h"

namespace bittern::runtime {
namespace {

constexpr size_t kMaxScratch = size_t{1} << 40;
constexpr size_t kMaxFixedInputs =
    32;  // more: the op takes any number, as Concat does

// Ops say where by themselves (InferContext::Fail); errors from below them do
// not.
Error At(const OpDef& def, Error error) {
  const std::string where = def.op + " '" + def.name + "': ";
  if (!error.message.starts_with(where)) error.message.insert(0, where);
  return error;
}

// What holds of every tensor that has memory in the arena.
Result<void> CheckActivation(const TensorType& type) {
  for (int64_t d : type.shape.dims()) {
    if (d < 0)
      return Unsupported("dimension of " + ToString(type) + ": got " +
                         std::to_string(d) + ", expected at least 0");
  }
  BITTERN_TRY_ASSIGN([[maybe_unused]] const int64_t elements,
                     CheckedElements(type.shape));
  if (type.dtype != DType::kCode) return {};
  const bool grouped = type.code.encoding == Encoding::kSign;
  if ((!grouped && !IsByteEncoding(type.code.encoding)) ||
      OperandOf(type.code) == kernels::Operand::kF32 ||
      type.shape.rank() == 0 || type.shape.Last() < 1 || type.code.group < 0 ||
      (type.code.group > 0 &&
       (!grouped || type.shape.Last() % type.code.group != 0))) {
    return Internal("got codes " + ToString(type) +
                    ", expected codes of activations with a group that divides "
                    "the last dimension, which is not 0");
  }
  return {};
}

// Whether `actual`, a static type, is an instance of `declared`, where -1
// stands for any size.
bool Matches(const TensorType& declared, const TensorType& actual) {
  if (declared.dtype != actual.dtype ||
      declared.shape.rank() != actual.shape.rank())
    return false;
  for (size_t i = 0; i < declared.shape.rank(); ++i) {
    if (declared.shape[i] != -1 && declared.shape[i] != actual.shape[i])
      return false;
  }
  return true;
}

}  // namespace

Result<void> CheckArenaLimit(const PlanOptions& options, size_t bytes) {
  if (options.arena_limit_bytes == 0 || bytes <= options.arena_limit_bytes)
    return {};
  return OutOfMemory("memory for activations: got a need of " +
                     std::to_string(bytes) + " bytes, expected at most " +
                     std::to_string(options.arena_limit_bytes) +
                     " (arena limit)");
}

Result<void> CheckOutputs(const ModelDef& def,
                          std::span<const TensorType> types) {
  for (size_t i = 0; i < def.outputs.size(); ++i) {
    const auto tensor = static_cast<size_t>(def.outputs[i]);
    const TensorDef& declared = def.tensors[tensor];
    if (Matches(declared.type, types[tensor])) continue;
    return InvalidArgument("output " + std::to_string(i) + " '" +
                           declared.name + "': got " + ToString(types[tensor]) +
                           " from the graph, expected " +
                           ToString(declared.type));
  }
  return {};
}

Result<std::vector<TensorType>> TypesBeforeRun(
    const ModelDef& def, const std::vector<Shape>& shapes) {
  std::vector<TensorType> types;
  types.reserve(def.tensors.size());
  for (const TensorDef& tensor : def.tensors) types.push_back(tensor.type);
  if (shapes.size() != def.inputs.size()) {
    return InvalidArgument("input shapes: got " +
                           std::to_string(shapes.size()) + ", expected " +
                           std::to_string(def.inputs.size()));
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    const auto tensor = static_cast<size_t>(def.inputs[i]);
    const TensorDef& declared = def.tensors[tensor];
    TensorType type = declared.type;
    type.shape = shapes[i];
    const std::string where =
        "input " + std::to_string(i) + " '" + declared.name + "': ";
    if (!Matches(declared.type, type)) {
      return InvalidArgument(where + "got shape " + ToString(shapes[i]) +
                             ", expected " + ToString(declared.type.shape));
    }
    if (Result<void> result = CheckActivation(type); !result.ok()) {
      return InvalidArgument(where + result.error().message);
    }
    types[tensor] = type;
  }
  return types;
}

namespace {

class Planner {
 public:
  Planner(std::shared_ptr<const Model> model, const PlanOptions& options)
      : def_(model->def()), options_(options) {
    plan_.model = std::move(model);
    plan_.threads = options.threads;
    plan_.kept_intermediates = options.keep_intermediates;
  }

  Result<Plan> Run(const std::vector<Shape>& shapes) {
    BITTERN_TRY_ASSIGN(plan_.types, TypesBeforeRun(def_, shapes));
    return PlanOps();
  }

  Result<Plan> Run(const PlanPart& part) {
    part_ = &part;
    plan_.types.assign(part.types.begin(), part.types.end());
    return PlanOps();
  }

 private:
  Result<Plan> PlanOps() {
    const size_t first = part_ == nullptr ? 0 : part_->first,
                 last = part_ == nullptr ? def_.ops.size() : part_->last;
    for (size_t i = first; i < last; ++i) {
      const OpDef& op = def_.ops[i];
      if (Result<void> result = Infer(op); !result.ok())
        return At(op, std::move(result).error());
    }
    if (part_ == nullptr) BITTERN_TRY(CheckOutputs(def_, plan_.types));
    plan_.roots = FindRoots(plan_, Kept());
    BITTERN_TRY(PlaceTensors());
    for (PlanStep& step : plan_.steps) {
      if (Result<void> result = Prepare(step); !result.ok())
        return At(*step.def, std::move(result).error());
    }
    BITTERN_TRY(
        CheckArenaLimit(options_, plan_.arena_bytes + plan_.ScratchBytes()));
    return std::move(plan_);
  }

  TensorType& Type(int32_t tensor) {
    return plan_.types[static_cast<size_t>(tensor)];
  }

  std::vector<InputInfo> Inputs(const PlanStep& step) const {
    std::vector<InputInfo> inputs(step.inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (step.inputs[i] < 0) continue;
      const auto tensor = static_cast<size_t>(step.inputs[i]);
      inputs[i] = {true, step.inputs[i], plan_.types[tensor],
                   def_.tensors[tensor].data};
    }
    if (part_ == nullptr) return inputs;
    // Only where an op asks for values: weights, for one, are packed from what
    // never changes.
    for (const ValueInput& value : FindOp(step.def->op)->values) {
      if (value.input >= inputs.size()) continue;
      InputInfo& input = inputs[value.input];
      if (input.present && input.constant == nullptr)
        input.constant = part_->values[static_cast<size_t>(input.tensor)];
    }
    return inputs;
  }

  std::vector<TensorType> Outputs(const PlanStep& step) const {
    std::vector<TensorType> outputs;
    for (const int32_t tensor : step.outputs)
      outputs.push_back(plan_.types[static_cast<size_t>(tensor)]);
    return outputs;
  }

  Result<void> Infer(const OpDef& op) {
    const OpInfo& info = *FindOp(op.op);
    PlanStep step{info.create(), &op, op.inputs, op.outputs, true};
    // An op with a fixed list of inputs sees all of them, the optional ones at
    // the end too.
    if (info.max_inputs <= kMaxFixedInputs &&
        step.inputs.size() < info.max_inputs)
      step.inputs.resize(info.max_inputs, -1);
    const std::vector<InputInfo> inputs = Inputs(step);
    std::vector<TensorType> outputs(op.outputs.size());
    BITTERN_TRY(InferOp(info, *step.op, op, inputs, outputs));
    step.runs = false;
    for (size_t i = 0; i < outputs.size(); ++i) {
      step.runs = step.runs || outputs[i].shape.Elements() != 0;
      BITTERN_TRY(CheckActivation(outputs[i]));
      Type(op.outputs[i]) = outputs[i];
    }
    if (step.op->IsView() && ByteSize(outputs[0]) != ByteSize(inputs[0].type)) {
      return Internal("view: got " + ToString(outputs[0]) + " from " +
                      ToString(inputs[0].type) + ", expected the same bytes");
    }
    plan_.steps.push_back(std::move(step));
    return {};
  }

  // Tensors that outlive the steps.
  std::span<const int32_t> Kept() const {
    return part_ == nullptr ? std::span<const int32_t>(def_.outputs)
                            : part_->keeps;
  }

  // Lives of the tensors that own bytes, in steps. Inputs live always, since a
  // caller may write them once for many runs; outputs live to the end.
  Result<void> PlaceTensors() {
    const auto end = static_cast<int64_t>(plan_.steps.size());
    constexpr size_t kNoBlock = SIZE_MAX;
    std::vector<size_t> block_of(def_.tensors.size(), kNoBlock);
    std::vector<ArenaBlock> blocks;
    const auto block = [&](int32_t tensor) -> size_t& {
      return block_of[static_cast<size_t>(
          plan_.roots[static_cast<size_t>(tensor)])];
    };
    const auto add = [&](int32_t tensor, int64_t first) {
      block(tensor) = blocks.size();
      blocks.push_back({ByteSize(Type(tensor)), first, first});
    };
    if (part_ == nullptr) {
      for (const int32_t tensor : def_.inputs) {
        add(tensor, 0);
        blocks.back().last = end;
      }
    }
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const PlanStep& step = plan_.steps[i];
      const auto now = static_cast<int64_t>(i);
      for (const int32_t tensor : step.outputs) {
        if (plan_.roots[static_cast<size_t>(tensor)] == tensor)
          add(tensor, now);
      }
      for (const int32_t tensor : step.inputs) {
        if (tensor >= 0 && block(tensor) != kNoBlock)
          blocks[block(tensor)].last =
              std::max(blocks[block(tensor)].last, now);
      }
    }
    for (const int32_t tensor : Kept()) {
      if (block(tensor) != kNoBlock) blocks[block(tensor)].last = end;
    }
    if (options_.keep_intermediates) {
      for (ArenaBlock& b : blocks) b = {b.bytes, 0, end};
    }
    BITTERN_TRY_ASSIGN(const ArenaLayout layout, PlaceBlocks(blocks));
    plan_.arena_bytes = layout.bytes;
    plan_.offsets.assign(def_.tensors.size(), -1);
    for (size_t t = 0; t < plan_.offsets.size(); ++t) {
      const size_t b = block(static_cast<int32_t>(t));
      if (b != kNoBlock) plan_.offsets[t] = layout.offsets[b];
    }
    return CheckArenaLimit(options_, plan_.arena_bytes);
  }

  Result<void> Prepare(PlanStep& step) {
    if (!step.runs) return {};
    const std::vector<InputInfo> inputs = Inputs(step);
    const std::vector<TensorType> outputs = Outputs(step);
    PrepareContext context{*plan_.model, *step.def,        inputs, outputs,
                           options_.cpu, options_.threads, 0,      0};
    BITTERN_TRY(step.op->Prepare(context));
    if (context.scratch_shared > kMaxScratch ||
        context.scratch_per_thread > kMaxScratch) {
      return OutOfMemory(
          "scratch: got a need of more than 2^40 bytes, expected less");
    }
    plan_.scratch_shared =
        std::max(plan_.scratch_shared,
                 kernels::RoundUp(context.scratch_shared, kArenaAlign));
    plan_.scratch_thread_stride =
        std::max(plan_.scratch_thread_stride,
                 kernels::RoundUp(context.scratch_per_thread, kArenaAlign));
    return {};
  }

  const ModelDef& def_;
  const PlanOptions& options_;
  const PlanPart* part_ = nullptr;  // null: the whole model
  Plan plan_;
};

}  // namespace

Result<Plan> MakePlanPart(std::shared_ptr<const Model> model,
                          const PlanPart& part, const PlanOptions& options) {
  return Planner(std::move(model), options).Run(part);
}

Result<Plan> MakePlan(std::shared_ptr<const Model> model,
                      const std::vector<Shape>& shapes,
                      const PlanOptions& options) {
  if (options.threads == 0)
    return InvalidArgument("threads: got 0, expected at least 1");
  return Planner(std::move(model), options).Run(shapes);
}

}  // namespace bittern::runtime
