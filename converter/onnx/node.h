// One ONNX node while it is imported: what a handler reads (inputs, attributes,
// constants) and how it answers (runtime ops, outputs). A handler must read or
// Ignore() every attribute; one left over is an error, never silently dropped.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "converter/onnx/emitter.h"
#include "converter/onnx/onnx_proto.h"

namespace bittern::convert {

// Imports a graph that an attribute holds, at the place of the node: may be
// called several times for one body.
class SubgraphImporter {
 public:
  virtual ~SubgraphImporter() = default;
  // Values of the body's outputs, given those of its inputs.
  virtual Result<std::vector<ValueId>> ImportSubgraph(
      const onnx::GraphProto& body, const std::vector<ValueId>& inputs) = 0;
};

class OnnxNode {  // borrows all it is given, for the time of one handler
 public:
  struct Context {
    Emitter& emitter;
    int64_t opset;                 // of the node's domain
    const std::string& directory;  // for external data of Constant nodes
    // ONNX element types of the inputs, 0 where not known; may be shorter.
    std::vector<int32_t> onnx_types = {};
    SubgraphImporter* subgraphs = nullptr;  // null: none can be imported
  };

  // Requires that the node has an output.
  OnnxNode(const onnx::NodeProto& proto, std::string name,
           std::vector<ValueId> inputs, const Context& context);

  // --- looking
  const std::string& op() const { return proto_.op_type(); }
  const std::string& name() const { return name_; }
  int64_t opset() const { return context_.opset; }
  Graph& graph() { return context_.emitter.graph(); }
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  // kNone if the optional input is absent.
  ValueId Input(size_t i) const {
    return i < inputs_.size() ? inputs_[i] : kNone;
  }
  bool WantsOutput(size_t i) const;
  const std::string& OutputName() const { return proto_.output(0); }
  const TensorType& TypeOf(ValueId id) { return *graph().value(id).type; }
  const Shape& ShapeOf(ValueId id) { return TypeOf(id).shape; }
  // The ONNX element type of an input, where the runtime's is wider (INT4 in
  // s8); where it is not known, the one of the runtime's name. Requires the
  // input.
  int32_t OnnxTypeOf(size_t input);

  // An error unless inputs [0, low) are present and at most `high` are given.
  Result<void> ExpectInputs(size_t low, size_t high);
  // An error if an output after the first is read by somebody.
  Result<void> ExpectOneOutput();

  // --- attributes; an error if one has another type than asked for
  Result<int64_t> Int(std::string_view attribute, int64_t fallback);
  Result<float> Float(std::string_view attribute, float fallback);
  Result<std::string> String(std::string_view attribute,
                             const std::string& fallback);
  Result<std::optional<std::vector<int64_t>>> Ints(std::string_view attribute);
  Result<std::optional<std::vector<float>>> Floats(std::string_view attribute);
  Result<const onnx::TensorProto*> Tensor(std::string_view attribute);
  // Null if the attribute is absent.
  Result<const onnx::GraphProto*> Subgraph(std::string_view attribute);
  bool Has(std::string_view attribute) const;
  void Ignore(std::string_view attribute) { read_.emplace(attribute); }
  // An error that names an attribute that no call above has asked for.
  Result<void> ExpectAllAttributesRead() const;
  const std::string& directory() const { return context_.directory; }

  // --- constants; computed if they depend on constants only
  Result<std::vector<int64_t>> ConstantInts(ValueId id, const char* what);
  // Whether it is a constant, or computed of constants only (then it is one).
  Result<bool> Known(ValueId id) { return context_.emitter.Materialise(id); }
  // A list of i64 or i32 that the run computes, as an i64 list of known length.
  Result<ValueId> RunTimeInts(ValueId id, const char* what);
  Result<std::optional<float>> ConstantScalar(ValueId id);
  // An error if the value depends on the model's inputs; `what` names it.
  Result<void> ExpectConstant(ValueId id, const char* what);
  // The attribute (old opsets) or the constant input; nothing if neither is
  // given.
  Result<std::optional<std::vector<int64_t>>> IntsOrInput(const char* attribute,
                                                          size_t input);
  // The axes attribute or input, normalised to [0, rank) and sorted; nothing if
  // neither is given.
  Result<std::optional<std::vector<int64_t>>> Axes(size_t input, size_t rank);
  // `axis` counted from the front; an error if it is out of range.
  Result<int64_t> NormaliseAxis(int64_t axis, size_t rank, const char* what);

  // The one value of a bool constant; nothing if it depends on the model's
  // inputs.
  Result<std::optional<bool>> ConstantBool(ValueId id);
  Result<std::vector<ValueId>> ImportSubgraph(
      const onnx::GraphProto& body, const std::vector<ValueId>& inputs);

  // --- answering
  // A runtime op with one output, used inside the handler.
  Result<ValueId> Emit(const std::string& op,
                       const std::vector<ValueId>& inputs,
                       AttributeMap attributes = {});
  // The same with several outputs.
  Result<std::vector<ValueId>> EmitAll(const std::string& op,
                                       const std::vector<ValueId>& inputs,
                                       AttributeMap attributes, size_t outputs);
  // A runtime op whose output is the node's first output.
  Result<void> Answer(const std::string& op, const std::vector<ValueId>& inputs,
                      AttributeMap attributes = {});
  // A runtime op that makes all outputs of the node.
  Result<void> AnswerAll(const std::string& op,
                         const std::vector<ValueId>& inputs,
                         AttributeMap attributes);
  void AnswerWith(ValueId id, size_t output = 0) { outputs_[output] = id; }
  ValueId ScalarF32(float value);
  ValueId ScalarI64(int64_t value);
  Result<ValueId> CastTo(ValueId id, runtime::DType dtype);
  const std::vector<ValueId>& outputs() const { return outputs_; }

  // "node 'n' (Op): ..."
  Error Fail(const std::string& what) const;
  Error FailUnsupported(const std::string& what) const;

 private:
  const onnx::AttributeProto* Find(std::string_view attribute);
  Result<const onnx::AttributeProto*> FindTyped(
      std::string_view attribute, onnx::AttributeProto::AttributeType type);
  std::string TemporaryName(const std::string& op);

  const onnx::NodeProto& proto_;
  std::string name_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;  // kNone until answered
  Context context_;
  std::set<std::string, std::less<>> read_;
};

// Turns one node into runtime ops. handlers.inc lists them.
using Handler = Result<void> (*)(OnnxNode&);

}  // namespace bittern::convert
