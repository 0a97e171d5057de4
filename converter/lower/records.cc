// Matches what passes recorded to the steps of the plan by name.
#include "converter/lower/records.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "converter/passes/low_bit_linear.h"

namespace bittern::convert {
namespace {

using runtime::OpDef;
using runtime::Plan;
using runtime::PlanStep;
using runtime::TensorDef;

constexpr int kFloatBits = 32;
// Of one machine word: a paper counts a product of w x a bits as w * a / 64.
constexpr double kWordBits = 64;

// An attention stands for two products; its name is made of theirs.
constexpr std::string_view kAnd = " + ";

const LayerRecord* Find(const std::vector<LayerRecord>& recorded,
                        std::string_view name) {
  for (const LayerRecord& record : recorded) {
    if (record.name == name) return &record;
  }
  return nullptr;
}

LayerRecord Unrecorded(const OpDef& def) {
  LayerRecord record;
  record.name = def.name;
  record.op = def.op;
  record.weights = record.activations = "f32";
  record.reason = "both operands are float activations";
  return record;
}

// Bytes of the constants among inputs [first, last) of a step.
int64_t ConstantBytes(const Plan& plan, const PlanStep& step, size_t first,
                      size_t last) {
  int64_t bytes = 0;
  for (size_t i = first; i < std::min(last, step.inputs.size()); ++i) {
    if (step.inputs[i] < 0) continue;
    const TensorDef& tensor =
        plan.model->def().tensors[static_cast<size_t>(step.inputs[i])];
    if (tensor.data == nullptr) continue;
    bytes += static_cast<int64_t>(runtime::ByteSize(tensor.type));
  }
  return bytes;
}

class Builder {
 public:
  Builder(const Plan& plan, const std::vector<LayerRecord>& recorded,
          Report* report)
      : plan_(plan), recorded_(recorded), report_(report) {}

  void Visit(const PlanStep& step) {
    const std::string& op = step.def->op;
    const bool attention = op == "BinaryAttention" || op == "CodeAttention";
    const bool low_bit =
        op == "LowBitLinear" || op == "LowBitConv" || attention;
    if (!low_bit && op != "MatMul" && op != "Conv" && op != "ConvLast") {
      return;
    }
    const runtime::OpCost cost = step.op->Cost();
    const bool float_sums = !low_bit || cost.activation_bits >= kFloatBits;
    (float_sums ? report_->macs_float : report_->macs_low_bit) += cost.macs;
    counted_ += cost.macs * std::min(1.0, cost.weight_bits *
                                              cost.activation_bits / kWordBits);
    if (attention) {
      VisitAttention(step);
      return;
    }
    const LayerRecord* found = Find(recorded_, step.def->name);
    if (found == nullptr && step.def->name.ends_with(kRowSumSuffix)) return;
    LayerRecord record = found != nullptr ? *found : Unrecorded(*step.def);
    // Weights, and the scale and bias that come with them.
    record.bytes_after = ConstantBytes(plan_, step, 1, low_bit ? 4 : 3);
    if (low_bit) {
      record.bytes_after +=
          ConstantBytes(plan_, step, kGroupScaleInput, kLowBitInputs);
    }
    record.bytes_before =
        low_bit ? FloatBytes(record, step) : record.bytes_after;
    record.kernel = step.op->Kernel();
    report_->layers.push_back(std::move(record));
  }

  // The papers' count of operations.
  double counted() const { return counted_; }

 private:
  // What the weights and the bias take in fp32.
  int64_t FloatBytes(const LayerRecord& record, const PlanStep& step) const {
    constexpr int64_t kFloatBytes = sizeof(float);
    return record.weight_shape.Elements() * kFloatBytes +
           ConstantBytes(plan_, step, 3, 4);
  }

  void VisitAttention(const PlanStep& step) {
    const std::string_view name = step.def->name;
    const size_t split = name.find(kAnd);
    if (split == std::string_view::npos) return;
    const std::array<std::string_view, 2> products = {
        name.substr(0, split), name.substr(split + kAnd.size())};
    for (std::string_view product : products) {
      const LayerRecord* found = Find(recorded_, product);
      LayerRecord record = found != nullptr ? *found : Unrecorded(*step.def);
      record.kernel = step.op->Kernel();
      report_->layers.push_back(std::move(record));
    }
  }

  const Plan& plan_;
  const std::vector<LayerRecord>& recorded_;
  Report* report_;
  double counted_ = 0;
};

}  // namespace

void AddLayers(const Plan& plan, const std::vector<LayerRecord>& recorded,
               Report* report) {
  Builder builder(plan, recorded, report);
  for (const PlanStep& step : plan.steps) builder.Visit(step);
  const double all = report->macs_low_bit + report->macs_float;
  report->reduction_paper = builder.counted() > 0 ? all / builder.counted() : 0;
}

}  // namespace bittern::convert
