// Transposes of images between channels first, [B,C,H,W], and channels last.
#pragma once

#include <cstdint>
#include <vector>

namespace bittern::convert {

inline const std::vector<int64_t> kToLast = {0, 2, 3, 1};
inline const std::vector<int64_t> kToFirst = {0, 3, 1, 2};

}  // namespace bittern::convert
