// A constant is read as one block of rows for each head of each batch entry;
// which of these blocks are equal decides what it is.
#include "converter/passes/attention_terms.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bittern::convert {
namespace {

constexpr int kMaxSteps = 12;

bool KeepsRows(const Graph& graph, const Node& node) {
  const std::optional<Shape> before = StaticShape(graph, node.inputs[0]);
  const std::optional<Shape> after = StaticShape(graph, node.outputs[0]);
  if (!before || !after || before->rank() < 2 || after->rank() < 2) {
    return false;
  }
  return before->Last() == after->Last() &&
         (*before)[before->rank() - 2] == (*after)[after->rank() - 2];
}

bool IsView(const Node& node) {
  return node.op == "Reshape" || node.op == "Squeeze" || node.op == "Unsqueeze";
}

// A constant over [.., rows, columns].
class Blocks {
 public:
  static std::optional<Blocks> Of(const Graph& graph, ValueId constant,
                                  const Shape& full) {
    Blocks blocks;
    blocks.values_ = graph.F32(constant);
    const std::optional<Shape> own = StaticShape(graph, constant);
    const size_t rank = full.rank();
    if (blocks.values_.empty() || !own || own->rank() > rank || rank < 2) {
      return std::nullopt;
    }
    Shape padded;
    for (size_t i = own->rank(); i < rank; ++i) padded.Append(1);
    for (int64_t dim : own->dims()) padded.Append(dim);
    for (size_t i = 0; i < rank; ++i) {
      if (padded[i] != 1 && padded[i] != full[i]) return std::nullopt;
    }
    blocks.rows_ = padded[rank - 2];
    blocks.columns_ = padded[rank - 1];
    blocks.FindBlocks(padded, full);
    return blocks;
  }

  size_t count() const { return block_.size(); }
  // The value of block g, if it has but one.
  std::optional<float> ValueOf(size_t g) const {
    const float* block = &values_[block_[g] * size()];
    for (size_t i = 1; i < size(); ++i) {
      if (block[i] != block[0]) return std::nullopt;
    }
    return block[0];
  }

  bool Same(size_t g, size_t h) const {
    return block_[g] == block_[h] || std::memcmp(&values_[block_[g] * size()],
                                                 &values_[block_[h] * size()],
                                                 size() * sizeof(float)) == 0;
  }

  // Block g as rows x columns.
  void Append(size_t g, int64_t rows, int64_t columns,
              std::vector<float>& out) const {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const int64_t at =
            (rows_ == 1 ? 0 : i) * columns_ + (columns_ == 1 ? 0 : j);
        out.push_back(values_[block_[g] * size() + static_cast<size_t>(at)]);
      }
    }
  }

 private:
  size_t size() const { return static_cast<size_t>(rows_ * columns_); }

  void FindBlocks(const Shape& padded, const Shape& full) {
    int64_t count = 1;
    for (size_t i = 0; i + 2 < full.rank(); ++i) count *= full[i];
    for (int64_t g = 0; g < count; ++g) {
      int64_t rest = g, block = 0, step = 1;
      for (size_t i = full.rank() - 2; i-- > 0;) {
        if (padded[i] != 1) block += rest % full[i] * step;
        rest /= full[i];
        step *= padded[i];
      }
      block_.push_back(static_cast<size_t>(block));
    }
  }

  std::vector<float> values_;
  int64_t rows_ = 1, columns_ = 1;
  std::vector<size_t> block_;  // of the values, by head of batch entry
};

// Block g is that of head g mod H.
bool IsByHead(const Blocks& blocks, size_t heads) {
  for (size_t g = heads; g < blocks.count(); ++g) {
    if (!blocks.Same(g, g % heads)) return false;
  }
  return true;
}

// How many batch entries have blocks of their own, which all their heads share;
// 0 if heads differ.
size_t PeriodOfBatch(const Blocks& blocks, size_t heads) {
  for (size_t g = 0; g < blocks.count(); ++g) {
    if (!blocks.Same(g, g / heads * heads)) return 0;
  }
  const size_t batch = blocks.count() / heads;
  for (size_t period = 1; period < batch; ++period) {
    size_t b = period;
    while (batch % period == 0 && b < batch &&
           blocks.Same(b * heads, b % period * heads)) {
      ++b;
    }
    if (b == batch) return period;
  }
  return batch;
}

std::string AddTerm(const Blocks& blocks, const Shape& full, size_t heads,
                    ScoreTerms& terms) {
  const int64_t rows = full[full.rank() - 2], columns = full.Last();
  const size_t period = PeriodOfBatch(blocks, heads);
  if (period <= 1 && terms.bias.empty() && terms.run_time_bias == kNone &&
      IsByHead(blocks, heads)) {
    for (size_t h = 0; h < heads; ++h) {
      blocks.Append(h, rows, columns, terms.bias);
    }
    return "";
  }
  if (period == 0) {
    return "a term of the scores is neither one per head nor one per window";
  }
  if (!terms.mask.empty()) return "the scores have more than two terms";
  terms.masks = static_cast<int64_t>(period);
  for (size_t b = 0; b < period; ++b) {
    blocks.Append(b * heads, rows, columns, terms.mask);
  }
  return "";
}

// A bias that all heads share is smaller as the mask of all windows.
void ShareBias(size_t heads, ScoreTerms& terms) {
  const size_t size = terms.bias.size() / heads;
  for (size_t i = size; i < terms.bias.size(); ++i) {
    if (terms.bias[i] != terms.bias[i - size]) return;
  }
  if (size == 0 || !terms.mask.empty()) return;
  terms.bias.resize(size);
  terms.mask = std::move(terms.bias);
  terms.bias.clear();
  terms.masks = 1;
}

// Of one batch entry, and with nothing added before.
std::string TakeRunTimeTerm(const Graph& graph, const ScoreChain::Step& step,
                            int64_t heads, ScoreTerms& terms) {
  const int64_t pairs = step.full.Last() * step.full[step.full.rank() - 2];
  if (StaticShape(graph, step.constant) != step.full ||
      step.full.Elements() != heads * pairs || !terms.bias.empty() ||
      !terms.mask.empty() || terms.run_time_bias != kNone) {
    return "a term of the scores is made at run time";
  }
  terms.run_time_bias = step.constant;
  return "";
}

std::string TakeStep(const Graph& graph, const ScoreChain::Step& step,
                     int64_t heads, ScoreTerms& terms) {
  if (!graph.IsConstant(step.constant)) {
    return TakeRunTimeTerm(graph, step, heads, terms);
  }
  if (!step.is_factor) {
    const auto blocks = Blocks::Of(graph, step.constant, step.full);
    if (!blocks || blocks->count() % static_cast<size_t>(heads) != 0) {
      return "a term of the scores has another shape";
    }
    return AddTerm(*blocks, step.full, static_cast<size_t>(heads), terms);
  }
  if (!terms.bias.empty() || !terms.mask.empty() ||
      terms.run_time_bias != kNone) {
    return "the scores have a factor behind a term";
  }
  const auto factor = FactorByHead(graph, step.constant, step.full, heads);
  if (!factor) return "the scores have a factor that is not one per head";
  for (size_t h = 0; h < factor->size(); ++h) {
    terms.factor[h] *= step.divides ? 1.0f / (*factor)[h] : (*factor)[h];
  }
  return "";
}

// Whether views and constants alone stand between `id` and a product.
bool IsProduct(const Graph& graph, ValueId id) {
  for (int i = 0; i < kMaxSteps; ++i) {
    const Node* node = graph.Producer(id);
    if (node == nullptr || graph.UseCount(id) != 1) return false;
    if (node->op == "MatMul") return true;
    const ValueId constant = ConstantOperand(graph, *node);
    if (IsView(*node)) {
      id = node->inputs[0];
    } else if ((node->op == "Mul" || node->op == "Add") && constant != kNone) {
      id = OtherInput(*node, constant);
    } else {
      return false;
    }
  }
  return false;
}

// The input of an Add that is added to the scores; kNone if there is none.
ValueId TermOf(const Graph& graph, const Node& add) {
  const ValueId constant = ConstantOperand(graph, add);
  if (constant != kNone || add.inputs[0] == add.inputs[1]) return constant;
  for (size_t i = 0; i < 2; ++i) {
    if (IsProduct(graph, add.inputs[i])) return add.inputs[1 - i];
  }
  return kNone;
}

}  // namespace

std::optional<std::vector<float>> FactorByHead(const Graph& graph,
                                               ValueId constant,
                                               const Shape& full,
                                               int64_t heads) {
  const auto blocks = Blocks::Of(graph, constant, full);
  const auto count = static_cast<size_t>(heads);
  if (!blocks || blocks->count() % count != 0 || !IsByHead(*blocks, count)) {
    return std::nullopt;
  }
  std::vector<float> values;
  for (size_t h = 0; h < count; ++h) {
    const std::optional<float> value = blocks->ValueOf(h);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

std::optional<NodeId> ReaderOfRows(const Graph& graph, ValueId& id) {
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::optional<NodeId> user = OnlyUser(graph, id);
    if (!user || !IsView(graph.node(*user)) ||
        !KeepsRows(graph, graph.node(*user))) {
      return user;
    }
    id = graph.node(*user).outputs[0];
  }
  return std::nullopt;
}

ScoreChain FollowScores(const Graph& graph, ValueId id) {
  ScoreChain chain;
  for (int i = 0; i < kMaxSteps; ++i) {
    const Node* node = graph.Producer(id);
    if (node == nullptr || graph.UseCount(id) != 1) break;
    if (node->op == "MatMul") {
      chain.product = graph.ProducerId(id);
      break;
    }
    if (IsView(*node) && KeepsRows(graph, *node)) {
      id = node->inputs[0];
      continue;
    }
    const bool factor = node->op == "Mul" || node->op == "Div";
    if (!factor && node->op != "Add") break;
    const ValueId other =
        factor ? ConstantOperand(graph, *node) : TermOf(graph, *node);
    if (other == kNone || (node->op == "Div" && other != node->inputs[1]))
      break;
    const std::optional<Shape> full = StaticShape(graph, id);
    id = OtherInput(*node, other);
    if (!full || StaticShape(graph, id) != full) break;
    chain.steps.push_back({factor, node->op == "Div", other, *full});
  }
  std::reverse(chain.steps.begin(), chain.steps.end());
  return chain;
}

ScoreTerms ReadTerms(const Graph& graph, const ScoreChain& chain,
                     int64_t heads) {
  ScoreTerms terms;
  terms.factor.assign(static_cast<size_t>(heads), 1.0f);
  for (const ScoreChain::Step& step : chain.steps) {
    terms.reason = TakeStep(graph, step, heads, terms);
    if (!terms.reason.empty()) return terms;
  }
  ShareBias(static_cast<size_t>(heads), terms);
  return terms;
}

}  // namespace bittern::convert
