#include "converter/cli/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/bits.h"
#include "kernels/base/code_matrix.h"
#include "kernels/quantize/quantize.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::Encoding;
using runtime::InvalidArgument;
using runtime::Result;
using runtime::Session;
using runtime::TensorType;
using runtime::TensorView;

float LargestOf(const float* values, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::fabs(values[i]));
  }
  return largest;
}

// 0 of two NaNs, infinity of one.
double Distance(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) && std::isnan(b)
               ? 0
               : std::numeric_limits<double>::infinity();
  }
  return a == b ? 0
                : std::fabs(static_cast<double>(a) - static_cast<double>(b));
}

// The code that a value of the float graph's twin stands for.
int32_t CodeOf(const TensorType& type, float value) {
  if (!(std::fabs(value) <= 1 << 16)) return 0;  // NaN too
  if (type.code.encoding == Encoding::kSign) return (value > 0) - (value < 0);
  return static_cast<int32_t>(std::nearbyint(value));
}

kernels::CodePlanes PlanesOf(const TensorType& type, void* data) {
  const auto cols = static_cast<size_t>(type.shape.Last());
  const auto group = static_cast<size_t>(type.code.group);
  return kernels::ViewCodePlanes(data,
                                 static_cast<size_t>(type.shape.Leading()),
                                 cols, group > 0 ? group : cols);
}

// Codes of a tensor in row-major order.
std::vector<int32_t> ReadCodes(const TensorView& view) {
  const TensorType& type = *view.type;
  const auto cols = static_cast<size_t>(type.shape.Last());
  std::vector<int32_t> codes(static_cast<size_t>(type.shape.Elements()));
  if (type.code.encoding == Encoding::kSign) {
    const kernels::CodePlanes planes = PlanesOf(type, view.data);
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] = kernels::CodeAt(planes, i / cols, i % cols);
    }
  } else {
    const auto operand = runtime::OperandOf(type.code);
    const auto* bytes = static_cast<const uint8_t*>(view.data);
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] = kernels::ByteValue(operand, bytes[i]);
    }
  }
  return codes;
}

void WriteCodes(const TensorView& view, const std::vector<int32_t>& codes) {
  const TensorType& type = *view.type;
  if (type.code.encoding != Encoding::kSign) {
    auto* bytes = static_cast<uint8_t*>(view.data);
    for (size_t i = 0; i < codes.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(codes[i]);
    }
    return;
  }
  const std::vector<float> values(codes.begin(), codes.end());
  kernels::SignArgs args{};
  args.x = values.data();
  args.x_stride = static_cast<ptrdiff_t>(
      static_cast<size_t>(type.shape.Last()) * sizeof(float));
  args.codes = PlanesOf(type, view.data);
  kernels::SelectQuantize(kernels::DetectCpu())
      ->sign(args, 0, static_cast<size_t>(type.shape.Leading()));
}

// For each (row, head) whether a value inside a fused op is near a tie: of a
// quantiser of [B,H,Tq,Tk] a flag per query and head, else one for all.
struct InnerTies {
  std::vector<uint8_t> tied;  // [rows][heads]
  int64_t heads = 1;

  bool At(int64_t row, int64_t column, int64_t columns) const {
    if (tied.empty()) return false;
    const int64_t head = column / std::max<int64_t>(columns / heads, 1);
    return tied[static_cast<size_t>(row * heads + std::min(head, heads - 1))] !=
           0;
  }
};

InnerTies FindInnerTies(const FloatGraph& graph,
                        const std::vector<Rounding>& inner, int64_t rows) {
  InnerTies ties;
  for (const Rounding& rounding : inner) {
    const runtime::Shape& shape = graph.ShapeOf(rounding.input);
    const float* values = graph.Values(rounding.input);
    if (values == nullptr) continue;
    const bool by_head = shape.rank() == 4 && shape[0] * shape[2] == rows;
    const int64_t heads = by_head ? shape[1] : 1;
    if (ties.tied.empty()) {
      ties.heads = heads;
      ties.tied.assign(static_cast<size_t>(rows * heads), 0);
    }
    const int64_t count = shape.Elements();
    const double bound =
        kTieTolerance * std::max(1.0f, LargestOf(values, count));
    for (int64_t i = 0; i < count; ++i) {
      if (rounding.TieDistance(values[i]) > bound) continue;
      if (!by_head || heads != ties.heads) {
        std::fill(ties.tied.begin(), ties.tied.end(), uint8_t{1});
        break;
      }
      const int64_t line = i / shape[3];  // (batch * heads + head) * Tq + query
      const int64_t query = line % shape[2], head = line / shape[2] % heads;
      const int64_t row = line / shape[2] / heads * shape[2] + query;
      ties.tied[static_cast<size_t>(row * heads + head)] = 1;
    }
  }
  return ties;
}

std::string Place(int64_t index, int64_t columns, const std::string& got,
                  const std::string& expected, double distance) {
  std::string text =
      fmt::format("row {} column {}: got {}, expected {}", index / columns,
                  index % columns, got, expected);
  if (distance >= 0) text += fmt::format(", {:.3g} from a tie", distance);
  return text;
}

// Adds the comparison of one tensor on one sample.
class TensorWalk {
 public:
  TensorWalk(const FloatGraph& graph, int32_t twin, const TwinOrder& order,
             InnerTies ties, TensorComparison* out)
      : order_(order),
        values_(graph.Values(twin)),
        ties_(std::move(ties)),
        own_(graph.QuantiserOf(twin)),
        out_(out) {
    const runtime::Shape& shape = graph.ShapeOf(twin);
    if (own_ && graph.ShapeOf(own_->input).Elements() == shape.Elements()) {
      before_ = graph.Values(own_->input);
    }
    if (before_ != nullptr) {
      bound_ =
          kTieTolerance * std::max(1.0f, LargestOf(before_, shape.Elements()));
    }
    largest_ = LargestOf(values_, shape.Elements());
  }

  void Codes(const TensorView& view) {
    const std::vector<int32_t> codes = ReadCodes(view);
    const int64_t columns = view.type->shape.Last();
    for (size_t k = 0; k < codes.size(); ++k) {
      const auto i = static_cast<int64_t>(k);
      const int64_t j = order_(i);
      const int32_t expected = CodeOf(*view.type, values_[j]);
      ++out_->elements;
      if (codes[k] == expected) continue;
      const double distance = TieDistance(j);
      Difference(i, columns, distance >= 0 && distance <= bound_, [&] {
        return Place(i, columns, fmt::format("{}", codes[k]),
                     fmt::format("{}", expected), distance);
      });
    }
  }

  void Floats(const TensorView& view) {
    const auto* got = static_cast<const float*>(view.data);
    const int64_t columns = std::max<int64_t>(view.type->shape.Last(), 1);
    const double bound = kFloatTolerance * std::max(largest_, 1e-30f);
    for (int64_t i = 0; i < view.type->shape.Elements(); ++i) {
      const double expected = values_[order_(i)];
      const double delta = Distance(got[i], values_[order_(i)]);
      out_->max_abs = std::max(out_->max_abs, delta);
      out_->sum_sq += delta * delta;
      out_->sum_sq_reference += expected * expected;
      ++out_->elements;
      if (delta <= bound) continue;
      // A float may be the level of a code.
      const double distance = TieDistance(order_(i));
      Difference(i, columns, distance >= 0 && distance <= bound_, [&] {
        return Place(i, columns, fmt::format("{:.6g}", got[i]),
                     fmt::format("{:.6g}", expected), distance);
      });
    }
  }

 private:
  // Of the quantiser behind an element of the float tensor; -1 if it has none.
  double TieDistance(int64_t index) const {
    return before_ != nullptr ? own_->TieDistance(before_[index]) : -1;
  }

  template <class Text>
  void Difference(int64_t i, int64_t columns, bool tied, const Text& text) {
    ++out_->flips;
    if (tied || ties_.At(i / columns, i % columns, columns)) return;
    ++out_->unexplained;
    if (out_->first.empty()) out_->first = text();
  }

  const TwinOrder order_;
  const float* values_;
  const float* before_ = nullptr;  // the twin's quantiser
  InnerTies ties_;
  std::optional<Rounding> own_;
  double bound_ = 0;
  float largest_ = 0;
  TensorComparison* out_;
};

}  // namespace

int64_t Comparison::Flips() const {
  int64_t flips = 0;
  for (const TensorComparison& tensor : tensors) flips += tensor.flips;
  return flips;
}

int64_t Comparison::Unexplained() const {
  int64_t unexplained = 0;
  for (const TensorComparison& tensor : tensors) {
    unexplained += tensor.unexplained;
  }
  return unexplained;
}

Comparer::Comparer(std::unique_ptr<Session> reference,
                   std::unique_ptr<Session> packed)
    : reference_(std::move(reference)),
      packed_(std::move(packed)),
      graph_(*reference_),
      index_(packed_->model().def().tensors.size(), -1) {}

Result<Comparer> Comparer::Make(std::unique_ptr<Session> reference,
                                std::unique_ptr<Session> packed) {
  const size_t count = packed->model().def().inputs.size();
  if (reference->model().def().inputs.size() != count) {
    return InvalidArgument(
        fmt::format("the ONNX file has {} inputs, the packed model {}: "
                    "expected the same network",
                    reference->model().def().inputs.size(), count));
  }
  return Comparer(std::move(reference), std::move(packed));
}

Result<void> Comparer::CopyInputs() {
  for (size_t i = 0; i < packed_->model().def().inputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const TensorView source, packed_->Input(i));
    BITTERN_TRY_ASSIGN(const TensorView target, reference_->Input(i));
    if (*source.type != *target.type) {
      return InvalidArgument(
          fmt::format("input {} is {} in the packed model and {} in the ONNX "
                      "file: expected the same network",
                      i, ToString(*source.type), ToString(*target.type)));
    }
    std::memcpy(target.data, source.data, ByteSize(*source.type));
  }
  return {};
}

Result<void> Comparer::CompareOutputs() {
  const auto& def = packed_->model().def();
  result_.outputs.resize(
      std::min(def.outputs.size(), reference_->model().def().outputs.size()));
  for (size_t i = 0; i < result_.outputs.size(); ++i) {
    OutputComparison& out = result_.outputs[i];
    out.name = def.tensors[static_cast<size_t>(def.outputs[i])].name;
    BITTERN_TRY_ASSIGN(const TensorView a, packed_->Output(i));
    BITTERN_TRY_ASSIGN(const TensorView b, reference_->Output(i));
    if (*a.type != *b.type || a.type->dtype != DType::kF32) continue;
    const auto* got = static_cast<const float*>(a.data);
    const auto* expected = static_cast<const float*>(b.data);
    const int64_t columns = std::max<int64_t>(a.type->shape.Last(), 1);
    for (int64_t row = 0; row < a.type->shape.Leading(); ++row) {
      const float* x = got + row * columns;
      const float* y = expected + row * columns;
      ++out.rows;
      out.same_top += std::max_element(x, x + columns) - x ==
                              std::max_element(y, y + columns) - y
                          ? 1
                          : 0;
      for (int64_t c = 0; c < columns; ++c) {
        out.max_abs = std::max(out.max_abs, Distance(x[c], y[c]));
        out.largest =
            std::max(out.largest, std::fabs(static_cast<double>(y[c])));
      }
    }
  }
  return {};
}

// Gives a tensor the values of its twin; leaves it if it has none.
Result<void> Comparer::Force(int32_t tensor) {
  const auto& def = packed_->model().def().tensors[static_cast<size_t>(tensor)];
  if (def.data != nullptr) return {};
  const int32_t twin = graph_.Find(def.name);
  if (twin < 0) return {};
  BITTERN_TRY_ASSIGN(const TensorView view, packed_->Tensor(def.name));
  const auto order = OrderOf(def.name, view.type->shape, graph_.ShapeOf(twin));
  const float* values = graph_.Values(twin);
  if (!order || values == nullptr) return {};
  const int64_t count = view.type->shape.Elements();
  if (view.type->dtype == DType::kF32) {
    auto* out = static_cast<float*>(view.data);
    for (int64_t i = 0; i < count; ++i) out[i] = values[(*order)(i)];
  } else if (view.type->dtype == DType::kCode) {
    std::vector<int32_t> codes(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      codes[static_cast<size_t>(i)] = CodeOf(*view.type, values[(*order)(i)]);
    }
    WriteCodes(view, codes);
  }
  return {};
}

Result<void> Comparer::CompareStep(size_t step, int32_t tensor) {
  const auto& def = packed_->model().def().tensors[static_cast<size_t>(tensor)];
  const int32_t twin = graph_.Find(def.name);
  if (twin < 0) return {};
  BITTERN_TRY_ASSIGN(const TensorView view, packed_->Tensor(def.name));
  const auto order = OrderOf(def.name, view.type->shape, graph_.ShapeOf(twin));
  if (!order || graph_.Values(twin) == nullptr) return {};
  if (view.type->dtype != DType::kF32 && view.type->dtype != DType::kCode) {
    return {};
  }
  int32_t& index = index_[static_cast<size_t>(tensor)];
  const runtime::PlanStep& plan_step = packed_->plan()->steps[step];
  if (index < 0) {
    index = static_cast<int32_t>(result_.tensors.size());
    TensorComparison& made = result_.tensors.emplace_back();
    made.name = def.name;
    made.op = plan_step.def->op;
    made.type = *view.type;
  }
  // Attention quantises its probabilities inside; other ops have one quantiser,
  // the output's.
  const bool has_inner = plan_step.def->op.ends_with("Attention");
  std::set<int32_t> from;
  for (int32_t input : plan_step.inputs) {
    if (input < 0) continue;
    const auto& name =
        packed_->model().def().tensors[static_cast<size_t>(input)].name;
    const int32_t input_twin = graph_.Find(name);
    if (input_twin < 0) continue;
    from.insert(input_twin);
    // A straight-through residue leads past the quantiser.
    const auto quantiser = graph_.QuantiserOf(input_twin);
    if (quantiser) from.insert(quantiser->input);
  }
  InnerTies inner;
  if (has_inner) {
    inner = FindInnerTies(graph_, graph_.Between(from, twin),
                          view.type->shape.Leading());
  }
  TensorWalk walk(graph_, twin, *order, std::move(inner),
                  &result_.tensors[static_cast<size_t>(index)]);
  if (view.type->dtype == DType::kF32) {
    walk.Floats(view);
  } else {
    walk.Codes(view);
  }
  return {};
}

Result<void> Comparer::Run() {
  BITTERN_TRY(CopyInputs());
  BITTERN_TRY(packed_->Run());
  BITTERN_TRY(reference_->Run());
  BITTERN_TRY(CompareOutputs());
  const auto& steps = packed_->plan()->steps;
  for (size_t s = 0; s < steps.size(); ++s) {
    for (int32_t input : steps[s].inputs) {
      if (input >= 0) BITTERN_TRY(Force(input));
    }
    BITTERN_TRY(packed_->RunStep(s));
    for (int32_t output : steps[s].outputs) {
      if (output >= 0) BITTERN_TRY(CompareStep(s, output));
    }
  }
  ++result_.samples;
  return {};
}

Result<void> Comparer::AddReference(const std::string& name,
                                    const NpyArray& array) {
  if (array.type.dtype != DType::kF32) {
    return InvalidArgument("reference '" + name + "' is " +
                           ToString(array.type) + ", expected floats");
  }
  const auto* expected = reinterpret_cast<const float*>(array.bytes.data());
  ReferenceComparison made;
  made.name = name;
  made.elements = array.type.shape.Elements();
  made.largest = LargestOf(expected, made.elements);
  const auto difference = [&](Session& session) {
    const auto view = session.Tensor(name);
    if (!view.ok() || view.value().type->dtype != DType::kF32 ||
        view.value().type->shape.Elements() != made.elements) {
      return -1.0;
    }
    const auto* got = static_cast<const float*>(view.value().data);
    double largest = 0;
    for (int64_t i = 0; i < made.elements; ++i) {
      largest = std::max(largest, Distance(got[i], expected[i]));
    }
    return largest;
  };
  // The steps ran on the float graph's values: once more as a whole.
  BITTERN_TRY(packed_->Run());
  made.max_abs_packed = difference(*packed_);
  made.max_abs_float = difference(*reference_);
  if (made.max_abs_packed < 0 && made.max_abs_float < 0) {
    return runtime::NotFound("reference '" + name + "' is " +
                             ToString(array.type) +
                             ", but no float tensor of the models has this "
                             "name and size");
  }
  result_.references.push_back(std::move(made));
  return {};
}

}  // namespace bittern::cli
