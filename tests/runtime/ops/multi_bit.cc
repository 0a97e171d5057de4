#include "tests/runtime/ops/multi_bit.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

namespace bittern::test {

using kernels::ScalePer;

const std::vector<std::string> kByteTypes = {
    "u1c", "u2c", "u3c", "u4c", "u8c", "s2c", "s3c", "s4c", "s8c", "bipolar2c"};
const std::vector<std::string> kWeightTypes = {
    "bipolar", "ternary", "bipolar2w", "u1w", "u2w", "u3w", "u4w",
    "u8w",     "s2w",     "s3w",       "s4w", "s8w", "s16w"};

namespace {

struct Bounds {
  int lo, hi, step;
};

Bounds BoundsOf(const std::string& type) {
  if (type == "sign" || type == "ternary") return {-1, 1, 1};
  if (type == "bipolar") return {-1, 1, 2};
  if (type.starts_with("bipolar2")) return {-3, 3, 2};
  const int bits = std::stoi(type.substr(1));
  if (type[0] == 'u') return {0, (1 << bits) - 1, 1};
  return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1, 1};
}

}  // namespace

std::vector<int> AnyCodes(Random& random, const std::string& type,
                          size_t count) {
  const Bounds b = BoundsOf(type);
  const auto steps = static_cast<size_t>((b.hi - b.lo) / b.step + 1);
  std::vector<int> values(count);
  for (int& v : values)
    v = b.lo + b.step * static_cast<int>(random.Below(steps));
  // The extremes meet in some places.
  for (size_t i = 0; i + 1 < count; i += 7) values[i] = b.hi;
  return values;
}

Value CodeTensor(const std::string& type, const runtime::Shape& shape,
                 const std::vector<int>& values) {
  if (type == "sign") return Sign(shape, 0, values);
  REQUIRE(static_cast<int64_t>(values.size()) == shape.Elements());
  const auto code = runtime::CodeTypeNamed(type);
  REQUIRE(code);
  const runtime::TensorType tensor{runtime::DType::kCode, shape, *code};
  const bool weights = runtime::IsWeightEncoding(code->encoding);
  const std::vector<uint8_t> zeros(runtime::ByteSize(tensor));
  Value value =
      Bytes(runtime::DType::kU8, {static_cast<int64_t>(zeros.size())}, zeros);
  value.type = tensor;
  value.constant = weights;
  const auto cols = static_cast<size_t>(shape.Last());
  for (size_t i = 0; i < values.size(); ++i) {
    if (weights) {
      kernels::PutValue(value.data->data(), runtime::OperandOf(*code), cols,
                        i / cols, i % cols, values[i]);
    } else {
      value.data->data()[i] = static_cast<uint8_t>(values[i]);
    }
  }
  return value;
}

std::vector<int> ByteValues(const Value& value) {
  const std::string type = ToString(value.type.code);
  REQUIRE(std::find(kByteTypes.begin(), kByteTypes.end(), type) !=
          kByteTypes.end());
  const Bounds b = BoundsOf(type);
  std::vector<int> values;
  size_t outside = 0;
  for (const uint8_t byte : value.As<uint8_t>()) {
    values.push_back(b.lo < 0 ? static_cast<int8_t>(byte) : byte);
    outside += values.back() < b.lo || values.back() > b.hi ||
               (values.back() - b.lo) % b.step != 0;
  }
  REQUIRE(outside == 0);
  return values;
}

void PlainQuantiser::Fill(Random& random, size_t rows, size_t cols, float step,
                          bool zeros) {
  const size_t count = per == ScalePer::kTensor   ? 1
                       : per == ScalePer::kColumn ? cols
                                                  : rows;
  scale.clear();
  zero.clear();
  for (size_t i = 0; i < count; ++i) {
    scale.push_back(step * random.Uniform(0.5f, 2));
    if (multiply) scale.back() = 1 / scale.back();
    if (!zeros) continue;
    const float z = random.Uniform(static_cast<float>(lo) * 0.5f,
                                   static_cast<float>(hi) * 0.5f);
    zero.push_back(zero_after ? std::round(z) : z);
  }
}

runtime::AttributeMap PlainQuantiser::Attributes() const {
  const char* const names[] = {"tensor", "column", "row"};
  runtime::AttributeMap map{
      {"per", std::string(names[static_cast<size_t>(per)])},
      {"lo", int64_t{lo}},
      {"hi", int64_t{hi}}};
  if (bipolar2) map["bipolar2"] = int64_t{1};
  if (multiply) map["multiply"] = int64_t{1};
  if (zero_after) map["zero_after"] = int64_t{1};
  return map;
}

int PlainQuantiser::ValueOf(float x, size_t row, size_t col) const {
  const size_t i = per == ScalePer::kTensor   ? 0
                   : per == ScalePer::kColumn ? col
                                              : row;
  const float z = zero.empty() ? 0.0f : zero[i];
  volatile float t = multiply ? x * scale[i] : x / scale[i];
  if (!zero_after) t = t + z;
  float code = 0;
  if (!std::isnan(t)) code = std::nearbyint(t) + (zero_after ? z : 0.0f);
  code = std::clamp(code, static_cast<float>(lo), static_cast<float>(hi));
  const int value = static_cast<int>(code);
  return bipolar2 ? 2 * value - 3 : value;
}

}  // namespace bittern::test
