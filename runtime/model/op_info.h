// The schema of an op, as its file in runtime/ops declares it: what the model
// verifier and the converter may know about an op without seeing its code.
// FindOp and AllOps are defined by runtime/ops, which owns the list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace bittern::runtime {

class Op;

// Index of the alternative in AttributeValue.
enum class AttributeKind : uint8_t { kInt, kFloat, kString, kInts, kFloats };

struct AttributeSpec {
  const char* name;
  AttributeKind kind;
  bool required;
};

struct OpInfo {
  const char* name;
  size_t min_inputs, max_inputs;
  size_t min_outputs, max_outputs;
  std::span<const AttributeSpec> attributes;
  std::unique_ptr<Op> (*create)();
};

// Null if there is no such op.
const OpInfo* FindOp(std::string_view name);
std::span<const OpInfo* const> AllOps();

}  // namespace bittern::runtime
