#include "runtime/base/tensor.h"

#include <algorithm>

#include "kernels/base/bits.h"
#include "kernels/base/code_matrix.h"

namespace bittern::runtime {
namespace {

using kernels::Operand;

// Every code type there is.
struct NamedCode {
  const char* name;
  Encoding encoding;
  uint8_t bits;
  Operand operand;
};
constexpr NamedCode kCodes[] = {
    {"bipolar", Encoding::kBipolar, 1, Operand::kBipolar},
    {"sign", Encoding::kSign, 1, Operand::kSign},
    {"ternary", Encoding::kTernary, 2, Operand::kTernary},
    {"bipolar2w", Encoding::kBipolar2, 2, Operand::kBipolar2},
    {"bipolar3w", Encoding::kBipolar2, 3, Operand::kBipolar3},
    {"bipolar4w", Encoding::kBipolar2, 4, Operand::kBipolar4},
    {"u1w", Encoding::kUnsigned, 1, Operand::kU1},
    {"u2w", Encoding::kUnsigned, 2, Operand::kU2},
    {"u3w", Encoding::kUnsigned, 3, Operand::kU3},
    {"u4w", Encoding::kUnsigned, 4, Operand::kU4},
    {"u8w", Encoding::kUnsigned, 8, Operand::kU8},
    {"s2w", Encoding::kSigned, 2, Operand::kS2},
    {"s3w", Encoding::kSigned, 3, Operand::kS3},
    {"s4w", Encoding::kSigned, 4, Operand::kS4},
    {"s8w", Encoding::kSigned, 8, Operand::kS8},
    {"s16w", Encoding::kSigned, 16, Operand::kS16},
    {"bipolar2c", Encoding::kBipolar2Bytes, 2, Operand::kBipolar2},
    {"u1c", Encoding::kUnsignedBytes, 1, Operand::kU1},
    {"u2c", Encoding::kUnsignedBytes, 2, Operand::kU2},
    {"u3c", Encoding::kUnsignedBytes, 3, Operand::kU3},
    {"u4c", Encoding::kUnsignedBytes, 4, Operand::kU4},
    {"u8c", Encoding::kUnsignedBytes, 8, Operand::kU8},
    {"s2c", Encoding::kSignedBytes, 2, Operand::kS2},
    {"s3c", Encoding::kSignedBytes, 3, Operand::kS3},
    {"s4c", Encoding::kSignedBytes, 4, Operand::kS4},
    {"s8c", Encoding::kSignedBytes, 8, Operand::kS8},
};

const NamedCode* Find(const CodeType& type) {
  for (const NamedCode& code : kCodes) {
    if (code.encoding == type.encoding && code.bits == type.bits) return &code;
  }
  return nullptr;
}

}  // namespace

Operand OperandOf(const CodeType& type) {
  const NamedCode* code = Find(type);
  return code != nullptr ? code->operand : Operand::kF32;
}

bool IsWeightEncoding(Encoding encoding) {
  return encoding == Encoding::kBipolar ||
         (encoding >= Encoding::kUnsigned && encoding <= Encoding::kBipolar2);
}

bool IsByteEncoding(Encoding encoding) {
  return encoding >= Encoding::kUnsignedBytes &&
         encoding <= Encoding::kBipolar2Bytes;
}

std::string ToString(const CodeType& type) {
  const NamedCode* code = Find(type);
  return code != nullptr ? code->name : "code";
}

std::optional<CodeType> CodeTypeNamed(std::string_view name) {
  for (const NamedCode& code : kCodes) {
    if (name == code.name) return CodeType{code.encoding, code.bits, 0};
  }
  return std::nullopt;
}

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
  if (IsByteEncoding(type.code.encoding)) return rows * cols;
  if (IsWeightEncoding(type.code.encoding))
    return kernels::CanonicalBytes(OperandOf(type.code), rows, cols);
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
  return ToString(type.code) + ToString(type.shape) +
         (type.code.group > 0 ? "/" + std::to_string(type.code.group) : "");
}

}  // namespace bittern::runtime
