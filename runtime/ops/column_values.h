// A constant with a value for each column of a tensor, as files may store it:
// fp32 or, for integers, s8; one value for each column or for each of equal
// groups of neighbouring columns (attention heads).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/ops/infer.h"

namespace bittern::runtime {

class ColumnValues {
 public:
  // Reads a constant input for `columns` columns. `integers`: s8 is taken too.
  Result<void> Read(const InferContext& context, size_t input,
                    const char* label, int64_t columns, bool integers);

  // The columns `times` over, for rows that are taken together.
  void Repeat(size_t columns, size_t times);

  // [columns], or null if Read was not called. Valid while the op and the
  // model live.
  const float* data() const { return data_; }

 private:
  std::vector<float> spread_;  // where the constant is not what data() shows
  const float* data_ = nullptr;
};

}  // namespace bittern::runtime
