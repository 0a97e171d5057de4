// What stands between the softmax and the product with the values: nothing, a
// Quantize of one scale per head, or a sign. Without a softmax (BiBERT) a Relu
// stands in its place, and behind it a plain sign: 1 where the score is
// positive.
#pragma once

#include <string>
#include <vector>

#include "converter/passes/affine_sign.h"
#include "converter/passes/edit.h"

namespace bittern::convert {

struct Probabilities {
  NodeId product = kNone;  // the product that reads them; kNone: there is none
  bool coded = false;
  // By head: of the quantiser, and what its codes stand for, (code -
  // level_zero)
  // * level_scale.
  std::vector<float> scale, zero, level_scale;
  std::vector<int32_t> level_zero;
  bool own_level_zero = false;  // other than `zero`
  int64_t lo = 0, hi = 0;
  bool multiply = false, zero_after = false;
  std::string text = "f32";  // for the report
  std::string reason;        // why they cannot be read so
};

// Scores and terms added to them that are 0 or at least this large are exactly
// told from 0 by the codes that stand for a plain sign.
inline constexpr float kMinPositiveTerm = 0x1p-60f;

// Those of a Softmax, or Relu, of [.., H, Tq, Tk] or [B*H, Tq, Tk]. Without
// `heads` (0) only the product is looked for.
Probabilities ReadProbabilities(const Graph& graph, NodeId softmax,
                                int64_t heads);

// The first Sign below `id` through what a quantiser has.
std::optional<NodeId> SignBelow(const Graph& graph, ValueId id);

}  // namespace bittern::convert
