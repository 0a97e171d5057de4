// What handlers see of a node: typed attributes, constant inputs, new ops.
#include "converter/onnx/node.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bittern::convert {
namespace {

using onnx::AttributeProto;
using runtime::DType;
using runtime::InvalidArgument;
using runtime::Unsupported;

std::string KindName(int type) {
  switch (type) {
    case AttributeProto::FLOAT:
      return "a float";
    case AttributeProto::INT:
      return "an int";
    case AttributeProto::STRING:
      return "a string";
    case AttributeProto::TENSOR:
      return "a tensor";
    case AttributeProto::GRAPH:
      return "a graph";
    case AttributeProto::FLOATS:
      return "a list of floats";
    case AttributeProto::INTS:
      return "a list of ints";
    case AttributeProto::STRINGS:
      return "a list of strings";
    default:
      return "of type " + std::to_string(type);
  }
}

// Files before IR 2 leave the type out: then what is set tells it.
int KindOf(const AttributeProto& attribute) {
  if (attribute.type() != AttributeProto::UNDEFINED) return attribute.type();
  if (attribute.has_f()) return AttributeProto::FLOAT;
  if (attribute.has_i()) return AttributeProto::INT;
  if (attribute.has_s()) return AttributeProto::STRING;
  if (attribute.has_t()) return AttributeProto::TENSOR;
  if (attribute.has_g()) return AttributeProto::GRAPH;
  if (attribute.floats_size() != 0) return AttributeProto::FLOATS;
  if (attribute.ints_size() != 0) return AttributeProto::INTS;
  return AttributeProto::UNDEFINED;
}

}  // namespace

OnnxNode::OnnxNode(const onnx::NodeProto& proto, std::string name,
                   std::vector<ValueId> inputs, const Context& context)
    : proto_(proto),
      name_(std::move(name)),
      inputs_(std::move(inputs)),
      outputs_(static_cast<size_t>(proto.output_size()), kNone),
      context_(context) {
  while (!inputs_.empty() && inputs_.back() == kNone) inputs_.pop_back();
}

bool OnnxNode::WantsOutput(size_t i) const {
  return i < outputs_.size() && !proto_.output(static_cast<int>(i)).empty();
}

Error OnnxNode::Fail(const std::string& what) const {
  return InvalidArgument("node '" + name_ + "' (" + op() + "): " + what);
}

Error OnnxNode::FailUnsupported(const std::string& what) const {
  return Unsupported("node '" + name_ + "' (" + op() + "): " + what);
}

int32_t OnnxNode::OnnxTypeOf(size_t input) {
  const std::vector<int32_t>& known = context_.onnx_types;
  if (input < known.size() && known[input] != 0) return known[input];
  switch (TypeOf(Input(input)).dtype) {
    case DType::kU8:
      return onnx::TensorProto::UINT8;
    case DType::kS8:
      return onnx::TensorProto::INT8;
    case DType::kI32:
      return onnx::TensorProto::INT32;
    case DType::kI64:
      return onnx::TensorProto::INT64;
    case DType::kBool:
      return onnx::TensorProto::BOOL;
    default:
      return onnx::TensorProto::FLOAT;
  }
}

Result<void> OnnxNode::ExpectInputs(size_t low, size_t high) {
  if (inputs_.size() > high) {
    return Fail("has " + std::to_string(inputs_.size()) +
                " inputs, expected at most " + std::to_string(high));
  }
  for (size_t i = 0; i < low; ++i) {
    if (Input(i) == kNone) {
      return Fail("lacks input " + std::to_string(i) + ", expected at least " +
                  std::to_string(low) + " inputs");
    }
  }
  return {};
}

Result<void> OnnxNode::ExpectOneOutput() {
  for (size_t i = 1; i < outputs_.size(); ++i) {
    if (WantsOutput(i)) {
      return FailUnsupported("output " + std::to_string(i) + " ('" +
                             proto_.output(static_cast<int>(i)) +
                             "') is not supported, expected one output");
    }
  }
  return {};
}

const AttributeProto* OnnxNode::Find(std::string_view attribute) {
  read_.emplace(attribute);
  for (const AttributeProto& candidate : proto_.attribute()) {
    if (candidate.name() == attribute) return &candidate;
  }
  return nullptr;
}

bool OnnxNode::Has(std::string_view attribute) const {
  return std::any_of(
      proto_.attribute().begin(), proto_.attribute().end(),
      [&](const AttributeProto& a) { return a.name() == attribute; });
}

Result<const AttributeProto*> OnnxNode::FindTyped(
    std::string_view attribute, AttributeProto::AttributeType type) {
  const AttributeProto* found = Find(attribute);
  if (found == nullptr) return found;
  const std::string what = "attribute '" + std::string(attribute) + "'";
  if (found->has_ref_attr_name() && !found->ref_attr_name().empty()) {
    return Fail(what + " refers to a function's attribute '" +
                found->ref_attr_name() + "', expected a value");
  }
  const int kind = KindOf(*found);
  // An empty list has no trace of its kind in files without types.
  const bool empty_list =
      kind == AttributeProto::UNDEFINED &&
      (type == AttributeProto::INTS || type == AttributeProto::FLOATS);
  if (kind != type && !empty_list) {
    return Fail(what + " is " + KindName(kind) + ", expected " +
                KindName(type));
  }
  return found;
}

Result<int64_t> OnnxNode::Int(std::string_view attribute, int64_t fallback) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::INT));
  return found == nullptr ? fallback : found->i();
}

Result<float> OnnxNode::Float(std::string_view attribute, float fallback) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::FLOAT));
  return found == nullptr ? fallback : found->f();
}

Result<std::string> OnnxNode::String(std::string_view attribute,
                                     const std::string& fallback) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::STRING));
  return found == nullptr ? fallback : found->s();
}

Result<std::optional<std::vector<int64_t>>> OnnxNode::Ints(
    std::string_view attribute) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::INTS));
  std::optional<std::vector<int64_t>> ints;
  if (found != nullptr)
    ints.emplace(found->ints().begin(), found->ints().end());
  return ints;
}

Result<std::optional<std::vector<float>>> OnnxNode::Floats(
    std::string_view attribute) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::FLOATS));
  std::optional<std::vector<float>> floats;
  if (found != nullptr) {
    floats.emplace(found->floats().begin(), found->floats().end());
  }
  return floats;
}

Result<const onnx::TensorProto*> OnnxNode::Tensor(std::string_view attribute) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::TENSOR));
  const onnx::TensorProto* tensor = nullptr;
  if (found != nullptr) tensor = &found->t();
  return tensor;
}

Result<const onnx::GraphProto*> OnnxNode::Subgraph(std::string_view attribute) {
  BITTERN_TRY_ASSIGN(const AttributeProto* found,
                     FindTyped(attribute, AttributeProto::GRAPH));
  const onnx::GraphProto* graph = nullptr;
  if (found != nullptr) graph = &found->g();
  return graph;
}

Result<std::vector<ValueId>> OnnxNode::ImportSubgraph(
    const onnx::GraphProto& body, const std::vector<ValueId>& inputs) {
  if (context_.subgraphs == nullptr) {
    return FailUnsupported("has a graph inside, expected none here");
  }
  return context_.subgraphs->ImportSubgraph(body, inputs);
}

Result<void> OnnxNode::ExpectAllAttributesRead() const {
  for (const AttributeProto& attribute : proto_.attribute()) {
    if (read_.count(attribute.name()) != 0) continue;
    return FailUnsupported("attribute '" + attribute.name() +
                           "' is not known for this operator at opset " +
                           std::to_string(opset()));
  }
  return {};
}

Result<std::vector<int64_t>> OnnxNode::ConstantInts(ValueId id,
                                                    const char* what) {
  BITTERN_TRY(ExpectConstant(id, what));
  const Value& value = graph().value(id);
  const auto count = static_cast<size_t>(value.type->shape.Elements());
  if (value.type->dtype == DType::kI64) return graph().I64(id);
  if (value.type->dtype != DType::kI32) {
    return Fail(std::string(what) + " is " + runtime::ToString(*value.type) +
                ", expected i64 or i32");
  }
  std::vector<int32_t> narrow(count);
  if (count != 0) {
    std::memcpy(narrow.data(), value.constant->data(), count * sizeof(int32_t));
  }
  return std::vector<int64_t>(narrow.begin(), narrow.end());
}

Result<void> OnnxNode::ExpectConstant(ValueId id, const char* what) {
  BITTERN_TRY_ASSIGN(const bool constant, context_.emitter.Materialise(id));
  if (constant) return {};
  return FailUnsupported(std::string(what) +
                         " is computed from the model's inputs at run time, "
                         "expected a constant");
}

Result<ValueId> OnnxNode::RunTimeInts(ValueId id, const char* what) {
  const TensorType& type = TypeOf(id);
  if ((type.dtype != DType::kI64 && type.dtype != DType::kI32) ||
      type.shape.rank() > 1 || !type.shape.IsStatic()) {
    return FailUnsupported(std::string(what) + " is " +
                           runtime::ToString(type) +
                           ", expected integers, as many as are known");
  }
  return CastTo(id, DType::kI64);
}

Result<std::optional<float>> OnnxNode::ConstantScalar(ValueId id) {
  std::optional<float> scalar;
  BITTERN_TRY_ASSIGN(const bool constant, context_.emitter.Materialise(id));
  if (!constant) return scalar;
  const std::vector<float> values = graph().F32(id);
  if (values.size() == 1) scalar = values[0];
  return scalar;
}

Result<std::optional<bool>> OnnxNode::ConstantBool(ValueId id) {
  std::optional<bool> flag;
  const TensorType& type = TypeOf(id);
  const bool one = !type.shape.IsStatic() || type.shape.Elements() == 1;
  if (type.dtype != DType::kBool || !one) {
    return Fail("a condition is " + runtime::ToString(type) +
                ", expected one bool");
  }
  BITTERN_TRY_ASSIGN(const bool constant, context_.emitter.Materialise(id));
  if (constant) flag = *graph().value(id).constant->data() != 0;
  return flag;
}

Result<int64_t> OnnxNode::NormaliseAxis(int64_t axis, size_t rank,
                                        const char* what) {
  const auto limit = static_cast<int64_t>(rank);
  if (axis < -limit || axis >= limit) {
    return Fail(std::string(what) + " is " + std::to_string(axis) +
                ", expected -" + std::to_string(rank) + " to " +
                std::to_string(limit - 1));
  }
  return axis < 0 ? axis + limit : axis;
}

Result<std::optional<std::vector<int64_t>>> OnnxNode::IntsOrInput(
    const char* attribute, size_t input) {
  if (Input(input) == kNone) return Ints(attribute);
  BITTERN_TRY_ASSIGN(std::vector<int64_t> ints,
                     ConstantInts(Input(input), attribute));
  return std::optional(std::move(ints));
}

Result<std::optional<std::vector<int64_t>>> OnnxNode::Axes(size_t input,
                                                           size_t rank) {
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> axes,
                     IntsOrInput("axes", input));
  if (!axes) return axes;
  for (int64_t& axis : *axes) {
    BITTERN_TRY_ASSIGN(axis, NormaliseAxis(axis, rank, "an axis"));
  }
  std::sort(axes->begin(), axes->end());
  if (std::adjacent_find(axes->begin(), axes->end()) != axes->end()) {
    return Fail("an axis is listed twice, expected different axes");
  }
  return axes;
}

std::string OnnxNode::TemporaryName(const std::string& new_op) {
  return OutputName() + "/" + new_op;
}

Result<ValueId> OnnxNode::Emit(const std::string& new_op,
                               const std::vector<ValueId>& inputs,
                               AttributeMap attributes) {
  BITTERN_TRY_ASSIGN(
      const std::vector<ValueId> outputs,
      context_.emitter.Emit(new_op, name_, inputs, std::move(attributes),
                            {TemporaryName(new_op)}));
  return outputs[0];
}

Result<std::vector<ValueId>> OnnxNode::EmitAll(
    const std::string& new_op, const std::vector<ValueId>& inputs,
    AttributeMap attributes, size_t outputs) {
  return context_.emitter.Emit(
      new_op, name_, inputs, std::move(attributes),
      std::vector<std::string>(outputs, TemporaryName(new_op)));
}

Result<void> OnnxNode::Answer(const std::string& new_op,
                              const std::vector<ValueId>& inputs,
                              AttributeMap attributes) {
  BITTERN_TRY_ASSIGN(
      const std::vector<ValueId> outputs,
      context_.emitter.Emit(new_op, name_, inputs, std::move(attributes),
                            {OutputName()}));
  outputs_[0] = outputs[0];
  return {};
}

Result<void> OnnxNode::AnswerAll(const std::string& new_op,
                                 const std::vector<ValueId>& inputs,
                                 AttributeMap attributes) {
  std::vector<std::string> names;
  for (int i = 0; i < proto_.output_size(); ++i) {
    names.push_back(proto_.output(i).empty() ? name_ + "/unused"
                                             : proto_.output(i));
  }
  BITTERN_TRY_ASSIGN(outputs_,
                     context_.emitter.Emit(new_op, name_, inputs,
                                           std::move(attributes), names));
  return {};
}

ValueId OnnxNode::ScalarF32(float value) {
  return graph().AddF32(TemporaryName("constant"), Shape(), {value});
}

ValueId OnnxNode::ScalarI64(int64_t value) {
  return graph().AddI64(TemporaryName("constant"), Shape(), {value});
}

Result<ValueId> OnnxNode::CastTo(ValueId id, DType dtype) {
  if (TypeOf(id).dtype == dtype) return id;
  return Emit("Cast", {id}, {{"to", runtime::ToString(dtype)}});
}

}  // namespace bittern::convert
