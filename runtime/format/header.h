// The 64-byte header of a packed file and the checksum of its sections: what
// reader and writer must agree on (FORMAT.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bittern::runtime {

inline constexpr size_t kFileAlign = 64;  // of the blobs and of the file's size
inline constexpr uint8_t kMagic[8] = {'B', 'I', 'T', 'T', 'E', 'R', 'N', 0};

// Little endian, no padding: the bytes of the file are the bytes of this
// struct.
struct FileHeader {
  uint8_t magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t file_size;
  uint64_t metadata_offset;
  uint64_t metadata_size;
  uint64_t blobs_offset;
  uint64_t metadata_checksum;
  uint64_t blobs_checksum;
};
static_assert(sizeof(FileHeader) == 64);

// XXH3, 64 bits, seed 0. `release` is called with each part of the bytes once
// it has been read, so that a mapping need not stay resident.
uint64_t SectionChecksum(std::span<const uint8_t> bytes,
                         void (*release)(const uint8_t* begin,
                                         size_t size) = nullptr);

}  // namespace bittern::runtime
