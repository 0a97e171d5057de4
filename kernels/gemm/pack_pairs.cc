// Runs once per weight when a model is planned, so plain loops do. Which steps
// may share 16 bits is found greedily in windows of 64 steps, which keep the
// activations of a pair near each other. Of normally distributed weights,
// scaled so that the largest of a channel is 127, 92 % of the steps at k = 192
// find a partner, 97 % at 384 and 99 % from 768 on; of uniform ones none.
#include "kernels/gemm/pack_pairs.h"

namespace bittern::kernels {
namespace {

constexpr size_t kWindow = 64;
constexpr size_t kLanes = 2 * kPairsPanel;  // 16 bits each
constexpr int32_t kMaxRange = 256;          // head of pack_pairs.h

// One step of a panel: its packed weights and, for each 16-bit lane, the sum of
// t.
struct Step {
  uint32_t weights[kPairsPanel];
  uint16_t range[kLanes];
  bool placed;
};

Step ReadStep(const CodeMatrix& w, size_t first, size_t i) {
  const int32_t offset = PairsWeightOffset(w.type);
  Step step{};
  for (size_t j = 0; j < kPairsPanel; ++j) {
    for (size_t u = 0; u < 4; ++u) {
      const size_t n = first + j, k = 4 * i + u;
      const int32_t value = n < w.n && k < w.k ? ValueAt(w, n, k) - offset : 0;
      step.weights[j] |= (static_cast<uint32_t>(value) & 0xFF) << (8 * u);
      const int32_t t = value >= 0 ? value + 1 : -value;
      step.range[2 * j + u / 2] =
          static_cast<uint16_t>(step.range[2 * j + u / 2] + t);
    }
  }
  return step;
}

bool MayShare(const Step& a, const Step& b) {
  for (size_t j = 0; j < kLanes; ++j) {
    if (a.range[j] + b.range[j] > kMaxRange) return false;
  }
  return true;
}

// Writes the steps of a panel: pairs from the front, others from the back.
class Writer {
 public:
  Writer(uint32_t* offsets, uint32_t* weights, size_t steps)
      : offsets_(offsets), weights_(weights), back_(steps) {}
  void Pair(const Step& a, size_t i, const Step& b, size_t j) {
    Put(a, i, front_++);
    Put(b, j, front_++);
  }
  void Single(const Step& a, size_t i) { Put(a, i, --back_); }
  size_t pairs() const { return front_ / 2; }

 private:
  void Put(const Step& step, size_t i, size_t place) {
    offsets_[place] = static_cast<uint32_t>(8 * i);
    for (size_t j = 0; j < kPairsPanel; ++j)
      weights_[place * kPairsPanel + j] = step.weights[j];
  }

  uint32_t *offsets_, *weights_;
  size_t front_ = 0, back_;
};

void PackWindow(const CodeMatrix& w, size_t first, size_t begin, size_t count,
                Writer& writer) {
  Step steps[kWindow];
  for (size_t i = 0; i < count; ++i) steps[i] = ReadStep(w, first, begin + i);
  for (size_t i = 0; i < count; ++i) {
    if (steps[i].placed) continue;
    size_t j = i + 1;
    while (j < count && (steps[j].placed || !MayShare(steps[i], steps[j]))) ++j;
    if (j == count) {
      writer.Single(steps[i], begin + i);
    } else {
      writer.Pair(steps[i], begin + i, steps[j], begin + j);
      steps[j].placed = true;
    }
  }
}

// int32 before the weights: channel_add, the number of pairs, offsets.
constexpr size_t kHeader = 2 * kPairsPanel;
size_t WeightsAt(size_t k) {
  return kHeader + RoundUp(PairsSteps(k), kPairsPanel);
}

}  // namespace

size_t PairsPanelWords(size_t k) noexcept {
  return WeightsAt(k) + PairsSteps(k) * kPairsPanel;
}

int32_t PairsWeightOffset(Operand weights) noexcept {
  return weights == Operand::kU8 ? 128 : 0;
}

PairsPanel ViewPairsPanel(const void* packed, size_t panel, size_t k) noexcept {
  const auto* words =
      static_cast<const int32_t*>(packed) + panel * PairsPanelWords(k);
  return {words, static_cast<size_t>(words[kPairsPanel]),
          reinterpret_cast<const uint32_t*>(words + kHeader),
          words + WeightsAt(k)};
}

void PackPairs(const CodeMatrix& w, Operand activations,
               void* packed) noexcept {
  const int32_t offset = RangeOf(activations).lo + 128;
  const size_t steps = PairsSteps(w.k);
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t first = 0; first < w.n; first += kPairsPanel) {
    for (size_t j = 0; j < kHeader; ++j) out[j] = 0;
    for (size_t j = 0; j < kPairsPanel && first + j < w.n; ++j)
      out[j] = static_cast<uint32_t>(offset * RowSum(w, first + j));
    Writer writer(out + kHeader, out + WeightsAt(w.k), steps);
    for (size_t i = 0; i < steps; i += kWindow)
      PackWindow(w, first, i, steps - i < kWindow ? steps - i : kWindow,
                 writer);
    out[kPairsPanel] = static_cast<uint32_t>(writer.pairs());
    out += PairsPanelWords(w.k);
  }
}

}  // namespace bittern::kernels
