// Scales and zero points per column in the smallest form that the runtime
// takes: one for each head where the columns of a head share it, and s8 for
// zero points that are small integers. A fifth of what is not weights in a
// 4-bit DeiT.
#include <algorithm>
#include <cmath>

#include "converter/passes/code_attention.h"
#include "converter/passes/edit.h"
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

struct Places {
  size_t scale, zero;
};

// Where an op has the quantiser of its codes.
std::optional<Places> PlacesOf(const Node& node) {
  if (StringOf(node, "per") != "column") return std::nullopt;
  if (node.op == "Quantize" || node.op == "Dequantize") return Places{1, 2};
  if (IsLowBitProduct(node)) return Places{kAInput, kZInput};
  if (node.op == "CodeAttention") return Places{kAttentionA, kAttentionZ};
  return std::nullopt;
}

// The longest run that all values come in; at least 1.
size_t RunLength(const std::vector<float>& values) {
  for (size_t run = values.size(); run > 1; --run) {
    if (values.size() % run != 0) continue;
    bool all = true;
    for (size_t i = 0; all && i < values.size(); ++i) {
      all = values[i] == values[i - i % run] &&
            std::signbit(values[i]) == std::signbit(values[i - i % run]);
    }
    if (all) return run;
  }
  return 1;
}

bool AreSmallIntegers(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) {
    return v >= -128 && v <= 127 && v == std::nearbyint(v) &&
           !(v == 0 && std::signbit(v));
  });
}

class Compacter {
 public:
  explicit Compacter(Graph& graph) : graph_(graph) {}

  Result<void> Visit(NodeId id) {
    const std::optional<Places> places = PlacesOf(graph_.node(id));
    if (!places) return {};
    for (const auto& [input, is_zero] :
         {std::pair{places->scale, false}, {places->zero, true}}) {
      const std::vector<ValueId>& inputs = graph_.node(id).inputs;
      if (input >= inputs.size() || !IsColumnVector(inputs[input])) continue;
      BITTERN_TRY_ASSIGN(const ValueId smaller,
                         Compact(inputs[input], is_zero));
      graph_.node(id).inputs[input] = smaller;
    }
    return {};
  }

 private:
  bool IsColumnVector(ValueId id) const {
    return graph_.IsConstant(id) &&
           graph_.value(id).type->dtype == runtime::DType::kF32 &&
           graph_.value(id).type->shape.rank() == 1 &&
           graph_.value(id).type->shape[0] > 0;
  }

  // The value itself if it cannot be smaller.
  Result<ValueId> Compact(ValueId id, bool is_zero) {
    const std::vector<float> values = graph_.F32(id);
    const size_t run = RunLength(values);
    const bool narrow = is_zero && AreSmallIntegers(values);
    if (run == 1 && !narrow) return id;
    std::vector<float> kept;
    for (size_t i = 0; i < values.size(); i += run) kept.push_back(values[i]);
    const std::string name = graph_.value(id).name;
    if (!narrow) return AddVector(graph_, name, kept);
    const std::vector<int8_t> bytes(kept.begin(), kept.end());
    const TensorType type{
        runtime::DType::kS8, {static_cast<int64_t>(bytes.size())}, {}};
    BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                       runtime::AlignedBuffer::Make(bytes.size()));
    std::copy(bytes.begin(), bytes.end(),
              reinterpret_cast<int8_t*>(buffer.data()));
    return graph_.AddConstant(
        name, type,
        std::make_shared<const runtime::AlignedBuffer>(std::move(buffer)));
  }

  Graph& graph_;
};

}  // namespace

Result<void> CompactScales(Graph& graph, PassContext& context) {
  static_cast<void>(context);
  Compacter compacter(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    BITTERN_TRY(compacter.Visit(static_cast<NodeId>(i)));
  }
  return {};
}

}  // namespace bittern::convert
