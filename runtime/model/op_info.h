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

// An input of i64 whose values Infer reads: sizes, positions. It may stand for
// the attribute of that name; null: the op's own code reads it.
struct ValueInput {
  size_t input;
  const char* attribute;
};

// Ops that jump. What stands between kLoop and kEndLoop, kIf and kElse, kElse
// and kEndIf is a body: run again, or not at all (model/bodies.h).
enum class Jump : uint8_t { kNone, kLoop, kEndLoop, kIf, kElse, kEndIf };

struct OpInfo {
  const char* name;
  size_t min_inputs, max_inputs;
  size_t min_outputs, max_outputs;
  std::span<const AttributeSpec> attributes;
  std::unique_ptr<Op> (*create)();
  // What must be known before the op is planned. Where only the run knows it,
  // the plan is cut in front of the op (plan/stages.h).
  std::span<const ValueInput> values = {};
  Jump jump = Jump::kNone;
};

// Null if there is no such op.
const OpInfo* FindOp(std::string_view name);
std::span<const OpInfo* const> AllOps();

}  // namespace bittern::runtime
