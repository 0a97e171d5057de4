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
