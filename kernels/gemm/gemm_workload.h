// One product with random operands and everything that a kernel needs to run
// it, strip by strip as the runtime walks it: what the benches time and what
// `bittern cpu --calibrate` measures. Not part of running a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

// Rows of one strip in a workload.
inline constexpr size_t kWorkloadStripRows = 32;

// What the random operands look like.
struct GemmFill {
  bool zeros = false;  // activations of kSign: one zero in eight, else none
  // Weights of kS8: uniform, else normal with the largest of a channel at 127,
  // as a trained layer quantised per channel has them (the speed of
  // w8a8/maddubs depends on it). Other codes are uniform.
  bool uniform_weights = false;
};

class GemmWorkload {
 public:
  GemmWorkload(const GemmKernel& kernel, const GemmQuery& query,
               GemmFill fill = {});

  void PackLhs(size_t row, size_t rows) const noexcept;
  // Rows [row, row + rows) after PackLhs(row, rows), rows <=
  // kWorkloadStripRows; calls each(row, rows, first channel, strip) after every
  // tile.
  template <class Each>
  void RunStrip(size_t row, size_t rows, Each each) const {
    for (size_t tile = 0; tile * kernel_.nr < query_.n; ++tile) {
      RunTile(row, rows, tile);
      each(row, rows, tile * kernel_.nr, strip_.get());
    }
  }
  // The whole product, packing of the left operand included.
  void Run() const noexcept;

  ptrdiff_t strip_stride() const;
  double macs() const {
    return static_cast<double>(query_.m) * static_cast<double>(query_.n) *
           static_cast<double>(query_.k);
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  using Memory = std::unique_ptr<uint8_t, Free>;
  static Memory Allocate(size_t bytes);

  void PackGroups(const CodeMatrix& weights, uint64_t& random);
  void FillPlanes(bool zeros, uint64_t& random);
  void FillBytes(uint64_t& random);
  void RunTile(size_t row, size_t rows, size_t tile) const noexcept;

  const GemmKernel& kernel_;
  GemmQuery query_;
  Memory floats_, planes_, bytes_, rhs_, packed_lhs_, scratch_, strip_;
  GemmLhs lhs_;
};

}  // namespace bittern::kernels
