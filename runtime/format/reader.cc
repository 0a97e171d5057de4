#include "runtime/format/reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "kernels/base/bits.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/format/header.h"
#include "runtime/format/metadata.h"
#include "runtime/format/writer.h"

namespace bittern::runtime {
namespace {

using Bytes = std::span<const uint8_t>;

Error Bad(const char* what, uint64_t got, uint64_t expected) {
  return CorruptFile(std::string(what) + ": got " + std::to_string(got) +
                     ", expected " + std::to_string(expected));
}

// Every field of the header has one right value, given the file's size and
// metadata_size.
Result<FileHeader> ReadHeader(Bytes file) {
  if (file.size() < sizeof(FileHeader))
    return Bad("file: bytes (cut off?)", file.size(), sizeof(FileHeader));
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return CorruptFile(
        "header at byte 0: got other bytes, expected the magic of a packed "
        "model (\"BITTERN\")");
  }
  if (header.version != kFormatVersion) {
    return Unsupported("header: format version: got " +
                       std::to_string(header.version) + ", expected " +
                       std::to_string(kFormatVersion));
  }
  if (header.header_size != sizeof(FileHeader))
    return Bad("header: header size", header.header_size, sizeof(FileHeader));
  if (header.file_size != file.size())
    return Bad("file: bytes (cut off or added to?)", file.size(),
               header.file_size);
  if (header.file_size % kFileAlign != 0)
    return Bad("header: file size modulo 64", header.file_size % kFileAlign, 0);
  if (header.metadata_offset != sizeof(FileHeader))
    return Bad("header: metadata offset", header.metadata_offset,
               sizeof(FileHeader));
  const uint64_t room = file.size() - sizeof(FileHeader);
  if (header.metadata_size > room || header.metadata_size > kMaxMetadataBytes) {
    return CorruptFile(
        "header: metadata size: got " + std::to_string(header.metadata_size) +
        ", expected at most " +
        std::to_string(std::min<uint64_t>(room, kMaxMetadataBytes)));
  }
  const uint64_t blobs =
      kernels::RoundUp(sizeof(FileHeader) + header.metadata_size, kFileAlign);
  if (header.blobs_offset != blobs)
    return Bad("header: blobs offset", header.blobs_offset, blobs);
  return header;
}

Result<void> CheckSection(const char* what, Bytes section, uint64_t expected,
                          void (*release)(const uint8_t*, size_t)) {
  if (const uint64_t got = SectionChecksum(section, release); got != expected) {
    return Bad((std::string(what) + ": checksum (damaged file?)").c_str(), got,
               expected);
  }
  return {};
}

// Model from a verified file at a 64-byte aligned address.
Result<std::shared_ptr<const Model>> ReadModel(Bytes file, Storage storage) {
  BITTERN_TRY_ASSIGN(const FileHeader header, ReadHeader(file));
  const Bytes metadata =
      file.subspan(header.metadata_offset, header.metadata_size);
  const Bytes blobs = file.subspan(header.blobs_offset);
  const auto release = [](const uint8_t* begin, size_t size) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t first =
        (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
    const uintptr_t last =
        (reinterpret_cast<uintptr_t>(begin) + size) / page * page;
    if (first < last)
      static_cast<void>(
          madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED));
  };
  BITTERN_TRY(
      CheckSection("metadata", metadata, header.metadata_checksum, nullptr));
  BITTERN_TRY(CheckSection("blobs", blobs, header.blobs_checksum,
                           storage.mapping != nullptr ? +release : nullptr));
  for (const uint8_t byte : file.subspan(
           sizeof(FileHeader) + header.metadata_size,
           header.blobs_offset - sizeof(FileHeader) - header.metadata_size)) {
    if (byte != 0) return Bad("padding after the metadata", byte, 0);
  }
  BITTERN_TRY_ASSIGN(ModelDef def, ReadMetadata(metadata, blobs));
  Result<std::shared_ptr<const Model>> model =
      Model::Make(std::move(def), std::move(storage));
  if (!model.ok() && model.error().code == Code::kInvalidArgument)
    return CorruptFile(model.error().message);
  return model;
}

struct Mapping {
  const uint8_t* data;
  size_t size;
  Mapping(const uint8_t* d, size_t s) : data(d), size(s) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(const_cast<uint8_t*>(data), size); }
};

struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0) close(fd);
  }
};

Error SystemError(const char* what) {
  return IoError(std::string("cannot ") + what + ": " +
                 std::generic_category().message(errno));
}

Result<std::shared_ptr<const Mapping>> MapFile(const std::string& path) {
  const FileDescriptor file{
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0)
    return errno == ENOENT
               ? NotFound("got no such file, expected a packed model")
               : SystemError("open");
  struct stat info;
  if (fstat(file.fd, &info) != 0) return SystemError("read the size");
  if (!S_ISREG(info.st_mode))
    return IoError(
        "got something that is not a regular file, expected a packed model");
  const auto size = static_cast<size_t>(info.st_size);
  if (size < sizeof(FileHeader))
    return Bad("file: bytes (cut off?)", size, sizeof(FileHeader));
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return SystemError("map");
  return std::make_shared<const Mapping>(static_cast<const uint8_t*>(data),
                                         size);
}

Result<std::shared_ptr<const Model>> ReadMapped(const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::shared_ptr<const Mapping> mapping,
                     MapFile(path));
  Storage storage(mapping);
  storage.mapping = mapping->data;
  storage.mapping_bytes = mapping->size;
  return ReadModel({mapping->data, mapping->size}, std::move(storage));
}

}  // namespace

Result<std::shared_ptr<const Model>> ReadModelFile(const std::string& path) {
  Result<std::shared_ptr<const Model>> model = ReadMapped(path);
  if (model.ok()) return model;
  return Error{model.error().code, "'" + path + "': " + model.error().message};
}

Result<std::shared_ptr<const Model>> ReadModelMemory(const void* data,
                                                     size_t size, bool copy) {
  if (data == nullptr && size != 0)
    return InvalidArgument("model data: got a null pointer, expected " +
                           std::to_string(size) + " bytes");
  if (!copy && reinterpret_cast<uintptr_t>(data) % kFileAlign == 0)
    return ReadModel({static_cast<const uint8_t*>(data), size}, {});
  BITTERN_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::Make(size));
  if (size != 0) std::memcpy(buffer.data(), data, size);
  auto owner = std::make_shared<const AlignedBuffer>(std::move(buffer));
  return ReadModel({owner->data(), size}, Storage(owner));
}

}  // namespace bittern::runtime
