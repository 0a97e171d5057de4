#include "converter/cli/float_twin.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::OpDef;
using runtime::Shape;

// Straight-through residues and levels around a quantiser are about ten ops.
constexpr int kMaxSteps = 24;
// Attention has some fifty between its operands and its result.
constexpr size_t kMaxOps = 4096;

// What the converter computes before a transposition instead of after it, and
// with channels last (converter/passes/channels_last.cc).
constexpr std::string_view kMoved = ".untransposed", kLast = ".last",
                           kCodes = ".codes";

bool IsElementwise(std::string_view op) {
  for (const char* known : {"Add", "Sub", "Mul", "Div", "Clip", "Identity",
                            "Min", "Max", "Relu", "Where", "Reshape"}) {
    if (op == known) return true;
  }
  return false;
}

}  // namespace

std::optional<TwinOrder> OrderOf(const std::string& name, const Shape& packed,
                                 const Shape& twin) {
  if (packed.Elements() != twin.Elements() || packed.rank() == 0) {
    return std::nullopt;
  }
  if (name.ends_with(kLast)) {
    if (twin.rank() != 4 ||
        packed != Shape{twin[0], twin[2], twin[3], twin[1]}) {
      return std::nullopt;
    }
    return TwinOrder{true, twin[1], twin[2] * twin[3], 1};
  }
  if (packed == twin) return TwinOrder{};
  if (twin.rank() == 4 && packed.rank() == 4 && packed[0] == twin[0] &&
      packed[1] == twin[2] && packed[2] == twin[1]) {
    return TwinOrder{true, twin[1], twin[2], twin[3]};
  }
  if (packed.Last() == twin.Last() && packed.rank() != twin.rank()) {
    return TwinOrder{};
  }
  if (twin.rank() != 4 || packed.rank() == 4) return std::nullopt;
  const int64_t columns = packed.Last(), width = twin[3];
  // DETR has the batch between tokens and columns.
  const bool one_batch = packed.rank() < 3 || twin[0] == 1;
  const int64_t tokens =
      one_batch ? packed.Leading() : packed[packed.rank() - 2];
  if (twin[1] == tokens && twin[2] * width == columns) return TwinOrder{};
  if (twin[2] == tokens && twin[1] * width == columns) {
    return TwinOrder{true, twin[1], tokens, width};
  }
  return std::nullopt;
}

double Rounding::TieDistance(float value) const {
  const double x = value;
  if (is_sign) return std::fabs(x);
  if (is_directed) return std::fabs(x - std::nearbyint(x));
  return std::fabs(x - std::floor(x) - 0.5);
}

FloatGraph::FloatGraph(runtime::Session& session) : session_(session) {
  const runtime::ModelDef& def = session.model().def();
  for (size_t i = 0; i < def.tensors.size(); ++i) {
    if (def.tensors[i].data == nullptr) {
      names_.emplace(def.tensors[i].name, static_cast<int32_t>(i));
    }
  }
  for (const OpDef& op : def.ops) {
    for (int32_t output : op.outputs) producers_.emplace(output, &op);
  }
}

int32_t FloatGraph::Find(const std::string& name) const {
  auto found = names_.find(name);
  std::string_view rest = name;
  for (bool shorter = true; found == names_.end() && shorter;) {
    shorter = false;
    for (const std::string_view suffix : {kMoved, kLast, kCodes}) {
      if (!rest.ends_with(suffix)) continue;
      rest.remove_suffix(suffix.size());
      found = names_.find(std::string(rest));
      shorter = true;
      break;
    }
  }
  if (found == names_.end()) return -1;
  const auto is_float = [this](int32_t tensor) {
    return session_.plan()->types[static_cast<size_t>(tensor)].dtype ==
           DType::kF32;
  };
  if (is_float(found->second)) return found->second;
  // Codes of QuantizeLinear: the floats that were cast to an integer type.
  const OpDef* op = ProducerOf(found->second);
  if (op == nullptr || op->op != "Cast" || !is_float(op->inputs[0])) return -1;
  return op->inputs[0];
}

const Shape& FloatGraph::ShapeOf(int32_t tensor) const {
  return session_.plan()->types[static_cast<size_t>(tensor)].shape;
}

const float* FloatGraph::Values(int32_t tensor) const {
  const auto& name =
      session_.model().def().tensors[static_cast<size_t>(tensor)].name;
  const auto view = session_.Tensor(name);
  return view.ok() ? static_cast<const float*>(view.value().data) : nullptr;
}

const OpDef* FloatGraph::ProducerOf(int32_t tensor) const {
  const auto found = producers_.find(tensor);
  return found == producers_.end() ? nullptr : found->second;
}

bool FloatGraph::IsZero(int32_t tensor) const {
  const runtime::TensorDef& def =
      session_.model().def().tensors[static_cast<size_t>(tensor)];
  return def.data != nullptr && def.type.dtype == DType::kF32 &&
         def.type.shape.Elements() == 1 &&
         *static_cast<const float*>(def.data) == 0;
}

std::optional<Rounding> FloatGraph::RoundingOf(const OpDef& op) const {
  if (op.op.starts_with("Greater") || op.op.starts_with("Less")) {
    if (IsZero(op.inputs[1])) return Rounding{&op, true, false, op.inputs[0]};
    if (IsZero(op.inputs[0])) return Rounding{&op, true, false, op.inputs[1]};
    return std::nullopt;
  }
  const bool is_directed = op.op == "Floor" || op.op == "Ceil";
  if (op.op != "Round" && op.op != "Sign" && !is_directed) return std::nullopt;
  return Rounding{&op, op.op == "Sign", is_directed, op.inputs[0]};
}

std::optional<Rounding> FloatGraph::QuantiserOf(int32_t tensor) const {
  std::vector<int32_t> level = {tensor};
  for (int step = 0; step < kMaxSteps && !level.empty(); ++step) {
    std::vector<int32_t> above;
    for (int32_t current : level) {
      const OpDef* op = ProducerOf(current);
      if (op == nullptr) continue;
      if (const auto rounding = RoundingOf(*op)) return rounding;
      if (!IsElementwise(op->op)) continue;
      for (int32_t input : op->inputs) {
        if (input >= 0 && ProducerOf(input) != nullptr) above.push_back(input);
      }
    }
    std::sort(above.begin(), above.end());
    above.erase(std::unique(above.begin(), above.end()), above.end());
    level = std::move(above);
  }
  return std::nullopt;
}

std::vector<Rounding> FloatGraph::Between(const std::set<int32_t>& from,
                                          int32_t tensor) const {
  const std::optional<Rounding> own = QuantiserOf(tensor);
  std::vector<Rounding> found;
  std::set<int32_t> seen = from;
  std::vector<int32_t> pending = {tensor};
  for (size_t ops = 0; !pending.empty() && ops < kMaxOps; ++ops) {
    const int32_t current = pending.back();
    pending.pop_back();
    if (!seen.insert(current).second) continue;
    const OpDef* op = ProducerOf(current);
    if (op == nullptr) continue;
    const auto rounding = RoundingOf(*op);
    if (rounding && (!own || own->op != op)) found.push_back(*rounding);
    for (int32_t input : op->inputs) {
      if (input >= 0) pending.push_back(input);
    }
  }
  return found;
}

}  // namespace bittern::cli
