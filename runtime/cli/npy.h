// NumPy .npy files, versions 1 to 3, C order, little endian: float32, float64
// (read as float32), uint8, int8, int32, int64, bool.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/tensor.h"

namespace bittern::cli {

struct NpyArray {
  runtime::TensorType type;
  std::vector<uint8_t> bytes;  // ByteSize(type)
};

// Hostile files give an error that names the file, what was found and what is
// expected.
runtime::Result<NpyArray> ReadNpy(const std::string& path);
// The same from a file's bytes; `path` is for messages.
runtime::Result<NpyArray> ParseNpy(const std::string& path,
                                   const std::string& file);

// The arrays of a .npz file as numpy.savez writes it (not savez_compressed), by
// name.
runtime::Result<std::map<std::string, NpyArray>> ReadNpz(
    const std::string& path);

// Writes to a temporary name and renames.
runtime::Result<void> WriteNpy(const std::string& path,
                               const runtime::TensorType& type,
                               const void* data);

}  // namespace bittern::cli
