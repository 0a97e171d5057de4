// What one Loop keeps while it runs: the values that its turns hand on, and the
// rows that they leave. Used from one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"

namespace bittern::runtime {

class LoopMemory {
 public:
  struct Value {
    TensorType type;
    const void* data;
  };
  // Asked before so many more bytes are taken.
  using MayTake = std::function<Result<void>(size_t)>;

  // The first turn's values and the number of values that are stacked.
  Result<void> Start(std::span<const Value> states, size_t stacked,
                     const MayTake& may_take);
  // The next turn's, which may be the last one's in another order. A value
  // keeps its element type, not its size.
  Result<void> Next(std::span<const Value> states, const MayTake& may_take);
  // One row more of a stacked value: all have one type.
  Result<void> AddRow(size_t i, const Value& row, const MayTake& may_take);

  size_t states() const { return states_.size(); }
  // Valid until the next call.
  const Value& State(size_t i) const { return states_[i]; }
  // The rows so far; without any, none of what `declared` says of a row.
  Result<Value> Stacked(size_t i, const TensorType& declared) const;
  size_t bytes() const;

  int64_t turns_left = 0;
  // As ops of the body read them, a vector at a time.
  alignas(64) std::array<int64_t, 8> turn{};
  alignas(64) std::array<uint8_t, 64> condition{};

 private:
  struct Rows {
    TensorType type;  // of one
    int64_t count = 0;
    size_t used = 0;
    AlignedBuffer buffer;
  };
  std::vector<Value> states_;
  AlignedBuffer current_, next_;
  std::vector<Rows> rows_;
};

}  // namespace bittern::runtime
