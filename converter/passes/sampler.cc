// Evaluation by the runtime's ops, one node at a time, with results kept.
#include "converter/passes/sampler.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <utility>

#include "converter/ir/evaluate.h"

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 64;  // nodes between the input and what is asked for

Result<ConstantData> RandomValues(const TensorType& type) {
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(runtime::ByteSize(type)));
  std::mt19937 generator(1);
  const auto uniform = [&generator] {
    return static_cast<float>(generator()) * 0x1p-31f - 1.0f;
  };
  auto* values = reinterpret_cast<float*>(buffer.data());
  for (int64_t i = 0; i < type.shape.Elements(); ++i) {
    values[i] = uniform() + uniform() + uniform();  // variance 1
  }
  return std::make_shared<const runtime::AlignedBuffer>(std::move(buffer));
}

Result<std::vector<float>> Floats(const ConstantData& data) {
  std::vector<float> values(data->bytes() / sizeof(float));
  if (!values.empty()) {
    std::memcpy(values.data(), data->data(), values.size() * sizeof(float));
  }
  return values;
}

}  // namespace

Result<std::vector<float>> Sampler::Of(ValueId output) {
  BITTERN_TRY_ASSIGN(const ConstantData data, Evaluate(output, 0));
  return Floats(data);
}

Result<std::vector<float>> Sampler::OfNode(const std::string& op,
                                           const std::vector<ValueId>& inputs,
                                           const AttributeMap& attributes) {
  BITTERN_TRY_ASSIGN(const ConstantData data,
                     EvaluateOp(op, inputs, attributes, 0));
  return Floats(data);
}

Result<ConstantData> Sampler::Evaluate(ValueId id, int depth) {
  if (const auto known = known_.find(id); known != known_.end()) {
    return known->second;
  }
  const Value& value = graph_.value(id);
  if (value.constant != nullptr) return value.constant;
  if (id == input_) {
    BITTERN_TRY_ASSIGN(known_[id], RandomValues(*value.type));
    return known_[id];
  }
  const Node* node = graph_.Producer(id);
  if (node == nullptr || depth > kMaxDepth || node->outputs.size() != 1) {
    return runtime::Unsupported("'" + value.name + "' cannot be sampled");
  }
  BITTERN_TRY_ASSIGN(known_[id], EvaluateOp(node->op, node->inputs,
                                            node->attributes, depth + 1));
  return known_[id];
}

Result<ConstantData> Sampler::EvaluateOp(const std::string& op,
                                         const std::vector<ValueId>& inputs,
                                         const AttributeMap& attributes,
                                         int depth) {
  Graph scratch;
  std::vector<ValueId> constants;
  for (ValueId input : inputs) {
    if (input == kNone) {
      constants.push_back(kNone);
      continue;
    }
    BITTERN_TRY_ASSIGN(ConstantData data, Evaluate(input, depth));
    constants.push_back(scratch.AddConstant(
        graph_.value(input).name, *graph_.value(input).type, std::move(data)));
  }
  const ValueId output = scratch.AddValue("output", std::nullopt);
  const NodeId node =
      scratch.AddNode(op, "sample", std::move(constants), {output}, attributes);
  BITTERN_TRY_ASSIGN(std::vector<ConstantData> results,
                     EvaluateNode(scratch, scratch.node(node)));
  return std::move(results[0]);
}

bool AllClose(const std::vector<float>& a, const std::vector<float>& b,
              float tolerance) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= tolerance * (1.0f + std::fabs(b[i])))) {
      return false;
    }
  }
  return true;
}

}  // namespace bittern::convert
