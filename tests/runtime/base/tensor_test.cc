#include "runtime/base/tensor.h"

#include <catch2/catch.hpp>
#include <vector>

#include "kernels/base/bits.h"

namespace bittern::runtime {
namespace {

TEST_CASE("a shape is a matrix of leading rows and last columns") {
  const Shape shape{2, 3, 5};
  CHECK(shape.Elements() == 30);
  CHECK(shape.Leading() == 6);
  CHECK(shape.Last() == 5);
  CHECK(Shape{}.Elements() == 1);
  CHECK(Shape{}.Leading() == 1);
  CHECK(Shape{}.Last() == 1);
  CHECK(Shape{7}.Leading() == 1);
  CHECK(Shape{}.IsStatic());
  CHECK_FALSE(Shape{1, -1}.IsStatic());
}

TEST_CASE("a shape keeps at most 8 dimensions") {
  const std::vector<int64_t> nine(9, 1);
  CHECK(Shape(nine).rank() == kMaxRank);
  Shape shape{4};
  shape.Append(6);
  CHECK(shape == Shape{4, 6});
  CHECK_FALSE(shape == Shape{4});
}

TEST_CASE("element counts are checked against overflow") {
  CHECK(CheckedElements({1 << 20, 1 << 20}).value() == int64_t{1} << 40);
  CHECK(CheckedElements({3, 0, 5}).value() == 0);
  CHECK_FALSE(CheckedElements({1 << 20, 1 << 20, 2}).ok());
  CHECK_FALSE(CheckedElements({INT64_MAX, INT64_MAX}).ok());
  CHECK_FALSE(CheckedElements({2, -1}).ok());
}

TEST_CASE("bytes of every kind of tensor") {
  const auto bytes = [](DType dtype) { return ByteSize({dtype, {3, 5}, {}}); };
  CHECK(bytes(DType::kF32) == 60);
  CHECK(bytes(DType::kI32) == 60);
  CHECK(bytes(DType::kI64) == 120);
  CHECK(bytes(DType::kU8) == 15);
  CHECK(bytes(DType::kS8) == 15);
  CHECK(bytes(DType::kBool) == 15);
  CHECK(ByteSize({DType::kCode, {3, 9}, {Encoding::kBipolar, 1, 0}}) ==
        6);  // rows padded to a byte
  CHECK(ByteSize({DType::kCode, {2, 3, 192}, {Encoding::kSign, 1, 0}}) ==
        kernels::CodePlanesBytes(6, 192, 192));
  CHECK(ByteSize({DType::kCode, {2, 3, 192}, {Encoding::kSign, 1, 48}}) ==
        kernels::CodePlanesBytes(6, 192, 48));
  CHECK(ByteSize({DType::kCode, {3, 0}, {Encoding::kSign, 1, 0}}) ==
        64);  // only the counts
}

TEST_CASE("codes of every width have a name, an operand and a size") {
  struct Row {
    const char* name;
    Encoding encoding;
    uint8_t bits;
    kernels::Operand operand;
    size_t bytes;  // of [3, 9]
  };
  using kernels::Operand;
  for (const Row& row :
       {Row{"bipolar", Encoding::kBipolar, 1, Operand::kBipolar, 6},
        Row{"ternary", Encoding::kTernary, 2, Operand::kTernary, 6},
        Row{"bipolar2w", Encoding::kBipolar2, 2, Operand::kBipolar2, 9},
        Row{"bipolar3w", Encoding::kBipolar2, 3, Operand::kBipolar3, 12},
        Row{"bipolar4w", Encoding::kBipolar2, 4, Operand::kBipolar4, 15},
        Row{"u1w", Encoding::kUnsigned, 1, Operand::kU1, 6},
        Row{"u2w", Encoding::kUnsigned, 2, Operand::kU2, 9},
        Row{"u3w", Encoding::kUnsigned, 3, Operand::kU3, 12},
        Row{"u4w", Encoding::kUnsigned, 4, Operand::kU4, 15},
        Row{"u8w", Encoding::kUnsigned, 8, Operand::kU8, 27},
        Row{"s2w", Encoding::kSigned, 2, Operand::kS2, 9},
        Row{"s3w", Encoding::kSigned, 3, Operand::kS3, 12},
        Row{"s4w", Encoding::kSigned, 4, Operand::kS4, 15},
        Row{"s8w", Encoding::kSigned, 8, Operand::kS8, 27},
        Row{"s16w", Encoding::kSigned, 16, Operand::kS16, 54},
        Row{"bipolar2c", Encoding::kBipolar2Bytes, 2, Operand::kBipolar2, 27},
        Row{"u1c", Encoding::kUnsignedBytes, 1, Operand::kU1, 27},
        Row{"u8c", Encoding::kUnsignedBytes, 8, Operand::kU8, 27},
        Row{"s2c", Encoding::kSignedBytes, 2, Operand::kS2, 27},
        Row{"s8c", Encoding::kSignedBytes, 8, Operand::kS8, 27}}) {
    INFO(row.name);
    const CodeType code{row.encoding, row.bits, 0};
    CHECK(ToString(code) == row.name);
    CHECK(CodeTypeNamed(row.name) == code);
    CHECK(OperandOf(code) == row.operand);
    CHECK(ByteSize({DType::kCode, {3, 9}, code}) == row.bytes);
    const bool bytes = std::string_view(row.name).ends_with('c');
    CHECK(IsByteEncoding(row.encoding) == bytes);
    CHECK(IsWeightEncoding(row.encoding) == !bytes);
  }
  CHECK_FALSE(IsWeightEncoding(Encoding::kSign));
  CHECK_FALSE(IsByteEncoding(Encoding::kSign));
  CHECK_FALSE(IsWeightEncoding(Encoding::kNone));
  CHECK(CodeTypeNamed("sign")->encoding == Encoding::kSign);
  CHECK_FALSE(CodeTypeNamed("u5w"));
  for (const CodeType none :
       {CodeType{}, CodeType{Encoding::kUnsigned, 5, 0},
        CodeType{Encoding::kSigned, 1, 0}, CodeType{Encoding::kTernary, 1, 0},
        CodeType{Encoding::kUnsignedBytes, 16, 0}}) {
    CHECK(OperandOf(none) == kernels::Operand::kF32);
    CHECK(ToString(none) == "code");
  }
}

TEST_CASE("texts of types") {
  CHECK(ToString(TensorType{DType::kF32, {1, 198, 192}, {}}) ==
        "f32[1,198,192]");
  CHECK(ToString(TensorType{DType::kI64, {}, {}}) == "i64[]");
  CHECK(ToString(Shape{-1, 3}) == "[?,3]");
  CHECK(ToString(
            TensorType{DType::kCode, {1, 4, 64}, {Encoding::kSign, 1, 32}}) ==
        "sign[1,4,64]/32");
  CHECK(
      ToString(TensorType{DType::kCode, {4, 64}, {Encoding::kBipolar, 1, 0}}) ==
      "bipolar[4,64]");
  CHECK(ToString(static_cast<DType>(200)) == "unknown");
}

}  // namespace
}  // namespace bittern::runtime
