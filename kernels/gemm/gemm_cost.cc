// The cost table and the arithmetic on it.
#include "kernels/gemm/gemm_cost.h"

#include "kernels/base/bits.h"

namespace bittern::kernels {
namespace {

constexpr GemmCost kCosts[] = {
#define BITTERN_GEMM_COST(kernel, cpu, mac_per_cycle, per_output, per_lhs, \
                          one_row, source)                                 \
  {kernel,  CpuClass::cpu, mac_per_cycle,     per_output,                  \
   per_lhs, one_row,       CostSource::source},
#include "kernels/gemm/gemm_costs.inc"
#undef BITTERN_GEMM_COST
};

}  // namespace

std::span<const GemmCost> GemmCosts() { return kCosts; }

const GemmCost* FindGemmCost(const GemmKernel& kernel, CpuClass cpu) {
  const GemmCost* generic = nullptr;
  for (const GemmCost& cost : kCosts) {
    if (cost.kernel != kernel.name) continue;
    if (cost.cpu == cpu) return &cost;
    if (cost.cpu == CpuClass::kGeneric) generic = &cost;
  }
  return generic;
}

double PredictCycles(const GemmKernel& kernel, const GemmCost& cost,
                     const GemmQuery& q) {
  const auto m = static_cast<double>(q.m);
  const auto n = static_cast<double>(RoundUp(q.n, kernel.n_unit));
  const auto k = static_cast<double>(RoundUp(q.k, kernel.k_unit));
  const auto passes = static_cast<double>(
      kernel.passes != nullptr ? kernel.passes(q.types) : 1);
  const double rate = q.m == 1 ? cost.one_row : cost.mac_per_cycle;
  return m * n * (k * passes / rate + cost.per_output) +
         m * static_cast<double>(q.k) * cost.per_lhs;
}

}  // namespace bittern::kernels
