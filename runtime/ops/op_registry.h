// Declares the OpInfo of every op of ops.inc (kAddOp, ...), each defined in the
// op's own file, and what those definitions need.
#pragma once

#include <memory>

#include "runtime/ops/op.h"

namespace bittern::runtime {

#define BITTERN_OP(Name) extern const OpInfo k##Name##Op;
#include "runtime/ops/ops.inc"
#undef BITTERN_OP

template <class T>
std::unique_ptr<Op> CreateOp() {
  return std::make_unique<T>();
}

// Of a fixed number of inputs (or up to max_inputs) and one output.
constexpr OpInfo SimpleOpInfo(const char* name, size_t min_inputs,
                              size_t max_inputs,
                              std::span<const AttributeSpec> attributes,
                              std::unique_ptr<Op> (*create)(),
                              std::span<const ValueInput> values = {}) {
  return {name, min_inputs, max_inputs, 1, 1, attributes, create, values};
}

}  // namespace bittern::runtime
