// Places blocks that live for known intervals in one arena so that blocks alive
// together do not overlap. Pure: no graph, no op.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/result.h"

namespace bittern::runtime {

inline constexpr size_t kArenaAlign = 64;

// Alive from step `first` to step `last`, both included. last >= first.
struct ArenaBlock {
  size_t bytes = 0;
  int64_t first = 0;
  int64_t last = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // one per block, multiples of kArenaAlign
  size_t bytes = 0;              // multiple of kArenaAlign
};

// Largest block first into the tightest gap; past kMaxGreedyBlocks, where the
// quadratic cost would show, in order of birth. Fails if the sum of sizes does
// not fit 2^62 bytes.
Result<ArenaLayout> PlaceBlocks(std::span<const ArenaBlock> blocks);

inline constexpr size_t kMaxGreedyBlocks = 8192;

}  // namespace bittern::runtime
