// Imports one ONNX graph and the graphs inside it: bodies of control flow,
// which read names of the graphs around them, and local functions, which do
// not.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "converter/onnx/emitter.h"
#include "converter/onnx/importer.h"
#include "converter/onnx/model_index.h"
#include "converter/onnx/node.h"

namespace bittern::convert {

class GraphImporter final
    : public SubgraphImporter {  // borrows all it is given
 public:
  GraphImporter(const onnx::ModelProto& model, const std::string& directory,
                const ImportOptions& options)
      : model_(model),
        directory_(directory),
        options_(options),
        emitter_(graph_) {}

  // The model's main graph, whole.
  Result<Graph> Run();
  // Of the default domain; 0 if the file imports none.
  int64_t default_opset() const;
  // By graph input, after Run (ImportedModel).
  const std::vector<bool>& open_batch() const { return open_batch_; }

  Result<std::vector<ValueId>> ImportSubgraph(
      const onnx::GraphProto& body,
      const std::vector<ValueId>& inputs) override;

 private:
  using Opsets = std::map<std::string, int64_t>;

  struct Scope {
    const ModelIndex* index;
    const onnx::GraphProto* proto;
    const Scope* outer;  // whose names are seen too; null: none are
    const Opsets* opsets;
    std::string prefix;  // of the names of its nodes
    std::unordered_map<std::string, ValueId> values;
    std::unordered_map<std::string, int32_t> onnx_types;  // 0: not known
  };

  Result<void> ReadOpsets();
  // Counts nodes written out; an error if there are too many.
  Result<void> Count(size_t nodes);
  Result<void> AddInputs(Scope& scope);
  // The nodes of a scope, in order; its outputs.
  Result<std::vector<ValueId>> ImportScope(Scope& scope);
  Result<void> ImportNode(Scope& scope, int position);
  Result<void> ImportHandled(Scope& scope, const onnx::NodeProto& proto,
                             const std::string& name, Handler handler);
  Result<void> ImportFunction(Scope& scope, const onnx::NodeProto& proto,
                              const std::string& name,
                              const onnx::FunctionProto& function);
  // The value of an ONNX name; an initializer is read when first asked for.
  Result<ValueId> ValueOf(Scope& scope, const std::string& name);
  int32_t OnnxTypeOf(const Scope& scope, const std::string& name) const;
  int32_t OutputOnnxType(const Scope& scope, const onnx::NodeProto& proto,
                         OnnxNode& node) const;
  Result<int64_t> OpsetOf(const Scope& scope, const onnx::NodeProto& proto,
                          const std::string& name) const;
  const onnx::FunctionProto* FunctionOf(const onnx::NodeProto& proto) const;
  Error UnknownOp(const onnx::NodeProto& proto, const std::string& name,
                  int64_t opset) const;

  const onnx::ModelProto& model_;
  const std::string& directory_;
  const ImportOptions& options_;
  Graph graph_;
  std::vector<bool> open_batch_;
  Emitter emitter_;
  Opsets opsets_;
  // Those read so far; a body's are read once for all its turns.
  std::unordered_map<const onnx::TensorProto*, ValueId> initializers_;
  Scope* current_ = nullptr;  // whose node is being imported
  size_t depth_ = 0;          // of scopes
  size_t imported_ = 0;       // nodes, those of unrolled bodies each time
};

}  // namespace bittern::convert
