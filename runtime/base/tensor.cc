#include "runtime/base/tensor.h"

#include <algorithm>

#include "kernels/base/bits.h"

namespace bittern::runtime {

Shape::Shape(std::span<const int64_t> dims)
    : rank_(std::min(dims.size(), kMaxRank)) {
  std::copy_n(dims.begin(), rank_, dims_.begin());
}

bool Shape::IsStatic() const {
  return std::none_of(dims_.begin(),
                      dims_.begin() + static_cast<ptrdiff_t>(rank_),
                      [](int64_t d) { return d < 0; });
}

int64_t Shape::Elements() const {
  int64_t product = 1;
  for (int64_t d : dims()) product *= d;
  return product;
}

int64_t Shape::Leading() const {
  int64_t product = 1;
  for (size_t i = 0; i + 1 < rank_; ++i) product *= dims_[i];
  return product;
}

int64_t Shape::Last() const { return rank_ == 0 ? 1 : dims_[rank_ - 1]; }

void Shape::Append(int64_t dim) { dims_[rank_++] = dim; }

Result<int64_t> CheckedElements(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  int64_t product = 1;  // of the dimensions that are not 0, so that no product
                        // of some of them overflows
  bool empty = false;
  for (int64_t d : shape.dims()) {
    if (d < 0)
      return InvalidArgument(
          "shape " + ToString(shape) +
          " has a dimension that is not known, expected all known");
    if (d != 0 && product > kLimit / d) {
      return InvalidArgument("shape " + ToString(shape) +
                             " has too many elements, expected at most 2^40");
    }
    product *= d != 0 ? d : 1;
    empty = empty || d == 0;
  }
  return empty ? 0 : product;
}

size_t ElementBytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kI64:
      return 8;
    case DType::kU8:
    case DType::kS8:
    case DType::kBool:
      return 1;
    case DType::kCode:
      return 0;
  }
  return 0;
}

size_t ByteSize(const TensorType& type) {
  if (type.dtype != DType::kCode)
    return static_cast<size_t>(type.shape.Elements()) *
           ElementBytes(type.dtype);
  const auto rows = static_cast<size_t>(type.shape.Leading());
  const auto cols = static_cast<size_t>(type.shape.Last());
  if (type.code.encoding == Encoding::kBipolar)
    return rows * kernels::CeilDiv(cols, 8);
  if (cols == 0) return kernels::CodePlanesBytes(rows, 0, 1);
  return kernels::CodePlanesBytes(
      rows, cols,
      type.code.group > 0 ? static_cast<size_t>(type.code.group) : cols);
}

std::string ToString(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kU8:
      return "u8";
    case DType::kS8:
      return "s8";
    case DType::kBool:
      return "bool";
    case DType::kCode:
      return "code";
  }
  return "unknown";
}

std::string ToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (i != 0) text += ',';
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

std::string ToString(const TensorType& type) {
  if (type.dtype != DType::kCode)
    return ToString(type.dtype) + ToString(type.shape);
  if (type.code.encoding == Encoding::kBipolar)
    return "bipolar" + ToString(type.shape);
  return "sign" + ToString(type.shape) +
         (type.code.group > 0 ? "/" + std::to_string(type.code.group) : "");
}

}  // namespace bittern::runtime
