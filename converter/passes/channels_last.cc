// Images around low-bit convolutions keep their channels last: every node that
// works on elements or channels, between Transposes from and to [B,C,H,W], is
// computed on the image with channels last, so that the Transposes meet and
// cancel. An image that somebody still reads with channels first is transposed
// once. Pools and float convolutions have forms of their own for it, and a
// float convolution of an image with channels first leaves them last where that
// is how they are read (the first one of a network). Global averages become
// means over rows and columns; maxima and means over those, and the maximum of
// all, are taken of the image with channels last.
#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "converter/passes/edit.h"
#include "converter/passes/image_layout.h"
#include "converter/passes/passes.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

bool IsPool(std::string_view op) {
  return op == "MaxPool" || op == "AveragePool";
}

bool IsToLast(const Node& node) {
  return node.op == "Transpose" && IntsOf(node, "perm") == kToLast;
}

// Images with channels first that are only read to be transposed, perhaps
// behind pools and functions of each element.
std::set<ValueId> ReadLast(const Graph& graph) {
  std::set<ValueId> wanted;
  for (auto id = static_cast<NodeId>(graph.nodes().size()); id-- > 0;) {
    const Node& node = graph.node(id);
    if (node.removed || node.inputs.empty()) continue;
    const bool passes = IsPool(node.op) || IsElementwise(node.op);
    if (IsToLast(node) || (passes && wanted.count(node.outputs[0]) != 0)) {
      for (ValueId input : node.inputs) wanted.insert(input);
    }
  }
  return wanted;
}

class Walker {
 public:
  explicit Walker(Graph& graph) : graph_(graph), wanted_(ReadLast(graph)) {}

  // In topological order: the inputs of node `id` have been visited.
  Result<void> Visit(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op == "Transpose") return VisitTranspose(id);
    if (IsElementwise(node.op)) return VisitElementwise(id);
    const ValueId x = node.inputs.empty() ? kNone : node.inputs[0];
    if (node.op == "Conv") return VisitConv(id);
    if (last_.find(x) == last_.end()) return {};
    const bool tensor = StringOf(node, "per") == "tensor";
    if ((node.op == "Quantize" || node.op == "Dequantize") && tensor &&
        node.attributes.count("source") == 0) {
      return VisitQuantiser(id);
    }
    if (node.op == "GlobalAveragePool") return VisitGlobalAverage(id);
    if (node.op == "ReduceMax" || node.op == "ReduceMean")
      return VisitReduction(id);
    if (node.op == "Concat") return VisitConcat(id);
    if (IsPool(node.op)) {
      AttributeMap attributes = node.attributes;
      attributes["channels_last"] = int64_t{1};
      return Replace(id, {last_[x]}, attributes);
    }
    return {};
  }

 private:
  static bool IsImage(const std::optional<Shape>& shape) {
    return shape && shape->rank() == 4;
  }

  Result<void> VisitTranspose(NodeId id) {
    const std::vector<int64_t> perm = IntsOf(graph_.node(id), "perm");
    const ValueId x = graph_.node(id).inputs[0];
    const ValueId y = graph_.node(id).outputs[0];
    if (perm == kToFirst) {
      last_[y] = x;
    } else if (perm == kToLast) {
      const auto found = last_.find(x);
      if (found == last_.end()) {
        last_[x] = y;
      } else {
        graph_.ReplaceUses(y, found->second);
      }
    }
    return {};
  }

  // The input with channels last: an image, or a constant that broadcasts to
  // one; kNone if it is neither.
  Result<ValueId> InputOf(ValueId id, const std::string& name) {
    const auto found = last_.find(id);
    if (found != last_.end()) return found->second;
    const std::optional<Shape> shape = StaticShape(graph_, id);
    if (!graph_.IsConstant(id)) {
      if (!IsImage(shape)) return kNone;
      BITTERN_TRY_ASSIGN(
          const ValueId image,
          Emit(graph_, "Transpose", name, {id}, {{"perm", kToLast}},
               graph_.value(id).name + ".last"));
      last_[id] = image;
      return image;
    }
    if (!shape || shape->rank() > 4) return kNone;
    if (shape->Elements() == 1) return id;
    Shape full;
    for (size_t i = shape->rank(); i < 4; ++i) full.Append(1);
    for (int64_t dim : shape->dims()) full.Append(dim);
    const std::string own = graph_.value(id).name;
    if (full.Elements() == full[1]) {  // one for each channel
      BITTERN_TRY_ASSIGN(last_[id], EmitReshape(graph_, own, id, {full[1]},
                                                own + ".channels"));
      return last_[id];
    }
    BITTERN_TRY_ASSIGN(const ValueId reshaped,
                       EmitReshape(graph_, own, id, full, own));
    BITTERN_TRY_ASSIGN(last_[id], Emit(graph_, "Transpose", own, {reshaped},
                                       {{"perm", kToLast}}, own + ".last"));
    return last_[id];
  }

  Result<void> VisitElementwise(NodeId id) {
    const Node node = graph_.node(id);
    const bool follows = std::any_of(
        node.inputs.begin(), node.inputs.end(), [this](ValueId input) {
          return !graph_.IsConstant(input) && last_.find(input) != last_.end();
        });
    if (!follows || !IsImage(StaticShape(graph_, node.outputs[0]))) return {};
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      BITTERN_TRY_ASSIGN(const ValueId last, InputOf(input, node.name));
      if (last == kNone) return {};
      inputs.push_back(last);
    }
    return Replace(id, inputs, node.attributes);
  }

  // Of channels.
  Result<void> VisitConcat(NodeId id) {
    const Node node = graph_.node(id);
    const auto shape = StaticShape(graph_, node.outputs[0]);
    const int64_t axis = IntOf(node, "axis", 0);
    if (!IsImage(shape) || (axis != 1 && axis != -3)) return {};
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      if (graph_.IsConstant(input)) return {};
      BITTERN_TRY_ASSIGN(const ValueId last, InputOf(input, node.name));
      if (last == kNone) return {};
      inputs.push_back(last);
    }
    return Replace(id, inputs, {{"axis", int64_t{3}}});
  }

  Result<void> VisitConv(NodeId id) {
    const Node node = graph_.node(id);
    const bool last = last_.find(node.inputs[0]) != last_.end();
    if (!CanBeConvLast(graph_, node) ||
        !(last || wanted_.count(node.outputs[0]) != 0)) {
      return {};
    }
    if (last && IsPointwise(node) && HasLowBitWeights(node)) {
      return VisitPointwise(id);
    }
    BITTERN_TRY_ASSIGN(
        last_[node.outputs[0]],
        EmitConvLast(graph_, node, last ? last_[node.inputs[0]] : kNone));
    return Rewrite(graph_, id, "Transpose", {last_[node.outputs[0]]},
                   {{"perm", kToFirst}});
  }

  bool HasLowBitWeights(const Node& node) const {
    const auto rows =
        static_cast<size_t>((*StaticShape(graph_, node.inputs[1]))[0]);
    return ClassifyRows(graph_.F32(node.inputs[1]), rows).reason.empty();
  }

  // A float convolution that looks at one pixel is a product over channels,
  // which recognise_weights.cc makes a low-bit one.
  bool IsPointwise(const Node& node) const {
    const auto all = [&node](const char* name, int64_t value) {
      const std::vector<int64_t> list = IntsOf(node, name);
      return std::all_of(list.begin(), list.end(),
                         [value](int64_t v) { return v == value; });
    };
    const auto w = StaticShape(graph_, node.inputs[1]);
    return IsImage(w) && (*w)[2] == 1 && (*w)[3] == 1 && all("strides", 1) &&
           all("pads", 0) && IntOf(node, "group", 1) == 1 &&
           graph_.IsConstant(node.inputs[1]) &&
           (node.inputs.size() < 3 || node.inputs[2] == kNone ||
            graph_.IsConstant(node.inputs[2]));
  }

  Result<void> VisitPointwise(NodeId id) {
    const Node node = graph_.node(id);
    const std::string weight = graph_.value(node.inputs[1]).name;
    const Shape w = *StaticShape(graph_, node.inputs[1]);
    BITTERN_TRY_ASSIGN(const ValueId rows,
                       EmitReshape(graph_, weight, node.inputs[1], {w[0], w[1]},
                                   weight + ".rows"));
    BITTERN_TRY_ASSIGN(
        const ValueId matrix,
        Emit(graph_, "Transpose", weight, {rows},
             {{"perm", std::vector<int64_t>{1, 0}}}, weight + ".last"));
    const std::string name = graph_.value(node.outputs[0]).name;
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kNone;
    BITTERN_TRY_ASSIGN(
        ValueId y,
        Emit(graph_, "MatMul", node.name, {last_[node.inputs[0]], matrix}, {},
             has_bias ? name + ".product" : name + ".last"));
    if (has_bias) {
      BITTERN_TRY_ASSIGN(y, Emit(graph_, "Add", node.name, {y, node.inputs[2]},
                                 {}, name + ".last"));
    }
    last_[node.outputs[0]] = y;
    return Rewrite(graph_, id, "Transpose", {y}, {{"perm", kToFirst}});
  }

  Result<void> VisitQuantiser(NodeId id) {
    const Node node = graph_.node(id);
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = last_[inputs[0]];
    return Replace(id, inputs, node.attributes);
  }

  // The image that node `id` makes, from `inputs` with channels last.
  Result<void> Replace(NodeId id, const std::vector<ValueId>& inputs,
                       const AttributeMap& attributes) {
    const Node node = graph_.node(id);
    const ValueId made = Existing(node.op, inputs, attributes);
    if (made != kNone) {
      last_[node.outputs[0]] = made;
    } else {
      BITTERN_TRY_ASSIGN(last_[node.outputs[0]],
                         Emit(graph_, node.op, node.name, inputs, attributes,
                              graph_.value(node.outputs[0]).name + ".last"));
    }
    // Codes cannot be transposed: who reads them with channels first keeps
    // them.
    if (graph_.value(node.outputs[0]).type->dtype == runtime::DType::kCode) {
      return {};
    }
    return Rewrite(graph_, id, "Transpose", {last_[node.outputs[0]]},
                   {{"perm", kToFirst}});
  }

  // A node that makes the same already: the codes of a convolution.
  ValueId Existing(const std::string& op, const std::vector<ValueId>& inputs,
                   const AttributeMap& attributes) const {
    if (inputs.empty()) return kNone;
    for (NodeId user : graph_.Users(inputs[0])) {
      const Node& node = graph_.node(user);
      if (node.op == op && node.inputs == inputs &&
          node.attributes == attributes) {
        return node.outputs[0];
      }
    }
    return kNone;
  }

  Result<void> VisitGlobalAverage(NodeId id) {
    const Node node = graph_.node(id);
    const Shape shape = *StaticShape(graph_, node.outputs[0]);
    BITTERN_TRY_ASSIGN(
        const ValueId mean,
        Emit(graph_, "ReduceMean", node.name, {last_[node.inputs[0]]},
             {{"axes", std::vector<int64_t>{1, 2}}, {"keepdims", int64_t{1}}},
             graph_.value(node.outputs[0]).name + ".last"));
    return RewriteAsReshape(graph_, id, mean, shape);
  }

  // Over rows or columns, or both. What is left of one of them is an image as
  // well; of both, a row of channels for each image.
  Result<void> VisitReduction(NodeId id) {
    const Node node = graph_.node(id);
    std::vector<int64_t> axes = IntsOf(node, "axes");
    for (int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
    std::sort(axes.begin(), axes.end());
    if (node.op == "ReduceMax" && (axes.empty() || axes.size() == 4)) {
      return Rewrite(graph_, id, node.op, {last_[node.inputs[0]]},
                     node.attributes);  // the same in any order
    }
    if (axes.empty() || axes.front() < 2) return {};
    const Shape shape = *StaticShape(graph_, node.outputs[0]);
    for (int64_t& axis : axes) --axis;
    const std::string name = graph_.value(node.outputs[0]).name;
    BITTERN_TRY_ASSIGN(
        const ValueId reduced,
        Emit(graph_, node.op, node.name, {last_[node.inputs[0]]},
             {{"axes", axes}, {"keepdims", int64_t{0}}}, name + ".last"));
    if (axes.size() == 2) return RewriteAsReshape(graph_, id, reduced, shape);
    if (IntOf(node, "keepdims", 1) == 0) {
      return Rewrite(graph_, id, "Transpose", {reduced},
                     {{"perm", std::vector<int64_t>{0, 2, 1}}});
    }
    BITTERN_TRY_ASSIGN(
        last_[node.outputs[0]],
        Emit(graph_, "Unsqueeze", node.name, {reduced},
             {{"axes", std::vector<int64_t>{axes[0]}}}, name + ".image"));
    return Rewrite(graph_, id, "Transpose", {last_[node.outputs[0]]},
                   {{"perm", kToFirst}});
  }

  Graph& graph_;
  std::set<ValueId> wanted_;
  std::map<ValueId, ValueId> last_;  // images and constants, by who they are
                                     // with channels first
};

}  // namespace

Result<void> ChannelsLast(Graph& graph, PassContext&) {
  const auto& nodes = graph.nodes();
  if (std::none_of(nodes.begin(), nodes.end(), [](const Node& node) {
        return !node.removed && node.op == "LowBitConv";
      })) {
    return {};
  }
  Walker walker(graph);
  const size_t count = graph.nodes().size();
  for (size_t i = 0; i < count; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (!graph.node(id).removed) BITTERN_TRY(walker.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
