// What stands between the product q k^T and the softmax: factors, and terms
// that are added, as a factor per head, a bias [H,Tq,Tk] and masks [W,Tq,Tk],
// of which batch entry b has mask b mod W. One term may be made at run time, a
// bias of the only batch entry.
#pragma once

#include <string>
#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

// Upwards from the softmax to the product.
struct ScoreChain {
  NodeId product = kNone;  // kNone: there is none
  struct Step {
    bool is_factor, divides;
    ValueId constant;  // or a term made at run time
    Shape full;        // of the scores at this place
  };
  std::vector<Step> steps;  // in order of evaluation
};
ScoreChain FollowScores(const Graph& graph, ValueId id);

struct ScoreTerms {
  std::vector<float> factor;      // [H]
  std::vector<float> bias;        // [H,Tq,Tk] or empty
  ValueId run_time_bias = kNone;  // in place of `bias`
  std::vector<float> mask;        // [masks,Tq,Tk] or empty
  int64_t masks = 0;
  std::string reason;  // why they are not so
};
ScoreTerms ReadTerms(const Graph& graph, const ScoreChain& chain,
                     int64_t heads);

// One value for each head of a constant that combines with [.., H, T, *], or
// with [B*H, T, *]; nothing if it varies otherwise. A head's rows and columns
// may repeat the value.
std::optional<std::vector<float>> FactorByHead(const Graph& graph,
                                               ValueId constant,
                                               const Shape& full,
                                               int64_t heads);

// The only reader of `id`, behind Reshapes that keep the last two dimensions;
// `id` becomes what it reads.
std::optional<NodeId> ReaderOfRows(const Graph& graph, ValueId& id);

}  // namespace bittern::convert
