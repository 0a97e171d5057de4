// What the nodes of low-bit products, LowBitLinear and LowBitConv, are made of
// alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "converter/passes/activation.h"
#include "converter/passes/edit.h"
#include "converter/passes/pass.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {

inline constexpr int64_t kMaxK = int64_t{1} << 24;  // inputs of a channel

// A constant of codes, n rows of `values`.
Result<ValueId> AddCodes(Graph& graph, const std::string& name,
                         const runtime::CodeType& code,
                         const std::vector<int16_t>& values, int64_t n);

// Whether sums of k products of such codes fit int32, whatever their values:
// what the runtime asks for.
bool SumsFit(const Graph& graph, const Activation& a,
             const runtime::CodeType& weights, int64_t k);

// Why the product is not made; empty if it is.
std::string CheckRange(const Graph& graph, const Activation& a,
                       const WeightCodes& w, int64_t k);

// Shares of the zero points of activations whose scale factors out, as inputs
// (low_bit_linear.h) of the node: exact in int32, which CheckRange has seen to.
Result<void> AddZeroPoints(Graph& graph, const std::string& weight,
                           const Activation& a, const WeightCodes& weights,
                           std::vector<ValueId>& inputs);

// The pattern of the activations and " + ", for the report; "" for floats.
std::string PatternOf(const Graph& graph, const PassContext& context,
                      const Activation& a);

// The mode that was asked for, where its sums fit int32.
InputScale ModeFor(const Graph& graph, const PassContext& context,
                   const Activation& activation, int64_t k);
const char* NameOf(InputScale mode);

}  // namespace bittern::convert
