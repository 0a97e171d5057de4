// If, Loop and Scan, written out while the model is converted, where passes can
// see them: what is known goes, and a condition that only the run knows becomes
// a choice between both results, if they have the same types, or in a Loop of
// few turns. Others become nodes with bodies (run_time_flow.h).
#include <algorithm>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/run_time_flow.h"

namespace bittern::convert {
namespace {

using runtime::DType;
using Values = std::vector<ValueId>;

// What is written out: nodes and turns; turns where their number is not stated;
// turns that the run may skip, which are computed all the same.
constexpr int64_t kMaxWritten = 50'000;
constexpr int64_t kMaxTurns = 100'000;
constexpr int64_t kMaxUnstatedTurns = 1'000;
constexpr int64_t kMaxSkippedTurns = 32;

Result<const onnx::GraphProto*> Body(OnnxNode& node, const char* attribute) {
  BITTERN_TRY_ASSIGN(const onnx::GraphProto* body, node.Subgraph(attribute));
  if (body == nullptr) {
    return node.Fail(std::string("lacks the graph '") + attribute + "'");
  }
  return body;
}

// `condition` ? a : b, of one static type.
Result<ValueId> Choose(OnnxNode& node, ValueId condition, ValueId a,
                       ValueId b) {
  if (a == b) return a;
  Formula f(node);
  const ValueId chosen = f.Where(f.Reshape(condition, {}), a, b);
  BITTERN_TRY(f.Done());
  return chosen;
}

Result<ValueId> Stack(OnnxNode& node, const Values& parts, int64_t axis,
                      bool reverse) {
  if (parts.empty()) {
    return node.FailUnsupported(
        "runs no turn, so a stacked output has no elements, expected one or "
        "more");
  }
  Formula f(node);
  Values rows;
  BITTERN_TRY_ASSIGN(
      const int64_t at,
      node.NormaliseAxis(axis, node.ShapeOf(parts[0]).rank() + 1, "an axis"));
  for (ValueId part : parts) rows.push_back(f.Unsqueeze(part, {at}));
  if (reverse) std::reverse(rows.begin(), rows.end());
  const ValueId stacked =
      rows.size() == 1 ? rows[0] : f.Concat(rows, static_cast<size_t>(at));
  BITTERN_TRY(f.Done());
  return stacked;
}

Result<void> ExpectAll(OnnxNode& node, const Values& inputs) {
  if (std::find(inputs.begin(), inputs.end(), kNone) == inputs.end()) return {};
  return node.Fail("lacks an input, expected every value of the loop");
}

}  // namespace

Result<void> ImportIf(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const onnx::GraphProto* yes, Body(node, "then_branch"));
  BITTERN_TRY_ASSIGN(const onnx::GraphProto* no, Body(node, "else_branch"));
  const ValueId condition = node.Input(0);
  BITTERN_TRY_ASSIGN(const std::optional<bool> known,
                     node.ConstantBool(condition));
  const auto import = [&node](const onnx::GraphProto& body) -> Result<Branch> {
    Branch branch;
    branch.first = node.graph().nodes().size();
    BITTERN_TRY_ASSIGN(branch.results, node.ImportSubgraph(body, {}));
    branch.last = node.graph().nodes().size();
    if (branch.results.size() == node.output_count()) return branch;
    return node.Fail("a branch has " + std::to_string(branch.results.size()) +
                     " outputs, expected " +
                     std::to_string(node.output_count()));
  };
  if (known) {
    BITTERN_TRY_ASSIGN(const Branch taken, import(*known ? *yes : *no));
    for (size_t i = 0; i < node.output_count(); ++i)
      node.AnswerWith(taken.results[i], i);
    return {};
  }
  BITTERN_TRY_ASSIGN(const Branch a, import(*yes));
  BITTERN_TRY_ASSIGN(const Branch b, import(*no));
  if (!MayComputeBoth(node, a, b)) return AnswerIf(node, condition, a, b);
  for (size_t i = 0; i < node.output_count(); ++i) {
    BITTERN_TRY_ASSIGN(const ValueId value,
                       Choose(node, condition, a.results[i], b.results[i]));
    node.AnswerWith(value, i);
  }
  return {};
}

namespace {

// One Loop while it is written out.
class LoopWriter {
 public:
  LoopWriter(OnnxNode& node, const onnx::GraphProto& body)
      : node_(node),
        body_(body),
        state_(node.inputs().begin() + static_cast<ptrdiff_t>(std::min<size_t>(
                                           2, node.input_count())),
               node.inputs().end()),
        stacked_(Count(body.output_size()) > state_.size() + 1
                     ? Count(body.output_size()) - state_.size() - 1
                     : 0) {}

  // False: too much to write out, or the run decides it.
  Result<bool> Write() {
    if (Count(body_.output_size()) < state_.size() + 1 ||
        node_.output_count() > state_.size() + stacked_.size()) {
      return node_.Fail("its body has " + std::to_string(body_.output_size()) +
                        " outputs, expected a condition, " +
                        std::to_string(state_.size()) +
                        " values of the loop and the stacked ones");
    }
    BITTERN_TRY(ExpectAll(node_, state_));
    BITTERN_TRY_ASSIGN(const bool few, Turns());
    if (!few) return false;
    active_ = node_.Input(1);
    for (int64_t i = 0; i < turns_; ++i) {
      if (active_ != kNone) {
        BITTERN_TRY_ASSIGN(const std::optional<bool> known,
                           node_.ConstantBool(active_));
        if (known && !*known) break;
        if (known) active_ = kNone;
      }
      const bool stated = turns_ <= kMaxTurns;
      if (active_ != kNone && (turns_ > kMaxSkippedTurns || !stacked_.empty()))
        return false;
      if (!stated && i >= kMaxUnstatedTurns) return false;
      BITTERN_TRY_ASSIGN(const bool written, Turn(i));
      if (!written) return false;
    }
    return Answer();
  }

 private:
  static size_t Count(int count) { return static_cast<size_t>(count); }

  Result<bool> Answer() {
    for (size_t i = state_.size(); i < node_.output_count(); ++i) {
      if (!node_.WantsOutput(i)) continue;
      if (stacked_[i - state_.size()].empty()) return false;
      BITTERN_TRY_ASSIGN(const ValueId stacked,
                         Stack(node_, stacked_[i - state_.size()], 0, false));
      node_.AnswerWith(stacked, i);
    }
    for (size_t i = 0; i < std::min(node_.output_count(), state_.size()); ++i)
      node_.AnswerWith(state_[i], i);
    return true;
  }

  // Whether there is a number of turns that may be written out.
  Result<bool> Turns() {
    turns_ = kMaxTurns + 1;
    if (node_.Input(0) == kNone) return true;
    BITTERN_TRY_ASSIGN(const bool known, node_.Known(node_.Input(0)));
    if (!known) return false;
    BITTERN_TRY_ASSIGN(
        const std::vector<int64_t> turns,
        node_.ConstantInts(node_.Input(0), "the number of turns"));
    if (turns.size() != 1) {
      return node_.Fail("the number of turns has " +
                        std::to_string(turns.size()) + " values, expected one");
    }
    turns_ = std::min(std::max<int64_t>(turns[0], 0), turns_);
    return turns_ > kMaxTurns || turns_ * body_.node_size() <= kMaxWritten;
  }

  // False where values that the run chooses between differ in type.
  Result<bool> Turn(int64_t i) {
    Values inputs = {node_.ScalarI64(i), active_};
    if (active_ == kNone) {
      Formula f(node_);
      inputs[1] = f.Number(DType::kBool, 1);
      BITTERN_TRY(f.Done());
    }
    inputs.insert(inputs.end(), state_.begin(), state_.end());
    BITTERN_TRY_ASSIGN(const Values outputs,
                       node_.ImportSubgraph(body_, inputs));
    for (size_t s = 0; s < state_.size(); ++s) {
      if (active_ == kNone) {
        state_[s] = outputs[s + 1];
        continue;
      }
      const TensorType& type = node_.TypeOf(state_[s]);
      if (type != node_.TypeOf(outputs[s + 1]) || !type.shape.IsStatic())
        return false;
      BITTERN_TRY_ASSIGN(state_[s],
                         Choose(node_, active_, outputs[s + 1], state_[s]));
    }
    for (size_t s = 0; s < stacked_.size(); ++s) {
      stacked_[s].push_back(outputs[state_.size() + 1 + s]);
    }
    BITTERN_TRY(Continue(outputs[0]));
    return true;
  }

  // A turn that is not to run leaves the values as they are, so the condition
  // must stay false once it is.
  Result<void> Continue(ValueId condition) {
    if (active_ == kNone) {
      active_ = condition;
      return {};
    }
    Formula f(node_);
    active_ = f.Op("And", {f.Reshape(active_, {}), f.Reshape(condition, {})});
    return f.Done();
  }

  OnnxNode& node_;
  const onnx::GraphProto& body_;
  Values state_;
  int64_t turns_ = 0;
  ValueId active_ = kNone;       // whether this turn runs; kNone: it does
  std::vector<Values> stacked_;  // per output, one value a turn
};

// One Scan: state and one element of each sequence go in, state and one element
// of each result come out.
struct ScanShape {
  size_t states = 0, sequences = 0, results = 0;
  std::vector<int64_t> input_axes, output_axes, backward_inputs,
      backward_outputs;
};

Result<std::vector<int64_t>> IntsOrZeros(OnnxNode& node, const char* attribute,
                                         size_t count) {
  BITTERN_TRY_ASSIGN(const std::optional<std::vector<int64_t>> given,
                     node.Ints(attribute));
  if (!given) return std::vector<int64_t>(count, 0);
  if (given->size() == count) return *given;
  return node.Fail(std::string(attribute) + " has " +
                   std::to_string(given->size()) + " values, expected " +
                   std::to_string(count));
}

Result<ScanShape> ShapeOfScan(OnnxNode& node, const onnx::GraphProto& body,
                              size_t inputs) {
  BITTERN_TRY_ASSIGN(const int64_t sequences, node.Int("num_scan_inputs", 0));
  ScanShape shape;
  shape.sequences = static_cast<size_t>(sequences);
  if (sequences < 1 || shape.sequences > inputs ||
      static_cast<size_t>(body.output_size()) < inputs - shape.sequences) {
    return node.Fail("num_scan_inputs is " + std::to_string(sequences) +
                     ", expected 1 to " + std::to_string(inputs));
  }
  shape.states = inputs - shape.sequences;
  shape.results = static_cast<size_t>(body.output_size()) - shape.states;
  BITTERN_TRY_ASSIGN(shape.input_axes,
                     IntsOrZeros(node, "scan_input_axes", shape.sequences));
  BITTERN_TRY_ASSIGN(shape.output_axes,
                     IntsOrZeros(node, "scan_output_axes", shape.results));
  const bool old = node.opset() < 9;
  BITTERN_TRY_ASSIGN(
      shape.backward_inputs,
      IntsOrZeros(node, old ? "directions" : "scan_input_directions",
                  shape.sequences));
  BITTERN_TRY_ASSIGN(
      shape.backward_outputs,
      IntsOrZeros(node, "scan_output_directions", shape.results));
  return shape;
}

// The outputs of a Scan over `inputs`: states, then sequences.
Result<Values> WriteScan(OnnxNode& node, const onnx::GraphProto& body,
                         const ScanShape& shape, const Values& inputs) {
  BITTERN_TRY(ExpectAll(node, inputs));
  Values state(inputs.begin(),
               inputs.begin() + static_cast<ptrdiff_t>(shape.states));
  std::vector<size_t> axes;
  int64_t length = -1;
  for (size_t i = 0; i < shape.sequences; ++i) {
    const Shape& sequence = node.ShapeOf(inputs[shape.states + i]);
    BITTERN_TRY_ASSIGN(
        const int64_t axis,
        node.NormaliseAxis(shape.input_axes[i], sequence.rank(), "an axis"));
    axes.push_back(static_cast<size_t>(axis));
    const int64_t own = sequence[axes[i]];
    if (length >= 0 && own != length) {
      return node.Fail("sequences have " + std::to_string(length) + " and " +
                       std::to_string(own) + " elements, expected the same");
    }
    length = own;
  }
  if (length > kMaxTurns) {
    return node.FailUnsupported("runs " + std::to_string(length) +
                                " turns, expected at most " +
                                std::to_string(kMaxTurns));
  }
  std::vector<Values> stacked(shape.results);
  for (int64_t t = 0; t < length; ++t) {
    Values turn = state;
    Formula f(node);
    for (size_t i = 0; i < shape.sequences; ++i) {
      const int64_t at = shape.backward_inputs[i] != 0 ? length - 1 - t : t;
      turn.push_back(f.Op(
          "Squeeze", {f.Slice(inputs[shape.states + i], axes[i], at, at + 1)},
          {{"axes", std::vector<int64_t>{static_cast<int64_t>(axes[i])}}}));
    }
    BITTERN_TRY(f.Done());
    BITTERN_TRY_ASSIGN(const Values outputs, node.ImportSubgraph(body, turn));
    state.assign(outputs.begin(),
                 outputs.begin() + static_cast<ptrdiff_t>(shape.states));
    for (size_t i = 0; i < shape.results; ++i) {
      stacked[i].push_back(outputs[shape.states + i]);
    }
  }
  for (size_t i = 0; i < shape.results; ++i) {
    BITTERN_TRY_ASSIGN(const ValueId value,
                       Stack(node, stacked[i], shape.output_axes[i],
                             shape.backward_outputs[i] != 0));
    state.push_back(value);
  }
  return state;
}

// Opset 8: a batch in front, and an optional length for each of its members,
// which only a constant could say.
Result<void> ImportBatchedScan(OnnxNode& node, const onnx::GraphProto& body) {
  if (node.Input(0) != kNone) {
    return node.FailUnsupported(
        "sequences have lengths of their own, expected none given");
  }
  const Values inputs(node.inputs().begin() + 1, node.inputs().end());
  BITTERN_TRY_ASSIGN(const ScanShape shape,
                     ShapeOfScan(node, body, inputs.size()));
  BITTERN_TRY(ExpectAll(node, inputs));
  const Shape first = node.ShapeOf(inputs[0]);
  const int64_t batch = first.rank() == 0 ? 0 : first[0];
  if (batch > kMaxTurns) {
    return node.FailUnsupported("has a batch of " + std::to_string(batch) +
                                ", expected at most " +
                                std::to_string(kMaxTurns));
  }
  std::vector<Values> members(shape.states + shape.results);
  for (int64_t b = 0; b < batch; ++b) {
    Formula f(node);
    Values own;
    for (ValueId input : inputs) {
      own.push_back(f.Op("Squeeze", {f.Slice(input, 0, b, b + 1)},
                         {{"axes", std::vector<int64_t>{0}}}));
    }
    BITTERN_TRY(f.Done());
    BITTERN_TRY_ASSIGN(const Values outputs, WriteScan(node, body, shape, own));
    for (size_t i = 0; i < outputs.size(); ++i) {
      members[i].push_back(outputs[i]);
    }
  }
  for (size_t i = 0; i < std::min(node.output_count(), members.size()); ++i) {
    BITTERN_TRY_ASSIGN(const ValueId value, Stack(node, members[i], 0, false));
    node.AnswerWith(value, i);
  }
  return {};
}

}  // namespace

Result<void> ImportLoop(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const onnx::GraphProto* body, Body(node, "body"));
  BITTERN_TRY_ASSIGN(const bool written, LoopWriter(node, *body).Write());
  if (written) return {};
  return AnswerLoop(node, *body);
}

Result<void> ImportScan(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const onnx::GraphProto* body, Body(node, "body"));
  if (node.opset() < 9) {
    if (node.input_count() < 2) return node.Fail("lacks its inputs");
    return ImportBatchedScan(node, *body);
  }
  BITTERN_TRY_ASSIGN(const ScanShape shape,
                     ShapeOfScan(node, *body, node.input_count()));
  BITTERN_TRY_ASSIGN(const Values outputs,
                     WriteScan(node, *body, shape, node.inputs()));
  for (size_t i = 0; i < std::min(node.output_count(), outputs.size()); ++i) {
    node.AnswerWith(outputs[i], i);
  }
  return {};
}

}  // namespace bittern::convert
