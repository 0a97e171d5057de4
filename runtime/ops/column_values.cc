#include "runtime/ops/column_values.h"

#include <utility>

namespace bittern::runtime {

namespace {

// Far beyond any network's columns; a small file may claim billions.
constexpr int64_t kMaxSpread = int64_t{1} << 22;

}  // namespace

Result<void> ColumnValues::Read(const InferContext& context, size_t input,
                                const char* label, int64_t columns,
                                bool integers) {
  const std::string expected = std::string(integers ? "f32 or s8" : "f32") +
                               " constants, one for each of " +
                               std::to_string(columns) +
                               " columns or of equal groups of them";
  if (!Has(context, input) || context.inputs[input].constant == nullptr)
    return WrongInput(context, input, label, expected);
  const InputInfo& info = context.inputs[input];
  const bool narrow = integers && info.type.dtype == DType::kS8;
  const Shape& shape = info.type.shape;
  if ((info.type.dtype != DType::kF32 && !narrow) || shape.rank() != 1 ||
      shape[0] < 1 || columns % shape[0] != 0) {
    return WrongInput(context, input, label, expected);
  }
  spread_.clear();
  if (!narrow && shape[0] == columns) {
    data_ = static_cast<const float*>(info.constant);
    return {};
  }
  if (columns > kMaxSpread) {
    return WrongInput(context, input, label,
                      "f32[" + std::to_string(columns) +
                          "], as groups are spread over at most " +
                          std::to_string(kMaxSpread) + " columns");
  }
  const auto width = static_cast<size_t>(columns / shape[0]);
  spread_.reserve(static_cast<size_t>(columns));
  for (size_t g = 0; g < static_cast<size_t>(shape[0]); ++g) {
    const float value = narrow ? static_cast<float>(info.Values<int8_t>()[g])
                               : info.Values<float>()[g];
    spread_.insert(spread_.end(), width, value);
  }
  data_ = spread_.data();
  return {};
}

void ColumnValues::Repeat(size_t columns, size_t times) {
  if (data_ == nullptr || times == 1) return;
  std::vector<float> repeated;
  for (size_t i = 0; i < times; ++i)
    repeated.insert(repeated.end(), data_, data_ + columns);
  spread_ = std::move(repeated);
  data_ = spread_.data();
}

}  // namespace bittern::runtime
