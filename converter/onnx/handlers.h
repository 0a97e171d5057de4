// The handlers of all ONNX operators, declared and found through handlers.inc.
#pragma once

#include <string>
#include <string_view>

#include "converter/onnx/node.h"

namespace bittern::convert {

#define BITTERN_ONNX_HANDLER(domain, op, function) \
  Result<void> function(OnnxNode& node);
#include "converter/onnx/handlers.inc"
#undef BITTERN_ONNX_HANDLER

// Null if there is none. "ai.onnx" is another spelling of "".
Handler FindHandler(std::string_view domain, std::string_view op);

// The supported operator of the domain whose name needs the fewest edits, at
// most one for three letters, or ""; for a foreign domain, of the default one.
std::string NearestOp(std::string_view domain, std::string_view op);

}  // namespace bittern::convert
