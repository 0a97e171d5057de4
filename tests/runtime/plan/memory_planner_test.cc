// PlaceBlocks: blocks alive together never overlap, and reuse is found where it
// exists.
#include "runtime/plan/memory_planner.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/support/random.h"

namespace bittern::runtime {
namespace {

// Largest sum of sizes that are alive at one step: no layout can be smaller.
size_t LowerBound(const std::vector<ArenaBlock>& blocks) {
  size_t bound = 0;
  for (const ArenaBlock& at : blocks) {
    size_t sum = 0;
    for (const ArenaBlock& b : blocks) {
      if (b.first <= at.first && at.first <= b.last)
        sum += (b.bytes + kArenaAlign - 1) / kArenaAlign * kArenaAlign;
    }
    bound = std::max(bound, sum);
  }
  return bound;
}

void CheckLayout(const std::vector<ArenaBlock>& blocks,
                 const ArenaLayout& layout) {
  REQUIRE(layout.offsets.size() == blocks.size());
  size_t overlaps = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    REQUIRE(layout.offsets[i] >= 0);
    REQUIRE(layout.offsets[i] % static_cast<int64_t>(kArenaAlign) == 0);
    const auto begin = static_cast<size_t>(layout.offsets[i]);
    REQUIRE(begin + blocks[i].bytes <= layout.bytes);
    for (size_t j = 0; j < i; ++j) {
      const auto other = static_cast<size_t>(layout.offsets[j]);
      const bool together = blocks[i].first <= blocks[j].last &&
                            blocks[j].first <= blocks[i].last;
      if (together && begin < other + blocks[j].bytes &&
          other < begin + blocks[i].bytes)
        ++overlaps;
    }
  }
  CHECK(overlaps == 0);
}

std::vector<ArenaBlock> RandomBlocks(size_t count, int64_t life,
                                     uint64_t seed) {
  test::Random random(seed);
  std::vector<ArenaBlock> blocks;
  for (size_t i = 0; i < count; ++i) {
    const auto first = static_cast<int64_t>(i);
    blocks.push_back({random.Below(5000), first,
                      first + static_cast<int64_t>(
                                  random.Below(static_cast<size_t>(life)))});
  }
  return blocks;
}

TEST_CASE("nothing needs nothing") {
  CHECK(PlaceBlocks({}).value().bytes == 0);
}

TEST_CASE("a chain needs two buffers") {
  std::vector<ArenaBlock> chain;
  for (int64_t i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  const ArenaLayout layout = PlaceBlocks(chain).value();
  CheckLayout(chain, layout);
  CHECK(layout.bytes == 2 * 1024);
}

TEST_CASE("the tightest gap is taken") {
  // Two holes of 512 and 128 bytes are free at step 1; 100 bytes belong in the
  // small one.
  const std::vector<ArenaBlock> blocks = {{512, 0, 0}, {640, 0, 2},
                                          {128, 0, 0}, {576, 0, 2},
                                          {100, 1, 2}, {500, 1, 2}};
  const ArenaLayout layout = PlaceBlocks(blocks).value();
  CheckLayout(blocks, layout);
  CHECK(layout.bytes == LowerBound(blocks));
}

TEST_CASE("random lives never collide and stay near the lower bound") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<ArenaBlock> blocks = RandomBlocks(200, 12, seed);
    const ArenaLayout layout = PlaceBlocks(blocks).value();
    CheckLayout(blocks, layout);
    CHECK(static_cast<double>(layout.bytes) <=
          1.3 * static_cast<double>(LowerBound(blocks)));
  }
}

TEST_CASE("many blocks are placed in order of birth, fast") {
  const std::vector<ArenaBlock> blocks =
      RandomBlocks(kMaxGreedyBlocks + 1, 12, 7);
  const ArenaLayout layout = PlaceBlocks(blocks).value();
  CheckLayout(blocks, layout);
  CHECK(static_cast<double>(layout.bytes) <=
        1.6 * static_cast<double>(LowerBound(blocks)));
}

TEST_CASE("sizes that overflow are an error") {
  const std::vector<ArenaBlock> blocks = {{size_t{1} << 61, 0, 1},
                                          {size_t{1} << 61, 0, 1}};
  const auto layout = PlaceBlocks(blocks);
  REQUIRE_FALSE(layout.ok());
  CHECK(layout.error().code == Code::kOutOfMemory);
}

}  // namespace
}  // namespace bittern::runtime
