// Evaluates parts of a graph on a random input: passes that rely on algebra
// check the old and the new form against each other before they rewrite.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

class Sampler {
 public:
  // `input` (f32, static shape) gets roughly normal values.
  Sampler(const Graph& graph, ValueId input) : graph_(graph), input_(input) {}

  // Values of `output`, which must depend on `input` and constants only.
  Result<std::vector<float>> Of(ValueId output);
  // What a node that is not in the graph would give.
  Result<std::vector<float>> OfNode(const std::string& op,
                                    const std::vector<ValueId>& inputs,
                                    const AttributeMap& attributes);

 private:
  Result<ConstantData> Evaluate(ValueId id, int depth);
  Result<ConstantData> EvaluateOp(const std::string& op,
                                  const std::vector<ValueId>& inputs,
                                  const AttributeMap& attributes, int depth);

  const Graph& graph_;
  ValueId input_;
  std::map<ValueId, ConstantData> known_;
};

// Whether |a - b| <= tolerance * (1 + |b|) everywhere, and sizes agree.
bool AllClose(const std::vector<float>& a, const std::vector<float>& b,
              float tolerance);

}  // namespace bittern::convert
