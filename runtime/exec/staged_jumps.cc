// What a StagedRun does at ops that jump (model/bodies.h).
#include <algorithm>
#include <cstring>
#include <string>

#include "runtime/exec/staged_run.h"
#include "runtime/plan/memory_planner.h"

namespace bittern::runtime {
namespace {

// Of all loops of one run: a file may ask for 2^62 turns and mean a few.
constexpr int64_t kMaxTurns = 100'000;

}  // namespace

Result<size_t> StagedRun::RunJump(size_t s) {
  StageState& state = stages_[s];
  switch (state.stage.jump) {
    case Jump::kNone:
      break;
    case Jump::kIf: {
      BITTERN_TRY_ASSIGN(
          state.taken, ReadCondition(model_->def().ops[state.stage.first], 0));
      return state.taken ? s + 1 : state.stage.partner + 1;
    }
    case Jump::kElse:  // the first body has run
      return state.stage.partner;
    case Jump::kEndIf:
      return EndIf(s);
    case Jump::kLoop:
      return StartLoop(s);
    case Jump::kEndLoop:
      return EndTurn(s);
  }
  return s + 1;
}

Result<bool> StagedRun::ReadCondition(const OpDef& op, size_t input) const {
  if (op.inputs[input] < 0) return true;
  const TensorType& type = Type(op.inputs[input]);
  if (type.dtype != DType::kBool || type.shape.Elements() != 1) {
    return InvalidArgument("condition: got " + ToString(type) +
                           ", expected one bool");
  }
  return *static_cast<const uint8_t*>(Data(op.inputs[input])) != 0;
}

std::vector<LoopMemory::Value> StagedRun::ValuesOf(
    std::span<const int32_t> tensors) const {
  std::vector<LoopMemory::Value> values;
  for (const int32_t tensor : tensors)
    values.push_back({Type(tensor), Data(tensor)});
  return values;
}

void StagedRun::SetTensor(int32_t tensor, const TensorType& type,
                          const void* data) {
  const auto t = static_cast<size_t>(tensor);
  types_[t] = type;
  if (data_[t] == data) return;
  data_[t] = const_cast<void*>(data);  // of our own memory
  ++placement_;
}

// Copies, so that no output shares the bytes of another tensor.
Result<size_t> StagedRun::EndIf(size_t s) {
  StageState& state = stages_[s];
  const OpDef& op = model_->def().ops[state.stage.first];
  const size_t count = op.outputs.size();
  const bool taken = stages_[state.stage.partner].taken;
  const std::vector<LoopMemory::Value> values =
      ValuesOf(std::span(op.inputs).subspan(taken ? 0 : count, count));
  std::vector<ArenaBlock> blocks;
  for (const LoopMemory::Value& value : values)
    blocks.push_back({ByteSize(value.type), 0, 0});
  BITTERN_TRY_ASSIGN(const ArenaLayout layout, PlaceBlocks(blocks));
  if (layout.bytes > state.arena.bytes()) {
    BITTERN_TRY(MayTake(layout.bytes - state.arena.bytes()));
    state.arena = {};
    BITTERN_TRY_ASSIGN(state.arena, AlignedBuffer::Make(layout.bytes));
  }
  for (size_t i = 0; i < count; ++i) {
    uint8_t* const to = state.arena.data() + layout.offsets[i];
    if (blocks[i].bytes != 0) std::memcpy(to, values[i].data, blocks[i].bytes);
    SetTensor(op.outputs[i], values[i].type, to);
  }
  return s + 1;
}

Result<size_t> StagedRun::StartLoop(size_t s) {
  StageState& state = stages_[s];
  const std::vector<OpDef>& ops = model_->def().ops;
  const OpDef& op = ops[state.stage.first];
  const OpDef& end = ops[stages_[state.stage.partner].stage.first];
  state.loop.turns_left = INT64_MAX;
  if (op.inputs[0] >= 0) {
    const TensorType& type = Type(op.inputs[0]);
    if (type.dtype != DType::kI64 || type.shape.Elements() != 1) {
      return InvalidArgument("turns: got " + ToString(type) +
                             ", expected one i64");
    }
    std::memcpy(&state.loop.turns_left, Data(op.inputs[0]), sizeof(int64_t));
  }
  BITTERN_TRY_ASSIGN(const bool condition, ReadCondition(op, 1));
  state.loop.condition[0] = condition ? 1 : 0;
  const std::vector<LoopMemory::Value> states =
      ValuesOf(std::span(op.inputs).subspan(2));
  BITTERN_TRY(
      state.loop.Start(states, end.outputs.size() - states.size(),
                       [this](size_t bytes) { return MayTake(bytes); }));
  return TurnOrLeave(s);
}

Result<size_t> StagedRun::EndTurn(size_t s) {
  const size_t start = stages_[s].stage.partner;
  LoopMemory& loop = stages_[start].loop;
  const OpDef& op = model_->def().ops[stages_[s].stage.first];
  BITTERN_TRY_ASSIGN(const bool condition, ReadCondition(op, 0));
  const std::vector<LoopMemory::Value> values =
      ValuesOf(std::span(op.inputs).subspan(1));
  const auto may_take = [this](size_t bytes) { return MayTake(bytes); };
  for (size_t i = loop.states(); i < values.size(); ++i)
    BITTERN_TRY(loop.AddRow(i - loop.states(), values[i], may_take));
  BITTERN_TRY(loop.Next(std::span(values).first(loop.states()), may_take));
  loop.condition[0] = condition ? 1 : 0;
  ++loop.turn[0];
  --loop.turns_left;
  return TurnOrLeave(start);
}

Result<size_t> StagedRun::TurnOrLeave(size_t s) {
  LoopMemory& loop = stages_[s].loop;
  const std::vector<OpDef>& ops = model_->def().ops;
  const size_t end = stages_[s].stage.partner;
  const bool turns = loop.turns_left > 0 && loop.condition[0] != 0;
  const OpDef& target = ops[stages_[turns ? s : end].stage.first];
  if (turns) {
    if (++turns_ > kMaxTurns) {
      return InvalidArgument("got more than " + std::to_string(kMaxTurns) +
                             " turns in one run, expected fewer");
    }
    SetTensor(target.outputs[0], {DType::kI64, {}, {}}, loop.turn.data());
    SetTensor(target.outputs[1], {DType::kBool, {}, {}}, loop.condition.data());
  }
  for (size_t i = 0; i < loop.states(); ++i) {
    const LoopMemory::Value& value = loop.State(i);
    SetTensor(target.outputs[turns ? i + 2 : i], value.type, value.data);
  }
  if (turns) return s + 1;
  for (size_t i = loop.states(); i < target.outputs.size(); ++i) {
    const auto tensor = static_cast<size_t>(target.outputs[i]);
    BITTERN_TRY_ASSIGN(
        const LoopMemory::Value rows,
        loop.Stacked(i - loop.states(), model_->def().tensors[tensor].type));
    SetTensor(target.outputs[i], rows.type, rows.data);
  }
  return end + 1;
}

}  // namespace bittern::runtime
