// Lets one handler after the other turn the nodes of a graph into runtime ops.
#include "converter/onnx/graph_importer.h"

#include <algorithm>
#include <utility>

#include "converter/ir/verify.h"
#include "converter/onnx/graph_input.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/known_sizes.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::CorruptFile;
using runtime::InvalidArgument;
using runtime::Unsupported;

constexpr int64_t kMinOpset = 1;
constexpr int64_t kMaxOpset = 27;
// Functions and loops multiply nodes: what one file may ask for.
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxImported = 1'000'000;
// Made while loops are written out; some of them turn out to be unused.
constexpr size_t kMaxMade = 2 * kMaxNodes;
// Bytes of nodes in bodies that count as one more of them.
constexpr size_t kCountedBytes = 1024;

bool IsDefaultDomain(const std::string& domain) {
  return domain.empty() || domain == "ai.onnx";
}

std::string Called(const onnx::NodeProto& proto) {
  return "'" + proto.op_type().substr(0, 64) + "'";
}

Result<void> CheckOpset(const std::map<std::string, int64_t>& opsets) {
  const auto found = opsets.find("");
  if (found == opsets.end()) return {};
  if (found->second >= kMinOpset && found->second <= kMaxOpset) return {};
  return Unsupported("the file uses opset " + std::to_string(found->second) +
                     ", expected " + std::to_string(kMinOpset) + " to " +
                     std::to_string(kMaxOpset));
}

// A call gives only attributes that the function declares. Those with defaults
// (field 11, of newer files) are unknown to the header of this build.
Result<void> CheckAttributes(const onnx::NodeProto& call,
                             const std::string& name,
                             const onnx::FunctionProto& function) {
  constexpr int kDefaults = 11;
  const auto& unknown = function.GetReflection()->GetUnknownFields(function);
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() != kDefaults) continue;
    return Unsupported("node '" + name + "': function " + Called(call) +
                       " has attributes with defaults, expected none");
  }
  for (const onnx::AttributeProto& given : call.attribute()) {
    const auto& declared = function.attribute();
    if (std::find(declared.begin(), declared.end(), given.name()) !=
        declared.end())
      continue;
    return CorruptFile("node '" + name + "': attribute '" +
                       given.name().substr(0, 64) +
                       "' is not one of function " + Called(call));
  }
  return {};
}

// Replaces references to a function's attributes by the values of the call;
// attributes that the call leaves out are left out.
void BindAttributes(const onnx::NodeProto& call, onnx::NodeProto* node) {
  for (int i = node->attribute_size() - 1; i >= 0; --i) {
    onnx::AttributeProto& attribute = *node->mutable_attribute(i);
    if (attribute.has_g()) {
      for (auto& inner : *attribute.mutable_g()->mutable_node()) {
        BindAttributes(call, &inner);
      }
    }
    if (attribute.ref_attr_name().empty()) continue;
    const std::string name = attribute.name();
    const std::string wanted = attribute.ref_attr_name();
    const auto given = std::find_if(
        call.attribute().begin(), call.attribute().end(),
        [&](const onnx::AttributeProto& a) { return a.name() == wanted; });
    if (given == call.attribute().end()) {
      node->mutable_attribute()->DeleteSubrange(i, 1);
    } else {
      attribute = *given;
      attribute.set_name(name);
    }
  }
}

// The body of a function as a graph, its attributes bound to those of a call.
onnx::GraphProto BodyOf(const onnx::FunctionProto& function,
                        const onnx::NodeProto& call) {
  onnx::GraphProto body;
  *body.mutable_node() = function.node();
  for (auto& node : *body.mutable_node()) BindAttributes(call, &node);
  for (const std::string& name : function.input()) {
    body.add_input()->set_name(name);
  }
  for (const std::string& name : function.output()) {
    body.add_output()->set_name(name);
  }
  return body;
}

}  // namespace

Result<Graph> GraphImporter::Run() {
  BITTERN_TRY(ReadOpsets());
  BITTERN_TRY_ASSIGN(const ModelIndex index, ModelIndex::Make(model_.graph()));
  Scope scope{&index, &model_.graph(), nullptr, &opsets_, "", {}, {}};
  BITTERN_TRY(AddInputs(scope));
  BITTERN_TRY_ASSIGN(graph_.outputs, ImportScope(scope));
  for (const onnx::ValueInfoProto& output : model_.graph().output()) {
    graph_.output_names.push_back(output.name());
  }
  graph_.RemoveDead();
  BITTERN_TRY(VerifyGraph(graph_));
  return std::move(graph_);
}

int64_t GraphImporter::default_opset() const {
  const auto found = opsets_.find("");
  return found == opsets_.end() ? 0 : found->second;
}

Result<void> GraphImporter::ReadOpsets() {
  for (const onnx::OperatorSetIdProto& import : model_.opset_import()) {
    const std::string domain =
        IsDefaultDomain(import.domain()) ? "" : import.domain();
    opsets_[domain] = import.version();
  }
  return CheckOpset(opsets_);
}

Result<void> GraphImporter::AddInputs(Scope& scope) {
  for (const onnx::ValueInfoProto& input : model_.graph().input()) {
    if (scope.index->Initializer(input.name()) != nullptr) continue;
    BITTERN_TRY_ASSIGN(const TensorType type, GraphInputType(input, options_));
    const ValueId id = graph_.AddValue(input.name(), type);
    graph_.inputs.push_back(id);
    open_batch_.push_back(HasOpenBatch(input, options_));
    scope.values.emplace(input.name(), id);
    scope.onnx_types[input.name()] = input.type().tensor_type().elem_type();
  }
  for (const auto& [name, shape] : options_.shapes) {
    static_cast<void>(shape);
    if (scope.values.count(name) != 0) continue;
    return runtime::NotFound("a shape is given for input '" + name +
                             "', but the model has no input of that name");
  }
  return {};
}

Result<std::vector<ValueId>> GraphImporter::ImportScope(Scope& scope) {
  if (++depth_ > kMaxDepth) {
    return CorruptFile("graphs and functions are nested more than " +
                       std::to_string(kMaxDepth) +
                       " deep, or call each other in a cycle");
  }
  Scope* const outside = std::exchange(current_, &scope);
  for (int node : scope.index->order()) BITTERN_TRY(ImportNode(scope, node));
  std::vector<ValueId> outputs;
  for (const onnx::ValueInfoProto& output : scope.proto->output()) {
    BITTERN_TRY_ASSIGN(const ValueId id, ValueOf(scope, output.name()));
    if (id == kNone) {
      return CorruptFile("output '" + output.name().substr(0, kMaxNameBytes) +
                         "' of a graph is an input that is absent");
    }
    outputs.push_back(id);
  }
  current_ = outside;
  --depth_;
  return outputs;
}

Result<void> GraphImporter::Count(size_t nodes) {
  imported_ += nodes;
  const size_t most =
      graph_.nodes().size() > kMaxMade ? kMaxMade : kMaxImported;
  if (imported_ <= kMaxImported && most == kMaxImported) return {};
  return Unsupported(
      "with its loops and functions written out the graph has "
      "more than " +
      std::to_string(most) + " nodes, expected fewer");
}

Result<std::vector<ValueId>> GraphImporter::ImportSubgraph(
    const onnx::GraphProto& body, const std::vector<ValueId>& inputs) {
  BITTERN_TRY(Count(1 + static_cast<size_t>(body.node_size())));
  const Scope* const outer = current_;
  BITTERN_TRY_ASSIGN(const ModelIndex index,
                     ModelIndex::Make(body, [outer](const std::string& name) {
                       for (const Scope* s = outer; s != nullptr;
                            s = s->outer) {
                         if (s->values.count(name) != 0 ||
                             s->index->Initializer(name) != nullptr)
                           return true;
                       }
                       return false;
                     }));
  if (static_cast<size_t>(body.input_size()) != inputs.size()) {
    return CorruptFile("a body '" + body.name().substr(0, 64) + "' has " +
                       std::to_string(body.input_size()) +
                       " inputs, expected " + std::to_string(inputs.size()));
  }
  Scope scope{&index, &body, outer, outer->opsets, outer->prefix, {}, {}};
  for (int i = 0; i < body.input_size(); ++i) {
    scope.values.emplace(body.input(i).name(), inputs[static_cast<size_t>(i)]);
  }
  return ImportScope(scope);
}

Result<ValueId> GraphImporter::ValueOf(Scope& scope, const std::string& name) {
  if (name.empty()) return kNone;
  const auto found = scope.values.find(name);
  if (found != scope.values.end()) return found->second;
  const onnx::TensorProto* proto = scope.index->Initializer(name);
  const auto known = initializers_.find(proto);
  if (known != initializers_.end()) return known->second;
  if (proto == nullptr && scope.outer != nullptr) {
    // Bodies are imported while the graph around them waits.
    return ValueOf(const_cast<Scope&>(*scope.outer), name);
  }
  if (proto == nullptr) {
    return runtime::Internal("tensor '" + name + "' was not imported");
  }
  BITTERN_TRY_ASSIGN(
      ImportedTensor tensor,
      ReadTensor(*proto, "initializer '" + name + "'", directory_));
  const ValueId id = graph_.AddConstant(name, tensor.type, tensor.data);
  initializers_.emplace(proto, id);
  scope.onnx_types[name] = proto->data_type();
  return id;
}

int32_t GraphImporter::OnnxTypeOf(const Scope& scope,
                                  const std::string& name) const {
  for (const Scope* s = &scope; s != nullptr; s = s->outer) {
    const auto found = s->onnx_types.find(name);
    if (found != s->onnx_types.end()) return found->second;
  }
  return 0;
}

// The ONNX element type of a node's output, as far as operators on codes need
// it: stated by the node, or that of an input of the same runtime type.
int32_t GraphImporter::OutputOnnxType(const Scope& scope,
                                      const onnx::NodeProto& proto,
                                      OnnxNode& node) const {
  if (proto.op_type() == "QuantizeLinear" && proto.input_size() > 2) {
    return OnnxTypeOf(scope, proto.input(2));
  }
  for (const onnx::AttributeProto& attribute : proto.attribute()) {
    if (attribute.name() == "to" || attribute.name() == "output_dtype") {
      return static_cast<int32_t>(attribute.i());
    }
    if (attribute.name() == "value") return attribute.t().data_type();
  }
  const ValueId output = node.outputs()[0];
  if (node.Input(0) == kNone || output == kNone) return 0;
  const bool same =
      node.TypeOf(node.Input(0)).dtype == node.TypeOf(output).dtype;
  return same ? OnnxTypeOf(scope, proto.input(0)) : 0;
}

Result<int64_t> GraphImporter::OpsetOf(const Scope& scope,
                                       const onnx::NodeProto& proto,
                                       const std::string& name) const {
  const bool is_default = IsDefaultDomain(proto.domain());
  const auto found = scope.opsets->find(is_default ? "" : proto.domain());
  if (found != scope.opsets->end()) return found->second;
  if (!is_default) return 1;  // files often forget to import these
  return CorruptFile("node '" + name + "' (" + proto.op_type() +
                     ") is of domain ai.onnx, but the file imports no opset "
                     "of it");
}

const onnx::FunctionProto* GraphImporter::FunctionOf(
    const onnx::NodeProto& proto) const {
  for (const onnx::FunctionProto& function : model_.functions()) {
    if (function.name() == proto.op_type() &&
        function.domain() == proto.domain())
      return &function;
  }
  return nullptr;
}

Error GraphImporter::UnknownOp(const onnx::NodeProto& proto,
                               const std::string& name, int64_t opset) const {
  const std::string domain =
      IsDefaultDomain(proto.domain()) ? "ai.onnx" : proto.domain();
  const std::string nearest = NearestOp(proto.domain(), proto.op_type());
  const std::string hint =
      nearest.empty() ? "" : "; the nearest supported one is '" + nearest + "'";
  return Unsupported("node '" + name + "': operator '" + proto.op_type() +
                     "' (domain " + domain + ", opset " +
                     std::to_string(opset) + ") is not supported" + hint);
}

// Operators with a handler come before functions of the same name: exporters
// store quantisers as functions whose bodies do nothing.
Result<void> GraphImporter::ImportNode(Scope& scope, int position) {
  const onnx::NodeProto& proto = scope.proto->node(position);
  BITTERN_TRY(Count(depth_ > 1 ? 1 + proto.ByteSizeLong() / kCountedBytes : 1));
  const std::string name =
      (scope.prefix + scope.index->NodeName(position)).substr(0, kMaxNameBytes);
  if (const Handler handler = FindHandler(proto.domain(), proto.op_type())) {
    return ImportHandled(scope, proto, name, handler);
  }
  if (const onnx::FunctionProto* function = FunctionOf(proto)) {
    return ImportFunction(scope, proto, name, *function);
  }
  BITTERN_TRY_ASSIGN(const int64_t opset, OpsetOf(scope, proto, name));
  return UnknownOp(proto, name, opset);
}

Result<void> GraphImporter::ImportHandled(Scope& scope,
                                          const onnx::NodeProto& proto,
                                          const std::string& name,
                                          Handler handler) {
  BITTERN_TRY_ASSIGN(const int64_t opset, OpsetOf(scope, proto, name));
  std::vector<ValueId> inputs;
  std::vector<int32_t> types;
  for (const std::string& input : proto.input()) {
    BITTERN_TRY_ASSIGN(const ValueId id, ValueOf(scope, input));
    inputs.push_back(id);
    types.push_back(OnnxTypeOf(scope, input));
  }
  OnnxNode node(proto, name, std::move(inputs),
                {emitter_, opset, directory_, std::move(types), this});
  BITTERN_TRY(ExpectKnownSizes(node));
  BITTERN_TRY(handler(node));
  BITTERN_TRY(node.ExpectAllAttributesRead());
  for (size_t i = 0; i < node.outputs().size(); ++i) {
    const std::string& output = proto.output(static_cast<int>(i));
    if (output.empty()) continue;
    if (node.outputs()[i] == kNone) {
      return node.FailUnsupported("output " + std::to_string(i) + " ('" +
                                  output + "') is not supported");
    }
    scope.values.emplace(output, node.outputs()[i]);
    if (i == 0) scope.onnx_types[output] = OutputOnnxType(scope, proto, node);
  }
  return {};
}

Result<void> GraphImporter::ImportFunction(
    Scope& scope, const onnx::NodeProto& proto, const std::string& name,
    const onnx::FunctionProto& function) {
  if (proto.input_size() > function.input_size() ||
      proto.output_size() > function.output_size()) {
    return CorruptFile("node '" + name + "' calls function " + Called(proto) +
                       " with " + std::to_string(proto.input_size()) +
                       " inputs and " + std::to_string(proto.output_size()) +
                       " outputs, expected at most " +
                       std::to_string(function.input_size()) + " and " +
                       std::to_string(function.output_size()));
  }
  BITTERN_TRY(Count(1 + static_cast<size_t>(function.node_size())));
  BITTERN_TRY(CheckAttributes(proto, name, function));
  const onnx::GraphProto body = BodyOf(function, proto);
  BITTERN_TRY_ASSIGN(const ModelIndex index, ModelIndex::Make(body));
  Opsets opsets;
  for (const onnx::OperatorSetIdProto& import : function.opset_import()) {
    opsets[IsDefaultDomain(import.domain()) ? "" : import.domain()] =
        import.version();
  }
  BITTERN_TRY(CheckOpset(opsets));
  Scope inner{&index, &body, nullptr, &opsets, name + "/", {}, {}};
  for (int i = 0; i < function.input_size(); ++i) {
    ValueId id = kNone;
    if (i < proto.input_size()) {
      BITTERN_TRY_ASSIGN(id, ValueOf(scope, proto.input(i)));
      inner.onnx_types[function.input(i)] = OnnxTypeOf(scope, proto.input(i));
    }
    inner.values.emplace(function.input(i), id);
  }
  BITTERN_TRY_ASSIGN(const std::vector<ValueId> outputs, ImportScope(inner));
  for (int i = 0; i < proto.output_size(); ++i) {
    if (proto.output(i).empty()) continue;
    scope.values.emplace(proto.output(i), outputs[static_cast<size_t>(i)]);
    scope.onnx_types[proto.output(i)] = OnnxTypeOf(inner, function.output(i));
  }
  return {};
}

}  // namespace bittern::convert
