// SHA-256 (FIPS 180-4) of a block of memory: names the source file in the
// packed model and in reports.
#pragma once

#include <cstddef>
#include <string>

namespace bittern::convert {

// 64 lowercase hexadecimal digits.
std::string Sha256Hex(const void* data, size_t size);

}  // namespace bittern::convert
