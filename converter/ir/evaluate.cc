// Shape inference and constant folding by the runtime's own ops: a node becomes
// an Op, whose Infer gives types and whose Run gives values.
#include "converter/ir/evaluate.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>

#include "converter/ir/unknown_sizes.h"
#include "converter/ir/verify.h"
#include "kernels/base/cpu.h"
#include "runtime/base/thread_pool.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op.h"

namespace bittern::convert {
namespace {

using runtime::AlignedBuffer;
using runtime::InputInfo;
using runtime::InvalidArgument;
using runtime::Model;
using runtime::ModelDef;
using runtime::Op;
using runtime::OpDef;

constexpr size_t kCacheLine = 64;

size_t RoundUp(size_t bytes) {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

Error Fail(const Node& node, const std::string& what) {
  return InvalidArgument(node.op + " '" + node.name + "': " + what);
}

// An empty constant has no bytes; ops and the model still want an address.
const void* DataOf(const Value& value) {
  alignas(kCacheLine) static constexpr uint8_t kEmpty[kCacheLine] = {};
  if (value.constant == nullptr) return nullptr;
  const uint8_t* data = value.constant->data();
  return data == nullptr ? kEmpty : data;
}

// The node as the runtime sees it: tensor i of `inputs` is input i.
Result<std::vector<InputInfo>> InputsOf(const Graph& graph, const Node& node) {
  std::vector<InputInfo> inputs(node.inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    const Value& value = graph.value(node.inputs[i]);
    if (!value.type) {
      return Fail(node, "the type of input '" + value.name + "' is not known");
    }
    inputs[i].present = true;
    inputs[i].type = *value.type;
    inputs[i].constant = DataOf(value);
  }
  return inputs;
}

// The op of a node with its inferred output types.
struct TypedOp {
  std::unique_ptr<Op> op;
  OpDef def;
  std::vector<InputInfo> inputs;
  std::vector<TensorType> outputs;
};

Result<TypedOp> MakeTypedOp(const Graph& graph, const Node& node) {
  BITTERN_TRY(CheckNode(node));
  TypedOp typed;
  BITTERN_TRY_ASSIGN(typed.inputs, InputsOf(graph, node));
  typed.def.op = node.op;
  typed.def.name = node.name;
  typed.def.attributes = node.attributes;
  int32_t next_tensor = 0;
  for (InputInfo& input : typed.inputs) {
    if (input.present) input.tensor = next_tensor++;
    typed.def.inputs.push_back(input.tensor);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    typed.def.outputs.push_back(next_tensor++);
  }
  typed.outputs.resize(node.outputs.size());
  typed.op = runtime::FindOp(node.op)->create();
  BITTERN_TRY(runtime::InferOp(*runtime::FindOp(node.op), *typed.op, typed.def,
                               typed.inputs, typed.outputs));
  for (const TensorType& type : typed.outputs) {
    Result<int64_t> elements = runtime::CheckedElements(type.shape);
    if (!elements.ok()) return Fail(node, elements.error().message);
  }
  return typed;
}

// A model of this node alone, which Prepare wants to see.
Result<std::shared_ptr<const Model>> MakeModel(const TypedOp& typed) {
  ModelDef def;
  for (size_t i = 0; i < typed.inputs.size(); ++i) {
    const InputInfo& input = typed.inputs[i];
    if (!input.present) continue;
    def.tensors.push_back(
        {"input " + std::to_string(i), input.type, input.constant});
  }
  for (size_t i = 0; i < typed.outputs.size(); ++i) {
    def.tensors.push_back(
        {"output " + std::to_string(i), typed.outputs[i], nullptr});
  }
  def.ops.push_back(typed.def);
  def.outputs = typed.def.outputs;
  return Model::Make(std::move(def), {});
}

Result<void> CheckSize(const Node& node, const TypedOp& typed) {
  size_t input_bytes = 0;
  for (const InputInfo& input : typed.inputs) {
    if (input.present) input_bytes += runtime::ByteSize(input.type);
  }
  const size_t limit = std::max(kMaxEvaluatedBytes, input_bytes);
  size_t output_bytes = 0;
  for (const TensorType& type : typed.outputs) {
    const size_t bytes = runtime::ByteSize(type);
    output_bytes += bytes;
    if (bytes > limit || output_bytes > limit) {
      return Fail(node,
                  "computing it would make a constant " +
                      runtime::ToString(type) + " of " + std::to_string(bytes) +
                      " bytes, expected at most " + std::to_string(limit));
    }
  }
  return {};
}

Result<std::vector<ConstantData>> RunOp(const Graph& graph, const Node& node,
                                        TypedOp& typed) {
  if (typed.op->IsView()) {
    return std::vector<ConstantData>{graph.value(node.inputs[0]).constant};
  }
  BITTERN_TRY_ASSIGN(std::shared_ptr<const Model> model, MakeModel(typed));
  BITTERN_TRY_ASSIGN(std::unique_ptr<runtime::ThreadPool> pool,
                     runtime::ThreadPool::Make(1, nullptr, nullptr));
  const kernels::CpuFeatures cpu = kernels::DetectCpu();
  runtime::PrepareContext prepare{*model,        typed.def, typed.inputs,
                                  typed.outputs, cpu,       1};
  BITTERN_TRY(typed.op->Prepare(prepare));

  std::vector<ConstantData> results;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const InputInfo& input : typed.inputs) inputs.push_back(input.constant);
  for (const TensorType& type : typed.outputs) {
    const size_t bytes = std::max<size_t>(runtime::ByteSize(type), 1);
    BITTERN_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::Make(bytes));
    outputs.push_back(buffer.data());
    results.push_back(std::make_shared<const AlignedBuffer>(std::move(buffer)));
  }
  const size_t stride = RoundUp(prepare.scratch_per_thread);
  const size_t shared = RoundUp(prepare.scratch_shared);
  BITTERN_TRY_ASSIGN(
      AlignedBuffer scratch,
      AlignedBuffer::Make(std::max<size_t>(shared + stride, kCacheLine)));
  typed.op->Run({inputs, outputs, scratch.data(), scratch.data() + shared,
                 stride, pool.get()});
  return results;
}

// Collects tensors and ops; a value becomes a tensor when it is first met.
class ModelBuilder {
 public:
  // A graph, or one inside it, and the tensors of its values.
  struct Scope {
    explicit Scope(const Graph& of)
        : graph(of), tensor_of(of.values().size(), kNone) {}
    const Graph& graph;
    std::vector<int32_t> tensor_of;
  };

  explicit ModelBuilder(std::vector<ConstantData>* keep_alive)
      : keep_alive_(keep_alive) {}

  Result<void> AddInput(Scope& scope, ValueId id) {
    BITTERN_TRY_ASSIGN(const int32_t tensor, TensorOf(scope, id));
    def_.inputs.push_back(tensor);
    return {};
  }

  Result<void> AddNodes(Scope& scope) {
    for (const Node& node : scope.graph.nodes()) {
      if (node.removed) continue;
      BITTERN_TRY(CheckNode(node));
      BITTERN_TRY(node.bodies.empty() ? AddNode(scope, node)
                                      : AddBodies(scope, node));
    }
    return {};
  }

  // Small constants, which every run reads, come before weights, which planning
  // reads once to pack them: their pages are given back then, and a run that
  // touches a neighbour would bring them in again (Linux maps 16 pages at a
  // time; 6 MB of a ternary Swin-Small).
  Result<void> AddSmallConstants(Scope& scope, const Node& node) {
    constexpr size_t kSmall = size_t{64} << 10;
    for (ValueId id : node.inputs) {
      if (!scope.graph.IsConstant(id)) continue;
      const TensorType& type = *scope.graph.value(id).type;
      if (type.dtype == runtime::DType::kCode ||
          runtime::ByteSize(type) > kSmall)
        continue;
      BITTERN_TRY(TensorOf(scope, id));
    }
    return {};
  }

  // An output that no op makes (an input, a constant) or that is listed twice
  // becomes a copy, so that every output is a tensor of its own.
  Result<void> AddOutput(Scope& scope, ValueId id, const std::string& name) {
    BITTERN_TRY_ASSIGN(int32_t tensor, TensorOf(scope, id));
    const bool listed = std::find(def_.outputs.begin(), def_.outputs.end(),
                                  tensor) != def_.outputs.end();
    if (listed || scope.graph.ProducerId(id) == kNone) {
      const auto copy = static_cast<int32_t>(def_.tensors.size());
      def_.tensors.push_back({"", def_.tensors[AsIndex(tensor)].type, nullptr});
      def_.ops.push_back({"Identity", name, {tensor}, {copy}, {}});
      tensor = copy;
    }
    def_.outputs.push_back(tensor);
    output_names_.push_back(name);
    return {};
  }

  // Outputs get their public names; an inner tensor of that name gives way,
  // an input of that name keeps it.
  ModelDef Finish() {
    std::map<std::string, int32_t, std::less<>> owner;
    for (size_t i = 0; i < def_.tensors.size(); ++i) {
      owner.emplace(def_.tensors[i].name, static_cast<int32_t>(i));
    }
    for (size_t i = 0; i < def_.outputs.size(); ++i) {
      const int32_t output = def_.outputs[i];
      std::string name = output_names_[i];
      const auto found = owner.find(name);
      if (found != owner.end() && found->second != output) {
        std::string other = name;
        while (owner.count(other) != 0) other += "_";
        const int32_t holder = found->second;
        if (std::find(def_.inputs.begin(), def_.inputs.end(), holder) !=
            def_.inputs.end()) {
          name = other;
        } else {
          def_.tensors[AsIndex(holder)].name = other;
          owner.emplace(std::move(other), holder);
        }
      }
      def_.tensors[AsIndex(output)].name = name;
      owner.insert_or_assign(std::move(name), output);
    }
    return std::move(def_);
  }

 private:
  static size_t AsIndex(int32_t tensor) { return static_cast<size_t>(tensor); }

  using Tensors = std::vector<int32_t>;

  Result<int32_t> TensorOf(Scope& scope, ValueId id) {
    if (id == kNone) return kNone;
    int32_t& tensor = scope.tensor_of[static_cast<size_t>(id)];
    if (tensor != kNone) return tensor;
    const Value& value = scope.graph.value(id);
    if (!value.type) {
      return InvalidArgument("the type of '" + value.name + "' is not known");
    }
    tensor = static_cast<int32_t>(def_.tensors.size());
    // Names are unique in one graph, not among those inside it.
    std::string name = value.name;
    while (!names_.insert(name).second) name += "_";
    def_.tensors.push_back({std::move(name), *value.type, DataOf(value)});
    if (value.constant != nullptr) keep_alive_->push_back(value.constant);
    return tensor;
  }

  Result<Tensors> TensorsOf(Scope& scope, std::span<const ValueId> ids) {
    Tensors tensors;
    for (ValueId id : ids) {
      BITTERN_TRY_ASSIGN(const int32_t tensor, TensorOf(scope, id));
      tensors.push_back(tensor);
    }
    return tensors;
  }

  Result<void> AddNode(Scope& scope, const Node& node) {
    OpDef op{node.op, node.name, {}, {}, node.attributes};
    BITTERN_TRY_ASSIGN(op.inputs, TensorsOf(scope, node.inputs));
    BITTERN_TRY_ASSIGN(op.outputs, TensorsOf(scope, node.outputs));
    def_.ops.push_back(std::move(op));
    return {};
  }

  // What a body captures, inputs from the `first` on, is the tensor outside.
  Result<void> Capture(Scope& scope, const Node& node, size_t first,
                       Scope& body) {
    const size_t captured = node.inputs.size() - first,
                 given = body.graph.inputs.size() - captured;
    for (size_t i = 0; i < captured; ++i) {
      BITTERN_TRY_ASSIGN(const int32_t tensor,
                         TensorOf(scope, node.inputs[first + i]));
      const ValueId own = body.graph.inputs[given + i];
      body.tensor_of[static_cast<size_t>(own)] = tensor;
    }
    return {};
  }

  // The list of ops has no graphs inside: bodies stand in brackets
  // (runtime/model/bodies.h).
  Result<void> AddBodies(Scope& scope, const Node& node) {
    const auto add = [&](const char* op, Tensors inputs, Tensors outputs) {
      def_.ops.push_back(
          {op, node.name, std::move(inputs), std::move(outputs), {}});
    };
    const bool is_loop = node.op == "Loop";
    const size_t own = is_loop ? StatesOf(node) + 2 : 1;
    BITTERN_TRY_ASSIGN(
        const Tensors inputs,
        TensorsOf(scope, std::span(node.inputs).subspan(0, own)));
    Tensors results;
    for (size_t i = 0; i < node.bodies.size(); ++i) {
      Scope body(*node.bodies[i]);
      BITTERN_TRY(Capture(scope, node, own, body));
      Tensors starts;
      if (is_loop) {
        BITTERN_TRY_ASSIGN(
            starts,
            TensorsOf(body, std::span(body.graph.inputs).subspan(0, own)));
      }
      if (i == 0) {
        add(node.op.c_str(), inputs, std::move(starts));
      } else {
        add("Else", {}, {});
      }
      BITTERN_TRY(AddNodes(body));
      BITTERN_TRY_ASSIGN(const Tensors ends,
                         TensorsOf(body, body.graph.outputs));
      results.insert(results.end(), ends.begin(), ends.end());
    }
    BITTERN_TRY_ASSIGN(Tensors outputs, TensorsOf(scope, node.outputs));
    add(is_loop ? "EndLoop" : "EndIf", std::move(results), std::move(outputs));
    return {};
  }

  std::vector<ConstantData>* keep_alive_;
  ModelDef def_;
  std::unordered_set<std::string> names_;
  std::vector<std::string> output_names_;
};

}  // namespace

Result<void> InferNode(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (HasUnknownSizes(graph, node)) return InferUnknownSizes(graph, id);
  BITTERN_TRY_ASSIGN(TypedOp typed, MakeTypedOp(graph, node));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNone) continue;
    graph.value(node.outputs[i]).type = typed.outputs[i];
  }
  return {};
}

Result<void> InferTypes(Graph& graph) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (graph.nodes()[i].removed) continue;
    BITTERN_TRY(InferNode(graph, static_cast<NodeId>(i)));
  }
  return {};
}

Result<std::vector<ConstantData>> EvaluateNode(const Graph& graph,
                                               const Node& node) {
  if (!node.bodies.empty())
    return Fail(node, "only the run knows what its bodies make");
  for (ValueId id : node.inputs) {
    if (id == kNone || graph.IsConstant(id)) continue;
    return Fail(node, "input '" + graph.value(id).name +
                          "' is not a constant, so it cannot be computed now");
  }
  BITTERN_TRY_ASSIGN(TypedOp typed, MakeTypedOp(graph, node));
  BITTERN_TRY(CheckSize(node, typed));
  return RunOp(graph, node, typed);
}

Result<ModelDef> ToModelDef(const Graph& graph,
                            std::vector<ConstantData>* keep_alive) {
  ModelBuilder builder(keep_alive);
  ModelBuilder::Scope scope(graph);
  for (ValueId id : graph.inputs) BITTERN_TRY(builder.AddInput(scope, id));
  for (const Node& node : graph.nodes()) {
    if (!node.removed) BITTERN_TRY(builder.AddSmallConstants(scope, node));
  }
  BITTERN_TRY(builder.AddNodes(scope));
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    BITTERN_TRY(
        builder.AddOutput(scope, graph.outputs[i], graph.output_names[i]));
  }
  return builder.Finish();
}

}  // namespace bittern::convert
