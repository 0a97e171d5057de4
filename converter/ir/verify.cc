// Checks of graph invariants; linear in the size of the graph.
#include "converter/ir/verify.h"

#include <array>
#include <string>
#include <unordered_set>

#include "runtime/ops/op.h"

namespace bittern::convert {
namespace {

using runtime::AttributeKind;
using runtime::AttributeSpec;
using runtime::Internal;
using runtime::InvalidArgument;
using runtime::OpInfo;

std::string Describe(const Node& node) {
  return node.op + " '" + node.name + "'";
}

std::string KindName(size_t kind) {
  static constexpr std::array<const char*, 5> kNames = {
      "an int", "a float", "a string", "a list of ints", "a list of floats"};
  return kNames[kind];
}

std::string Range(size_t low, size_t high) {
  if (low == high) return std::to_string(low);
  if (high >= SIZE_MAX / 2) return "at least " + std::to_string(low);
  return std::to_string(low) + " to " + std::to_string(high);
}

Result<void> CheckAttributes(const Node& node, const OpInfo& info) {
  for (const auto& [name, value] : node.attributes) {
    const AttributeSpec* found = nullptr;
    for (const AttributeSpec& spec : info.attributes) {
      if (name == spec.name) found = &spec;
    }
    if (found == nullptr) {
      return InvalidArgument(Describe(node) + " has attribute '" + name +
                             "', which the operator does not declare");
    }
    if (value.index() != static_cast<size_t>(found->kind)) {
      return InvalidArgument(Describe(node) + ": attribute '" + name + "' is " +
                             KindName(value.index()) + ", expected " +
                             KindName(static_cast<size_t>(found->kind)));
    }
  }
  for (const AttributeSpec& spec : info.attributes) {
    if (spec.required &&
        node.attributes.find(spec.name) == node.attributes.end()) {
      return InvalidArgument(Describe(node) + " lacks attribute '" + spec.name +
                             "', expected " +
                             KindName(static_cast<size_t>(spec.kind)));
    }
  }
  return {};
}

Result<void> CheckCount(const Node& node, const char* what, size_t got,
                        size_t low, size_t high) {
  if (got >= low && got <= high) return {};
  return InvalidArgument(Describe(node) + " has " + std::to_string(got) + " " +
                         what + ", expected " + Range(low, high));
}

Result<void> VerifyValues(const Graph& graph) {
  std::unordered_set<std::string_view> names;
  for (const Value& value : graph.values()) {
    if (value.name.empty()) return Internal("a value has no name");
    if (!names.insert(value.name).second) {
      return Internal("two values are named '" + value.name + "'");
    }
    if (value.constant == nullptr) continue;
    if (!value.type || !value.type->shape.IsStatic()) {
      return Internal("constant '" + value.name + "' has no static type");
    }
    if (value.producer != kNone) {
      return Internal("constant '" + value.name + "' has a producer");
    }
    const size_t expected = runtime::ByteSize(*value.type);
    if (value.constant->bytes() < expected) {
      return Internal("constant '" + value.name + "' has " +
                      std::to_string(value.constant->bytes()) +
                      " bytes, expected " + std::to_string(expected));
    }
  }
  return {};
}

Error WrongBodies(const Node& node) {
  return Internal(Describe(node) +
                  " has inputs and outputs other than its bodies");
}

Result<void> CheckBodies(const Node& node) {
  const auto has = [&node](size_t body, size_t inputs, size_t outputs) {
    return node.bodies[body]->inputs.size() == inputs &&
           node.bodies[body]->outputs.size() == outputs;
  };
  const size_t inputs = node.inputs.size(), outputs = node.outputs.size();
  if (node.op == "If" && node.bodies.size() == 2 && inputs > 0 &&
      has(0, inputs - 1, outputs) && has(1, inputs - 1, outputs))
    return {};
  if (node.op == "Loop" && node.bodies.size() == 1 && inputs > 1 &&
      has(0, inputs, outputs + 1)) {
    const size_t states = StatesOf(node);
    if (states <= outputs && states + 2 <= inputs) return {};
  }
  return WrongBodies(node);
}

bool InRange(const Graph& graph, ValueId id) {
  return id >= 0 && static_cast<size_t>(id) < graph.values().size();
}

// Marks graph inputs and constants, the values that exist before any node.
Result<std::vector<bool>> InitiallyReady(const Graph& graph) {
  std::vector<bool> ready(graph.values().size(), false);
  for (size_t i = 0; i < ready.size(); ++i) {
    ready[i] = graph.values()[i].constant != nullptr;
  }
  for (ValueId id : graph.inputs) {
    if (!InRange(graph, id)) return Internal("a graph input is out of range");
    if (graph.ProducerId(id) != kNone || graph.IsConstant(id)) {
      return Internal("graph input '" + graph.value(id).name +
                      "' is a constant or has a producer");
    }
    ready[static_cast<size_t>(id)] = true;
  }
  return ready;
}

Result<void> VerifyNode(const Graph& graph, size_t index,
                        std::vector<bool>& ready) {
  const Node& node = graph.nodes()[index];
  BITTERN_TRY(CheckNode(node));
  for (const auto& body : node.bodies) BITTERN_TRY(VerifyGraph(*body));
  for (ValueId id : node.inputs) {
    if (id == kNone) continue;
    if (!InRange(graph, id)) {
      return Internal(Describe(node) + " reads a value out of range");
    }
    if (!ready[static_cast<size_t>(id)]) {
      return Internal(Describe(node) + " reads '" + graph.value(id).name +
                      "' before it is made");
    }
  }
  for (ValueId id : node.outputs) {
    if (id == kNone) continue;
    if (!InRange(graph, id)) {
      return Internal(Describe(node) + " writes a value out of range");
    }
    if (ready[static_cast<size_t>(id)]) {
      return Internal(Describe(node) + " makes '" + graph.value(id).name +
                      "', which exists already");
    }
    if (graph.ProducerId(id) != static_cast<NodeId>(index)) {
      return Internal("value '" + graph.value(id).name +
                      "' does not name its producer " + Describe(node));
    }
    ready[static_cast<size_t>(id)] = true;
  }
  return {};
}

}  // namespace

Result<void> CheckNode(const Node& node) {
  const OpInfo* info = runtime::FindOp(node.op);
  if (info == nullptr) {
    return Internal("node '" + node.name + "' has operator '" + node.op +
                    "', which the runtime does not know");
  }
  if (!node.bodies.empty()) return CheckBodies(node);
  if (info->jump != runtime::Jump::kNone) return WrongBodies(node);
  BITTERN_TRY(CheckCount(node, "inputs", node.inputs.size(), info->min_inputs,
                         info->max_inputs));
  BITTERN_TRY(CheckCount(node, "outputs", node.outputs.size(),
                         info->min_outputs, info->max_outputs));
  return CheckAttributes(node, *info);
}

Result<void> VerifyGraph(const Graph& graph) {
  BITTERN_TRY(VerifyValues(graph));
  BITTERN_TRY_ASSIGN(std::vector<bool> ready, InitiallyReady(graph));
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (graph.nodes()[i].removed) continue;
    BITTERN_TRY(VerifyNode(graph, i, ready));
  }
  if (graph.outputs.size() != graph.output_names.size()) {
    return Internal("the graph has " + std::to_string(graph.outputs.size()) +
                    " outputs but " +
                    std::to_string(graph.output_names.size()) +
                    " output names");
  }
  for (ValueId id : graph.outputs) {
    if (!InRange(graph, id) || !ready[static_cast<size_t>(id)]) {
      return Internal("a graph output is made by no node");
    }
  }
  return {};
}

}  // namespace bittern::convert
