// Who makes which name in an ONNX graph, and an order in which its nodes can be
// imported: files may list nodes in any order, name tensors twice, refer to
// tensors that do not exist, or form cycles.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "converter/onnx/onnx_proto.h"
#include "runtime/base/result.h"

namespace bittern::convert {

// Names that a graph may read though it does not make them.
using OuterNames = std::function<bool(const std::string& name)>;

class ModelIndex {  // borrows the graph's protobuf
 public:
  // `outer`: of the graphs around this one; may be empty.
  static runtime::Result<ModelIndex> Make(const onnx::GraphProto& graph,
                                          const OuterNames& outer = {});

  // Null if the name is not that of an initializer.
  const onnx::TensorProto* Initializer(std::string_view name) const;
  // The name of a node for messages: its own, or "Op_17" after its position.
  std::string NodeName(int node) const;
  // Nodes that the graph's outputs depend on, producers before users; file
  // order where the file is sorted.
  const std::vector<int>& order() const { return order_; }

 private:
  explicit ModelIndex(const onnx::GraphProto& graph) : graph_(&graph) {}
  runtime::Result<void> AddNames();
  void AddReads();
  runtime::Result<void> CheckInputs(const OuterNames& outer) const;
  runtime::Result<void> SortNodes();
  runtime::Result<void> Visit(int root, std::vector<uint8_t>* state);
  void KeepLiveNodes();
  int ProducerOf(const std::string& name) const;  // -1: none

  const onnx::GraphProto* graph_;
  std::unordered_map<std::string_view, const onnx::TensorProto*> initializers_;
  std::unordered_map<std::string_view, int> producers_;  // -1: a graph input
  // What each node reads: its inputs, and what the graphs in its attributes
  // take from outside.
  std::vector<std::vector<const std::string*>> reads_;
  std::vector<int> order_;
};

}  // namespace bittern::convert
