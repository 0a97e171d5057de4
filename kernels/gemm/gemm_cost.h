// Predicted cycles of a GEMM kernel: how SelectGemm chooses. One line per
// kernel and CPU class in gemm_costs.inc, each tagged with its source. The
// model:
//   cycles = m * n' * (k' * passes / mac_per_cycle + per_output)
//            + m * k * per_lhs
// with n' and k' rounded up to the kernel's units.
#pragma once

#include <span>
#include <string_view>

#include "kernels/base/cpu.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

enum class CostSource : uint8_t {
  kMeasured,  // by bittern_bench_kernels or `bittern cpu --calibrate` on a core
              // of that class
  kPublished,  // from published instruction rates or measurements of others
  kCounted,    // instructions of the loop over the issue width
};

struct GemmCost {
  std::string_view kernel;  // name of the descriptor
  CpuClass cpu;             // kGeneric: any class without a line of its own
  double mac_per_cycle;     // of the inner loop, many rows
  double per_output;        // cycles for the end of a tile, an output
  double per_lhs;           // cycles to pack one activation
  double one_row;           // mac_per_cycle at m == 1
  CostSource source;
};

// The whole table.
std::span<const GemmCost> GemmCosts();

// The line for `kernel` on `cpu`'s class, else its generic line; never null for
// a listed kernel.
const GemmCost* FindGemmCost(const GemmKernel& kernel, CpuClass cpu);

double PredictCycles(const GemmKernel& kernel, const GemmCost& cost,
                     const GemmQuery& query);

}  // namespace bittern::kernels
