// Reductions over any set of axes. The innermost axis, where reduced, is one
// row sum in the virtual-lane order of kernels/README.md; all others combine in
// ascending order, so results never depend on threads.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize/bytes.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {

enum class Reduction : uint8_t { kMean, kSum, kMax, kMin, kProd };

class ReduceOp : public Op {
 public:
  Result<void> Infer(const InferContext& context) final;
  Result<void> Prepare(PrepareContext& context) final;
  void Run(const RunContext& context) const noexcept final;
  std::string Kernel() const final {
    return norm_ == nullptr ? "plain" : norm_->name;
  }

 protected:
  explicit ReduceOp(Reduction reduction) : reduction_(reduction) {}

 private:
  struct Dim {
    size_t size;
    size_t out_stride;  // elements; 0 where reduced
  };
  void SetDims(const Shape& in, const std::vector<bool>& reduced);
  template <class T>
  void Rows(const T* in, T* out, size_t begin, size_t end) const;
  template <class T>
  T ReduceRow(const T* row) const;
  template <class T>
  void Accumulate(const T* row, T* out, size_t count) const;
  template <class T>
  void RunTyped(const RunContext& context) const;

  Reduction reduction_;
  DType type_ = DType::kF32;
  std::array<Dim, kMaxRank>
      dim_{};  // outermost first, neighbours of one kind merged
  size_t rank_ = 0;
  bool inner_reduced_ = false;
  size_t outputs_ = 0;
  size_t per_output_ = 1;  // inputs of one output
  const kernels::NormKernel* norm_ = nullptr;
  const kernels::ByteKernel* bytes_ = nullptr;  // extremes of long rows
  const kernels::ElementwiseKernel* elementwise_ = nullptr;
};

inline constexpr AttributeSpec kReduceAttributes[] = {
    {"axes", AttributeKind::kInts, false},
    {"keepdims", AttributeKind::kInt, false}};

template <Reduction kReduction>
class ReduceOpOf final : public ReduceOp {
 public:
  ReduceOpOf() : ReduceOp(kReduction) {}
};

template <Reduction kReduction>
constexpr OpInfo ReduceOpInfo(const char* name) {
  return SimpleOpInfo(name, 1, 1, kReduceAttributes,
                      &CreateOp<ReduceOpOf<kReduction>>);
}

}  // namespace bittern::runtime
