// Which tensors of a plan share bytes: a view with what it views; an output
// with an input in whose place it may be written (Op::MayLieOver) and that
// nothing needs any more. What is in place is brought into the caches once
// instead of twice: the residuals of a ResNet-50 at 800 x 1066 are 54 MB each
// (Q-DETR, `fast8`: 411 -> 381 ms, the arena 147 -> 94 MB).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/plan/plan.h"

namespace bittern::runtime {

// Plan::roots of a plan whose steps and types are there. `kept`: tensors that
// outlive the steps. Linear in the size of the model.
std::vector<int32_t> FindRoots(const Plan& plan, std::span<const int32_t> kept);

}  // namespace bittern::runtime
