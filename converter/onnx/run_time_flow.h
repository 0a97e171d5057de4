// If and Loop that the run decides: nodes with bodies (ir/graph.h).
#pragma once

#include <vector>

#include "converter/onnx/node.h"

namespace bittern::convert {

// A branch that has been imported: nodes [first, last) of the graph.
struct Branch {
  size_t first = 0, last = 0;
  std::vector<ValueId> results;
};

// Whether the run may compute both branches and choose: results have the same
// types, and no size in them is the run's to say, which could be wrong in the
// branch that is not taken.
bool MayComputeBoth(OnnxNode& node, const Branch& yes, const Branch& no);

// Answers an If by a node that runs one of two branches.
Result<void> AnswerIf(OnnxNode& node, ValueId condition, const Branch& yes,
                      const Branch& no);

// Answers a Loop by a node that turns as often as the run says.
Result<void> AnswerLoop(OnnxNode& node, const onnx::GraphProto& body);

}  // namespace bittern::convert
