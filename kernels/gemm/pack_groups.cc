#include "kernels/gemm/pack_groups.h"

#include <cstring>

#include "kernels/base/bits.h"

namespace bittern::kernels {
namespace {

constexpr float kTwo23 = 8388608.0f;
constexpr float kMostZero = 1 << 20;  // integers that a base holds exactly

GroupZeros KindOf(const float* zero, size_t count) {
  if (zero == nullptr) return GroupZeros::kNone;
  for (size_t i = 0; i < count; ++i) {
    const bool small = zero[i] >= -kMostZero && zero[i] <= kMostZero;
    if (!small || zero[i] != static_cast<float>(static_cast<int32_t>(zero[i])))
      return GroupZeros::kFractions;
  }
  return GroupZeros::kBases;
}

// Fields of k [first, end) of a channel, F a word, a word every nr elements.
void PackFields(const GroupLayout& layout, const CodeMatrix& w, size_t channel,
                size_t first, size_t end, uint32_t* out) {
  const int32_t lo = RangeOf(w.type).lo;
  for (; first < end; out += layout.nr) {
    uint32_t word = 0;
    for (unsigned bit = 0; bit < 32 && first < end; bit += layout.bits) {
      word |= static_cast<uint32_t>(ValueAt(w, channel, first++) - lo) << bit;
    }
    *out = word;
  }
}

}  // namespace

GroupLayout::GroupLayout(GemmTypes types, size_t channels) noexcept
    : nr(channels), bits(1), lists(types.zeros ? 2 : 1), group(types.group) {
  const ValueRange range = RangeOf(types.weights);
  while (((range.hi - range.lo) >> bits) != 0) bits *= 2;
}

void PackGroupWords(const GroupLayout& layout, const CodeMatrix& w,
                    const WeightGroups& groups, void* packed) noexcept {
  const size_t nr = layout.nr, count = CeilDiv(w.k, layout.group);
  const GroupZeros zeros = KindOf(groups.zero, w.n * count);
  const float base = kTwo23 - static_cast<float>(RangeOf(w.type).lo);
  std::memset(packed, 0, layout.Bytes(w.n, w.k));
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t j = 0; j < nr; ++j) reinterpret_cast<float*>(out)[j] = base;
  out[nr] = static_cast<uint32_t>(zeros);
  out += layout.HeaderSize();
  for (size_t tile = 0; tile < w.n; tile += nr) {
    for (size_t first = 0; first < w.k; first += layout.group) {
      const size_t end =
          w.k - first < layout.group ? w.k : first + layout.group;
      auto* lists = reinterpret_cast<float*>(out);
      for (size_t j = 0; j < nr && tile + j < w.n; ++j) {
        const size_t at = (tile + j) * count + first / layout.group;
        lists[j] = groups.scale[at];
        if (zeros == GroupZeros::kBases) lists[nr + j] = base + groups.zero[at];
        if (zeros == GroupZeros::kFractions) lists[nr + j] = groups.zero[at];
        PackFields(layout, w, tile + j, first, end,
                   out + layout.lists * nr + j);
      }
      out += layout.GroupSize(end - first);
    }
  }
}

}  // namespace bittern::kernels
