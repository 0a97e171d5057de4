// What the tests of damaged files share: checksums made right again, and a
// model that nobody checked by hand put to use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/model/model.h"

namespace bittern::test {

// Makes the checksums right for whatever the header of the file says now.
// `file` is aligned to 64 bytes and holds a header at least.
void Reseal(uint8_t* file, size_t size);

enum class Use { kRefused, kFailed, kRan };

// Plans and runs the model once, on zeros, within `arena_bytes`; open
// dimensions are 1. Refused: it has no plan. Failed: it has one and did not
// run.
Use RunOnce(const std::shared_ptr<const runtime::Model>& model,
            size_t arena_bytes);

}  // namespace bittern::test
