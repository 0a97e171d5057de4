#include "converter/ir/unknown_sizes.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "converter/ir/verify.h"
#include "runtime/ops/infer.h"

namespace bittern::convert {
namespace {

using runtime::DType;
using runtime::InputInfo;
using runtime::OpDef;
using runtime::OpInfo;
using runtime::Unsupported;
using Types = std::vector<TensorType>;

// Tried in the place of each -1, besides the sizes of the other dimensions:
// with 12 and 24 most sizes divide.
constexpr std::array<int64_t, 5> kSizes = {1, 2, 3, 12, 24};
constexpr size_t kMaxTrials = 20'000;

Error Fail(const Node& node, const std::string& what) {
  return Unsupported(node.op + " '" + node.name + "': " + what);
}

bool LacksValues(const Graph& graph, const Node& node) {
  const OpInfo* info = runtime::FindOp(node.op);
  return info != nullptr &&
         std::any_of(info->values.begin(), info->values.end(),
                     [&](const runtime::ValueInput& value) {
                       return value.input < node.inputs.size() &&
                              node.inputs[value.input] != kNone &&
                              !graph.IsConstant(node.inputs[value.input]);
                     });
}

Shape Unknown(size_t rank) {
  Shape shape;
  for (size_t i = 0; i < std::min(rank, runtime::kMaxRank); ++i)
    shape.Append(-1);
  return shape;
}

int64_t AxisOf(const Node& node) {
  const auto found = node.attributes.find("axis");
  const auto* axis = found == node.attributes.end()
                         ? nullptr
                         : std::get_if<int64_t>(&found->second);
  return axis == nullptr ? 0 : *axis;
}

void Forget(Shape* shape, int64_t axis) {
  if (axis < 0) axis += static_cast<int64_t>(shape->rank());
  if (axis >= 0 && axis < static_cast<int64_t>(shape->rank()))
    (*shape)[static_cast<size_t>(axis)] = -1;
}

// The number of values in a list whose values are not known.
Result<size_t> CountOf(const Graph& graph, const Node& node, size_t input) {
  const TensorType& type = *graph.value(node.inputs[input]).type;
  if (type.dtype == DType::kI64 && type.shape.rank() <= 1 &&
      type.shape.IsStatic() &&
      type.shape.Elements() <= static_cast<int64_t>(runtime::kMaxRank)) {
    return static_cast<size_t>(type.shape.Elements());
  }
  return Fail(node, "its sizes are " + runtime::ToString(type) +
                        ", expected i64 of a length that is known");
}

// Reshape by a constant of an input of unknown size.
Shape Reshaped(const Node& node, const Shape& in,
               const std::vector<int64_t>& sizes) {
  const bool zero_copies = node.attributes.count("allowzero") == 0;
  Shape out = Unknown(sizes.size());
  for (size_t i = 0; i < out.rank(); ++i) {
    out[i] = sizes[i];
    if (sizes[i] == 0 && zero_copies) out[i] = i < in.rank() ? in[i] : -1;
  }
  return out;
}

Shape Expanded(const Shape& in, size_t rank) {
  Shape out = Unknown(std::max(rank, in.rank()));
  const size_t missing = out.rank() - in.rank();
  for (size_t i = 0; i < in.rank(); ++i) {
    if (in[i] > 1) out[missing + i] = in[i];
  }
  return out;
}

// What is known of the outputs of an operator that lacks values.
Result<Types> ByRule(const Graph& graph, const Node& node) {
  const auto type_of = [&](size_t input) {
    return *graph.value(node.inputs[input]).type;
  };
  const std::string& op = node.op;
  if (op == "Range") return Types{{type_of(0).dtype, {-1}, {}}};
  if (op == "ConstantOfShape") {
    BITTERN_TRY_ASSIGN(const size_t rank, CountOf(graph, node, 0));
    const bool integer = node.attributes.count("value_i") != 0;
    return Types{{integer ? DType::kI64 : DType::kF32, Unknown(rank), {}}};
  }
  TensorType type = type_of(0);
  if (op == "Reshape") {
    BITTERN_TRY_ASSIGN(const size_t rank, CountOf(graph, node, 1));
    type.shape = Unknown(rank);
    return Types{type};
  }
  if (op == "Expand") {
    BITTERN_TRY_ASSIGN(const size_t rank, CountOf(graph, node, 1));
    type.shape = Expanded(type.shape, rank);
    return Types{type};
  }
  if (op == "Tile" || op == "Pad") {
    type.shape = Unknown(type.shape.rank());
    return Types{type};
  }
  if (op == "Slice") {
    const auto found = node.attributes.find("axes");
    if (found == node.attributes.end()) return Fail(node, "lacks axes");
    for (int64_t axis : std::get<std::vector<int64_t>>(found->second))
      Forget(&type.shape, axis);
    return Types{type};
  }
  if (op == "TopK" || op == "Split") {
    Forget(&type.shape, AxisOf(node));
    Types types(node.outputs.size(), type);
    if (op == "TopK" && types.size() > 1) types[1].dtype = DType::kI64;
    return types;
  }
  if (op == "NonMaxSuppression")
    return Types{{DType::kI64, {-1, 3}, {}}, {DType::kI64, {1}, {}}};
  return Fail(node, "a size is computed by the run, expected a constant");
}

// Asks Infer with every combination of sizes.
class Trials {
 public:
  Trials(const Graph& graph, const Node& node) : node_(node) {
    def_.op = node.op;
    def_.name = node.name;
    def_.attributes = node.attributes;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      InputInfo& input = inputs_.emplace_back();
      if (node.inputs[i] == kNone) continue;
      const Value& value = graph.value(node.inputs[i]);
      input.present = true;
      input.type = *value.type;
      if (value.constant != nullptr) input.constant = value.constant->data();
      for (size_t d = 0; d < input.type.shape.rank(); ++d) {
        const int64_t size = input.type.shape[d];
        if (size < 0) unknown_.emplace_back(i, d);
        if (size > 0) AddSize(size);
      }
    }
    for (int64_t size : kSizes) AddSize(size);
  }

  Result<Types> Run() {
    double combinations = 1;
    for (size_t i = 0; i < unknown_.size(); ++i)
      combinations *= static_cast<double>(sizes_.size());
    if (combinations > static_cast<double>(kMaxTrials)) {
      return Fail(node_, std::to_string(unknown_.size()) +
                             " dimensions are known by the run only, expected "
                             "fewer");
    }
    for (size_t trial = 0; static_cast<double>(trial) < combinations; ++trial) {
      size_t rest = trial;
      for (const auto& [input, dim] : unknown_) {
        inputs_[input].type.shape[dim] = sizes_[rest % sizes_.size()];
        rest /= sizes_.size();
      }
      BITTERN_TRY(Try());
    }
    if (types_.empty()) return *first_error_;
    return types_;
  }

 private:
  void AddSize(int64_t size) {
    constexpr size_t kMost = 12;
    if (sizes_.size() < kMost &&
        std::find(sizes_.begin(), sizes_.end(), size) == sizes_.end())
      sizes_.push_back(size);
  }

  Result<void> Try() {
    const OpInfo& info = *runtime::FindOp(node_.op);
    Types types(node_.outputs.size());
    const auto op = info.create();
    Result<void> inferred = runtime::InferOp(info, *op, def_, inputs_, types);
    if (!inferred.ok()) {
      if (!first_error_) first_error_ = std::move(inferred).error();
      return {};
    }
    if (types_.empty()) types_ = types;
    for (size_t i = 0; i < types.size(); ++i) {
      Shape& known = types_[i].shape;
      if (known.rank() != types[i].shape.rank() ||
          types_[i].dtype != types[i].dtype ||
          types_[i].code != types[i].code) {
        return Fail(node_,
                    "the run decides the rank of an output, expected "
                    "one that is known");
      }
      for (size_t d = 0; d < known.rank(); ++d) {
        if (known[d] != types[i].shape[d]) known[d] = -1;
      }
    }
    return {};
  }

  const Node& node_;
  OpDef def_;
  std::vector<InputInfo> inputs_;
  std::vector<std::pair<size_t, size_t>> unknown_;  // input, dimension
  std::vector<int64_t> sizes_;
  Types types_;
  std::optional<Error> first_error_;
};

Result<Types> TypesOf(const Graph& graph, const Node& node) {
  if (LacksValues(graph, node)) return ByRule(graph, node);
  if (node.op == "Reshape") {
    TensorType type = *graph.value(node.inputs[0]).type;
    const std::vector<int64_t> sizes = graph.I64(node.inputs[1]);
    type.shape = Reshaped(node, type.shape, sizes);
    return Types{type};
  }
  return Trials(graph, node).Run();
}

}  // namespace

bool HasUnknownSizes(const Graph& graph, const Node& node) {
  const auto unknown = [&graph](ValueId id) {
    return id != kNone && graph.value(id).type &&
           !graph.value(id).type->shape.IsStatic();
  };
  return std::any_of(node.inputs.begin(), node.inputs.end(), unknown) ||
         !node.bodies.empty() || LacksValues(graph, node);
}

Result<void> InferUnknownSizes(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  BITTERN_TRY(CheckNode(node));
  if (!node.bodies.empty()) return {};  // has them from who made the bodies
  for (ValueId input : node.inputs) {
    if (input != kNone && !graph.value(input).type)
      return Fail(node, "the type of an input is not known");
  }
  BITTERN_TRY_ASSIGN(const Types types, TypesOf(graph, node));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNone && i < types.size())
      graph.value(node.outputs[i]).type = types[i];
  }
  return {};
}

}  // namespace bittern::convert
