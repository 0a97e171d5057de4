// Plain loops: the definition that the other kernels of this family are tested
// against.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/points/points_kernels.h"

namespace bittern::kernels {
namespace {

constexpr float kFar = std::numeric_limits<float>::infinity();

float Coordinate(const PointPlanes& points, size_t channel, size_t i) {
  return points.data[channel * PlaneStride(points.count) + i];
}

float SquaredDistance(const PointPlanes& points, size_t i, const float* query,
                      size_t step) {
  float sum = 0;
  for (size_t c = 0; c < points.channels; ++c) {
    const float d = Coordinate(points, c, i) - query[c * step];
    const float square = d * d;
    sum = c == 0 ? square : sum + square;
  }
  return sum;
}

void Farthest(const FarthestArgs& args) noexcept {
  const PointPlanes& points = args.points;
  for (size_t i = 0; i < points.count; ++i) {
    bool finite = true;
    for (size_t c = 0; c < points.channels; ++c)
      finite = finite && std::isfinite(Coordinate(points, c, i));
    args.nearest[i] = finite ? kFar : -kFar;
  }
  size_t last = args.start;
  args.indices[0] = static_cast<int64_t>(last);
  for (size_t n = 1; n < args.chosen; ++n) {
    size_t best = 0;
    for (size_t i = 0; i < points.count; ++i) {
      const float d = SquaredDistance(points, i, points.data + last,
                                      PlaneStride(points.count));
      if (d < args.nearest[i]) args.nearest[i] = d;
      if (args.nearest[i] > args.nearest[best]) best = i;
    }
    last = best;
    args.indices[n] = static_cast<int64_t>(last);
  }
}

size_t InBall(const PointPlanes& points, const float* centre, float square,
              size_t most, int64_t* indices) noexcept {
  size_t found = 0;
  for (size_t i = 0; i < points.count && found < most; ++i) {
    if (SquaredDistance(points, i, centre, 1) <= square)
      indices[found++] = static_cast<int64_t>(i);
  }
  return found;
}

void DistanceKeys(const DistanceArgs& args) noexcept {
  for (size_t q = 0; q < args.query_count; ++q) {
    int32_t* keys = args.keys + q * (args.end - args.begin);
    for (size_t i = args.begin; i < args.end; ++i) {
      if (i >= args.points.count) {
        keys[i - args.begin] = kPaddingKey;
        continue;
      }
      const float d = SquaredDistance(
          args.points, i, args.queries + q * args.points.channels, 1);
      keys[i - args.begin] = d == d ? std::bit_cast<int32_t>(d) : 0x7fc00000;
    }
  }
}

void ScoreKeys(const float* scores, size_t count, bool largest,
               int32_t* keys) noexcept {
  for (size_t i = 0; i < PaddedPoints(count); ++i) {
    if (i >= count) {
      keys[i] = kPaddingKey;
      continue;
    }
    const float x = scores[i] + 0.0f;
    const int32_t bits = x == x ? std::bit_cast<int32_t>(x) : 0x7fc00000;
    const int32_t ordered = bits < 0 ? bits ^ 0x7fffffff : bits;
    keys[i] = largest ? ~ordered : ordered;
  }
}

void Select(const SelectArgs& args) noexcept {
  for (size_t i = 0; i < args.count; ++i) args.scratch[i] = i;
  std::sort(args.scratch, args.scratch + args.count,
            [&args](uint64_t a, uint64_t b) {
              return args.keys[a] != args.keys[b] ? args.keys[a] < args.keys[b]
                                                  : a < b;
            });
  for (size_t i = 0; i < args.k; ++i)
    args.indices[i] = static_cast<int64_t>(args.scratch[i]);
}

// The k least of a list, by ascending place.
void Shrink(const CandidateLists& lists, size_t row) {
  int32_t* keys = lists.Keys(row);
  auto count = static_cast<size_t>(lists.counts[row]);
  while (count > lists.k) {  // without the last of the greatest
    const int32_t* greatest = keys;
    for (size_t i = 1; i < count; ++i)
      greatest = keys[i] >= *greatest ? keys + i : greatest;
    const auto at = greatest - keys;
    std::copy(keys + at + 1, keys + count, keys + at);
    std::copy(lists.Places(row) + at + 1, lists.Places(row) + count,
              lists.Places(row) + at);
    --count;
  }
  lists.counts[row] = static_cast<int32_t>(count);
  lists.bounds[row] = *std::max_element(keys, keys + count);
}

void KeepKey(const CandidateLists& lists, size_t list, int32_t key,
             size_t place) {
  if (key >= lists.bounds[list]) return;
  const auto at = static_cast<size_t>(lists.counts[list]++);
  lists.Keys(list)[at] = key;
  lists.Places(list)[at] = static_cast<int32_t>(place);
  if (at + 1 == 2 * kPointGroup) Shrink(lists, list);
}

void KeepRows(const KeepArgs& args) noexcept {
  for (size_t row = 0; row < args.rows; ++row) {
    for (size_t i = 0; i < kPointGroup; ++i) {
      KeepKey(args.lists, args.list + row, args.keys[row * kPointGroup + i],
              args.first + i);
    }
  }
}

void KeepColumns(const KeepArgs& args) noexcept {
  for (size_t row = 0; row < args.rows; ++row) {
    for (size_t i = 0; i < kPointGroup; ++i) {
      KeepKey(args.lists, args.list + i, args.keys[row * kPointGroup + i],
              args.first + row);
    }
  }
}

void Nearest(const NearestArgs& args) noexcept {
  const CandidateLists& lists = args.lists;
  for (size_t row = 0; row < args.rows; ++row) {
    uint64_t order[2 * kPointGroup];
    int64_t* indices = args.indices + row * lists.k;
    Select({lists.Keys(row), static_cast<size_t>(lists.counts[row]), lists.k,
            order, indices});
    for (size_t i = 0; i < lists.k; ++i)
      indices[i] = lists.Places(row)[indices[i]];
  }
}

void GroupBounds(const BoundsArgs& args) noexcept {
  for (size_t row = 0; row < kPointGroup; ++row) {
    int32_t minima[kPointGroup];
    std::fill(minima, minima + kPointGroup, kPaddingKey);
    for (size_t i = 0; i < args.count; ++i) {
      int32_t& least = minima[i % kPointGroup];
      least = std::min(least, args.keys[i * kPointGroup + row]);
    }
    std::nth_element(minima, minima + args.k - 1, minima + kPointGroup);
    args.bounds[row] = std::min(minima[args.k - 1], kPaddingKey - 1) + 1;
  }
}

constexpr PointsKernel kKernels[] = {
    {"points/reference", &Farthest, &InBall, &DistanceKeys, &ScoreKeys, &Select,
     &KeepRows, &KeepColumns, &Nearest, &GroupBounds, true}};

}  // namespace

std::span<const PointsKernel> PointsReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
