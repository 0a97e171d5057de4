// Writes packed files (FORMAT.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::runtime {

inline constexpr uint32_t kFormatVersion = 1;

// The bytes of the file for `def` (which must pass VerifyModel). Deterministic:
// equal definitions give equal bytes.
Result<std::vector<uint8_t>> SerializeModel(const ModelDef& def);

// Serialises to `path`: written under a temporary name beside it and renamed,
// so that the file appears whole or not at all.
Result<void> WriteModelFile(const ModelDef& def, const std::string& path);

}  // namespace bittern::runtime
