#include "runtime/plan/memory_planner.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace bittern::runtime {
namespace {

int64_t Rounded(size_t bytes) {
  return static_cast<int64_t>((bytes + kArenaAlign - 1) / kArenaAlign *
                              kArenaAlign);
}

bool AliveTogether(const ArenaBlock& a, const ArenaBlock& b) {
  return a.first <= b.last && b.first <= a.last;
}

template <class Less>
std::vector<size_t> Ordered(size_t count, const Less& less) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), less);
  return order;
}

// Blocks by falling size; each goes to the tightest gap between the placed
// blocks that are alive at the same time.
ArenaLayout PlaceGreedy(std::span<const ArenaBlock> blocks) {
  const std::vector<size_t> order =
      Ordered(blocks.size(), [&](size_t a, size_t b) {
        return std::pair(blocks[b].bytes, a) < std::pair(blocks[a].bytes, b);
      });
  ArenaLayout layout;
  layout.offsets.resize(blocks.size());
  int64_t top = 0;
  std::vector<size_t> placed;  // by rising offset
  for (const size_t index : order) {
    const int64_t size = Rounded(blocks[index].bytes);
    int64_t best = -1;
    int64_t best_gap = INT64_MAX;
    int64_t end = 0;  // of the blocks seen so far
    for (const size_t other : placed) {
      if (!AliveTogether(blocks[index], blocks[other])) continue;
      const int64_t gap = layout.offsets[other] - end;
      if (gap >= size && gap < best_gap) {
        best = end;
        best_gap = gap;
      }
      end = std::max(end, layout.offsets[other] + Rounded(blocks[other].bytes));
    }
    layout.offsets[index] = best >= 0 ? best : end;
    top = std::max(top, layout.offsets[index] + size);
    const auto position =
        std::upper_bound(placed.begin(), placed.end(), layout.offsets[index],
                         [&](int64_t offset, size_t other) {
                           return offset < layout.offsets[other];
                         });
    placed.insert(position, index);
  }
  layout.bytes = static_cast<size_t>(top);
  return layout;
}

// Free intervals of an arena that grows at the end; neighbours are merged.
class FreeList {
 public:
  int64_t Take(int64_t size) {
    const auto tightest = by_size_.lower_bound({size, 0});
    if (tightest == by_size_.end()) {
      const int64_t begin = top_;
      top_ += size;
      return begin;
    }
    const int64_t begin = tightest->second;
    const int64_t end = begin + tightest->first;
    Erase(by_begin_.find(begin));
    if (end - begin > size) Insert(begin + size, end);
    return begin;
  }

  void Give(int64_t begin, int64_t end) {
    auto next = by_begin_.lower_bound(begin);
    if (next != by_begin_.end() && next->first == end) {
      end = next->second;
      next = Erase(next);
    }
    if (next != by_begin_.begin() && std::prev(next)->second == begin) {
      begin = std::prev(next)->first;
      Erase(std::prev(next));
    }
    Insert(begin, end);
  }

  int64_t top() const { return top_; }

 private:
  using Map = std::map<int64_t, int64_t>;
  Map::iterator Erase(Map::iterator it) {
    by_size_.erase({it->second - it->first, it->first});
    return by_begin_.erase(it);
  }
  void Insert(int64_t begin, int64_t end) {
    by_begin_.emplace(begin, end);
    by_size_.emplace(end - begin, begin);
  }

  Map by_begin_;                                   // begin -> end
  std::set<std::pair<int64_t, int64_t>> by_size_;  // size, begin
  int64_t top_ = 0;
};

// Blocks by birth; each takes the tightest free interval that dead blocks left.
// O(n log n).
ArenaLayout PlaceInOrder(std::span<const ArenaBlock> blocks) {
  const std::vector<size_t> order =
      Ordered(blocks.size(), [&](size_t a, size_t b) {
        return std::pair(blocks[a].first, a) < std::pair(blocks[b].first, b);
      });
  ArenaLayout layout;
  layout.offsets.resize(blocks.size());
  FreeList free;
  std::set<std::pair<int64_t, size_t>> alive;  // last step, block
  for (const size_t index : order) {
    while (!alive.empty() && alive.begin()->first < blocks[index].first) {
      const size_t dead = alive.begin()->second;
      if (blocks[dead].bytes != 0)
        free.Give(layout.offsets[dead],
                  layout.offsets[dead] + Rounded(blocks[dead].bytes));
      alive.erase(alive.begin());
    }
    layout.offsets[index] =
        blocks[index].bytes == 0 ? 0 : free.Take(Rounded(blocks[index].bytes));
    alive.emplace(blocks[index].last, index);
  }
  layout.bytes = static_cast<size_t>(free.top());
  return layout;
}

}  // namespace

Result<ArenaLayout> PlaceBlocks(std::span<const ArenaBlock> blocks) {
  constexpr size_t kMaxBytes = size_t{1} << 62;
  size_t total = 0;
  for (const ArenaBlock& block : blocks) {
    if (block.bytes > kMaxBytes ||
        (total += block.bytes + kArenaAlign) > kMaxBytes) {
      return OutOfMemory(
          "arena: got tensors of more than 2^62 bytes in all, expected less");
    }
  }
  return blocks.size() <= kMaxGreedyBlocks ? PlaceGreedy(blocks)
                                           : PlaceInOrder(blocks);
}

}  // namespace bittern::runtime
