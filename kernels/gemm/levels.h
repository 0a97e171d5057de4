// Codes as indices of evenly spaced levels, value = lo + step * index: what
// table look-up and bit planes work on. With w = w_lo + w_step * u and
// a = a_lo + a_step * v,
//   sum w * a = w_step * a_step * sum u * v + RowAdd + ChannelAdd.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

struct Levels {
  int32_t lo, step, max;  // max: the largest index
  unsigned Planes() const {
    return static_cast<unsigned>(std::bit_width(static_cast<uint32_t>(max)));
  }
};

inline Levels LevelsOf(Operand type) {
  const ValueRange range = RangeOf(type);
  const int32_t step = StepOf(type);
  return {range.lo, step, (range.hi - range.lo) / step};
}

inline int32_t LevelScale(GemmTypes types) {
  return LevelsOf(types.weights).step * LevelsOf(types.activations).step;
}

// Per unit of sum_k v of a row, and per unit of sum_k w of a channel.
inline int32_t RowAdd(GemmTypes types) {
  return LevelsOf(types.activations).step * LevelsOf(types.weights).lo;
}
inline int32_t ChannelAdd(Operand activations) {
  return LevelsOf(activations).lo;
}

}  // namespace bittern::kernels
