// Walks epilogue_kernels.inc: which epilogues may run on a CPU, and the one of
// a kind to use; and the half-lines of sign windows.
#include "kernels/epilogue/epilogue.h"

#include <algorithm>

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/epilogue/epilogue_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<EpilogueKernel> kFiles[] = {
#define BITTERN_EPILOGUE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/epilogue/epilogue_kernels.inc"
#undef BITTERN_EPILOGUE_KERNEL
};

const EpilogueKernel& PortableWindowSign() {
  for (const EpilogueKernel& kernel : EpilogueHwy(DetectCpu())) {
    if (kernel.kind == EpilogueKind::kWindowSign) return kernel;
  }
  __builtin_unreachable();
}

}  // namespace

void WalkWindowWords(const EpilogueArgs& args, const EpilogueStrip& s,
                     void (*word)(const EpilogueArgs& args,
                                  const EpilogueStrip& strip)) noexcept {
  static const EpilogueKernel& portable = PortableWindowSign();
  const size_t group = args.codes.group;
  for (size_t j = 0; j < s.cols;) {
    const size_t n = s.col + j;
    const size_t in_group = group - n % group;
    const size_t width = in_group < s.cols - j ? in_group : s.cols - j;
    const bool whole = width >= 64;
    const auto* strip = static_cast<const char*>(s.strip) + j * sizeof(int32_t);
    const EpilogueStrip part{strip,  s.stride, s.row,
                             s.rows, n,        whole ? 64 : width};
    whole ? word(args, part) : portable.run(args, part);
    j += part.cols;
  }
}

std::vector<const EpilogueKernel*> EpilogueKernels(const CpuFeatures& cpu) {
  return RunnableKernels<EpilogueKernel>(kFiles, cpu);
}

const EpilogueKernel* SelectEpilogue(EpilogueKind kind,
                                     const CpuFeatures& cpu) {
  const EpilogueKernel* last = nullptr;
  for (const EpilogueKernel* kernel : EpilogueKernels(cpu)) {
    if (kernel->kind == kind) last = kernel;
  }
  return last;
}

bool MakeHalfLines(const EpilogueArgs& windows, size_t n, size_t group,
                   int32_t limit, int32_t* above, int32_t* below,
                   uint64_t* swap) {
  for (size_t w = 0; w < RowWords(n, group); ++w) swap[w] = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t pos_lo = windows.pos_lo[i], pos_hi = windows.pos_hi[i];
    const int32_t neg_lo = windows.neg_lo[i], neg_hi = windows.neg_hi[i];
    const bool no_pos = pos_lo > pos_hi, no_neg = neg_lo > neg_hi;
    if ((no_pos || pos_hi >= limit) && (no_neg || neg_lo <= -limit)) {
      above[i] = no_pos ? INT32_MAX : std::max(pos_lo, -limit) - 1;
      below[i] = no_neg ? INT32_MIN : std::min(neg_hi, limit) + 1;
    } else if ((no_neg || neg_hi >= limit) && (no_pos || pos_lo <= -limit)) {
      above[i] = no_neg ? INT32_MAX : std::max(neg_lo, -limit) - 1;
      below[i] = no_pos ? INT32_MIN : std::min(pos_hi, limit) + 1;
      swap[i / group * GroupWords(group) + i % group / 64] |=
          uint64_t{1} << (i % group % 64);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace bittern::kernels
