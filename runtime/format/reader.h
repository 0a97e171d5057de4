// Reads packed files (FORMAT.md). The only code that touches untrusted bytes:
// everything is verified here, once, before use.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::runtime {

// Maps the file read-only and verifies it.
Result<std::shared_ptr<const Model>> ReadModelFile(const std::string& path);

// Verifies `size` bytes at `data`, which must stay alive and unchanged as long
// as the model does (copy == false), or are copied. Misaligned data is copied
// in any case.
Result<std::shared_ptr<const Model>> ReadModelMemory(const void* data,
                                                     size_t size, bool copy);

}  // namespace bittern::runtime
