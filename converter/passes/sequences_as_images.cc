// Rows of features [B,C,N] between convolutions of one dimension (the importer
// writes those as Squeeze(Conv(Unsqueeze(x))) on [B,C,1,N]) become images for
// good: what works on elements in between moves in front of the Squeeze, which
// then meets the next Unsqueeze. Low-bit convolutions and channels_last know
// images only. Maxima and means over N are taken of the image.
#include <algorithm>
#include <map>

#include "converter/passes/edit.h"
#include "converter/passes/image_layout.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

const std::vector<int64_t> kRow = {2};  // the axis of size 1 in [B,C,1,N]
const std::vector<int64_t> kSwap = {0, 2, 1};
// Producers that one image may be followed through: bounds the recursion.
constexpr int kMaxDepth = 256;

bool MovesRow(const Node& node, std::string_view op) {
  return node.op == op && IntsOf(node, "axes") == kRow;
}

class Walker {
 public:
  explicit Walker(Graph& graph) : graph_(graph) {}

  // In topological order.
  Result<void> Visit(NodeId id) {
    const Node node = graph_.node(id);
    if (node.inputs.empty()) return {};
    if (MovesRow(node, "Squeeze") && RankOf(node.inputs[0]) == 4) {
      images_[node.outputs[0]] = node.inputs[0];
    } else if (MovesRow(node, "Unsqueeze") && RankOf(node.inputs[0]) == 3) {
      if (!FeedsConvolution(node.outputs[0])) return {};
      BITTERN_TRY_ASSIGN(const ValueId image, ImageOf(node.inputs[0], 0));
      if (image != kNone) graph_.ReplaceUses(node.outputs[0], image);
    } else if (IsElementwise(node.op) && Follows(node)) {
      return Lift(id, 0);
    } else if (node.op == "ReduceMax" || node.op == "ReduceMean") {
      return VisitReduction(id);
    }
    return {};
  }

 private:
  size_t RankOf(ValueId id) const {
    const auto shape = StaticShape(graph_, id);
    return shape ? shape->rank() : 0;
  }

  bool FeedsConvolution(ValueId id) const {
    const std::vector<NodeId> users = graph_.Users(id);
    return std::any_of(users.begin(), users.end(), [this](NodeId user) {
      return graph_.node(user).op == "Conv";
    });
  }

  bool Follows(const Node& node) const {
    return std::any_of(
        node.inputs.begin(), node.inputs.end(),
        [this](ValueId input) { return images_.count(input) != 0; });
  }

  // [B,C,1,N] of a value [B,C,N]; kNone if only an Unsqueeze would make it, in
  // place of the one that asks (depth 0).
  Result<ValueId> ImageOf(ValueId id, int depth) {
    const auto found = images_.find(id);
    if (found != images_.end()) return found->second;
    if (RankOf(id) != 3) return kNone;
    const NodeId maker = graph_.ProducerId(id);
    if (maker != kNone && depth < kMaxDepth) {
      const Node node = graph_.node(maker);
      if (node.op == "Transpose" && IntsOf(node, "perm") == kSwap) {
        BITTERN_TRY_ASSIGN(images_[id], ImageOfRows(node.inputs[0], depth));
      } else if (IsElementwise(node.op) ||
                 (node.op == "Concat" && IntOf(node, "axis", 0) == 1)) {
        BITTERN_TRY(Lift(maker, depth));
      }
    }
    if (images_.find(id) == images_.end()) {
      if (depth == 0) return kNone;
      const std::string& name = graph_.value(id).name;
      BITTERN_TRY_ASSIGN(images_[id], Emit(graph_, "Unsqueeze", name, {id},
                                           {{"axes", kRow}}, name + ".image"));
    }
    return images_[id];
  }

  // [B,C,1,N] of a value [B,N,C]. What works on elements is computed on the
  // image where nobody else reads it: quantisers behind which a Transpose has
  // sunk stand beside the convolution again.
  Result<ValueId> ImageOfRows(ValueId x, int depth) {
    const NodeId maker = graph_.ProducerId(x);
    const std::string name = graph_.value(x).name;
    if (depth < kMaxDepth && maker != kNone && graph_.UseCount(x) == 1 &&
        WorksOnRows(graph_.node(maker))) {
      const Node node = graph_.node(maker);
      std::vector<ValueId> inputs;
      for (ValueId input : node.inputs) {
        BITTERN_TRY_ASSIGN(const ValueId image,
                           graph_.IsConstant(input)
                               ? ConstantImageOfRows(input)
                               : ImageOfRows(input, depth + 1));
        inputs.push_back(image);
      }
      return Emit(graph_, node.op, node.name, inputs, node.attributes,
                  name + ".image");
    }
    BITTERN_TRY_ASSIGN(
        const ValueId rows,
        Emit(graph_, "Unsqueeze", name, {x},
             {{"axes", std::vector<int64_t>{1}}}, name + ".rows"));
    return Emit(graph_, "Transpose", name, {rows}, {{"perm", kToFirst}},
                name + ".image");
  }

  bool WorksOnRows(const Node& node) const {
    return IsElementwise(node.op) &&
           std::all_of(node.inputs.begin(), node.inputs.end(),
                       [this](ValueId input) {
                         return graph_.IsConstant(input) ? RankOf(input) <= 3
                                                         : RankOf(input) == 3;
                       });
  }

  Result<ValueId> ConstantImageOfRows(ValueId id) {
    const Shape shape = *StaticShape(graph_, id);
    if (shape.Elements() == 1) return id;
    Shape rows = {1, 1, 1, 1};
    for (size_t i = 0; i < shape.rank(); ++i)
      rows[4 - shape.rank() + i] = shape[i];
    std::swap(rows[0], rows[1]);
    const std::string name = graph_.value(id).name;
    BITTERN_TRY_ASSIGN(const ValueId wide,
                       EmitReshape(graph_, name, id, rows, name + ".rows"));
    return Emit(graph_, "Transpose", name, {wide}, {{"perm", kToFirst}},
                name + ".image");
  }

  // A constant that broadcasts to [B,C,N], for [B,C,1,N].
  Result<ValueId> WidenConstant(ValueId id) {
    const Shape shape = *StaticShape(graph_, id);
    if (shape.Elements() == 1 || shape.rank() == 1) return id;
    Shape wide;
    for (size_t i = 0; i + 1 < shape.rank(); ++i) wide.Append(shape[i]);
    wide.Append(1);
    wide.Append(shape.Last());
    const std::string& name = graph_.value(id).name;
    return EmitReshape(graph_, name, id, wide, name + ".image");
  }

  // Computes node `id` on images, where all of its inputs have one.
  Result<void> Lift(NodeId id, int depth) {
    const Node node = graph_.node(id);
    if (RankOf(node.outputs[0]) != 3) return {};
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      ValueId image = kNone;
      if (graph_.IsConstant(input)) {
        if (!StaticShape(graph_, input) || RankOf(input) > 3) return {};
        BITTERN_TRY_ASSIGN(image, WidenConstant(input));
      } else {
        BITTERN_TRY_ASSIGN(image, ImageOf(input, depth + 1));
      }
      if (image == kNone) return {};
      inputs.push_back(image);
    }
    const std::string name = graph_.value(node.outputs[0]).name + ".image";
    BITTERN_TRY_ASSIGN(
        const ValueId image,
        Emit(graph_, node.op, node.name, inputs, node.attributes, name));
    images_[node.outputs[0]] = image;
    return Rewrite(graph_, id, "Squeeze", {image}, {{"axes", kRow}});
  }

  // Over N: over rows and columns of the image.
  Result<void> VisitReduction(NodeId id) {
    const Node node = graph_.node(id);
    const auto found = images_.find(node.inputs[0]);
    if (found == images_.end() ||
        (IntsOf(node, "axes") != kRow &&
         IntsOf(node, "axes") != std::vector<int64_t>{-1})) {
      return {};
    }
    const Shape shape = *StaticShape(graph_, node.outputs[0]);
    BITTERN_TRY_ASSIGN(
        const ValueId reduced,
        Emit(graph_, node.op, node.name, {found->second},
             {{"axes", std::vector<int64_t>{2, 3}}, {"keepdims", int64_t{0}}},
             graph_.value(node.outputs[0]).name + ".image"));
    return RewriteAsReshape(graph_, id, reduced, shape);
  }

  Graph& graph_;
  std::map<ValueId, ValueId> images_;  // [B,C,1,N] of [B,C,N]
};

}  // namespace

Result<void> SequencesAsImages(Graph& graph, PassContext&) {
  Walker walker(graph);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (!graph.node(id).removed) BITTERN_TRY(walker.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
