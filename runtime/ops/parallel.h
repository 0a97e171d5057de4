// When a second thread is worth it.
#pragma once

#include <algorithm>
#include <cstddef>

namespace bittern::runtime {

// Additions of floats that take about 3 us: handing a part to another thread
// and waiting for it costs as much.
inline constexpr size_t kThreadWork = size_t{1} << 16;

// The least number of items that make one part of ThreadPool::For, where an
// item has `elements` that each cost about as much as `weight` additions of
// contiguous floats.
inline size_t Grain(size_t elements, size_t weight) {
  return std::max<size_t>(1,
                          kThreadWork / std::max<size_t>(1, elements * weight));
}

}  // namespace bittern::runtime
