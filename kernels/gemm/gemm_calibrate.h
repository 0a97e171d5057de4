// The constants of gemm_cost.h, measured on this core.
#pragma once

#include <vector>

#include "kernels/gemm/gemm_cost.h"

namespace bittern::kernels {

// One line for each kernel that `cpu` can run but the references, in cycles of
// this core's clock; takes about `seconds` in all.
std::vector<GemmCost> CalibrateGemm(const CpuFeatures& cpu, double seconds);

}  // namespace bittern::kernels
