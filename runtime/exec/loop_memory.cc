#include "runtime/exec/loop_memory.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernels/base/bits.h"

namespace bittern::runtime {
namespace {

constexpr size_t kAlign = 64;

Result<void> Grow(AlignedBuffer& buffer, size_t bytes, size_t kept,
                  const LoopMemory::MayTake& may_take) {
  if (bytes <= buffer.bytes()) return {};
  BITTERN_TRY(may_take(bytes));  // both are there for a moment
  BITTERN_TRY_ASSIGN(AlignedBuffer larger, AlignedBuffer::Make(bytes));
  if (kept != 0) std::memcpy(larger.data(), buffer.data(), kept);
  buffer = std::move(larger);
  return {};
}

}  // namespace

Result<void> LoopMemory::Start(std::span<const Value> states, size_t stacked,
                               const MayTake& may_take) {
  states_.assign(states.begin(), states.end());
  rows_.resize(stacked);
  for (Rows& rows : rows_) {
    rows.count = 0;
    rows.used = 0;
  }
  turn[0] = 0;
  return Next(states, may_take);
}

// Through a second buffer: a value may come from the place of another. Back to
// the first one, so that the ops that read it find it where it was.
Result<void> LoopMemory::Next(std::span<const Value> states,
                              const MayTake& may_take) {
  std::vector<size_t> offsets;
  size_t bytes = 0;
  for (size_t i = 0; i < states.size(); ++i) {
    const TensorType &was = states_[i].type, &is = states[i].type;
    if (was.dtype != is.dtype || was.code != is.code) {
      return InvalidArgument("value " + std::to_string(i) +
                             " of the loop: got " + ToString(is) + " after " +
                             ToString(was) + ", expected the same type");
    }
    offsets.push_back(bytes);
    bytes += kernels::RoundUp(ByteSize(is), kAlign);
  }
  BITTERN_TRY(Grow(next_, bytes, 0, may_take));
  for (size_t i = 0; i < states.size(); ++i) {
    const size_t size = ByteSize(states[i].type);
    if (size != 0) std::memcpy(next_.data() + offsets[i], states[i].data, size);
  }
  BITTERN_TRY(Grow(current_, bytes, 0, may_take));
  if (bytes != 0) std::memcpy(current_.data(), next_.data(), bytes);
  for (size_t i = 0; i < states.size(); ++i)
    states_[i] = {states[i].type, current_.data() + offsets[i]};
  return {};
}

Result<void> LoopMemory::AddRow(size_t i, const Value& row,
                                const MayTake& may_take) {
  Rows& rows = rows_[i];
  if (rows.count == 0) rows.type = row.type;
  if (row.type != rows.type) {
    return InvalidArgument("stacked value " + std::to_string(i) + ": got " +
                           ToString(row.type) + " after " +
                           ToString(rows.type) + ", expected one type");
  }
  if (row.type.dtype == DType::kCode || row.type.shape.rank() == kMaxRank) {
    return InvalidArgument("stacked value " + std::to_string(i) + ": got " +
                           ToString(row.type) +
                           ", expected numbers of at most " +
                           std::to_string(kMaxRank - 1) + " dimensions");
  }
  const size_t size = ByteSize(row.type), needed = rows.used + size;
  if (needed > rows.buffer.bytes()) {
    BITTERN_TRY(Grow(rows.buffer, std::max(needed, 2 * rows.buffer.bytes()),
                     rows.used, may_take));
  }
  if (size != 0) std::memcpy(rows.buffer.data() + rows.used, row.data, size);
  rows.used = needed;
  ++rows.count;
  return {};
}

Result<LoopMemory::Value> LoopMemory::Stacked(
    size_t i, const TensorType& declared) const {
  const Rows& rows = rows_[i];
  TensorType type{rows.type.dtype, {rows.count}, {}};
  if (rows.count != 0) {
    for (const int64_t size : rows.type.shape.dims()) type.shape.Append(size);
  } else {
    if (declared.dtype == DType::kCode || declared.shape.rank() == 0)
      return InvalidArgument("stacked value " + std::to_string(i) + ": got " +
                             ToString(declared) + ", expected numbers in rows");
    type = declared;
    type.shape[0] = 0;
    for (size_t d = 1; d < type.shape.rank(); ++d)
      type.shape[d] = std::max<int64_t>(type.shape[d], 0);
  }
  BITTERN_TRY_ASSIGN([[maybe_unused]] const int64_t elements,
                     CheckedElements(type.shape));
  return Value{type, rows.buffer.data()};
}

size_t LoopMemory::bytes() const {
  size_t total = current_.bytes() + next_.bytes();
  for (const Rows& rows : rows_) total += rows.buffer.bytes();
  return total;
}

}  // namespace bittern::runtime
