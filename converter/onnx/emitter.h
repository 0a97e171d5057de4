// Adds nodes to the graph with their types, and computes shape arithmetic while
// it goes: ONNX files compute shapes at run time (Shape, Gather, Concat,
// Reshape), but the runtime wants sizes and axes as numbers.
#pragma once

#include <string>
#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

// Bytes that one value may have, and that all values computed during an import
// may have together: far above real models, far below what hostile ones ask.
inline constexpr size_t kMaxValueBytes = size_t{1} << 32;
inline constexpr size_t kMaxFoldedBytes = size_t{1} << 29;

// Bytes of a name in the graph: loops copy names for each turn.
inline constexpr size_t kMaxNameBytes = 256;

class Emitter {  // borrows the graph; not thread-safe
 public:
  explicit Emitter(Graph& graph) : graph_(graph) {}
  Graph& graph() { return graph_; }

  // Adds one node, infers its output types and computes it at once if all its
  // inputs are constants and its outputs are integers, booleans, or floats made
  // of those only. Chains of float constants stay nodes: they may be weight
  // quantisers, which passes want to see. Returns the outputs.
  Result<std::vector<ValueId>> Emit(
      const std::string& op, const std::string& name,
      const std::vector<ValueId>& inputs, AttributeMap attributes,
      const std::vector<std::string>& output_names);

  // Makes `id` a constant by computing the nodes it depends on; false if it
  // depends on a graph input.
  Result<bool> Materialise(ValueId id);

 private:
  Result<void> Fold(NodeId id);

  Graph& graph_;
  size_t folded_bytes_ = 0;
};

// An error if a value of this type is too large to be meant.
Result<void> CheckValueSize(const TensorType& type, const std::string& what);

}  // namespace bittern::convert
