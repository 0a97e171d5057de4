#include "runtime/cli/files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

namespace bittern::cli {

using runtime::IoError;
using runtime::NotFound;
using runtime::Result;

namespace {
struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;
}  // namespace

Result<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return IoError(fmt::format("'{}': is a directory, expected a file", path));
  }
  File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) {
    const std::string message =
        fmt::format("'{}': cannot open: {}", path, std::strerror(errno));
    return errno == ENOENT ? NotFound(message) : IoError(message);
  }
  std::string content;
  char block[1 << 16];
  for (size_t got = 0;
       (got = std::fread(block, 1, sizeof(block), file.get())) > 0;)
    content.append(block, got);
  if (std::ferror(file.get()) != 0)
    return IoError(
        fmt::format("'{}': cannot read: {}", path, std::strerror(errno)));
  return content;
}

Result<void> WriteFile(const std::string& path, std::string_view content) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  File file(std::fopen(temporary.c_str(), "wb"));
  if (file == nullptr)
    return IoError(
        fmt::format("'{}': cannot create: {}", path, std::strerror(errno)));
  const bool written = std::fwrite(content.data(), 1, content.size(),
                                   file.get()) == content.size();
  const bool closed = std::fclose(file.release()) == 0;
  if (!written || !closed ||
      std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    return IoError(fmt::format("'{}': cannot write: {}", path, reason));
  }
  return {};
}

}  // namespace bittern::cli
