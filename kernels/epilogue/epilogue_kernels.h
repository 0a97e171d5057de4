// Declares the functions of epilogue_kernels.inc, one per kernel file; private
// to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/epilogue/epilogue.h"

namespace bittern::kernels {

#define BITTERN_EPILOGUE_KERNEL(needs, Name) \
  std::span<const EpilogueKernel> Name(const CpuFeatures& cpu);
#include "kernels/epilogue/epilogue_kernels.inc"
#undef BITTERN_EPILOGUE_KERNEL

// Hands the strip of a kWindowSign epilogue to `word`, 64 channels of one word
// of the planes at a time; words that end with a group or the strip go to the
// portable kernel.
void WalkWindowWords(const EpilogueArgs& args, const EpilogueStrip& strip,
                     void (*word)(const EpilogueArgs& args,
                                  const EpilogueStrip& strip)) noexcept;

}  // namespace bittern::kernels
