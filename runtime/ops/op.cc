#include "runtime/ops/op.h"

#include <iterator>

#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

constexpr const OpInfo* kOps[] = {
#define BITTERN_OP(Name) &k##Name##Op,
#include "runtime/ops/ops.inc"
#undef BITTERN_OP
};

// The value of a typed attribute, or null if it is absent or of another kind.
template <class T>
const T* Find(const OpDef& def, std::string_view name) {
  const auto it = def.attributes.find(name);
  return it == def.attributes.end() ? nullptr : std::get_if<T>(&it->second);
}

// The input that stands for an attribute, or null.
const InputInfo* InputFor(const InferContext& context, std::string_view name) {
  for (const ValueInput& value : context.values) {
    if (value.attribute == nullptr || name != value.attribute) continue;
    if (value.input >= context.inputs.size()) return nullptr;
    const InputInfo& input = context.inputs[value.input];
    return input.present ? &input : nullptr;
  }
  return nullptr;
}

}  // namespace

bool InferContext::Given(std::string_view name) const {
  return InputFor(*this, name) != nullptr ||
         def.attributes.find(name) != def.attributes.end();
}

int64_t InferContext::Int(std::string_view name, int64_t fallback) const {
  if (const InputInfo* input = InputFor(*this, name); input != nullptr) {
    const auto given = input->Values<int64_t>();
    return given.empty() ? fallback : given[0];
  }
  const auto* value = Find<int64_t>(def, name);
  return value == nullptr ? fallback : *value;
}

float InferContext::Float(std::string_view name, float fallback) const {
  const auto* value = Find<float>(def, name);
  return value == nullptr ? fallback : *value;
}

std::string_view InferContext::String(std::string_view name,
                                      std::string_view fallback) const {
  const auto* value = Find<std::string>(def, name);
  return value == nullptr ? fallback : std::string_view(*value);
}

std::span<const int64_t> InferContext::Ints(std::string_view name) const {
  if (const InputInfo* input = InputFor(*this, name); input != nullptr)
    return input->Values<int64_t>();
  const auto* value = Find<std::vector<int64_t>>(def, name);
  return value == nullptr ? std::span<const int64_t>() : *value;
}

std::span<const float> InferContext::Floats(std::string_view name) const {
  const auto* value = Find<std::vector<float>>(def, name);
  return value == nullptr ? std::span<const float>() : *value;
}

Error InferContext::Fail(const std::string& what) const {
  return InvalidArgument(def.op + " '" + def.name + "': " + what);
}

const OpInfo* FindOp(std::string_view name) {
  for (const OpInfo* info : kOps) {
    if (name == info->name) return info;
  }
  return nullptr;
}

std::span<const OpInfo* const> AllOps() { return kOps; }

}  // namespace bittern::runtime
