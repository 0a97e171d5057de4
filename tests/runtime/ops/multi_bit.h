// Values of multi-bit codes for op tests, and the byte quantiser by its
// formula, sharing nothing with the kernels.
#pragma once

#include <string>
#include <vector>

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/code_matrix.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {

// The types by name (runtime::CodeTypeNamed), in the order of their width.
extern const std::vector<std::string> kByteTypes;    // "u1c"...
extern const std::vector<std::string> kWeightTypes;  // "bipolar", "u1w"...

// Integers that a type of this name can hold, "sign" too.
std::vector<int> AnyCodes(Random& random, const std::string& type,
                          size_t count);
// A tensor of codes: weights are constants.
Value CodeTensor(const std::string& type, const runtime::Shape& shape,
                 const std::vector<int>& values);
// The integers of a tensor of byte codes; requires them in the type's range.
std::vector<int> ByteValues(const Value& value);

struct PlainQuantiser {
  kernels::ScalePer per = kernels::ScalePer::kTensor;
  int lo = 0, hi = 255;
  bool bipolar2 = false, multiply = false, zero_after = false;
  std::vector<float> scale{}, zero{};  // zero may be empty

  // Random scales around `step`, and zero points if wanted, for a matrix.
  void Fill(Random& random, size_t rows, size_t cols, float step, bool zeros);
  runtime::AttributeMap Attributes() const;
  // The integer that the code at (row, col) stands for.
  int ValueOf(float x, size_t row, size_t col) const;
};

}  // namespace bittern::test
