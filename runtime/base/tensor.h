// Tensor types: element type, shape and code format. Values only: no storage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernels/base/types.h"
#include "runtime/base/result.h"

namespace bittern::runtime {

inline constexpr size_t kMaxRank = 8;

// Values are stored in files: never renumber.
enum class DType : uint8_t {
  kF32 = 1,
  kI32 = 2,
  kI64 = 3,
  kU8 = 4,
  kS8 = 5,
  kBool = 6,
  kCode = 7
};

// Values are stored in files: never renumber.
enum class Encoding : uint8_t {
  kNone = 0,
  kBipolar = 1,  // weights, 1 bit in {-1, +1}: canonical rows of bits, k
                 // contiguous, bit 1 = +1, rows padded to a byte
  kSign = 2,     // activations, {-1, 0, +1}: bit planes (kernels/base/types.h,
                 // CodePlanes); never stored in a file
  // Weights, canonical rows as kernels/base/code_matrix.h has them:
  kUnsigned = 3,  // [0, 2^bits - 1]; 1, 2, 3, 4 or 8 bits
  kSigned = 4,    // two's complement; 2, 3, 4, 8 or 16 bits
  kTernary = 5,   // {-1, 0, +1}, five trits a byte; 2 bits
  kBipolar2 = 6,  // odd numbers of [1 - 2^bits, 2^bits - 1]; 2, 3 or 4 bits
  // Activations, one code a byte; never stored in a file:
  kUnsignedBytes = 7,  // 1, 2, 3, 4 or 8 bits
  kSignedBytes = 8,    // 2, 3, 4 or 8 bits
  kBipolar2Bytes = 9,  // 2 bits
};

struct CodeType {
  Encoding encoding = Encoding::kNone;
  uint8_t bits = 0;
  int64_t group =
      0;  // kSign: columns per group (attention head), each starting at a
          // 64-bit word; 0 = the whole row is one group
  friend bool operator==(const CodeType&, const CodeType&) = default;
};

// The operand of a kernel that such codes are; kF32 if `type` is no encoding of
// that width.
kernels::Operand OperandOf(const CodeType& type);
// Whether constants (weights) have this encoding, rather than activations.
bool IsWeightEncoding(Encoding encoding);
bool IsByteEncoding(Encoding encoding);  // one code a byte

class Shape {  // at most kMaxRank dimensions; a dimension of -1 is dynamic
               // (only in declared model inputs and outputs)
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims)
      : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(
      std::span<const int64_t> dims);  // requires dims.size() <= kMaxRank

  size_t rank() const { return rank_; }
  int64_t operator[](size_t i) const { return dims_[i]; }
  int64_t& operator[](size_t i) { return dims_[i]; }
  std::span<const int64_t> dims() const { return {dims_.data(), rank_}; }
  bool IsStatic() const;     // no -1
  int64_t Elements() const;  // product of dims (1 for rank 0); callers have
                             // checked it with CheckedElements
  int64_t Leading() const;   // product of all dims but the last: rows of a
                             // matrix view; 1 for rank 0 and 1
  int64_t Last() const;      // last dim, 1 for rank 0
  void Append(int64_t dim);  // requires rank() < kMaxRank
  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.dims_ == b.dims_;
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  size_t rank_ = 0;
};

struct TensorType {
  DType dtype = DType::kF32;
  Shape shape;
  CodeType code;  // set iff dtype == kCode
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

// Product of dims; an error if a dim is negative or the product does not fit
// 2^40 elements.
Result<int64_t> CheckedElements(const Shape& shape);

// Bytes of a tensor: kSign as CodePlanes (rows = Leading(), cols = Last()),
// weights as canonical rows, byte codes one a byte. Requires a static shape
// that CheckedElements accepts, and a code type with an operand.
size_t ByteSize(const TensorType& type);

size_t ElementBytes(DType dtype);          // 0 for kCode
std::string ToString(DType dtype);         // "f32"
std::string ToString(const Shape& shape);  // "[1,198,192]"; "?" for -1
std::string ToString(
    const TensorType& type);  // "f32[1,198,192]", "sign[1,198,192]/64",
                              // "bipolar[576,192]", "s4w[576,192]" (weights),
                              // "u4c[1,198,192]" (codes of activations)
// "sign", "bipolar", "ternary", "u4w", "s4c"...; "code" if it has no operand.
std::string ToString(const CodeType& type);
// The inverse; nothing if no type is called so. The group is 0.
std::optional<CodeType> CodeTypeNamed(std::string_view name);

}  // namespace bittern::runtime
