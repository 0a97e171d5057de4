// Op: one node of a plan. One op = one file; ops.inc lists them. An instance
// belongs to one plan: Infer and Prepare fill it, then Run is const, allocates
// nothing and cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/cpu.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread_pool.h"
#include "runtime/model/model.h"
#include "runtime/model/op_info.h"

namespace bittern::runtime {

// What Infer and Prepare see of an input.
struct InputInfo {
  bool present = false;
  int32_t tensor = -1;             // index into ModelDef::tensors
  TensorType type;                 // static shape
  const void* constant = nullptr;  // data of a constant, else null
  template <class T>
  std::span<const T> Values() const {  // requires constant
    return {static_cast<const T*>(constant),
            static_cast<size_t>(type.shape.Elements())};
  }
};

struct InferContext {
  const OpDef& def;
  std::span<const InputInfo> inputs;  // one per declared input, absent ones too
  std::span<TensorType> outputs;      // to fill; one per output of the node
  // OpInfo::values: such an input, where present, stands for its attribute.
  std::span<const ValueInput> values = {};
  // Typed attribute access; the model verifier has checked presence and kind.
  int64_t Int(std::string_view name, int64_t fallback) const;
  float Float(std::string_view name, float fallback) const;
  std::string_view String(std::string_view name,
                          std::string_view fallback) const;
  std::span<const int64_t> Ints(
      std::string_view name) const;  // empty if absent
  std::span<const float> Floats(
      std::string_view name) const;  // empty if absent
  // The attribute, or an input in its place, is there.
  bool Given(std::string_view name) const;
  // "LowBitLinear 'blocks.0.qkv': <what>"
  Error Fail(const std::string& what) const;
};

struct PrepareContext {
  const Model& model;
  const OpDef& def;
  std::span<const InputInfo> inputs;
  std::span<const TensorType> outputs;
  const kernels::CpuFeatures& cpu;
  size_t threads;
  // To fill: scratch bytes that Run gets, shared by all threads and per thread
  // (each part aligned to 64).
  size_t scratch_shared = 0;
  size_t scratch_per_thread = 0;
};

struct RunContext {
  std::span<const void* const> inputs;  // null for absent inputs
  std::span<void* const> outputs;
  uint8_t* scratch_shared;
  uint8_t* scratch_thread;  // part p uses [p * per-thread bytes, ...)
  size_t scratch_thread_stride;
  const ThreadPool* pool;
};

// Work of one op for the bench: multiply-accumulates of logical elements and
// their operand widths.
struct OpCost {
  double macs = 0;
  int weight_bits = 0, activation_bits = 0;  // 32 for float
  double bytes = 0;                          // constants read
};

// An Op is planned by Infer, through InferOp (infer.h), which checks inputs in
// the place of attributes; Prepare and Run are left out where every output is
// empty.
class Op {
 public:
  virtual ~Op() = default;
  // Checks input types and attributes and sets output types.
  virtual Result<void> Infer(const InferContext& context) = 0;
  // Chooses kernels, packs weights (through model.Packed), asks for scratch.
  virtual Result<void> Prepare(PrepareContext& context) {
    static_cast<void>(context);
    return {};
  }
  virtual void Run(const RunContext& context) const noexcept = 0;
  // Output 0 is input 0's bytes under another shape: the planner puts both in
  // one place unless output 0 is a graph output; Run copies if places differ.
  virtual bool IsView() const { return false; }
  // Whether output 0 may take the place of this input's bytes: it has as many,
  // and Run reads each of its elements, on the thread that writes the same
  // element of output 0, before it does. The planner sees to it that no other
  // input is there and that nothing reads the input later.
  virtual bool MayLieOver(size_t input) const {
    static_cast<void>(input);
    return false;
  }
  // Chosen kernel and why: "w1a1/vpopcntdq/avx512 + window_sign/hwy". "plain"
  // for ops with one implementation.
  virtual std::string Kernel() const { return "plain"; }
  virtual OpCost Cost() const { return {}; }
};

}  // namespace bittern::runtime
