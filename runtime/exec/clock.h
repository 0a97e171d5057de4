// The clock of profiles.
#pragma once

#include <chrono>
#include <cstdint>

namespace bittern::runtime {

inline int64_t NowNs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace bittern::runtime
