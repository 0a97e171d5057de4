// What --verify judges: differences without a tie fail, those with one do not.
#include "converter/cli/compare.h"

#include <catch2/catch.hpp>
#include <limits>

namespace bittern::cli {
namespace {

using runtime::DType;

Comparison Compared(DType dtype, int64_t flips, int64_t unexplained,
                    double max_abs) {
  Comparison comparison;
  TensorComparison tensor;
  tensor.name = "codes";
  tensor.op = "Quantize";
  tensor.type.dtype = dtype;
  tensor.flips = flips;
  tensor.unexplained = unexplained;
  if (unexplained > 0) tensor.first = "row 1 column 2: got 3, expected 4";
  comparison.tensors = {tensor};
  comparison.outputs = {{"y", max_abs, 2.0, 1, 1}};
  return comparison;
}

std::string ErrorOf(const Comparison& comparison) {
  return CheckComparison(comparison).error().message;
}

TEST_CASE("no difference, and differences explained by ties, pass") {
  CHECK(CheckComparison(Compared(DType::kCode, 0, 0, 0)).ok());
  CHECK(CheckComparison(Compared(DType::kCode, 3, 0, 1.5)).ok());
}

TEST_CASE("a difference without a tie fails by name, in one line") {
  CHECK(ErrorOf(Compared(DType::kCode, 3, 2, 0)) ==
        "the packed model differs from the float graph: 'codes' (Quantize) row "
        "1 column 2: got 3, expected 4; 2 differences of 3 have no tie to "
        "explain them, expected 0");
}

TEST_CASE("outputs are judged where nothing is quantised") {
  CHECK(CheckComparison(Compared(DType::kF32, 0, 0, 0.0019)).ok());
  CHECK(ErrorOf(Compared(DType::kF32, 0, 0, 0.0021)) ==
        "the packed model differs from the float graph: output 'y' by 0.0021, "
        "expected at most 0.002");
  CHECK_FALSE(CheckComparison(Compared(DType::kF32, 0, 0,
                                       std::numeric_limits<double>::infinity()))
                  .ok());
}

}  // namespace
}  // namespace bittern::cli
