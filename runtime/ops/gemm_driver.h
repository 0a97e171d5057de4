// One product out[m][n] = sum_k a[m][k] * w[n][k] by a GEMM kernel and an
// epilogue: how MatMul, Conv and LowBitLinear walk a matrix. Strips of columns
// are the outer loop, so that a panel of weights stays in L1 while blocks of
// rows pass by; the strip of accumulators stays there too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue/epilogue.h"
#include "kernels/gemm/gemm.h"
#include "runtime/ops/op.h"

namespace bittern::runtime {

constexpr size_t AlignUp64(size_t bytes) { return (bytes + 63) / 64 * 64; }

class GemmDriver {
 public:
  GemmDriver() = default;
  // `unit`: strips are whole multiples of this many columns (or all of them),
  // as code-writing epilogues need; 1 for floats.
  GemmDriver(const kernels::GemmKernel* gemm,
             const kernels::EpilogueKernel* epilogue, kernels::GemmTypes types,
             size_t n, size_t k, size_t unit);

  const kernels::GemmKernel& gemm() const { return *gemm_; }
  size_t RhsBytes() const {
    return AlignUp64(gemm_->packed_rhs_bytes(types_, n_, k_));
  }
  // Packs canonical weights into RhsBytes() bytes.
  void PackRhs(const void* weights, void* packed) const noexcept {
    gemm_->pack_rhs({weights, types_.weights, n_, k_}, types_.activations,
                    packed);
  }
  // The same of weights in groups (types.group != 0).
  void PackGroups(const void* weights, const kernels::WeightGroups& groups,
                  void* packed) const noexcept {
    gemm_->pack_groups(types_, {weights, types_.weights, n_, k_}, groups,
                       packed);
  }
  size_t ScratchPerThread() const {
    return strip_bytes_ + lhs_bytes_ + kernel_bytes_;
  }

  // Rows [begin, end) of all columns, on the calling thread.
  void Rows(const kernels::GemmLhs& lhs, const void* rhs,
            const kernels::EpilogueArgs& args, size_t begin, size_t end,
            uint8_t* scratch) const noexcept;

  // Rows [0, m), shared out over the threads of `context`.
  void Run(const kernels::GemmLhs& lhs, const void* rhs,
           const kernels::EpilogueArgs& args, size_t m,
           const RunContext& context) const noexcept;

  // "w1a1/lut/avx2 + window_sign/hwy".
  std::string Name() const;

 private:
  // Rows [row, row + rows), at most block_rows_, of strips [first, last).
  void Block(const kernels::GemmLhs& lhs, const void* rhs,
             const kernels::EpilogueArgs& args, size_t row, size_t rows,
             size_t first, size_t last, uint8_t* scratch) const;
  size_t Strips() const { return (n_ + strip_cols_ - 1) / strip_cols_; }

  const kernels::GemmKernel* gemm_ = nullptr;
  const kernels::EpilogueKernel* epilogue_ = nullptr;
  kernels::GemmTypes types_;
  size_t n_ = 0, k_ = 0;
  size_t strip_cols_ = 0;  // multiple of the kernel's nr
  size_t strip_rows_ = 0;  // rows of one strip
  size_t block_rows_ = 0;  // rows whose packed left operand is held at once
  // Thread scratch, in this order: the strip, the packed left operand, the
  // kernel's own.
  size_t strip_bytes_ = 0, lhs_bytes_ = 0, kernel_bytes_ = 0;
};

}  // namespace bittern::runtime
