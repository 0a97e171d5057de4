// Rows of the report, completed from the plan: kernels and sizes are known only
// when everything is decided.
#pragma once

#include <vector>

#include "converter/lower/report.h"
#include "runtime/plan/plan.h"

namespace bittern::convert {

// Sets `layers` and the MAC counts of `report`: one row per product of the plan
// in order of execution, with what the passes recorded about it.
void AddLayers(const runtime::Plan& plan,
               const std::vector<LayerRecord>& recorded, Report* report);

}  // namespace bittern::convert
