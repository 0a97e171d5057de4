#include "tests/support/guarded.h"

#include <algorithm>
#include <cstring>

namespace bittern::test {
namespace {
constexpr size_t kGuard = 128;
constexpr uint8_t kPattern = 0xA5;
}  // namespace

Guarded::Guarded(size_t bytes, size_t misalign)
    : storage_(bytes + 2 * kGuard + 64 + misalign, kPattern), bytes_(bytes) {
  const auto base = reinterpret_cast<uintptr_t>(storage_.data()) + kGuard;
  data_ = reinterpret_cast<uint8_t*>((base + 63) / 64 * 64 + misalign);
}

void Guarded::Fill(uint8_t value) {
  if (bytes_ != 0) std::memset(data_, value, bytes_);
}

bool Guarded::Intact() const {
  const auto is_pattern = [](uint8_t b) { return b == kPattern; };
  const auto begin = static_cast<size_t>(data_ - storage_.data());
  return std::all_of(storage_.begin(),
                     storage_.begin() + static_cast<ptrdiff_t>(begin),
                     is_pattern) &&
         std::all_of(storage_.begin() + static_cast<ptrdiff_t>(begin + bytes_),
                     storage_.end(), is_pattern);
}

}  // namespace bittern::test
