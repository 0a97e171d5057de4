// The metadata section: from untrusted bytes to a ModelDef whose constants
// point into the blobs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::runtime {

inline constexpr size_t kMaxMetadataBytes =
    size_t{1} << 30;  // FlatBuffers' offsets are 31 bits wide

// Checks everything that is the format's business: the FlatBuffers structure,
// sizes, texts, and that the blobs lie one after another, each of exactly the
// size that its type needs. The caller then runs VerifyModel. `metadata` has at
// most kMaxMetadataBytes.
Result<ModelDef> ReadMetadata(std::span<const uint8_t> metadata,
                              std::span<const uint8_t> blobs);

}  // namespace bittern::runtime
