// Which operators take inputs of sizes that only the run knows.
#pragma once

#include "converter/onnx/node.h"

namespace bittern::convert {

// An error unless all inputs have sizes that are known, or the node's handler
// can do without.
Result<void> ExpectKnownSizes(OnnxNode& node);

}  // namespace bittern::convert
