// What ops on byte codes share: views of code tensors at run time, and the
// quantiser that an op's attributes and inputs describe (README.md, Quantize).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/code_matrix.h"
#include "runtime/ops/column_values.h"
#include "runtime/ops/infer.h"

namespace bittern::runtime {

// The geometry of a tensor of byte codes, kept from Infer so that Run can view
// its bytes.
struct ByteLayout {
  size_t rows = 0, cols = 1;

  ByteLayout() = default;
  explicit ByteLayout(const TensorType& type)
      : rows(static_cast<size_t>(type.shape.Leading())),
        cols(static_cast<size_t>(type.shape.Last())) {}

  // For what treats all elements of a column alike: as few rows as can be, of
  // at most 4096 columns. A row of three colours would cost more than its
  // elements do. Returns how many rows became one.
  size_t JoinRows() {
    constexpr size_t kLong = 4096;
    if (cols == 0) return 1;
    for (size_t joined = kLong / cols; joined > 1; --joined) {
      if (rows % joined != 0) continue;
      rows /= joined;
      cols *= joined;
      return joined;
    }
    return 1;
  }

  kernels::CodeBytes View(void* data) const {
    return {static_cast<uint8_t*>(data), static_cast<ptrdiff_t>(cols), rows,
            cols};
  }
  // Kernels take one struct for bytes they read and bytes they write.
  kernels::CodeBytes View(const void* data) const {
    return View(const_cast<void*>(data));
  }
};

// The input is there and holds byte codes of at least one column.
Result<void> CheckByteCodes(const InferContext& context, size_t input,
                            const char* label);

// The attribute `per`: "tensor" (also when absent) or "column"; "row" only with
// `rows`.
Result<kernels::ScalePer> ReadScalePer(const InferContext& context, bool rows);

// The shape of the scales of a tensor of byte codes of this shape.
Shape ScaleShape(kernels::ScalePer per, Shape shape);

// Zero points that are added after the rounding: integers within +-2^15.
Result<void> CheckIntegerZeros(const InferContext& context, const char* label,
                               std::span<const float> zeros);

// A quantiser of byte codes: attributes per, lo, hi, bipolar2, multiply and
// zero_after, and two inputs.
class ByteQuantiserSpec {
 public:
  struct Inputs {
    size_t scale, zero;
    const char *scale_label, *zero_label;
    // An epilogue's: both are constants, and there is no scale per row.
    bool fused;
    size_t output = 0;
  };

  // Checks all that, and sets the output to codes of this shape.
  Result<void> Infer(const InferContext& context, const Inputs& inputs,
                     const Shape& shape);

  kernels::ScalePer per() const { return quantiser_.per; }
  // Whether all rows have the same scales, which are known: JoinRows may do.
  bool IsSameForRows() const;
  // For rows of `columns` of which `times` were joined.
  void Repeat(size_t columns, size_t times);

  // Scratch of MakeRunnable, aligned to 64.
  size_t ScratchBytes() const;
  // The quantiser of one run. A zero point that is added after the rounding and
  // is no constant becomes an integer within +-2^15 in `scratch` first, so that
  // no code leaves its range.
  kernels::ByteQuantiser MakeRunnable(const RunContext& context,
                                      uint8_t* scratch) const noexcept;

 private:
  Result<CodeType> ReadRange(const InferContext& context);
  Result<void> ReadScales(const InferContext& context, const Shape& shape);

  Inputs inputs_{};
  ColumnValues scale_, zero_;         // of constants for columns
  bool known_columns_ = false;        // scales for columns are constants
  kernels::ByteQuantiser quantiser_;  // without scale and zero
  size_t repaired_ = 0;               // zero points to make integers
};

}  // namespace bittern::runtime
