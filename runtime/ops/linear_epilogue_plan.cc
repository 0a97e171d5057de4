// What an epilogue decides before the first run: its kernel, and the integer
// windows or thresholds that stand for its float operations.
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "kernels/base/bits.h"
#include "kernels/epilogue/thresholds.h"
#include "kernels/quantize/bytes.h"
#include "runtime/ops/linear_epilogue.h"

namespace bittern::runtime {

using kernels::EpilogueKind;
using kernels::EpilogueStep;

size_t LinearEpilogue::StripUnit() const {
  if (form_ == Form::kF32Sign) return 64;
  if (form_ == Form::kGroupNormBytes) return norm_group_;
  if (!IsSign()) return 1;
  // Strips of codes are whole words inside a group, or whole groups where a
  // group is no whole words or is normed (epilogue.h).
  const bool words = codes_.group % 64 == 0 || codes_.group == n_;
  return words && form_ == Form::kSign ? 64 : codes_.group;
}

Result<void> LinearEpilogue::Prepare(const PrepareContext& context) {
  const bool floats = product_.types.activations == kernels::Operand::kF32;
  EpilogueKind kind = EpilogueKind::kWindowSign;
  switch (form_) {
    case Form::kF32:
    case Form::kF32Sign:
    case Form::kF32Bytes:
      kind = floats ? EpilogueKind::kFloatF32 : EpilogueKind::kScaleF32;
      break;
    case Form::kBytes:
      kind = floats                    ? EpilogueKind::kFloatBytes
             : MakeThresholds(context) ? EpilogueKind::kThresholdBytes
                                       : EpilogueKind::kScaleBytes;
      break;
    case Form::kGroupNormBytes:
      kind = EpilogueKind::kGroupNormBytes;
      norm_bytes_ = kernels::SelectBytes(context.cpu);
      break;
    case Form::kSign:
      BITTERN_TRY(MakeWindows(context));
      break;
    case Form::kGroupNormSign:
      kind = EpilogueKind::kGroupNormSign;
      break;
  }
  kernel_ = kernels::SelectEpilogue(kind, context.cpu);
  second_ =
      form_ == Form::kF32Bytes
          ? kernels::SelectEpilogue(EpilogueKind::kFloatBytes, context.cpu)
          : nullptr;
  return {};
}

// Thresholds take 0.09 ns and 0.026 for each of them, the float operations 0.29
// ns, 0.09 more a step (GELU 0.3) and 0.11 more a correction (Zen 5, AVX-512;
// AVX2 favours thresholds more).
bool LinearEpilogue::MakeThresholds(const PrepareContext& context) {
  thresholds_.clear();
  for (const size_t input :
       {kLinearResidual, kLinearRowScale, kLinearRowTerm}) {
    if (Has(context, input)) return false;
  }
  std::vector<const void*> inputs;
  for (const InputInfo& info : context.inputs) inputs.push_back(info.constant);
  void* const outputs[] = {nullptr};
  const kernels::EpilogueArgs layer =
      Args({inputs, outputs, nullptr, nullptr, 0, nullptr}, nullptr);
  const bool gelu =
      std::any_of(steps_.begin(), steps_.end(), [](const EpilogueStep& step) {
        return step.kind == EpilogueStep::Kind::kGelu;
      });
  const auto count =
      static_cast<size_t>(layer.quantiser.hi - layer.quantiser.lo);
  if (count > (gelu ? 15 : 7)) return false;
  int64_t limit = SumBound(product_);
  if (layer.correction != nullptr) {
    const auto [lo, hi] =
        std::minmax_element(layer.correction, layer.correction + n_);
    limit += std::max(std::abs(int64_t{*lo}), std::abs(int64_t{*hi}));
  }
  limit = std::min<int64_t>(limit, std::numeric_limits<int32_t>::max());
  constexpr int64_t kMaxEvaluations = int64_t{1} << 24;  // some 10 ms
  if (limit > kMaxEvaluations / static_cast<int64_t>(2 * n_) &&
      !kernels::IsMonotone(layer, n_)) {
    return false;
  }
  thresholds_.resize(count * n_);
  flip_.resize(n_);
  const auto most = static_cast<int32_t>(limit);
  if (!kernels::MakeThresholds(
          layer,
          *kernels::SelectEpilogue(EpilogueKind::kScaleBytes, context.cpu), n_,
          -most, most, thresholds_.data(), flip_.data())) {
    thresholds_.clear();
  }
  return !thresholds_.empty();
}

Result<void> LinearEpilogue::MakeWindows(const PrepareContext& context) {
  const auto values = [&](size_t input) {
    return Has(context, input)
               ? static_cast<const float*>(context.inputs[input].constant)
               : nullptr;
  };
  SignLayer layer{
      n_, product_.k,       values(kLinearScale), values(kLinearBias),
      {}, values(kLinearA), values(kLinearZ),     codes_.group};
  using Kind = SignFunction::Kind;
  for (const EpilogueStep& step : steps_) {
    const Kind kind = step.kind == EpilogueStep::Kind::kRelu   ? Kind::kRelu
                      : step.kind == EpilogueStep::Kind::kGelu ? Kind::kGelu
                                                               : Kind::kClip;
    layer.functions.push_back({kind, step.lo, step.hi});
  }
  auto windows =
      MakeSignWindows(layer, *kernels::SelectElementwise(context.cpu));
  if (!windows.ok()) {
    return Unsupported(context.def.op + " '" + context.def.name +
                       "': " + windows.error().message);
  }
  windows_ = std::move(windows).value();
  above_.resize(n_);
  below_.resize(n_);
  swap_.resize(kernels::RowWords(n_, codes_.group));
  kernels::EpilogueArgs args;
  SetWindows(args);
  if (!kernels::MakeHalfLines(args, n_, codes_.group,
                              static_cast<int32_t>(product_.k), above_.data(),
                              below_.data(), swap_.data())) {
    above_.clear();
  }
  return {};
}

void LinearEpilogue::SetWindows(kernels::EpilogueArgs& args) const {
  args.pos_lo = windows_.pos_lo.data();
  args.pos_hi = windows_.pos_hi.data();
  args.neg_lo = windows_.neg_lo.data();
  args.neg_hi = windows_.neg_hi.data();
  if (!above_.empty())
    args.half_lines = {above_.data(), below_.data(), swap_.data()};
}

}  // namespace bittern::runtime
