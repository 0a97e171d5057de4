// Reads the protobuf, orders the nodes, and lets one handler after the other
// turn them into runtime ops.
#include "converter/onnx/importer.h"

#include <google/protobuf/stubs/logging.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <map>
#include <unordered_map>
#include <utility>

#include "converter/ir/verify.h"
#include "converter/onnx/emitter.h"
#include "converter/onnx/graph_input.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/model_index.h"
#include "converter/onnx/onnx_proto.h"
#include "converter/onnx/sha256.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::CorruptFile;
using runtime::InvalidArgument;
using runtime::IoError;
using runtime::Unsupported;

constexpr int64_t kMinOpset = 1;
constexpr int64_t kMaxOpset = 27;

bool IsDefaultDomain(const std::string& domain) {
  return domain.empty() || domain == "ai.onnx";
}

class ModelImporter {  // one import; borrows all it is given
 public:
  ModelImporter(const onnx::ModelProto& model, const ModelIndex& index,
                const std::string& directory, const ImportOptions& options)
      : model_(model),
        index_(index),
        directory_(directory),
        options_(options),
        emitter_(graph_) {}

  Result<Graph> Run() {
    BITTERN_TRY(ReadOpsets());
    BITTERN_TRY(AddInputs());
    for (int node : index_.order()) BITTERN_TRY(ImportNode(node));
    for (const onnx::ValueInfoProto& output : model_.graph().output()) {
      BITTERN_TRY_ASSIGN(const ValueId id, ValueOf(output.name()));
      graph_.outputs.push_back(id);
      graph_.output_names.push_back(output.name());
    }
    graph_.RemoveDead();
    BITTERN_TRY(VerifyGraph(graph_));
    return std::move(graph_);
  }

  int64_t default_opset() const {
    const auto found = opsets_.find("");
    return found == opsets_.end() ? 0 : found->second;
  }

 private:
  Result<void> ReadOpsets() {
    for (const onnx::OperatorSetIdProto& import : model_.opset_import()) {
      const std::string domain =
          IsDefaultDomain(import.domain()) ? "" : import.domain();
      opsets_[domain] = import.version();
    }
    const auto found = opsets_.find("");
    if (found == opsets_.end()) return {};
    if (found->second >= kMinOpset && found->second <= kMaxOpset) return {};
    return Unsupported("the file uses opset " + std::to_string(found->second) +
                       ", expected " + std::to_string(kMinOpset) + " to " +
                       std::to_string(kMaxOpset));
  }

  Result<void> AddInputs() {
    for (const onnx::ValueInfoProto& input : model_.graph().input()) {
      if (index_.Initializer(input.name()) != nullptr) continue;
      BITTERN_TRY_ASSIGN(const TensorType type,
                         GraphInputType(input, options_));
      const ValueId id = graph_.AddValue(input.name(), type);
      graph_.inputs.push_back(id);
      values_.emplace(input.name(), id);
      onnx_types_[input.name()] = input.type().tensor_type().elem_type();
    }
    for (const auto& [name, shape] : options_.shapes) {
      static_cast<void>(shape);
      if (values_.count(name) != 0) continue;
      return runtime::NotFound("a shape is given for input '" + name +
                               "', but the model has no input of that name");
    }
    return {};
  }

  // The value of an ONNX name; an initializer is read when first asked for.
  Result<ValueId> ValueOf(const std::string& name) {
    if (name.empty()) return kNone;
    const auto found = values_.find(name);
    if (found != values_.end()) return found->second;
    const onnx::TensorProto* proto = index_.Initializer(name);
    if (proto == nullptr) {
      return runtime::Internal("tensor '" + name + "' was not imported");
    }
    BITTERN_TRY_ASSIGN(
        ImportedTensor tensor,
        ReadTensor(*proto, "initializer '" + name + "'", directory_));
    const ValueId id = graph_.AddConstant(name, tensor.type, tensor.data);
    values_.emplace(name, id);
    onnx_types_[name] = proto->data_type();
    return id;
  }

  // The ONNX element type of a node's output, as far as operators on codes need
  // it: stated by the node, or that of an input of the same runtime type.
  int32_t OutputOnnxType(const onnx::NodeProto& proto, OnnxNode& node) {
    if (proto.op_type() == "QuantizeLinear" && proto.input_size() > 2) {
      return onnx_types_[proto.input(2)];
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
    return same ? onnx_types_[proto.input(0)] : 0;
  }

  Result<int64_t> OpsetOf(const onnx::NodeProto& proto,
                          const std::string& name) const {
    const bool is_default = IsDefaultDomain(proto.domain());
    const auto found = opsets_.find(is_default ? "" : proto.domain());
    if (found != opsets_.end()) return found->second;
    if (!is_default) return 1;  // files often forget to import these
    return CorruptFile("node '" + name + "' (" + proto.op_type() +
                       ") is of domain ai.onnx, but the file imports no opset "
                       "of it");
  }

  Error UnknownOp(const onnx::NodeProto& proto, const std::string& name,
                  int64_t opset) const {
    const std::string domain =
        IsDefaultDomain(proto.domain()) ? "ai.onnx" : proto.domain();
    const std::string what = "node '" + name + "': operator '" +
                             proto.op_type() + "' (domain " + domain +
                             ", opset " + std::to_string(opset) + ") ";
    for (const onnx::FunctionProto& function : model_.functions()) {
      if (function.name() == proto.op_type() &&
          function.domain() == proto.domain()) {
        return Unsupported(what +
                           "is a function of the model, expected one that was "
                           "inlined at export");
      }
    }
    for (const onnx::AttributeProto& attribute : proto.attribute()) {
      if (attribute.has_g() || attribute.graphs_size() != 0) {
        return Unsupported(what +
                           "has a subgraph: control flow is not supported");
      }
    }
    return Unsupported(what +
                       "is not supported; the nearest supported one is '" +
                       NearestOp(proto.domain(), proto.op_type()) + "'");
  }

  Result<void> ImportNode(int position) {
    const onnx::NodeProto& proto = model_.graph().node(position);
    const std::string name = index_.NodeName(position);
    BITTERN_TRY_ASSIGN(const int64_t opset, OpsetOf(proto, name));
    const Handler handler = FindHandler(proto.domain(), proto.op_type());
    if (handler == nullptr) return UnknownOp(proto, name, opset);
    std::vector<ValueId> inputs;
    std::vector<int32_t> types;
    for (const std::string& input : proto.input()) {
      BITTERN_TRY_ASSIGN(const ValueId id, ValueOf(input));
      inputs.push_back(id);
      types.push_back(onnx_types_[input]);
    }
    OnnxNode node(proto, name, std::move(inputs),
                  {emitter_, opset, directory_, std::move(types)});
    BITTERN_TRY(handler(node));
    BITTERN_TRY(node.ExpectAllAttributesRead());
    for (size_t i = 0; i < node.outputs().size(); ++i) {
      const std::string& output = proto.output(static_cast<int>(i));
      if (output.empty()) continue;
      if (node.outputs()[i] == kNone) {
        return node.FailUnsupported("output " + std::to_string(i) + " ('" +
                                    output + "') is not supported");
      }
      values_.emplace(output, node.outputs()[i]);
      if (i == 0) onnx_types_[output] = OutputOnnxType(proto, node);
    }
    return {};
  }

  const onnx::ModelProto& model_;
  const ModelIndex& index_;
  const std::string& directory_;
  const ImportOptions& options_;
  Graph graph_;
  Emitter emitter_;
  std::map<std::string, int64_t> opsets_;
  std::unordered_map<std::string, ValueId> values_;
  std::unordered_map<std::string, int32_t> onnx_types_;  // 0: not known
};

Result<ImportedModel> Import(const void* data, size_t size,
                             const std::string& directory,
                             const ImportOptions& options) {
  if (size == 0) return CorruptFile("the file is empty, expected ONNX");
  if (size > INT_MAX) {
    return Unsupported("the file has " + std::to_string(size) +
                       " bytes, expected less than 2 GB: protobuf's limit; "
                       "keep weights as external data");
  }
  const google::protobuf::LogSilencer silencer;  // errors are ours to report
  onnx::ModelProto model;
  if (!model.ParseFromArray(data, static_cast<int>(size))) {
    return CorruptFile(std::to_string(size) +
                       " bytes are not a complete ONNX protobuf");
  }
  if (!model.has_graph()) {
    return CorruptFile("the file has no graph, expected an ONNX model");
  }
  if (model.graph().output_size() == 0) {
    return CorruptFile("the graph has no outputs, expected one or more");
  }
  BITTERN_TRY_ASSIGN(const ModelIndex index, ModelIndex::Make(model.graph()));
  ModelImporter importer(model, index, directory, options);
  ImportedModel imported;
  BITTERN_TRY_ASSIGN(imported.graph, importer.Run());
  imported.opset = importer.default_opset();
  imported.producer = model.producer_name().substr(0, 100);
  if (!model.producer_version().empty()) {
    imported.producer += " " + model.producer_version().substr(0, 100);
  }
  imported.sha256 = Sha256Hex(data, size);
  return imported;
}

// Names of a hostile file may hold anything: an error stays one short line.
Error OneLine(Error error) {
  constexpr size_t kLongest = 600;
  std::string& message = error.message;
  if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return error;
}

}  // namespace

Result<ImportedModel> ImportOnnxBytes(const void* data, size_t size,
                                      const std::string& directory,
                                      const ImportOptions& options) {
  Result<ImportedModel> imported = Import(data, size, directory, options);
  if (!imported.ok()) return OneLine(std::move(imported).error());
  return imported;
}

Result<ImportedModel> ImportOnnxFile(const std::string& path,
                                     const ImportOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return IoError("cannot open " + path + ": not a regular file");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return IoError("cannot open " + path);
  if (size > INT_MAX) {
    return Unsupported(path + " has " + std::to_string(size) +
                       " bytes, expected less than 2 GB: keep weights as "
                       "external data");
  }
  std::vector<char> bytes(static_cast<size_t>(size));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file && size != 0) return IoError("cannot read " + path);
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  Result<ImportedModel> imported =
      ImportOnnxBytes(bytes.data(), bytes.size(), directory, options);
  if (imported.ok()) return imported;
  Error failure = std::move(imported).error();
  failure.message = path + ": " + failure.message;
  return failure;
}

}  // namespace bittern::convert
