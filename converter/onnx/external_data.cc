// External tensor data: location, offset and length are strings of a hostile
// file, so each is checked before the file system sees it.
#include "converter/onnx/external_data.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

namespace bittern::convert {
namespace {

namespace fs = std::filesystem;
using runtime::AlignedBuffer;
using runtime::CorruptFile;
using runtime::Error;
using runtime::IoError;
using runtime::Result;

struct Reference {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

Result<uint64_t> ParseCount(const std::string& text, const std::string& what,
                            const char* key) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return CorruptFile(what + ": external data has " + key + " '" +
                       text.substr(0, 40) + "', expected a decimal number");
  }
  return value;
}

Result<Reference> ParseReference(const onnx::TensorProto& proto,
                                 const std::string& what) {
  Reference reference;
  for (const onnx::StringStringEntryProto& entry : proto.external_data()) {
    if (entry.key() == "location") {
      reference.location = entry.value();
    } else if (entry.key() == "offset") {
      BITTERN_TRY_ASSIGN(reference.offset,
                         ParseCount(entry.value(), what, "offset"));
    } else if (entry.key() == "length") {
      BITTERN_TRY_ASSIGN(reference.length,
                         ParseCount(entry.value(), what, "length"));
    }
  }
  return reference;
}

Result<fs::path> SafePath(const std::string& location, const std::string& what,
                          const std::string& directory) {
  const Error refused =
      CorruptFile(what + ": external data lies at '" + location.substr(0, 80) +
                  "', expected a relative path inside the model's directory");
  const fs::path relative(location);
  if (location.empty() || location.find('\0') != std::string::npos ||
      relative.is_absolute() || relative.has_root_name()) {
    return refused;
  }
  for (const fs::path& part : relative) {
    if (part == "..") return refused;
  }
  std::error_code error;
  const fs::path base = fs::canonical(directory, error);
  if (error) return IoError(what + ": cannot open directory " + directory);
  const fs::path path = fs::canonical(base / relative, error);
  if (error) {
    return IoError(what + ": cannot open external data file '" +
                   (base / relative).string() + "': " + error.message());
  }
  const fs::path inside = path.lexically_relative(base);
  if (inside.empty() || *inside.begin() == "..") return refused;
  if (!fs::is_regular_file(path, error)) {
    return IoError(what + ": external data '" + path.string() +
                   "' is not a regular file");
  }
  return path;
}

}  // namespace

Result<AlignedBuffer> ReadExternalData(const onnx::TensorProto& proto,
                                       const std::string& what,
                                       const std::string& directory,
                                       size_t expected_bytes) {
  if (directory.empty()) {
    return CorruptFile(what +
                       " has external data, but the model was not read from a "
                       "directory");
  }
  BITTERN_TRY_ASSIGN(const Reference reference, ParseReference(proto, what));
  BITTERN_TRY_ASSIGN(const fs::path path,
                     SafePath(reference.location, what, directory));
  std::error_code error;
  const uint64_t file_bytes = fs::file_size(path, error);
  if (error) return IoError(what + ": cannot read " + path.string());
  if (reference.length && *reference.length != expected_bytes) {
    return CorruptFile(what + ": external data has length " +
                       std::to_string(*reference.length) + ", expected " +
                       std::to_string(expected_bytes) + " bytes");
  }
  if (reference.offset > file_bytes ||
      expected_bytes > file_bytes - reference.offset) {
    return CorruptFile(what + ": external data ends at byte " +
                       std::to_string(reference.offset) + "+" +
                       std::to_string(expected_bytes) + ", but file '" +
                       path.string() + "' has " + std::to_string(file_bytes) +
                       " bytes");
  }
  std::ifstream file(path, std::ios::binary);
  BITTERN_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::Make(expected_bytes));
  file.seekg(static_cast<std::streamoff>(reference.offset));
  file.read(reinterpret_cast<char*>(buffer.data()),
            static_cast<std::streamsize>(expected_bytes));
  if (!file) return IoError(what + ": cannot read " + path.string());
  return buffer;
}

}  // namespace bittern::convert
