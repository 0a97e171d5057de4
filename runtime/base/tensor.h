// Tensor types: element type, shape and code format. Values only: no storage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

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
};

struct CodeType {
  Encoding encoding = Encoding::kNone;
  uint8_t bits = 0;
  int64_t group =
      0;  // kSign: columns per group (attention head), each starting at a
          // 64-bit word; 0 = the whole row is one group
  friend bool operator==(const CodeType&, const CodeType&) = default;
};

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

// Bytes of a dense tensor: kSign as CodePlanes (rows = Leading(), cols =
// Last()), kBipolar as canonical rows. Requires a static shape that
// CheckedElements accepts.
size_t ByteSize(const TensorType& type);

size_t ElementBytes(DType dtype);          // 0 for kCode
std::string ToString(DType dtype);         // "f32"
std::string ToString(const Shape& shape);  // "[1,198,192]"; "?" for -1
std::string ToString(
    const TensorType&
        type);  // "f32[1,198,192]", "sign[1,198,192]/64", "bipolar[576,192]"

}  // namespace bittern::runtime
