// Every storage form of TensorProto, and what is wrong with damaged ones.
#include "converter/onnx/tensor.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/converter/ir/run_graph.h"
#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using convert::ImportedTensor;
using onnx::TensorProto;
using runtime::DType;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TensorProto Proto(int32_t type, const std::vector<int64_t>& dims) {
  TensorProto proto;
  proto.set_data_type(type);
  for (int64_t dim : dims) proto.add_dims(dim);
  return proto;
}

template <class T>
TensorProto Raw(int32_t type, const std::vector<T>& values) {
  TensorProto proto = Proto(type, {static_cast<int64_t>(values.size())});
  proto.set_raw_data(values.data(), values.size() * sizeof(T));
  return proto;
}

TensorProto Int32Data(int32_t type, int64_t count,
                      const std::vector<int32_t>& values) {
  TensorProto proto = Proto(type, {count});
  for (int32_t value : values) proto.add_int32_data(value);
  return proto;
}

template <class T>
std::vector<T> Read(const TensorProto& proto, DType expected) {
  const runtime::Result<ImportedTensor> tensor =
      convert::ReadTensor(proto, "tensor", "");
  if (!tensor.ok()) FAIL(tensor.error().message);
  CHECK(tensor.value().type.dtype == expected);
  std::vector<T> values(
      static_cast<size_t>(tensor.value().type.shape.Elements()));
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.value().data->data(),
                values.size() * sizeof(T));
  }
  return values;
}

std::string ErrorOf(const TensorProto& proto) {
  const runtime::Result<ImportedTensor> tensor =
      convert::ReadTensor(proto, "tensor", "");
  return tensor.ok() ? "" : tensor.error().message;
}

TEST_CASE("raw data of every type", "[onnx]") {
  using F = std::vector<float>;
  using I = std::vector<int64_t>;
  using N = std::vector<int32_t>;
  CHECK(Read<float>(Raw<float>(1, {1.5f, -2}), DType::kF32) == F{1.5f, -2});
  CHECK(Read<uint8_t>(Raw<uint8_t>(2, {0, 255}), DType::kU8) ==
        std::vector<uint8_t>{0, 255});
  CHECK(Read<int8_t>(Raw<int8_t>(3, {-128, 127}), DType::kS8) ==
        std::vector<int8_t>{-128, 127});
  CHECK(Read<int32_t>(Raw<uint16_t>(4, {0, 65535}), DType::kI32) ==
        N{0, 65535});
  CHECK(Read<int32_t>(Raw<int16_t>(5, {-32768}), DType::kI32) == N{-32768});
  CHECK(Read<int32_t>(Raw<int32_t>(6, {-7}), DType::kI32) == N{-7});
  CHECK(Read<int64_t>(Raw<int64_t>(7, {INT64_MIN, 3}), DType::kI64) ==
        I{INT64_MIN, 3});
  CHECK(Read<uint8_t>(Raw<uint8_t>(9, {0, 1, 7}), DType::kBool) ==
        std::vector<uint8_t>{0, 1, 1});
  CHECK(Read<float>(Raw<double>(11, {0.1, 1e300}), DType::kF32) ==
        F{0.1f, kInfinity});
  CHECK(Read<int64_t>(Raw<uint32_t>(12, {4294967295u}), DType::kI64) ==
        I{4294967295});
  CHECK(Read<int64_t>(Raw<uint64_t>(13, {5}), DType::kI64) == I{5});
  CHECK(Read<float>(Raw<uint16_t>(16, {0x3F80, 0xC000}), DType::kF32) ==
        F{1, -2});
}

TEST_CASE("half floats: normal, subnormal, special", "[onnx]") {
  const std::vector<float> values =
      Read<float>(Raw<uint16_t>(TensorProto::FLOAT16,
                                {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x83FF, 0x8000,
                                 0x7C00, 0xFC00, 0x7E00}),
                  DType::kF32);
  CHECK(values[0] == 1.0f);
  CHECK(values[1] == -2.0f);
  CHECK(values[2] == 65504.0f);
  CHECK(values[3] == 0x1p-24f);
  CHECK(values[4] == -1023 * 0x1p-24f);
  CHECK((values[5] == 0.0f && std::signbit(values[5])));
  CHECK(values[6] == kInfinity);
  CHECK(values[7] == -kInfinity);
  CHECK(std::isnan(values[8]));
}

TEST_CASE("typed fields", "[onnx]") {
  CHECK(Read<float>(FloatTensor("", {2}, {1, 2}), DType::kF32) ==
        std::vector<float>{1, 2});
  CHECK(Read<int64_t>(IntTensor("", {2}, {-1, 2}), DType::kI64) ==
        std::vector<int64_t>{-1, 2});
  TensorProto doubles = Proto(TensorProto::DOUBLE, {1});
  doubles.add_double_data(0.5);
  CHECK(Read<float>(doubles, DType::kF32) == std::vector<float>{0.5f});
  TensorProto unsigneds = Proto(TensorProto::UINT32, {1});
  unsigneds.add_uint64_data(4000000000u);
  CHECK(Read<int64_t>(unsigneds, DType::kI64) ==
        std::vector<int64_t>{4000000000});
  CHECK(Read<int8_t>(Int32Data(TensorProto::INT8, 2, {-128, 5}), DType::kS8) ==
        std::vector<int8_t>{-128, 5});
  CHECK(Read<uint8_t>(Int32Data(TensorProto::BOOL, 2, {1, 0}), DType::kBool) ==
        std::vector<uint8_t>{1, 0});
  CHECK(Read<int32_t>(Int32Data(TensorProto::UINT16, 1, {65535}),
                      DType::kI32) == std::vector<int32_t>{65535});
  CHECK(Read<float>(Int32Data(TensorProto::FLOAT16, 2, {0x3C00, -0x4000}),
                    DType::kF32) == std::vector<float>{1, -2});
  CHECK(Read<float>(Int32Data(TensorProto::BFLOAT16, 1, {0x3F80}),
                    DType::kF32) == std::vector<float>{1});
}

TEST_CASE("packed 4- and 2-bit integers", "[onnx]") {
  TensorProto raw = Proto(convert::kOnnxInt4, {3});
  raw.set_raw_data("\x7F\x08", 2);  // low nibble first: -1, 7, -8
  CHECK(Read<int8_t>(raw, DType::kS8) == std::vector<int8_t>{-1, 7, -8});
  raw.set_data_type(convert::kOnnxUint4);
  CHECK(Read<uint8_t>(raw, DType::kU8) == std::vector<uint8_t>{15, 7, 8});

  TensorProto pairs = Proto(convert::kOnnxInt2, {5});
  pairs.set_raw_data("\xE4\x02", 2);  // 0, 1, 2, 3, then 2
  CHECK(Read<int8_t>(pairs, DType::kS8) ==
        std::vector<int8_t>{0, 1, -2, -1, -2});
  pairs.set_data_type(convert::kOnnxUint2);
  CHECK(Read<uint8_t>(pairs, DType::kU8) ==
        std::vector<uint8_t>{0, 1, 2, 3, 2});

  // One byte in each int32; old writers sign-extended it.
  CHECK(Read<int8_t>(Int32Data(convert::kOnnxInt4, 3, {0x7F - 0x80, 0x08}),
                     DType::kS8) == std::vector<int8_t>{-1, -1, -8});
  CHECK(Read<uint8_t>(Int32Data(convert::kOnnxUint4, 2, {0x7F}), DType::kU8) ==
        std::vector<uint8_t>{15, 7});
  CHECK(Read<int8_t>(Int32Data(convert::kOnnxInt2, 4, {0xE4}), DType::kS8) ==
        std::vector<int8_t>{0, 1, -2, -1});
}

TEST_CASE("scalars and empty tensors", "[onnx]") {
  CHECK(Read<float>(FloatTensor("", {}, {3}), DType::kF32) ==
        std::vector<float>{3});
  CHECK(Read<float>(FloatTensor("", {0, 4}, {}), DType::kF32).empty());
}

TEST_CASE("wrong tensors are refused", "[onnx]") {
  CHECK(ErrorOf(FloatTensor("", {3}, {1, 2})) ==
        "tensor [3] has 2 stored values, expected 3");
  TensorProto raw = Proto(TensorProto::FLOAT, {3});
  raw.set_raw_data("12345");
  CHECK(ErrorOf(raw) == "tensor [3] has 5 bytes, expected 12");
  CHECK(ErrorOf(Int32Data(convert::kOnnxInt4, 3, {1, 2, 3})) ==
        "tensor [3] has 3 stored values, expected 2");
  CHECK(ErrorOf(Int32Data(TensorProto::INT8, 1, {300})) ==
        "tensor: element 0 is 300, which its type cannot hold");
  CHECK(ErrorOf(Raw<uint64_t>(TensorProto::UINT64, {UINT64_MAX})) ==
        "tensor: element 0 does not fit 63 bits");
  CHECK(ErrorOf(FloatTensor("", {-1}, {1})) ==
        "tensor has dimension -1, expected at least 0");
  CHECK(ErrorOf(FloatTensor("", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})) ==
        "tensor has 9 dimensions, expected at most 8");
  CHECK(ErrorOf(FloatTensor("", {int64_t{1} << 40}, {})) ==
        "tensor [1099511627776] has 0 stored values, expected 1099511627776");
  CHECK(ErrorOf(FloatTensor("", {INT64_MAX, INT64_MAX}, {}))
            .find("has too many elements") != std::string::npos);
  CHECK(ErrorOf(Proto(TensorProto::STRING, {1})) ==
        "tensor: element type STRING is not supported, expected a float, "
        "integer or BOOL");
  CHECK(ErrorOf(Proto(99, {1})).find("element type type 99") !=
        std::string::npos);
  TensorProto segmented = FloatTensor("", {1}, {1});
  segmented.mutable_segment()->set_begin(0);
  CHECK(ErrorOf(segmented) ==
        "tensor is stored in segments, expected one piece");
}

}  // namespace
}  // namespace bittern::test
