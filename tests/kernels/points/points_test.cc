// Clouds of points on every target against the plain loops: counts around each
// vector width and group, ties, points that are not finite, guard bytes.
#include "kernels/points/points.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;

constexpr size_t kCounts[] = {1,  2,  3,  7,  8,   15,  16,  17,  31,
                              33, 63, 64, 65, 127, 128, 129, 200, 1000};

const PointsKernel& Reference() { return *PointsKernels(DetectCpu()).front(); }

// Points of a coarse grid, so that many distances tie; some are not finite.
struct Cloud {
  Cloud(size_t channels, size_t count, bool odd)
      : memory(channels * PlaneStride(count) * 4),
        planes{memory.As<float>(), channels, count} {
    const float extremes[] = {NAN, INFINITY, -INFINITY, -0.0f, 3e38f, 1e-40f};
    Random random(count * 8 + channels + (odd ? 1 : 0));
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < PlaneStride(count); ++i) {
        float value = std::floor(random.Uniform(-4, 4)) / 4;
        if (odd && random.Below(12) == 0) value = extremes[random.Below(6)];
        memory.As<float>()[c * PlaneStride(count) + i] =
            i < count ? value : NAN;
      }
    }
  }

  std::vector<float> Point(size_t i) const {
    std::vector<float> point;
    for (size_t c = 0; c < planes.channels; ++c)
      point.push_back(planes.data[c * PlaneStride(planes.count) + i]);
    return point;
  }

  Guarded memory;
  PointPlanes planes;
};

bool SameIndices(Guarded& got, const std::vector<int64_t>& expected) {
  return got.Intact() &&
         std::memcmp(got.As<void>(), expected.data(), expected.size() * 8) == 0;
}

// Calls fn(kernel, cloud) for every target and size.
template <class Fn>
void ForClouds(size_t channels, const Fn& fn) {
  for (const auto& target :
       test::KernelsOnTargets<PointsKernel>(&PointsKernels)) {
    for (const size_t count : kCounts) {
      for (const bool odd : {false, true}) {
        CAPTURE(target.name, count, odd);
        Cloud cloud(channels, count, odd);
        fn(*target.kernel, cloud);
      }
    }
  }
}

}  // namespace

TEST_CASE("farthest points equal the reference") {
  ForClouds(3, [](const PointsKernel& kernel, Cloud& cloud) {
    const size_t count = cloud.planes.count, chosen = count < 40 ? count : 40;
    Guarded nearest(PaddedPoints(count) * 4), got(chosen * 8);
    std::vector<float> scratch(PaddedPoints(count));
    std::vector<int64_t> expected(chosen);
    for (const size_t start : {size_t{0}, count - 1}) {
      Reference().farthest(
          {cloud.planes, start, chosen, scratch.data(), expected.data()});
      kernel.farthest({cloud.planes, start, chosen, nearest.As<float>(),
                       got.As<int64_t>()});
      REQUIRE(SameIndices(got, expected));
      REQUIRE(nearest.Intact());
    }
  });
}

TEST_CASE("balls equal the reference") {
  ForClouds(3, [](const PointsKernel& kernel, Cloud& cloud) {
    for (const size_t most : {size_t{1}, size_t{5}, size_t{64}}) {
      for (const float square : {0.0f, 0.25f, 1.5f, INFINITY}) {
        const std::vector<float> centre = cloud.Point(cloud.planes.count / 2);
        Guarded got(most * 8);
        std::memset(got.As<void>(), 0x55, most * 8);
        std::vector<int64_t> expected(most, 0x5555555555555555);
        const size_t found = Reference().in_ball(cloud.planes, centre.data(),
                                                 square, most, expected.data());
        REQUIRE(kernel.in_ball(cloud.planes, centre.data(), square, most,
                               got.As<int64_t>()) == found);
        REQUIRE(SameIndices(got, expected));
      }
    }
  });
}

TEST_CASE("keys of distances, and the places of the smallest") {
  for (const size_t channels : {size_t{1}, size_t{3}, size_t{10}}) {
    ForClouds(channels, [](const PointsKernel& kernel, Cloud& cloud) {
      const size_t count = cloud.planes.count, stride = PaddedPoints(count);
      for (size_t queries = 1; queries <= kQueryBlock; ++queries) {
        std::vector<float> rows;
        for (size_t q = 0; q < queries; ++q) {
          const std::vector<float> point = cloud.Point((q * 7) % count);
          rows.insert(rows.end(), point.begin(), point.end());
        }
        // All points; the last group.
        for (const size_t begin : {size_t{0}, stride - kPointGroup}) {
          Guarded keys(queries * (stride - begin) * 4);
          std::vector<int32_t> expected(queries * (stride - begin));
          Reference().distance_keys({cloud.planes, rows.data(), queries, begin,
                                     stride, expected.data()});
          kernel.distance_keys({cloud.planes, rows.data(), queries, begin,
                                stride, keys.As<int32_t>()});
          REQUIRE(keys.Intact());
          REQUIRE(std::memcmp(keys.As<void>(), expected.data(),
                              expected.size() * 4) == 0);
        }
      }
    });
  }
}

TEST_CASE("keys of scores sort as TopK does") {
  const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f};
  for (const auto& target :
       test::KernelsOnTargets<PointsKernel>(&PointsKernels)) {
    for (const size_t count : kCounts) {
      for (const bool largest : {false, true}) {
        CAPTURE(target.name, count, largest);
        Guarded scores(count * 4, 4), keys(PaddedPoints(count) * 4);
        Random random(count);
        for (size_t i = 0; i < count; ++i) {
          scores.As<float>()[i] =
              random.Below(4) == 0 ? odd[random.Below(7)] : random.Normal();
        }
        std::vector<int32_t> expected(PaddedPoints(count));
        Reference().score_keys(scores.As<float>(), count, largest,
                               expected.data());
        target.kernel->score_keys(scores.As<float>(), count, largest,
                                  keys.As<int32_t>());
        REQUIRE(keys.Intact());
        REQUIRE(std::memcmp(keys.As<void>(), expected.data(),
                            expected.size() * 4) == 0);
      }
    }
  }
  const float x[] = {-0.0f, NAN, 1, 0.0f, -2, INFINITY};
  int32_t keys[PaddedPoints(6)];
  Reference().score_keys(x, 6, false, keys);
  CHECK(keys[0] == keys[3]);
  CHECK((keys[4] < keys[0] && keys[0] < keys[2] && keys[2] < keys[5] &&
         keys[5] < keys[1] && keys[1] < keys[6]));
  Reference().score_keys(x, 6, true, keys);
  CHECK((keys[1] < keys[5] && keys[5] < keys[2] && keys[2] < keys[0] &&
         keys[0] < keys[4] && keys[4] < keys[6]));
}

TEST_CASE("selected places equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<PointsKernel>(&PointsKernels)) {
    for (const size_t count : kCounts) {
      for (const size_t k : {size_t{1}, size_t{3}, size_t{20}, size_t{64},
                             size_t{65}, size_t{200}}) {
        // Keys of every sign; all equal; descending.
        for (const int kind : {0, 1, 2, 3}) {
          if (k > count) continue;
          CAPTURE(target.name, count, k, kind);
          Random random(count + k);
          Guarded keys(PaddedPoints(count) * 4), got(k * 8),
              scratch(PaddedPoints(count) * 8);
          for (size_t i = 0; i < PaddedPoints(count); ++i) {
            const auto down = static_cast<int32_t>(count - i);
            const int32_t values[] = {
                static_cast<int32_t>(random.Next()), 7, down * 20000,
                static_cast<int32_t>(random.Below(9)) - 4};
            keys.As<int32_t>()[i] = i < count ? values[kind] : kPaddingKey;
          }
          std::vector<uint64_t> memory(PaddedPoints(count));
          std::vector<int64_t> expected(k);
          Reference().select(
              {keys.As<int32_t>(), count, k, memory.data(), expected.data()});
          target.kernel->select({keys.As<int32_t>(), count, k,
                                 scratch.As<uint64_t>(), got.As<int64_t>()});
          REQUIRE(SameIndices(got, expected));
          REQUIRE(scratch.Intact());
        }
      }
    }
  }
}

namespace {

// Keys [rows][columns] of one kind, padded by columns to a group: random; all
// equal; descending, so that every one is kept; few values, so that most tie;
// the row itself at 0.
std::vector<int32_t> KeysOfKind(int kind, size_t rows, size_t columns) {
  Random random(static_cast<uint64_t>(kind) + rows * 3 + columns * 7);
  std::vector<int32_t> keys(rows * PaddedPoints(columns), kPaddingKey);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < columns; ++i) {
      const auto any = static_cast<int32_t>(random.Next() >> 40) + (1 << 24);
      const int32_t values[] = {any, 7, static_cast<int32_t>(columns - i) << 14,
                                static_cast<int32_t>(random.Below(3)),
                                i == r ? 0 : any};
      keys[r * PaddedPoints(columns) + i] = values[kind];
    }
    if (columns > 2) keys[r * PaddedPoints(columns) + 2] = 0x7fc00000;  // NaN
  }
  return keys;
}

constexpr int kKinds = 5;

// Lists of `rows` rows, between guards.
struct Lists {
  Lists(size_t rows, size_t k)
      : data(rows * 2 * CandidateLists::kStride * 4),
        counts(rows * 4),
        bounds(rows * 4),
        lists{k, data.As<int32_t>(), counts.As<int32_t>(),
              bounds.As<int32_t>()} {
    std::fill_n(lists.counts, rows, 0);
    std::fill_n(lists.bounds, rows, kPaddingKey);
  }
  bool Intact() { return data.Intact() && counts.Intact() && bounds.Intact(); }

  Guarded data, counts, bounds;
  CandidateLists lists;
};

// `rows` lists from `first` on, none before, against a sort of the keys.
void CheckNearest(const PointsKernel& kernel, Lists& lists, size_t first,
                  size_t rows, const std::vector<int32_t>& keys,
                  size_t columns) {
  const size_t k = lists.lists.k, stride = PaddedPoints(columns);
  REQUIRE(lists.Intact());
  REQUIRE(lists.lists.counts[first - 1] == 0);
  CandidateLists from = lists.lists;
  from.data = from.Keys(first);
  from.counts += first;
  from.bounds += first;
  Guarded got(rows * k * 8);
  kernel.nearest({from, rows, got.As<int64_t>()});
  std::vector<int64_t> expected(rows * k);
  std::vector<uint64_t> memory(stride);
  for (size_t r = 0; r < rows; ++r) {
    Reference().select(
        {&keys[r * stride], columns, k, memory.data(), &expected[r * k]});
  }
  REQUIRE(SameIndices(got, expected));
  REQUIRE(lists.Intact());
}

// Calls fn(kernel, columns, k, kind) for every target.
template <class Fn>
void ForKeys(const Fn& fn) {
  for (const auto& target :
       test::KernelsOnTargets<PointsKernel>(&PointsKernels)) {
    for (const size_t columns : kCounts) {
      for (const size_t k : {size_t{1}, size_t{2}, size_t{9}, size_t{20},
                             size_t{63}, size_t{64}}) {
        for (int kind = 0; kind < kKinds && k <= columns; ++kind) {
          CAPTURE(target.name, columns, k, kind);
          fn(*target.kernel, columns, k, kind);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("candidates by rows are what a sort of all keys gives") {
  constexpr size_t kRows = 3;
  ForKeys([](const PointsKernel& kernel, size_t columns, size_t k, int kind) {
    const size_t stride = PaddedPoints(columns);
    const std::vector<int32_t> keys = KeysOfKind(kind, kRows, columns);
    Lists lists(kRows + 1, k);  // the first takes nothing
    for (size_t first = 0; first < stride; first += kPointGroup) {
      Guarded block(kRows * kPointGroup * 4);
      for (size_t r = 0; r < kRows; ++r) {
        std::memcpy(block.As<int32_t>() + r * kPointGroup,
                    &keys[r * stride + first], kPointGroup * 4);
      }
      kernel.keep_rows({lists.lists, 1, first, kRows, block.As<int32_t>()});
      REQUIRE(lists.Intact());
    }
    CheckNearest(kernel, lists, 1, kRows, keys, columns);
  });
}

TEST_CASE("candidates by columns, a strip at a time") {
  ForKeys([](const PointsKernel& kernel, size_t columns, size_t k, int kind) {
    const size_t stride = PaddedPoints(columns);
    const std::vector<int32_t> keys = KeysOfKind(kind, kPointGroup, columns);
    for (const bool bounds : {false, true}) {
      Lists lists(kPointGroup * 2, k);
      for (size_t first = 0; first < columns; first += 2 * kPointGroup) {
        const size_t rows = std::min(2 * kPointGroup, columns - first);
        Guarded strip(2 * kPointGroup * kPointGroup * 4);
        for (size_t i = 0; i < 2 * kPointGroup; ++i) {
          for (size_t r = 0; r < kPointGroup; ++r) {
            strip.As<int32_t>()[i * kPointGroup + r] =
                i < rows ? keys[r * stride + first + i] : kPaddingKey;
          }
        }
        if (bounds && first == 0) {
          kernel.group_bounds({strip.As<int32_t>(), PaddedPoints(rows), k,
                               lists.lists.bounds + kPointGroup});
        }
        kernel.keep_columns(
            {lists.lists, kPointGroup, first, rows, strip.As<int32_t>()});
      }
      CheckNearest(kernel, lists, kPointGroup, kPointGroup, keys, columns);
    }
  });
}

TEST_CASE("bounds of groups leave k keys, and few more") {
  for (const auto& target :
       test::KernelsOnTargets<PointsKernel>(&PointsKernels)) {
    for (const size_t columns : kCounts) {
      for (const size_t k : {size_t{1}, size_t{2}, size_t{20}, size_t{64}}) {
        for (int kind = 0; kind < kKinds && k <= columns; ++kind) {
          CAPTURE(target.name, columns, k, kind);
          const size_t count = PaddedPoints(columns);
          const std::vector<int32_t> keys =
              KeysOfKind(kind, kPointGroup, columns);
          Guarded turned(count * kPointGroup * 4), bounds(kPointGroup * 4);
          for (size_t r = 0; r < kPointGroup; ++r) {
            for (size_t i = 0; i < count; ++i)
              turned.As<int32_t>()[i * kPointGroup + r] = keys[r * count + i];
          }
          target.kernel->group_bounds(
              {turned.As<int32_t>(), count, k, bounds.As<int32_t>()});
          REQUIRE(bounds.Intact());
          for (size_t r = 0; r < kPointGroup; ++r) {
            const int32_t bound = bounds.As<int32_t>()[r];
            size_t below = 0;
            for (size_t i = 0; i < count; ++i)
              below += keys[r * count + i] < bound ? 1 : 0;
            REQUIRE(below >= k);
            // A group each, where there are as many keys as groups.
            if (kind == 0 && columns == kPointGroup) REQUIRE(below <= k + 5);
          }
        }
      }
    }
  }
}

TEST_CASE("the definition of farthest points and balls") {
  // 0, 4, NaN, 1, 4 on a line.
  std::vector<float> line(PaddedPoints(5), NAN);
  alignas(64) float x[PaddedPoints(5)];
  const float values[] = {0, 4, NAN, 1, 4};
  std::copy(line.begin(), line.end(), x);
  std::copy(values, values + 5, x);
  float nearest[PaddedPoints(5)];
  int64_t places[5];
  Reference().farthest({{x, 1, 5}, 0, 5, nearest, places});
  CHECK(std::vector<int64_t>(places, places + 5) ==
        std::vector<int64_t>{0, 1, 3, 0, 0});
  const float centre = 1;
  CHECK(Reference().in_ball({x, 1, 5}, &centre, 9, 5, places) == 4);
  CHECK(places[2] == 3);
  CHECK(Reference().in_ball({x, 1, 5}, &centre, 9, 2, places) == 2);
}

}  // namespace bittern::kernels
