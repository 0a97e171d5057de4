// What ops on sign codes share: views of code tensors at run time, and the
// checks of the quantiser inputs a[G] and z[G].
#pragma once

#include <string>

#include "kernels/base/bits.h"
#include "runtime/ops/infer.h"

namespace bittern::runtime {

// Columns of one group of a type of sign codes (0 means all of them).
inline int64_t GroupOf(const TensorType& type) {
  return type.code.group > 0 ? type.code.group : type.shape.Last();
}

// The geometry of a sign tensor, kept from Infer so that Run can view its
// bytes.
struct CodeLayout {
  size_t rows = 0, cols = 1, group = 1;

  CodeLayout() = default;
  explicit CodeLayout(const TensorType& type)
      : rows(static_cast<size_t>(type.shape.Leading())),
        cols(static_cast<size_t>(type.shape.Last())),
        group(static_cast<size_t>(GroupOf(type))) {}

  kernels::CodePlanes View(void* data) const {
    return kernels::ViewCodePlanes(data, rows, cols, group);
  }
  // Kernels take one struct for planes they read and planes they write.
  kernels::CodePlanes View(const void* data) const {
    return View(const_cast<void*>(data));
  }
};

// The inputs a and z at `first` and `first + 1`: both absent, or both f32 [cols
// / group].
Result<void> CheckQuantizer(const InferContext& context, size_t first,
                            int64_t cols, int64_t group, bool constant);

// The attribute `group`: 0 (the whole row, also when absent) or a divisor of
// cols. Returns the number of columns.
Result<int64_t> CheckGroup(const InferContext& context, int64_t cols);

}  // namespace bittern::runtime
