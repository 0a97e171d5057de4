// Reads TensorProto: finds where the elements are, checks their number against
// the dimensions, then converts them one by one to the runtime's type.
#include "converter/onnx/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "converter/onnx/external_data.h"

namespace bittern::convert {
namespace {

using onnx::TensorProto;
using runtime::AlignedBuffer;
using runtime::CorruptFile;
using runtime::DType;
using runtime::Unsupported;

float FromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31;
  const uint32_t exponent = half >> 10 & 31u;
  const uint32_t mantissa = half & 1023u;
  if (exponent == 31) {  // infinity or NaN
    return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  }
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

float FromBrainFloat(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

template <class T>
T LoadRaw(const uint8_t* raw, size_t index) {
  T value;
  std::memcpy(&value, raw + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void StoreAt(uint8_t* out, size_t index, T value) {
  std::memcpy(out + index * sizeof(T), &value, sizeof(T));
}

// `count` elements of type From as type To.
template <class From, class To>
void Convert(const uint8_t* raw, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    StoreAt<To>(out, i, static_cast<To>(LoadRaw<From>(raw, i)));
  }
}

// `count` fields of kBits, low bits first, sign-extended or not, one a byte.
template <size_t kBits, bool kSigned>
void Unpack(const uint8_t* raw, size_t count, uint8_t* out) {
  constexpr size_t kPerByte = 8 / kBits;
  constexpr unsigned kMask = (1u << kBits) - 1;
  constexpr unsigned kSignBit = kSigned ? 1u << (kBits - 1) : 0;
  for (size_t i = 0; i < count; ++i) {
    const unsigned field =
        unsigned{raw[i / kPerByte]} >> (i % kPerByte * kBits) & kMask;
    out[i] = static_cast<uint8_t>((field ^ kSignBit) - kSignBit);
  }
}

template <float (*kToFloat)(uint16_t)>
void ConvertHalf(const uint8_t* raw, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) {
    StoreAt(out, i, kToFloat(LoadRaw<uint16_t>(raw, i)));
  }
}

void ConvertBool(const uint8_t* raw, size_t count, uint8_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = raw[i] != 0 ? 1 : 0;
}

struct TypeInfo {
  int32_t onnx_type;
  const char* name;
  size_t bits;  // in raw data
  DType dtype;
  void (*convert)(const uint8_t* raw, size_t count, uint8_t* out);
};

constexpr TypeInfo kTypes[] = {
    {TensorProto::FLOAT, "FLOAT", 32, DType::kF32, &Convert<float, float>},
    {TensorProto::UINT8, "UINT8", 8, DType::kU8, &Convert<uint8_t, uint8_t>},
    {TensorProto::INT8, "INT8", 8, DType::kS8, &Convert<int8_t, int8_t>},
    {TensorProto::UINT16, "UINT16", 16, DType::kI32,
     &Convert<uint16_t, int32_t>},
    {TensorProto::INT16, "INT16", 16, DType::kI32, &Convert<int16_t, int32_t>},
    {TensorProto::INT32, "INT32", 32, DType::kI32, &Convert<int32_t, int32_t>},
    {TensorProto::INT64, "INT64", 64, DType::kI64, &Convert<int64_t, int64_t>},
    {TensorProto::BOOL, "BOOL", 8, DType::kBool, &ConvertBool},
    {TensorProto::FLOAT16, "FLOAT16", 16, DType::kF32, &ConvertHalf<&FromHalf>},
    {TensorProto::DOUBLE, "DOUBLE", 64, DType::kF32, &Convert<double, float>},
    {TensorProto::UINT32, "UINT32", 32, DType::kI64,
     &Convert<uint32_t, int64_t>},
    {TensorProto::UINT64, "UINT64", 64, DType::kI64,
     &Convert<uint64_t, int64_t>},
    {TensorProto::BFLOAT16, "BFLOAT16", 16, DType::kF32,
     &ConvertHalf<&FromBrainFloat>},
    {kOnnxUint4, "UINT4", 4, DType::kU8, &Unpack<4, false>},
    {kOnnxInt4, "INT4", 4, DType::kS8, &Unpack<4, true>},
    {kOnnxUint2, "UINT2", 2, DType::kU8, &Unpack<2, false>},
    {kOnnxInt2, "INT2", 2, DType::kS8, &Unpack<2, true>},
};

const TypeInfo* FindType(int32_t onnx_type) {
  for (const TypeInfo& info : kTypes) {
    if (info.onnx_type == onnx_type) return &info;
  }
  return nullptr;
}

// The one type whose values the runtime's cannot all hold.
Result<void> CheckUnsigned64(const uint8_t* raw, size_t count,
                             const std::string& what) {
  for (size_t i = 0; i < count; ++i) {
    if (LoadRaw<uint64_t>(raw, i) <= uint64_t{INT64_MAX}) continue;
    return Unsupported(what + ": element " + std::to_string(i) +
                       " does not fit 63 bits");
  }
  return {};
}

// Typed fields are turned into the bytes that raw_data would hold, so that one
// conversion serves both. `From` is the field's type, `To` what is stored; an
// integer that does not fit is an error, except where `wrap` says that the
// field holds bit patterns (old writers sign-extended them).
template <class To, class Field>
Result<std::string> FieldBytes(const Field& field, const std::string& what,
                               bool wrap) {
  std::string bytes(static_cast<size_t>(field.size()) * sizeof(To), '\0');
  for (int i = 0; i < field.size(); ++i) {
    const auto value = field.Get(i);
    const To stored = static_cast<To>(value);
    if constexpr (std::is_integral_v<To>) {
      if (!wrap && static_cast<decltype(value)>(stored) != value) {
        return CorruptFile(what + ": element " + std::to_string(i) + " is " +
                           std::to_string(value) +
                           ", which its type cannot hold");
      }
    }
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(To), &stored,
                sizeof(To));
  }
  return bytes;
}

// Number of entries that the typed field of this type holds, and the number
// that the dimensions ask for.
std::pair<size_t, size_t> FieldCount(const TensorProto& proto,
                                     const TypeInfo& info, size_t elements) {
  const auto size = [](const auto& field) {
    return static_cast<size_t>(field.size());
  };
  switch (info.onnx_type) {
    case TensorProto::FLOAT:
      return {size(proto.float_data()), elements};
    case TensorProto::DOUBLE:
      return {size(proto.double_data()), elements};
    case TensorProto::INT64:
      return {size(proto.int64_data()), elements};
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      return {size(proto.uint64_data()), elements};
    default:
      break;
  }
  // One byte of packed fields in each entry, or one element.
  const size_t entries =
      info.bits < 8 ? (elements * info.bits + 7) / 8 : elements;
  return {size(proto.int32_data()), entries};
}

Result<std::string> TypedBytes(const TensorProto& proto, const TypeInfo& info,
                               const std::string& what) {
  switch (info.onnx_type) {
    case TensorProto::FLOAT:
      return FieldBytes<float>(proto.float_data(), what, false);
    case TensorProto::DOUBLE:
      return FieldBytes<double>(proto.double_data(), what, false);
    case TensorProto::INT64:
      return FieldBytes<int64_t>(proto.int64_data(), what, false);
    case TensorProto::UINT32:
      return FieldBytes<uint32_t>(proto.uint64_data(), what, false);
    case TensorProto::UINT64:
      return FieldBytes<uint64_t>(proto.uint64_data(), what, false);
    case TensorProto::INT32:
      return FieldBytes<int32_t>(proto.int32_data(), what, false);
    case TensorProto::INT16:
      return FieldBytes<int16_t>(proto.int32_data(), what, false);
    case TensorProto::UINT16:
      return FieldBytes<uint16_t>(proto.int32_data(), what, false);
    case TensorProto::INT8:
      return FieldBytes<int8_t>(proto.int32_data(), what, false);
    case TensorProto::UINT8:
      return FieldBytes<uint8_t>(proto.int32_data(), what, false);
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      return FieldBytes<uint16_t>(proto.int32_data(), what, true);
    default:  // BOOL and packed fields: one byte each
      return FieldBytes<uint8_t>(proto.int32_data(), what, true);
  }
}

Result<size_t> CountElements(const TensorProto& proto, const std::string& what,
                             Shape* shape) {
  if (proto.dims_size() > static_cast<int>(runtime::kMaxRank)) {
    return Unsupported(what + " has " + std::to_string(proto.dims_size()) +
                       " dimensions, expected at most " +
                       std::to_string(runtime::kMaxRank));
  }
  for (int64_t dim : proto.dims()) {
    if (dim < 0) {
      return CorruptFile(what + " has dimension " + std::to_string(dim) +
                         ", expected at least 0");
    }
    shape->Append(dim);
  }
  Result<int64_t> elements = runtime::CheckedElements(*shape);
  if (!elements.ok()) {
    return CorruptFile(what + ": " + elements.error().message);
  }
  return static_cast<size_t>(elements.value());
}

Error WrongCount(const std::string& what, const Shape& shape, const char* unit,
                 size_t got, size_t expected) {
  return CorruptFile(what + " " + runtime::ToString(shape) + " has " +
                     std::to_string(got) + " " + unit + ", expected " +
                     std::to_string(expected));
}

Result<ConstantData> ConvertToConstant(const TypeInfo& info, const uint8_t* raw,
                                       size_t elements,
                                       const std::string& what) {
  const size_t bytes = elements * runtime::ElementBytes(info.dtype);
  BITTERN_TRY_ASSIGN(AlignedBuffer buffer,
                     AlignedBuffer::Make(std::max<size_t>(bytes, 1)));
  if (info.onnx_type == TensorProto::UINT64) {
    BITTERN_TRY(CheckUnsigned64(raw, elements, what));
  }
  info.convert(raw, elements, buffer.data());
  return ConstantData(std::make_shared<const AlignedBuffer>(std::move(buffer)));
}

const uint8_t* BytesOf(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

std::string OnnxTypeName(int32_t onnx_type) {
  const TypeInfo* info = FindType(onnx_type);
  if (info != nullptr) return info->name;
  switch (onnx_type) {
    case TensorProto::STRING:
      return "STRING";
    case TensorProto::COMPLEX64:
      return "COMPLEX64";
    case TensorProto::COMPLEX128:
      return "COMPLEX128";
    default:
      return "type " + std::to_string(onnx_type);
  }
}

Result<DType> DTypeOf(int32_t onnx_type) {
  const TypeInfo* info = FindType(onnx_type);
  if (info != nullptr) return info->dtype;
  return Unsupported("element type " + OnnxTypeName(onnx_type) +
                     " is not supported, expected a float, integer or BOOL");
}

Result<ImportedTensor> ReadTensor(const TensorProto& proto,
                                  const std::string& what,
                                  const std::string& directory) {
  const TypeInfo* info = FindType(proto.data_type());
  if (info == nullptr) {
    return Unsupported(what + ": " +
                       DTypeOf(proto.data_type()).error().message);
  }
  if (proto.has_segment()) {
    return Unsupported(what + " is stored in segments, expected one piece");
  }
  ImportedTensor tensor;
  tensor.type.dtype = info->dtype;
  BITTERN_TRY_ASSIGN(const size_t elements,
                     CountElements(proto, what, &tensor.type.shape));
  const size_t raw_bytes = (elements * info->bits + 7) / 8;
  const Shape& shape = tensor.type.shape;

  if (proto.data_location() == TensorProto::EXTERNAL) {
    BITTERN_TRY_ASSIGN(const AlignedBuffer raw,
                       ReadExternalData(proto, what, directory, raw_bytes));
    BITTERN_TRY_ASSIGN(tensor.data,
                       ConvertToConstant(*info, raw.data(), elements, what));
    return tensor;
  }
  if (proto.has_raw_data()) {
    const std::string& raw = proto.raw_data();
    if (raw.size() != raw_bytes) {
      return WrongCount(what, shape, "bytes", raw.size(), raw_bytes);
    }
    BITTERN_TRY_ASSIGN(tensor.data,
                       ConvertToConstant(*info, BytesOf(raw), elements, what));
    return tensor;
  }
  const auto [got, expected] = FieldCount(proto, *info, elements);
  if (got != expected) {
    return WrongCount(what, shape, "stored values", got, expected);
  }
  BITTERN_TRY_ASSIGN(const std::string bytes, TypedBytes(proto, *info, what));
  BITTERN_TRY_ASSIGN(tensor.data,
                     ConvertToConstant(*info, BytesOf(bytes), elements, what));
  return tensor;
}

}  // namespace bittern::convert
