// Walks points_kernels.inc: which kernels may run on a CPU, and the one to use.
#include "kernels/points/points.h"

#include "kernels/base/kernel_list.h"
#include "kernels/points/points_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<PointsKernel> kFiles[] = {
#define BITTERN_POINTS_KERNEL(needs, Name) {needs, &Name},
#include "kernels/points/points_kernels.inc"
#undef BITTERN_POINTS_KERNEL
};

}  // namespace

std::vector<const PointsKernel*> PointsKernels(const CpuFeatures& cpu) {
  return RunnableKernels<PointsKernel>(kFiles, cpu);
}

const PointsKernel* SelectPoints(const CpuFeatures& cpu) {
  return PointsKernels(cpu).back();
}

}  // namespace bittern::kernels
