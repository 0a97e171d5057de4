// The canonical rows of FORMAT.md, byte by byte: every encoding of weights
// survives a file and means the values written beside it.
#include <catch2/catch.hpp>

#include "runtime/exec/session.h"
#include "runtime/format/reader.h"
#include "runtime/format/writer.h"
#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

struct Rows {
  const char* type;  // as ToString has it
  int64_t n, k;
  std::vector<uint8_t> bytes;
  std::vector<float> values;
};

const std::vector<Rows> kRows = {
    {"bipolar", 1, 10, {0x4D, 0xFF}, {1, -1, 1, 1, -1, -1, 1, -1, 1, 1}},
    {"u1w", 1, 10, {0x4D, 3}, {1, 0, 1, 1, 0, 0, 1, 0, 1, 1}},
    {"u2w", 2, 5, {0xE4, 1, 0x0F, 0xFE}, {0, 1, 2, 3, 1, 3, 3, 0, 0, 2}},
    {"u3w", 1, 4, {0xB9, 0x0A}, {1, 7, 2, 5}},
    {"u4w", 2, 3, {0x1F, 8, 0x32, 0xF4}, {15, 1, 8, 2, 3, 4}},
    {"u8w", 1, 2, {0, 255}, {0, 255}},
    {"s2w", 1, 5, {0x4E, 3}, {-2, -1, 0, 1, -1}},
    {"s3w", 1, 3, {0xDC, 0xFF}, {-4, 3, -1}},
    {"s4w", 1, 3, {0x78, 0x0F}, {-8, 7, -1}},
    {"s8w", 2, 1, {0x80, 5}, {-128, 5}},
    {"s16w", 1, 2, {0xFE, 0xFF, 2, 1}, {-2, 258}},
    {"ternary", 1, 7, {221, 1}, {1, 0, -1, 1, 1, 0, -1}},
    {"bipolar2w", 1, 5, {0xE4, 1}, {-3, -1, 1, 3, -1}},
    {"bipolar3w", 1, 4, {0xB9, 0x0A}, {-5, 7, -3, 3}},
    {"bipolar4w", 2, 3, {0x1F, 8, 0x32, 0xF4}, {15, -13, 1, -11, -9, -7}},
};

TensorType TypeOf(const Rows& rows) {
  return {DType::kCode, {rows.n, rows.k}, *CodeTypeNamed(rows.type)};
}

// The values of these rows after a trip through a file.
std::vector<float> Levels(const Rows& rows) {
  test::ModelBuilder b;
  const int32_t w = b.Constant<uint8_t>("w", TypeOf(rows), rows.bytes);
  const int32_t scale =
      b.Constant<float>("scale", b.F32({rows.n}),
                        std::vector<float>(static_cast<size_t>(rows.n), 1.0f));
  b.Output(b.Op("Dequantize", "y", {w, scale}), {rows.n, rows.k});
  const auto file = SerializeModel(b.def);
  REQUIRE(file.ok());
  const auto model =
      ReadModelMemory(file.value().data(), file.value().size(), true);
  INFO(model.error().message);
  REQUIRE(model.ok());
  CHECK(model.value()->def().tensors[0].type == TypeOf(rows));
  auto session = Session::Create(model.value(), {});
  REQUIRE(session.ok());
  REQUIRE(session.value()->Prepare().ok());
  REQUIRE(session.value()->Run().ok());
  const TensorView y = session.value()->Output(0).value();
  const auto* data = static_cast<const float*>(y.data);
  return {data, data + rows.n * rows.k};
}

TEST_CASE("rows of every encoding are as FORMAT.md says") {
  for (const Rows& rows : kRows) {
    INFO(rows.type);
    CHECK(ByteSize(TypeOf(rows)) == rows.bytes.size());
    CHECK(Levels(rows) == rows.values);
  }
}

TEST_CASE("bytes that no five trits make are values in range all the same") {
  for (int byte = 243; byte < 256; ++byte) {
    for (const float v :
         Levels({"ternary", 1, 5, {static_cast<uint8_t>(byte)}, {}}))
      CHECK((v == -1 || v == 0 || v == 1));
  }
}

TEST_CASE("codes that no reader knows are refused by name") {
  test::ModelBuilder b;
  const int32_t w = b.Constant<uint8_t>("w", TypeOf(kRows[4]), kRows[4].bytes);
  b.Output(
      b.Op("Dequantize", "y", {w, b.Constant<float>("s", b.F32({2}), {1, 1})}),
      {2, 3});
  const auto message = [&](Encoding encoding, uint8_t bits) {
    ModelDef def = b.def;
    def.tensors[0].type.code = {encoding, bits, 0};
    return SerializeModel(def).error().message;
  };
  CHECK(message(Encoding::kUnsigned, 4).empty());
  CHECK(message(Encoding::kUnsigned, 5) ==
        "tensor 0 'w': code type: got encoding 3 with 5 bits, expected one "
        "that FORMAT.md lists");
  CHECK(message(static_cast<Encoding>(10), 4).find("encoding 10 with 4 bits") !=
        std::string::npos);
  CHECK(message(Encoding::kUnsignedBytes, 4) ==
        "tensor 0 'w': constant: got u4c[2,3], expected numbers or codes of "
        "weights");
}

}  // namespace
}  // namespace bittern::runtime
