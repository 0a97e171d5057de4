#include "runtime/model/bodies.h"

#include <algorithm>
#include <string>

namespace bittern::runtime {
namespace {

Error Misplaced(const char* expected) {
  return InvalidArgument(
      std::string("got an end or a middle of no body, expected ") + expected +
      " before it");
}

Error Operands(const OpDef& op, const std::string& expected) {
  return InvalidArgument("got " + std::to_string(op.inputs.size()) +
                         " inputs and " + std::to_string(op.outputs.size()) +
                         " outputs, expected " + expected);
}

// All inputs from the `first` on are there.
bool AllGiven(const OpDef& op, size_t first) {
  return std::find(op.inputs.begin() + static_cast<ptrdiff_t>(first),
                   op.inputs.end(), -1) == op.inputs.end();
}

}  // namespace

Result<void> BodyCheck::BeginEndLoop(const OpDef& op) const {
  if (open_.empty() || open_.back().jump != Jump::kLoop)
    return Misplaced("a Loop");
  const size_t states = open_.back().states;
  if (op.inputs.size() != op.outputs.size() + 1 || op.outputs.size() < states ||
      !AllGiven(op, 0)) {
    return Operands(op, "a condition, " + std::to_string(states) +
                            " states and rows, all given, and as many outputs "
                            "without the condition");
  }
  return {};
}

Result<void> BodyCheck::Begin(const OpDef& op, Jump jump) {
  first_half_ = 0;
  switch (jump) {
    case Jump::kNone:
    case Jump::kIf:
      return {};
    case Jump::kLoop:
      if (op.inputs.size() < 2 || op.inputs.size() != op.outputs.size() ||
          !AllGiven(op, 2)) {
        return Operands(op,
                        "turns, condition and states that are given, and as "
                        "many outputs");
      }
      states_ = op.inputs.size() - 2;
      return {};
    case Jump::kEndLoop:
      return BeginEndLoop(op);
    case Jump::kElse:
      if (open_.empty() || open_.back().jump != Jump::kIf)
        return Misplaced("an If");
      return {};
    case Jump::kEndIf:
      if (open_.empty() || open_.back().jump != Jump::kElse)
        return Misplaced("an Else");
      if (op.inputs.size() != 2 * op.outputs.size() || !AllGiven(op, 0))
        return Operands(op, "two inputs that are given for each output");
      first_half_ = op.outputs.size();
      return {};
  }
  return {};
}

bool BodyCheck::Sees(int32_t tensor, size_t input) const {
  const size_t body = made_in_[static_cast<size_t>(tensor)];
  if (input >= first_half_) return is_open_[body];
  const Frame& frame = open_.back();  // an Else, which EndIf is about to end
  return body == frame.then_body || (is_open_[body] && body != frame.body);
}

void BodyCheck::Turn(Jump jump) {
  if (jump == Jump::kNone) return;
  size_t then_body = 0;
  if (jump != Jump::kLoop && jump != Jump::kIf) {
    then_body = open_.back().body;
    is_open_[then_body] = false;
    open_.pop_back();
  }
  if (jump == Jump::kEndLoop || jump == Jump::kEndIf) return;
  open_.push_back({jump, is_open_.size(), then_body, states_});
  is_open_.push_back(true);
}

Result<void> BodyCheck::Finish() const {
  if (open_.empty()) return {};
  return InvalidArgument("model: got " + std::to_string(open_.size()) +
                         " bodies without an end, expected none");
}

}  // namespace bittern::runtime
