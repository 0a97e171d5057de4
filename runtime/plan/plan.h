// Plan: everything decided before the first run: static shapes, kernel per op,
// packed weights, arena offsets. Immutable once made. Of a model whose sizes
// only the run knows, a plan is made for each stage (stages.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/cpu.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"
#include "runtime/model/model.h"
#include "runtime/ops/op.h"

namespace bittern::runtime {

struct PlanOptions {
  kernels::CpuFeatures cpu = kernels::DetectCpu();
  size_t threads = 1;
  size_t arena_limit_bytes = 0;     // 0 = no limit
  bool keep_intermediates = false;  // no reuse of memory: every tensor can be
                                    // read after a run (compare, tests)
};

struct PlanStep {
  std::unique_ptr<Op> op;
  const OpDef* def;
  std::vector<int32_t> inputs, outputs;  // tensor indices; -1 = absent; inputs
                                         // are padded to the op's fixed list
  bool runs = true;  // false where every output is empty: only Infer was called
};

struct Plan {
  std::shared_ptr<const Model> model;
  std::vector<TensorType> types;  // per tensor, static
  std::vector<int32_t> roots;  // per tensor: the tensor whose bytes it shares,
                               // or itself (shared_bytes.h)
  std::vector<int64_t> offsets;  // per tensor: byte offset in the arena of its
                                 // root; -1 = constant or unused
  std::vector<PlanStep> steps;
  size_t arena_bytes = 0;  // activations, inputs and outputs
  size_t scratch_shared = 0, scratch_thread_stride = 0;  // multiples of 64
  size_t threads = 1;
  bool kept_intermediates = false;

  size_t ScratchBytes() const {
    return scratch_shared + threads * scratch_thread_stride;
  }
};

// Per tensor: the declared type; of inputs with one static shape for each.
Result<std::vector<TensorType>> TypesBeforeRun(
    const ModelDef& def, const std::vector<Shape>& shapes);

// An error if activations and scratch of `bytes` are more than the options
// allow.
Result<void> CheckArenaLimit(const PlanOptions& options, size_t bytes);

// An error unless the model's outputs have the types that it declares.
Result<void> CheckOutputs(const ModelDef& def,
                          std::span<const TensorType> types);

// Ops [first, last) of a model, planned when what they read has been computed.
struct PlanPart {
  size_t first = 0, last = 0;
  // Per tensor: the types of those made before; the values of those that the
  // ops of this part are planned by, else null.
  std::span<const TensorType> types;
  std::span<const void* const> values;
  std::span<const int32_t> keeps;  // made here, and read after this part
};

// Tensors made before the part have no offset.
Result<Plan> MakePlanPart(std::shared_ptr<const Model> model,
                          const PlanPart& part, const PlanOptions& options);

// `shapes`: one static shape per model input.
Result<Plan> MakePlan(std::shared_ptr<const Model> model,
                      const std::vector<Shape>& shapes,
                      const PlanOptions& options);

}  // namespace bittern::runtime
