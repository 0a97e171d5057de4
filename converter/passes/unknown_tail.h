// Keeps passes away from nodes whose sizes only the run knows: they, and what
// is computed from them, leave the graph before the passes and come back after.
#pragma once

#include <memory>
#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

class UnknownTail {
 public:
  // Takes the tail out of `graph`, which keeps what the tail reads as outputs
  // of its own. Without such nodes nothing changes.
  static UnknownTail Detach(Graph& graph);
  // Puts it back, on what the outputs are now.
  void Attach(Graph& graph) &&;

 private:
  // Where a value of the tail's nodes comes from: an output or input of the
  // rest by its place, or a value of the tail's own.
  struct Source {
    enum class Kind { kAbsent, kOutput, kInput, kOwn } kind = Kind::kAbsent;
    size_t index = 0;
  };
  struct TailNode {
    std::string op, name;
    std::vector<Source> inputs, outputs;
    AttributeMap attributes;
    std::vector<std::shared_ptr<const Graph>> bodies;
  };

  bool empty_ = true;
  std::vector<Value> values_;  // its own: constants and results
  std::vector<TailNode> nodes_;
  std::vector<Source> outputs_;  // of the whole graph
  std::vector<std::string> output_names_;
};

}  // namespace bittern::convert
