// Clouds of points: farthest point sampling, balls, nearest neighbours. Points
// lie in planes, one for each coordinate (or feature), so that lanes are
// points. Squared distances are sums of products over ascending coordinates,
// without fused steps: fl(fl(dx * dx) + fl(dy * dy)) ...; the bits of plain
// loops on every target, and the same from either of the two points. Indices
// are those of a stable sort: the first of equals wins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/bits.h"
#include "kernels/base/cpu.h"

namespace bittern::kernels {

inline constexpr size_t kPointGroup = 64;
constexpr size_t PaddedPoints(size_t count) {
  return RoundUp(count, kPointGroup);
}
// Planes a power of two apart would share few sets of the L1 cache.
constexpr size_t PlaneStride(size_t count) { return PaddedPoints(count) + 16; }

// Planes are aligned to 64 bytes and padded with NaN to PaddedPoints(count).
struct PointPlanes {
  const float* data;  // [channels][PlaneStride(count)]
  size_t channels, count;
};

struct FarthestArgs {
  PointPlanes points;  // at least one point
  size_t start;        // the first to choose
  size_t chosen;       // how many; at least 1
  float* nearest;      // PaddedPoints floats, scratch: squared distance to the
                       // nearest chosen point
  int64_t* indices;    // [chosen]
};

// Queries that distance_keys best takes at once: a part of the points stays in
// L1.
inline constexpr size_t kQueryBlock = 16;

struct DistanceArgs {
  PointPlanes points;
  const float* queries;  // [query_count][channels]
  size_t query_count;
  size_t begin, end;  // of the points; multiples of kPointGroup
  int32_t* keys;      // [query_count][end - begin]
};

struct SelectArgs {
  const int32_t* keys;  // [PaddedPoints(count)]
  size_t count, k;      // 1 <= k <= count
  uint64_t* scratch;    // [PaddedPoints(count)]
  int64_t* indices;     // [k]
};

// Neighbours within one cloud: a block of distances serves its rows and, as
// they are symmetric bit for bit, its columns. A row's columns then come a
// block at a time, by ascending place, and its list keeps those that may be
// among its k nearest.
struct CandidateLists {
  static constexpr size_t kStride = 2 * kPointGroup + 16;  // stores go beyond

  int32_t* Keys(size_t row) const { return data + row * 2 * kStride; }
  int32_t* Places(size_t row) const { return Keys(row) + kStride; }

  size_t k;         // 1 to kPointGroup
  int32_t* data;    // [rows][2][kStride]
  int32_t* counts;  // [rows], from 0
  // [rows], from kPaddingKey; multiples of kPointGroup. k columns that came
  // before are nearer than the bound, or as near: no key from it on is kept.
  int32_t* bounds;
};

struct KeepArgs {
  CandidateLists lists;
  size_t list;          // the first that takes keys
  size_t first;         // the place of the first key that it takes
  size_t rows;          // of keys
  const int32_t* keys;  // [rows][kPointGroup]
};

struct NearestArgs {
  CandidateLists lists;
  size_t rows;       // the lists that are ended
  int64_t* indices;  // [rows][k]
};

struct BoundsArgs {
  const int32_t* keys;  // [count][kPointGroup], of kPointGroup rows by columns
  size_t count, k;      // multiple of kPointGroup; k of them are no padding
  int32_t* bounds;      // [kPointGroup]
};

struct PointsKernel {
  const char* name;
  // Each point the farthest from those chosen before, the first of equals. A
  // point with a coordinate that is not finite is never farther than another.
  void (*farthest)(const FarthestArgs& args) noexcept;
  // Writes the first `most` points, by index, within fl(distance^2) <= square
  // of `centre`; how many there are. A NaN is in no ball.
  size_t (*in_ball)(const PointPlanes& points, const float* centre,
                    float square, size_t most, int64_t* indices) noexcept;
  // Squared distances as integers that compare alike, NaN above all; padding
  // above NaN.
  void (*distance_keys)(const DistanceArgs& args) noexcept;
  // Keys of scores of any sign, the best (largest or smallest) lowest, -0 as
  // +0, NaN as the largest, as TopK has it; padding above all. `keys` holds
  // PaddedPoints(count).
  void (*score_keys)(const float* scores, size_t count, bool largest,
                     int32_t* keys) noexcept;
  // The places of the k smallest keys, ascending, the first of equals first.
  void (*select)(const SelectArgs& args) noexcept;
  // Appends keys that are below the bounds of their lists: a row of them to
  // each of `rows` lists; or a column to each of kPointGroup lists. A list
  // holds at most 2 * kPointGroup candidates, its k nearest among them.
  void (*keep_rows)(const KeepArgs& args) noexcept;
  void (*keep_columns)(const KeepArgs& args) noexcept;
  // The places of the k nearest of each list, as select has them; the lists are
  // lost.
  void (*nearest)(const NearestArgs& args) noexcept;
  // Bounds of lists that are empty, for the columns given and those behind
  // them: at least k of these columns lie below, mostly few more.
  void (*group_bounds)(const BoundsArgs& args) noexcept;
  bool is_reference;
};

std::vector<const PointsKernel*> PointsKernels(
    const CpuFeatures& cpu);  // reference first
const PointsKernel* SelectPoints(const CpuFeatures& cpu);

// The key of padding, above every distance's.
inline constexpr int32_t kPaddingKey = INT32_MAX;

}  // namespace bittern::kernels
