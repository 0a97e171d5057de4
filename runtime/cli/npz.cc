// A .npz file is a zip archive of .npy files. Its directory at the end gives
// names, places and sizes; entries that are not compressed are used as they
// are.
#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "runtime/cli/files.h"
#include "runtime/cli/npy.h"

namespace bittern::cli {
namespace {

using runtime::Error;
using runtime::Result;

constexpr size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint32_t kEnd = 0x06054b50, kEntry = 0x02014b50, kLocal = 0x04034b50;
constexpr size_t kLongestComment = 0xFFFF;

Error Bad(const std::string& path, const std::string& what) {
  return runtime::InvalidArgument(
      fmt::format("'{}': {}, expected a .npz file of numpy.savez", path, what));
}

// Little-endian fields; the caller has checked that they lie in the text.
uint32_t Read32(std::string_view text, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, text.data() + at, sizeof(value));
  return value;
}
size_t Read16(std::string_view text, size_t at) {
  uint16_t value = 0;
  std::memcpy(&value, text.data() + at, sizeof(value));
  return value;
}

bool Holds(std::string_view text, size_t at, size_t bytes) {
  return at <= text.size() && bytes <= text.size() - at;
}

// Where the end record starts; npos if there is none.
size_t FindEnd(std::string_view file) {
  if (file.size() < kEndBytes) return std::string_view::npos;
  const size_t last = file.size() - kEndBytes;
  const size_t first = last > kLongestComment ? last - kLongestComment : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (Read32(file, at) == kEnd) return at;
  }
  return std::string_view::npos;
}

}  // namespace

Result<std::map<std::string, NpyArray>> ReadNpz(const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::string bytes, ReadFile(path));
  const std::string_view file = bytes;
  const size_t end = FindEnd(file);
  if (end == std::string_view::npos) return Bad(path, "no zip directory");
  const size_t count = Read16(file, end + 10);
  size_t at = Read32(file, end + 16);
  size_t total = 0;  // of all entries
  std::map<std::string, NpyArray> arrays;
  for (size_t i = 0; i < count; ++i) {
    if (!Holds(file, at, kEntryBytes) || Read32(file, at) != kEntry)
      return Bad(path, fmt::format("a broken entry {} of its directory", i));
    const size_t size = Read32(file, at + 20);
    const size_t name_bytes = Read16(file, at + 28);
    const size_t local = Read32(file, at + 42);
    const size_t next = at + kEntryBytes + name_bytes + Read16(file, at + 30) +
                        Read16(file, at + 32);
    if (!Holds(file, at + kEntryBytes, name_bytes) ||
        !Holds(file, local, kLocalBytes) || Read32(file, local) != kLocal)
      return Bad(path, fmt::format("a broken entry {} of its directory", i));
    std::string name(file.substr(at + kEntryBytes, name_bytes));
    if (Read16(file, at + 10) != 0)
      return Bad(path, fmt::format("entry '{}' is compressed", name));
    const size_t data = local + kLocalBytes + Read16(file, local + 26) +
                        Read16(file, local + 28);
    if (!Holds(file, data, size))
      return Bad(path, fmt::format("entry '{}' beyond the end", name));
    total += size;
    if (total > file.size())
      return Bad(path, fmt::format("entry '{}' over another one", name));
    BITTERN_TRY_ASSIGN(
        NpyArray array,
        ParseNpy(path + ":" + name, std::string(file.substr(data, size))));
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.insert_or_assign(std::move(name), std::move(array));
    at = next;
  }
  return arrays;
}

}  // namespace bittern::cli
