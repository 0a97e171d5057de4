// Einsum as MatMul: operands join from the left. Labels that both have are
// batch dimensions if they are needed later, else summed; the product is one
// batched matrix product, and a last sum and transpose give the result.
#include <algorithm>
#include <map>
#include <string>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// Letters are their codes; the dimensions of an ellipsis count down from -1,
// its last dimension.
using Labels = std::vector<int>;

bool Contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

struct Term {
  Labels labels;
  bool ellipsis = false;
  size_t ellipsis_at = 0;  // among the labels
};

struct Operand {
  ValueId id = kNone;
  Labels labels;
};

Result<Term> ParseTerm(OnnxNode& node, const std::string& text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      term.labels.push_back(c);
    } else if (!term.ellipsis && text.compare(i, 3, "...") == 0) {
      term.ellipsis = true;
      term.ellipsis_at = term.labels.size();
      i += 2;
    } else {
      return node.Fail("equation has '" + text.substr(i, 8) +
                       "', expected letters and at most one '...'");
    }
  }
  return term;
}

void ExpandEllipsis(Term* term, size_t dims) {
  if (!term->ellipsis) return;
  Labels added;
  for (size_t i = 0; i < dims; ++i) {
    added.push_back(-static_cast<int>(dims - i));
  }
  term->labels.insert(
      term->labels.begin() + static_cast<ptrdiff_t>(term->ellipsis_at),
      added.begin(), added.end());
}

class EinsumImporter {  // borrows the node
 public:
  explicit EinsumImporter(OnnxNode& node) : node_(node), f_(node) {}

  Result<void> Run(std::string equation) {
    equation.erase(std::remove(equation.begin(), equation.end(), ' '),
                   equation.end());
    BITTERN_TRY(Read(equation));
    for (Operand& operand : operands_) Diagonal(&operand);
    Operand product = operands_[0];
    for (size_t i = 1; i < operands_.size() && !f_.failed(); ++i) {
      product = Join(product, operands_[i], i + 1);
    }
    product = SumUnneeded(product, operands_.size());
    if (!f_.failed()) f_.Answer(Ordered(product, output_));
    return f_.Done();
  }

 private:
  Result<void> Read(const std::string& equation) {
    const size_t arrow = equation.find("->");
    std::string left = equation.substr(0, arrow) + ",";
    size_t ellipsis = 0;
    for (size_t begin = 0; begin < left.size();) {
      const size_t end = left.find(',', begin);
      BITTERN_TRY_ASSIGN(Term term,
                         ParseTerm(node_, left.substr(begin, end - begin)));
      begin = end + 1;
      const size_t index = operands_.size();
      if (index >= node_.input_count()) {
        return node_.Fail("equation has more terms than inputs");
      }
      const Shape shape = node_.ShapeOf(node_.Input(index));
      if (term.ellipsis ? shape.rank() < term.labels.size()
                        : shape.rank() != term.labels.size()) {
        return node_.Fail("input " + std::to_string(index) + " is " +
                          runtime::ToString(shape) + ", expected " +
                          std::to_string(term.labels.size()) + " dimensions");
      }
      const size_t hidden = shape.rank() - term.labels.size();
      ellipsis = std::max(ellipsis, hidden);
      ExpandEllipsis(&term, hidden);
      operands_.push_back({node_.Input(index), term.labels});
    }
    if (operands_.size() != node_.input_count()) {
      return node_.Fail("equation has fewer terms than inputs");
    }
    BITTERN_TRY(ReadSizes());
    if (arrow == std::string::npos) {
      SetImplicitOutput(ellipsis);
      return {};
    }
    BITTERN_TRY_ASSIGN(Term out, ParseTerm(node_, equation.substr(arrow + 2)));
    ExpandEllipsis(&out, ellipsis);
    output_ = out.labels;
    Labels sorted = output_;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i) {
      if (sizes_.count(sorted[i]) != 0 &&
          (i == 0 || sorted[i] != sorted[i - 1])) {
        continue;
      }
      return node_.Fail("equation's result repeats or invents a label");
    }
    return {};
  }

  // The size of each label; a 1 broadcasts.
  Result<void> ReadSizes() {
    for (const Operand& operand : operands_) {
      const Shape shape = node_.ShapeOf(operand.id);
      for (size_t i = 0; i < shape.rank(); ++i) {
        int64_t& size = sizes_.emplace(operand.labels[i], 1).first->second;
        if (size != shape[i] && size != 1 && shape[i] != 1) {
          return node_.Fail("a label has sizes " + std::to_string(size) +
                            " and " + std::to_string(shape[i]) +
                            ", expected one size");
        }
        if (size == 1) size = shape[i];
      }
    }
    return {};
  }

  // The ellipsis, then the letters that occur once, sorted.
  void SetImplicitOutput(size_t ellipsis) {
    std::map<int, int> uses;
    for (const Operand& operand : operands_) {
      for (int label : operand.labels) ++uses[label];
    }
    for (size_t i = ellipsis; i > 0; --i) {
      output_.push_back(-static_cast<int>(i));
    }
    for (const auto& [label, count] : uses) {
      if (label > 0 && count == 1) output_.push_back(label);
    }
  }

  // A label that a term repeats stands for the diagonal of its dimensions.
  void Diagonal(Operand* operand) {
    for (size_t i = 0; i < operand->labels.size() && !f_.failed(); ++i) {
      const int label = operand->labels[i];
      const auto second =
          std::find(operand->labels.begin() + static_cast<ptrdiff_t>(i) + 1,
                    operand->labels.end(), label);
      if (second == operand->labels.end()) continue;
      const auto j = static_cast<size_t>(second - operand->labels.begin());
      const Shape shape = f_.ShapeOf(operand->id);
      std::vector<int64_t> perm, dims;
      Labels labels;
      for (size_t d = 0; d < shape.rank(); ++d) {
        if (d == i || d == j) continue;
        perm.push_back(static_cast<int64_t>(d));
        dims.push_back(shape[d]);
        labels.push_back(operand->labels[d]);
      }
      perm.insert(perm.end(),
                  {static_cast<int64_t>(i), static_cast<int64_t>(j)});
      const auto axis = static_cast<int64_t>(dims.size());
      dims.push_back(shape[i] * shape[j]);
      labels.push_back(label);
      const ValueId flat = f_.Reshape(f_.Transpose(operand->id, perm), dims);
      const int64_t step =
          (shape[i] == 1 ? 0 : shape[j]) + (shape[j] == 1 ? 0 : 1);
      const ValueId places = f_.Mul(f_.Iota(sizes_[label], 0, 1), f_.I64(step));
      operand->id = f_.Op("Gather", {flat, places}, {{"axis", axis}});
      operand->labels = labels;
      i = SIZE_MAX;  // from the start: the labels moved
    }
  }

  // True if the result or an operand from `next` on has the label.
  bool Needed(int label, size_t next) const {
    if (Contains(output_, label)) return true;
    return std::any_of(
        operands_.begin() + static_cast<ptrdiff_t>(next), operands_.end(),
        [&](const Operand& o) { return Contains(o.labels, label); });
  }

  Operand SumUnneeded(const Operand& operand, size_t next) {
    std::vector<int64_t> axes;
    Labels kept;
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      if (Needed(operand.labels[i], next)) {
        kept.push_back(operand.labels[i]);
      } else {
        axes.push_back(static_cast<int64_t>(i));
      }
    }
    if (axes.empty()) return operand;
    return {f_.Reduce("ReduceSum", operand.id, axes, false), kept};
  }

  // The operand with its dimensions in this order, at their full sizes.
  ValueId Ordered(const Operand& operand, const Labels& labels) {
    std::vector<int64_t> perm;
    Shape full;
    for (int label : labels) {
      const auto at =
          std::find(operand.labels.begin(), operand.labels.end(), label);
      perm.push_back(at - operand.labels.begin());
      full.Append(sizes_[label]);
    }
    return f_.Expand(f_.Transpose(operand.id, perm), full);
  }

  int64_t Product(const Labels& labels) {
    int64_t product = 1;
    for (int label : labels) product *= sizes_[label];
    return product;
  }

  Operand Join(const Operand& a, const Operand& b, size_t next) {
    Labels batch, rows, columns, sums;
    for (int label : a.labels) {
      const bool shared = Contains(b.labels, label);
      const bool needed = Needed(label, next);
      (!shared ? rows : needed ? batch : sums).push_back(label);
    }
    for (int label : b.labels) {
      if (!Contains(a.labels, label)) columns.push_back(label);
    }
    const auto joined = [](Labels first, const Labels& second,
                           const Labels& third) {
      first.insert(first.end(), second.begin(), second.end());
      first.insert(first.end(), third.begin(), third.end());
      return first;
    };
    const Labels result = joined(batch, rows, columns);
    if (std::max({a.labels.size(), b.labels.size(), result.size()}) >
        runtime::kMaxRank) {
      f_.Fail(node_.FailUnsupported("a product has more than 8 dimensions"));
      return a;
    }
    const int64_t n = Product(batch), k = Product(sums);
    const ValueId left = f_.Reshape(Ordered(a, joined(batch, rows, sums)),
                                    {n, Product(rows), k});
    const ValueId right = f_.Reshape(Ordered(b, joined(batch, sums, columns)),
                                     {n, k, Product(columns)});
    Shape shape;
    for (int label : result) shape.Append(sizes_[label]);
    return {f_.ReshapeTo(f_.Op("MatMul", {left, right}), shape), result};
  }

  OnnxNode& node_;
  Formula f_;
  std::vector<Operand> operands_;
  Labels output_;
  std::map<int, int64_t> sizes_;
};

}  // namespace

Result<void> ImportEinsum(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, SIZE_MAX));
  BITTERN_TRY_ASSIGN(const std::string equation, node.String("equation", ""));
  for (ValueId id : node.inputs()) {
    if (id == kNone) return node.Fail("an input is absent");
  }
  return EinsumImporter(node).Run(equation);
}

}  // namespace bittern::convert
