#include "runtime/cli/npy.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "runtime/cli/files.h"

namespace bittern::cli {
namespace {

using runtime::CheckedElements;
using runtime::DType;
using runtime::Error;
using runtime::InvalidArgument;
using runtime::Result;
using runtime::Shape;
using runtime::TensorType;

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kAlign =
    64;  // the data of a written file starts at a multiple of this

struct Format {
  std::string_view descr;
  DType dtype;
};
constexpr std::array<Format, 8> kFormats = {{{"<f4", DType::kF32},
                                             {"|u1", DType::kU8},
                                             {"|i1", DType::kS8},
                                             {"<i4", DType::kI32},
                                             {"<i8", DType::kI64},
                                             {"|b1", DType::kBool},
                                             {"u1", DType::kU8},
                                             {"i1", DType::kS8}}};

Error Bad(const std::string& path, const std::string& what) {
  return InvalidArgument(
      fmt::format("'{}': not a usable .npy file: {}", path, what));
}

// The text after 'key': in the header dictionary.
std::optional<std::string_view> Field(std::string_view header,
                                      std::string_view key) {
  const size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size() + 2);
  const size_t colon = rest.find_first_not_of(' ');
  if (colon == std::string_view::npos || rest[colon] != ':')
    return std::nullopt;
  rest.remove_prefix(colon + 1);
  const size_t value = rest.find_first_not_of(' ');
  if (value == std::string_view::npos) return std::nullopt;
  return rest.substr(value);
}

std::optional<Shape> ParseShape(std::string_view text) {
  if (text.empty() || text[0] != '(') return std::nullopt;
  text.remove_prefix(1);
  Shape shape;
  for (;;) {
    const size_t start = text.find_first_not_of(", ");
    if (start == std::string_view::npos) return std::nullopt;
    text.remove_prefix(start);
    if (text[0] == ')') return shape;
    int64_t dim = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), dim);
    if (error != std::errc() || dim < 0 || shape.rank() == runtime::kMaxRank)
      return std::nullopt;
    shape.Append(dim);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
}

// Text and data of the file; the header's length field is 2 bytes in version 1,
// 4 bytes later.
struct Parts {
  std::string_view header;
  std::string_view data;
};

Result<Parts> SplitFile(const std::string& path, std::string_view file) {
  if (file.size() < 10 || file.substr(0, 6) != kMagic) {
    return Bad(path, fmt::format(
                         "magic bytes missing in {} bytes, expected \\x93NUMPY",
                         file.size()));
  }
  const int version = file[6];
  if (version < 1 || version > 3)
    return Bad(path,
               fmt::format("format version {}, expected 1 to 3", version));
  const size_t length_bytes = version == 1 ? 2 : 4;
  if (file.size() < 8 + length_bytes)
    return Bad(path, "truncated before the header");
  uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, length_bytes);
  if (length > file.size() - 8 - length_bytes) {
    return Bad(path, fmt::format("header of {} bytes in a file of {}", length,
                                 file.size()));
  }
  return Parts{file.substr(8 + length_bytes, length),
               file.substr(8 + length_bytes + length)};
}

std::vector<uint8_t> Narrow(std::string_view f64) {  // float64 -> float32
  std::vector<uint8_t> bytes(f64.size() / 2);
  for (size_t i = 0; i < bytes.size() / 4; ++i) {
    double wide = 0;
    std::memcpy(&wide, f64.data() + 8 * i, 8);
    const auto narrow = static_cast<float>(wide);
    std::memcpy(bytes.data() + 4 * i, &narrow, 4);
  }
  return bytes;
}

std::string_view Descr(DType dtype) {
  for (const Format& format : kFormats) {
    if (format.dtype == dtype) return format.descr;
  }
  return {};
}

}  // namespace

Result<NpyArray> ReadNpy(const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::string file, ReadFile(path));
  return ParseNpy(path, file);
}

Result<NpyArray> ParseNpy(const std::string& path, const std::string& file) {
  BITTERN_TRY_ASSIGN(const Parts parts, SplitFile(path, file));
  const auto descr_text = Field(parts.header, "descr");
  const auto order = Field(parts.header, "fortran_order");
  const auto shape_text = Field(parts.header, "shape");
  if (!descr_text || !order || !shape_text)
    return Bad(path, "header without descr, fortran_order or shape");
  if (order->substr(0, 5) != "False")
    return Bad(path,
               "Fortran order, expected C order (numpy.ascontiguousarray)");
  const auto shape = ParseShape(*shape_text);
  if (!shape)
    return Bad(path, fmt::format("shape is not a tuple of at most {} sizes",
                                 runtime::kMaxRank));
  const size_t quote = descr_text->find('\'', 1);
  const std::string_view descr =
      quote == std::string_view::npos ? "" : descr_text->substr(1, quote - 1);
  NpyArray array;
  array.type.shape = *shape;
  const bool is_f64 = descr == "<f8";
  bool known = is_f64;
  for (const Format& format : kFormats) {
    if (format.descr != descr) continue;
    array.type.dtype = format.dtype;
    known = true;
  }
  if (!known)
    return Bad(
        path,
        fmt::format("element type '{}', expected <f4 <f8 |u1 |i1 <i4 <i8 |b1",
                    descr));
  if (auto elements = CheckedElements(*shape); !elements.ok())
    return Bad(path, elements.error().message);
  const size_t expected = ByteSize(array.type) * (is_f64 ? 2 : 1);
  if (parts.data.size() != expected) {
    return Bad(path,
               fmt::format("{} bytes of data, expected {} for {}",
                           parts.data.size(), expected, ToString(array.type)));
  }
  if (is_f64) {
    array.bytes = Narrow(parts.data);
  } else {
    array.bytes.assign(parts.data.begin(), parts.data.end());
  }
  return array;
}

Result<void> WriteNpy(const std::string& path, const TensorType& type,
                      const void* data) {
  const std::string_view descr = Descr(type.dtype);
  if (descr.empty())
    return InvalidArgument(
        fmt::format("'{}': cannot write {} as .npy", path, ToString(type)));
  std::string dims;
  for (int64_t d : type.shape.dims()) dims += fmt::format("{}, ", d);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                  descr, dims);
  const size_t unpadded = 10 + header.size() + 1;
  header.append((kAlign - unpadded % kAlign) % kAlign, ' ');
  header += '\n';
  std::string file(kMagic);
  file += '\x01';
  file += '\0';
  file += static_cast<char>(header.size() & 0xFF);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  file.append(static_cast<const char*>(data), ByteSize(type));
  return WriteFile(path, file);
}

}  // namespace bittern::cli
