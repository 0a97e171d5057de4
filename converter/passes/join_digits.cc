// Products of 8-bit codes reach the passes cut into digits, so that fp32 sums
// them exactly (MatMulInteger, converter/onnx/integer.cc):
//   sum_i B^i * Cast_i32(MatMul(digit i of a, w)) [-> Add bias] -> Cast_f32
// becomes MatMul(a, w) [-> Add bias] again where a is quantised activations and
// w constant: as integers the product is exact anyway, and Cast_f32 rounds the
// sum once (a bias is added to it in fp32 then). Convolutions likewise.
// Weights that are 8-bit codes less a zero point take 9 bits, whose sums the
// integer kernels hold up to K = 257; longer ones stay digits.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "converter/passes/dynamic_scale.h"
#include "converter/passes/few_levels.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr int kMaxTerms = 9;

struct Term {
  NodeId matmul = kNone;
  float weight = 1;
};

// The number of a constant, also of integers, also behind a Cast.
std::optional<float> NumberOf(const Graph& graph, ValueId id) {
  if (const Node* cast = ProducerIf(graph, id, "Cast")) id = cast->inputs[0];
  if (!graph.IsConstant(id)) return std::nullopt;
  const Value& value = graph.value(id);
  if (value.type->shape.Elements() != 1) return std::nullopt;
  if (const auto scalar = ScalarOf(graph, id)) return scalar;
  if (value.type->dtype == runtime::DType::kI32) {
    return static_cast<float>(
        *reinterpret_cast<const int32_t*>(value.constant->data()));
  }
  const std::vector<int64_t> integers = graph.I64(id);
  if (integers.empty()) return std::nullopt;
  return static_cast<float>(integers[0]);
}

// [Mul by a number] of Cast to i32 of a MatMul.
std::optional<Term> TermOf(const Graph& graph, ValueId id) {
  Term term;
  if (const Node* product = ProducerIf(graph, id, "Mul")) {
    const std::optional<float> weight = NumberOf(graph, product->inputs[1]);
    if (!weight) return std::nullopt;
    term.weight = *weight;
    id = product->inputs[0];
  }
  const Node* cast = ProducerIf(graph, id, "Cast");
  if (cast == nullptr || StringOf(*cast, "to") != "i32") return std::nullopt;
  const Node* product = graph.Producer(cast->inputs[0]);
  if (product == nullptr ||
      (product->op != "MatMul" && product->op != "Conv")) {
    return std::nullopt;
  }
  term.matmul = graph.ProducerId(cast->inputs[0]);
  return term;
}

// The terms of a sum, digit 0 first.
std::vector<Term> TermsOf(const Graph& graph, ValueId id) {
  std::vector<Term> terms;
  for (int i = 0; i < kMaxTerms; ++i) {
    const Node* sum = ProducerIf(graph, id, "Add");
    const std::optional<Term> term =
        TermOf(graph, sum == nullptr ? id : sum->inputs[1]);
    if (!term) return {};
    terms.insert(terms.begin(), *term);
    if (sum == nullptr) return terms;
    id = sum->inputs[0];
  }
  return {};
}

// a if `digit` is a - floor(a / base) * base; `rest` becomes the floor.
ValueId DigitOf(const Graph& graph, ValueId digit, float base, ValueId* rest) {
  const Node* sub = ProducerIf(graph, digit, "Sub");
  const Node* mul =
      sub == nullptr ? nullptr : ProducerIf(graph, sub->inputs[1], "Mul");
  const Node* floor =
      mul == nullptr ? nullptr : ProducerIf(graph, mul->inputs[0], "Floor");
  const Node* scaled =
      floor == nullptr ? nullptr : ProducerIf(graph, floor->inputs[0], "Mul");
  if (scaled == nullptr || scaled->inputs[0] != sub->inputs[0] ||
      NumberOf(graph, mul->inputs[1]) != base ||
      NumberOf(graph, scaled->inputs[1]) != 1 / base) {
    return kNone;
  }
  *rest = mul->inputs[0];
  return sub->inputs[0];
}

// The operand whose digits the terms multiply by the same constant.
ValueId WholeOperand(const Graph& graph, const std::vector<Term>& terms) {
  if (terms.size() == 1) {
    return terms[0].weight == 1 ? graph.node(terms[0].matmul).inputs[0] : kNone;
  }
  const float base = terms[1].weight;
  float weight = 1;
  ValueId whole = kNone, rest = kNone;
  for (size_t i = 0; i < terms.size(); ++i) {
    const Node& matmul = graph.node(terms[i].matmul);
    const Node& first = graph.node(terms[0].matmul);
    if (terms[i].weight != weight || matmul.inputs[1] != first.inputs[1] ||
        matmul.op != first.op || matmul.attributes != first.attributes) {
      return kNone;
    }
    weight *= base;
    if (i + 1 == terms.size()) {
      return matmul.inputs[0] == rest ? whole : kNone;
    }
    ValueId next = kNone;
    const ValueId a = DigitOf(graph, matmul.inputs[0], base, &next);
    if (a == kNone || (i > 0 && a != rest)) return kNone;
    if (i == 0) whole = a;
    rest = next;
  }
  return kNone;
}

// Whether a rounding makes the integers `id`, so that they become codes: else
// its product with the weights stays a sum of floats, which digits keep exact.
bool IsQuantised(const Graph& graph, ValueId id) {
  constexpr int kMaxSteps = 16;
  for (int i = 0; i < kMaxSteps; ++i) {
    const Node* node = graph.Producer(id);
    if (node == nullptr) return false;
    if (node->op == "Round") return true;
    if (node->op == "Add" || node->op == "Sub") {
      if (!IsIntegral(graph, node->inputs[1])) return false;
    } else if (node->op != "Cast" && node->op != "Clip" &&
               node->op != "Reshape" && node->op != "Transpose") {
      return false;
    }
    id = node->inputs[0];
  }
  return false;
}

bool FitsIntegers(const Graph& graph, const Node& product) {
  constexpr int64_t kMaxDepth = 257;
  const std::vector<float> values = graph.F32(product.inputs[1]);
  const bool conv = product.op == "Conv";
  if (values.empty() ||
      StaticShape(graph, product.inputs[1])->rank() != (conv ? 4 : 2) ||
      !std::all_of(values.begin(), values.end(),
                   [](float v) { return v == std::nearbyint(v); })) {
    return false;
  }
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  const Shape shape = *StaticShape(graph, product.inputs[1]);
  const int64_t depth = conv ? shape.Elements() / shape[0] : shape[0];
  return (*lo >= 0 && *hi <= 255) || (*lo >= -128 && *hi <= 127) ||
         depth <= kMaxDepth;
}

// A constant i32 bias that the Add which makes `id` adds to the sum, which `id`
// becomes; kNone if there is none.
ValueId TakeBias(const Graph& graph, ValueId& id) {
  const Node* add = ProducerIf(graph, id, "Add");
  const ValueId bias = add == nullptr ? kNone : ConstantOperand(graph, *add);
  if (bias != kNone) id = OtherInput(*add, bias);
  return bias;
}

// `cast`, which rounds the sum of `terms`, becomes the product of `a`.
Result<void> Join(Graph& graph, NodeId cast, NodeId first, ValueId a,
                  ValueId bias) {
  const Node product = graph.node(first);
  const std::vector<ValueId> inputs = {a, product.inputs[1]};
  graph.node(cast).name = product.name;
  if (bias == kNone) {
    return Rewrite(graph, cast, product.op, inputs, product.attributes);
  }
  const std::string name = graph.value(bias).name;
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     Emit(graph, product.op, product.name, inputs,
                          product.attributes, product.name + ".sum"));
  BITTERN_TRY_ASSIGN(const ValueId floats,
                     Emit(graph, "Cast", name, {bias},
                          {{"to", std::string("f32")}}, name + ".f32"));
  return Rewrite(graph, cast, "Add", {sum, floats}, {});
}

}  // namespace

Result<void> JoinDigits(Graph& graph, PassContext&) {
  int count = 0;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& cast = graph.node(id);
    if (cast.removed || cast.op != "Cast" || StringOf(cast, "to") != "f32") {
      continue;
    }
    ValueId sum = cast.inputs[0];
    const ValueId bias = TakeBias(graph, sum);
    const std::vector<Term> terms = TermsOf(graph, sum);
    if (terms.empty()) continue;
    const ValueId a = WholeOperand(graph, terms);
    if (a == kNone || !FitsIntegers(graph, graph.node(terms[0].matmul)) ||
        !HasFewLevels(graph, a) || !IsQuantised(graph, a)) {
      continue;
    }
    BITTERN_TRY(Join(graph, id, terms[0].matmul, a, bias));
    ++count;
  }
  if (count > 0) {
    graph.notes.push_back(
        fmt::format("products of 8-bit codes joined again: {}", count));
  }
  return {};
}

}  // namespace bittern::convert
