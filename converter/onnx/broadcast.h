// Broadcasting before opset 7: only where the attribute `broadcast` asks for
// it, of the second input, whose dimensions begin at `axis` of the first's.
#pragma once

#include "converter/onnx/node.h"

namespace bittern::convert {

// Input 1, with trailing dimensions of 1 where `axis` puts it before the end.
Result<ValueId> LegacyOperand(OnnxNode& node);

}  // namespace bittern::convert
