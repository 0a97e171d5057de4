// Neighbours of points as float graphs spell them, TopK(|a|^2 - 2 a b + |b|^2)
// in any order of its terms, become MatMulTopK, which keeps a few rows of the
// product at a time instead of the matrix of all distances. The same steps in
// the same order: the same neighbours, ties and all.
#include <fmt/format.h>

#include <algorithm>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr size_t kMostTerms = 8;

// What stands between a product and its TopK, last step first.
struct Chain {
  std::vector<std::string_view> steps;
  std::vector<ValueId> terms;
  const Node* product = nullptr;
};

class Recogniser {
 public:
  explicit Recogniser(Graph& graph) : graph_(graph) {}

  Result<void> Visit(NodeId id) {
    const Node top = graph_.node(id);
    const auto shape = StaticShape(graph_, top.inputs[0]);
    if (top.inputs.size() != 1 || !shape || shape->rank() != 3 ||
        (*shape)[1] < 2 || (*shape)[2] < 2 ||
        graph_.UseCount(top.outputs[0]) != 0 ||
        (IntOf(top, "axis", 0) != 2 && IntOf(top, "axis", 0) != -1)) {
      return {};
    }
    Chain chain;
    if (!Follow(top.inputs[0], *shape, chain)) return {};
    std::string steps;
    for (auto step = chain.steps.rbegin(); step != chain.steps.rend(); ++step)
      steps += (steps.empty() ? "" : " ") + std::string(*step);
    std::vector<ValueId> inputs = {chain.product->inputs[0],
                                   chain.product->inputs[1]};
    inputs.insert(inputs.end(), chain.terms.rbegin(), chain.terms.rend());
    BITTERN_TRY_ASSIGN(const ValueId indices,
                       Emit(graph_, "MatMulTopK", top.name, inputs,
                            {{"k", IntOf(top, "k", 0)},
                             {"largest", IntOf(top, "largest", 1)},
                             {"steps", steps}},
                            graph_.value(top.outputs[1]).name + ".nearest"));
    graph_.ReplaceUses(top.outputs[1], indices);
    ++count_;
    return {};
  }

  int count() const { return count_; }

 private:
  bool Follow(ValueId x, const Shape& shape, Chain& chain) {
    while (graph_.UseCount(x) == 1) {
      const Node* node = graph_.Producer(x);
      if (node == nullptr) return false;
      if (node->op == "MatMul") {
        chain.product = node;
        return IsBatched(node->inputs[0], shape[0]) &&
               IsBatched(node->inputs[1], shape[0]);
      }
      if (chain.terms.size() == kMostTerms) return false;
      if (node->op == "Neg") {
        chain.steps.push_back("mul");
        chain.terms.push_back(graph_.AddF32("minus_one", {}, {-1}));
        x = node->inputs[0];
        continue;
      }
      if (node->inputs.size() != 2) return false;
      const bool left = IsFull(node->inputs[0], shape);
      if (left == IsFull(node->inputs[1], shape)) return false;
      const std::string_view step = node->op == "Add"   ? "add"
                                    : node->op == "Mul" ? "mul"
                                    : node->op != "Sub" ? ""
                                    : left              ? "sub"
                                                        : "rsub";
      const ValueId term = node->inputs[left ? 1 : 0];
      const auto own = StaticShape(graph_, term);
      if (step.empty() || !own || (own->rank() != 3 && own->Elements() != 1))
        return false;
      chain.steps.push_back(step);
      chain.terms.push_back(term);
      x = node->inputs[left ? 0 : 1];
    }
    return false;
  }

  bool IsFull(ValueId id, const Shape& shape) const {
    return StaticShape(graph_, id) == shape;
  }

  bool IsBatched(ValueId id, int64_t batch) const {
    const auto shape = StaticShape(graph_, id);
    return shape && shape->rank() == 3 && (*shape)[0] == batch;
  }

  Graph& graph_;
  int count_ = 0;
};

}  // namespace

Result<void> RecogniseNeighbours(Graph& graph, PassContext&) {
  Recogniser recogniser(graph);
  BITTERN_TRY(ForEachNode(graph, "TopK",
                          [&](NodeId id) { return recogniser.Visit(id); }));
  if (recogniser.count() > 0) {
    graph.notes.push_back(fmt::format(
        "searches for neighbours that make no matrix of all distances: {}",
        recogniser.count()));
  }
  return {};
}

}  // namespace bittern::convert
