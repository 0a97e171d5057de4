// Reads the Dequantize in front of a product.
#include "converter/passes/activation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "converter/passes/dynamic_scale.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;
using runtime::CodeType;
using runtime::Encoding;

constexpr float kLargestZero = 1 << 30;

bool AllIntegers(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) {
    return std::fabs(v) <= kLargestZero && v == std::nearbyint(v);
  });
}

std::string TypeText(const CodeType& type) {
  if (type.encoding == Encoding::kSign) return "1 bit";
  const char* kind = type.encoding == Encoding::kSignedBytes     ? "signed"
                     : type.encoding == Encoding::kUnsignedBytes ? "unsigned"
                                                                 : "odd";
  return fmt::format("{} bit {}", type.bits, kind);
}

// The range that the quantiser says, if it makes the codes itself.
kernels::ValueRange RangeOfCodes(const Graph& graph, ValueId codes) {
  const Node* node = graph.Producer(codes);
  const CodeType& type = graph.value(codes).type->code;
  if (node != nullptr && node->op == "Quantize" &&
      type.encoding != Encoding::kBipolar2Bytes) {
    return {static_cast<int32_t>(IntOf(*node, "lo", 0)),
            static_cast<int32_t>(IntOf(*node, "hi", 255))};
  }
  return kernels::RangeOf(runtime::OperandOf(type));
}

// Input `index` as a constant; `fallback` if it is absent.
std::vector<float> Values(const Graph& graph, const Node& node, size_t index,
                          float fallback) {
  if (node.inputs.size() <= index || node.inputs[index] == kNone) {
    return {fallback};
  }
  return graph.F32(node.inputs[index]);
}

Activation SignCodes(const Graph& graph, const Node& node) {
  Activation a;
  a.codes = node.inputs[0];
  a.range = {-1, 1};
  a.scale = Values(graph, node, 1, 1);
  a.zero = Values(graph, node, 2, 0);
  const bool fits = graph.value(a.codes).type->code.group == 0 &&
                    a.scale.size() == 1 && a.zero.size() == 1 &&
                    AllIntegers(a.zero);
  if (!fits) return {};
  a.kind = Kind::kTensor;
  a.text = node.inputs.size() > 1 ? "1 bit affine" : "1 bit sign {-1,0,1}";
  return a;
}

Activation ByteCodes(const Graph& graph, const Node& node) {
  Activation a;
  a.codes = node.inputs[0];
  a.range = RangeOfCodes(graph, a.codes);
  a.scale = Values(graph, node, 1, 1);
  a.zero = Values(graph, node, 2, 0);
  const std::string per = StringOf(node, "per");
  const std::string type = TypeText(graph.value(a.codes).type->code);
  const bool constant = !a.scale.empty() && !a.zero.empty();
  if (per == "column" && constant) {
    a.kind = Kind::kColumn;
    a.text = type + " columns";
    const auto count =
        static_cast<size_t>(graph.value(a.codes).type->shape.Last());
    if (a.zero.size() == 1) a.zero.resize(count, a.zero[0]);
    return a;
  }
  if (per == "tensor" && constant) {
    if (!AllIntegers(a.zero)) return {};
    a.kind = Kind::kTensor;
    a.text = type;
    return a;
  }
  if (per != "tensor" && per != "row") return {};
  a.kind = Kind::kRow;
  a.text = type + (graph.IsConstant(node.inputs[1]) ? "" : " dynamic") +
           (per == "row" ? " row" : "");
  a.row_scale = node.inputs[1];
  if (node.inputs.size() > 2) a.row_zero = node.inputs[2];
  if (a.row_zero != kNone && !IsIntegral(graph, a.row_zero)) return {};
  return a;
}

// The same codes behind a factor for each column.
Activation Scaled(const Graph& graph, const Activation& a, ValueId factor) {
  const auto count =
      static_cast<size_t>(graph.value(a.codes).type->shape.Last());
  std::vector<float> factors = graph.F32(factor);
  if (factors.size() == 1) factors.resize(count, factors[0]);
  if (factors.size() != count || StaticShape(graph, factor)->rank() > 1 ||
      (a.kind != Kind::kTensor && a.kind != Kind::kColumn) ||
      graph.value(a.codes).type->code.encoding == Encoding::kSign) {
    return {};
  }
  Activation scaled = a;
  scaled.kind = Kind::kColumn;
  if (a.kind == Kind::kTensor) {
    scaled.scale.resize(count, a.scale[0]);
    scaled.zero.resize(count, a.zero[0]);
    scaled.text += " columns";
  }
  for (size_t i = 0; i < count; ++i) scaled.scale[i] *= factors[i];
  return scaled;
}

Activation Direct(const Graph& graph, ValueId id) {
  const Node* node = ProducerIf(graph, id, "Dequantize");
  if (node == nullptr) return {};
  const auto& type = graph.value(node->inputs[0]).type;
  if (type && type->code.encoding == Encoding::kSign) {
    return SignCodes(graph, *node);
  }
  if (type && runtime::IsByteEncoding(type->code.encoding)) {
    return ByteCodes(graph, *node);
  }
  return {};
}

}  // namespace

Activation ActivationOf(const Graph& graph, ValueId id) {
  Activation a = Direct(graph, id);
  const Node* product = ProducerIf(graph, id, "Mul");
  const ValueId factor =
      product == nullptr ? kNone : ConstantOperand(graph, *product);
  if (factor != kNone) {
    a = Direct(graph, OtherInput(*product, factor));
    if (a.kind != Kind::kFloat) a = Scaled(graph, a, factor);
  }
  if (a.kind == Kind::kFloat) a.text = "f32";
  return a;
}

}  // namespace bittern::convert
