// Reads the Dequantize in front of a product.
#include "converter/passes/activation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "converter/passes/dynamic_scale.h"
#include "converter/passes/few_levels.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;
using runtime::CodeType;
using runtime::Encoding;

constexpr float kLargestZero = 1 << 30;
constexpr char kPlainSign[] = "1 bit sign {-1,0,1}";

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
  a.text = node.inputs.size() > 1 ? "1 bit affine" : kPlainSign;
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

// Constant `id` as one finite value for each column of the codes; empty if it
// is none.
std::vector<float> PerColumn(const Graph& graph, ValueId codes, ValueId id) {
  const Shape& shape = graph.value(codes).type->shape;
  auto values = AlongAxis(graph, id, shape, shape.rank() - 1);
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!values || !std::all_of(values->begin(), values->end(), finite)) {
    return {};
  }
  return *std::move(values);
}

// The same codes behind a factor for each column.
Activation Scaled(const Graph& graph, const Activation& a, ValueId factor) {
  if (a.kind != Kind::kTensor && a.kind != Kind::kColumn) return {};
  const std::vector<float> factors = PerColumn(graph, a.codes, factor);
  if (factors.empty()) return {};
  Activation scaled = a;
  scaled.kind = Kind::kColumn;
  if (a.kind == Kind::kTensor) {
    scaled.scale.resize(factors.size(), a.scale[0]);
    scaled.zero.resize(factors.size(), a.zero[0]);
    scaled.text += " columns";
  }
  for (size_t i = 0; i < factors.size(); ++i) scaled.scale[i] *= factors[i];
  return scaled;
}

bool AllEqual(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [&values](float v) { return v == values[0]; });
}

// Plain signs less `zero`, times `factor`, where these are no kNone: constants
// for each column.
Activation LevelledSigns(const Graph& graph, const Activation& signs,
                         ValueId zero, ValueId factor) {
  Activation a = signs;
  const auto count =
      static_cast<size_t>(graph.value(a.codes).type->shape.Last());
  a.zero.assign(count, 0.0f);
  a.scale.assign(count, 1.0f);
  if (zero != kNone) a.zero = PerColumn(graph, a.codes, zero);
  if (factor != kNone) a.scale = PerColumn(graph, a.codes, factor);
  if (a.zero.empty() || a.scale.empty()) return {};
  a.kind = Kind::kColumn;
  a.text = "1 bit affine columns";
  if (!AllEqual(a.zero) || !AllEqual(a.scale) || !AllIntegers(a.zero)) return a;
  a.kind = Kind::kTensor;
  a.text = "1 bit affine";
  a.zero.resize(1);
  a.scale.resize(1);
  return a;
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

// Plain signs times one number for each row, often made at run time: the mean
// magnitude of the row.
Activation RowsOfSigns(const Graph& graph, const Node& product) {
  for (const ValueId scale : product.inputs) {
    Activation a = Direct(graph, OtherInput(product, scale));
    if (a.text != kPlainSign) continue;
    Shape rows = graph.value(a.codes).type->shape;
    rows[rows.rank() - 1] = 1;
    if (StaticShape(graph, scale) != rows) continue;
    a.kind = Kind::kRow;
    a.row_scale = scale;
    a.text = graph.IsConstant(scale) ? "1 bit row" : "1 bit dynamic row";
    return a;
  }
  return {};
}

}  // namespace

Activation ActivationOf(const Graph& graph, ValueId id) {
  ValueId levels = id, factor = kNone, zero = kNone;
  if (const Node* product = ProducerIf(graph, levels, "Mul")) {
    factor = ConstantOperand(graph, *product);
    if (factor != kNone) levels = OtherInput(*product, factor);
  }
  if (const Node* difference = ProducerIf(graph, levels, "Sub")) {
    if (ConstantOperand(graph, *difference) == difference->inputs[1]) {
      zero = difference->inputs[1];
      levels = difference->inputs[0];
    }
  }
  Activation a = Direct(graph, levels);
  if (a.kind != Kind::kFloat && (factor != kNone || zero != kNone)) {
    if (a.text == kPlainSign) {
      a = LevelledSigns(graph, a, zero, factor);
    } else {
      a = zero == kNone ? Scaled(graph, a, factor) : Activation();
    }
  }
  if (const Node* product = ProducerIf(graph, id, "Mul");
      a.kind == Kind::kFloat && product != nullptr) {
    a = RowsOfSigns(graph, *product);
  }
  if (a.kind == Kind::kFloat) {
    a.text = IsLogarithmic(graph, id) ? "f32, logarithmic codes" : "f32";
  }
  return a;
}

}  // namespace bittern::convert
