#include "tests/runtime/ops/op_runner.h"

#include <bit>
#include <catch2/catch.hpp>

#include "kernels/base/bits.h"
#include "runtime/base/thread_pool.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op.h"

namespace bittern::test {
namespace {

using runtime::AlignedBuffer;
using runtime::DType;
using runtime::Shape;
using runtime::TensorType;

constexpr size_t kGuardBytes = 64;
constexpr uint8_t kGuard = 0xA5;
constexpr char kNode[] = "the/node";

// `bytes` of garbage and a guard behind them.
std::shared_ptr<AlignedBuffer> Garbage(size_t bytes) {
  auto buffer = AlignedBuffer::Make(bytes + kGuardBytes);
  REQUIRE(buffer.ok());
  std::memset(buffer.value().data(), kGuard, bytes + kGuardBytes);
  return std::make_shared<AlignedBuffer>(std::move(buffer).value());
}

bool GuardIntact(const AlignedBuffer& buffer) {
  const uint8_t* guard = buffer.data() + buffer.bytes() - kGuardBytes;
  return std::all_of(guard, guard + kGuardBytes,
                     [](uint8_t b) { return b == kGuard; });
}

template <class T>
Value Dense(DType dtype, const Shape& shape, const std::vector<T>& values) {
  REQUIRE(static_cast<int64_t>(values.size()) == shape.Elements());
  Value value{{dtype, shape, {}}, Garbage(values.size() * sizeof(T))};
  if (!values.empty())
    std::memcpy(value.data->data(), values.data(), values.size() * sizeof(T));
  return value;
}

kernels::CodePlanes Planes(const Value& value) {
  const Shape& shape = value.type.shape;
  const int64_t group =
      value.type.code.group > 0 ? value.type.code.group : shape.Last();
  return kernels::ViewCodePlanes(
      value.data->data(), static_cast<size_t>(shape.Leading()),
      static_cast<size_t>(shape.Last()), static_cast<size_t>(group));
}

// A model that holds the call's inputs as tensors, so that weights can be
// packed, and otherwise does nothing.
std::shared_ptr<const runtime::Model> ModelOf(const OpCall& call) {
  runtime::ModelDef def;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const auto& input = call.inputs[i];
    const bool constant = input && input->constant;
    def.tensors.push_back(
        {"input" + std::to_string(i),
         constant ? input->type : TensorType{DType::kF32, Shape{1}, {}},
         constant ? input->data->data() : nullptr});
  }
  const auto count = static_cast<int32_t>(call.inputs.size());
  for (const char* name : {"x", "y"})
    def.tensors.push_back({name, {DType::kF32, Shape{1}, {}}, nullptr});
  def.inputs = {count};
  def.ops.push_back({"Identity", "unused", {count}, {count + 1}, {}});
  def.outputs = {count + 1};
  auto model = runtime::Model::Make(std::move(def), {});
  INFO(model.error().message);
  REQUIRE(model.ok());
  return model.value();
}

// The parts that threads would run, one after another and the last one first:
// parts must not depend on each other, and the tests must not depend on free
// cores. session_block_test.cc has real threads.
void LastPartFirst(void*, void (*task)(void*, size_t), void* context,
                   size_t count) {
  while (count-- > 0) task(context, count);
}

void Execute(const runtime::Op& op, const OpCall& call,
             const runtime::PrepareContext& prepared,
             const std::vector<std::optional<Value>>& inputs,
             std::vector<Value>& outputs) {
  auto pool = runtime::ThreadPool::Make(call.threads, &LastPartFirst, nullptr);
  REQUIRE(pool.ok());
  const size_t stride = kernels::RoundUp(prepared.scratch_per_thread, 64);
  const auto shared = Garbage(prepared.scratch_shared),
             thread = Garbage(stride * call.threads);
  std::vector<const void*> in;
  for (const auto& input : inputs)
    in.push_back(input ? input->data->data() : nullptr);
  std::vector<void*> out;
  for (const Value& output : outputs) out.push_back(output.data->data());
  op.Run({in, out, shared->data(), thread->data(), stride, pool.value().get()});
  CHECK(GuardIntact(*shared));
  CHECK(GuardIntact(*thread));
  for (const Value& output : outputs) CHECK(GuardIntact(*output.data));
}

// Again with output 0 in the place of every input that the op allows: the same
// outputs.
void ExecuteInPlace(const runtime::Op& op, const OpCall& call,
                    const runtime::PrepareContext& prepared,
                    const std::vector<Value>& outputs) {
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (!call.inputs[i] || !op.MayLieOver(i)) continue;
    const Value& input = *call.inputs[i];
    const size_t bytes = runtime::ByteSize(input.type);
    REQUIRE(bytes == runtime::ByteSize(outputs[0].type));
    std::vector<Value> again;
    for (const Value& output : outputs) {
      again.push_back({output.type, Garbage(runtime::ByteSize(output.type))});
    }
    if (bytes != 0)
      std::memcpy(again[0].data->data(), input.data->data(), bytes);
    std::vector<std::optional<Value>> inputs = call.inputs;
    inputs[i] = again[0];
    Execute(op, call, prepared, inputs, again);
    for (size_t o = 0; o < outputs.size(); ++o) {
      INFO(call.op << ": output " << o << ", output 0 over input " << i);
      CHECK(std::memcmp(again[o].data->data(), outputs[o].data->data(),
                        runtime::ByteSize(outputs[o].type)) == 0);
    }
  }
}

}  // namespace

Value F32(const Shape& shape, const std::vector<float>& values) {
  return Dense(DType::kF32, shape, values);
}
Value I64(const Shape& shape, const std::vector<int64_t>& values) {
  return Dense(DType::kI64, shape, values);
}
Value I32(const Shape& shape, const std::vector<int32_t>& values) {
  return Dense(DType::kI32, shape, values);
}
Value Bytes(DType dtype, const Shape& shape,
            const std::vector<uint8_t>& values) {
  return Dense(dtype, shape, values);
}
Value Bool(const Shape& shape, const std::vector<uint8_t>& values) {
  return Dense(DType::kBool, shape, values);
}

Value Sign(const Shape& shape, int64_t group, const std::vector<int>& codes) {
  REQUIRE(static_cast<int64_t>(codes.size()) == shape.Elements());
  TensorType type{DType::kCode, shape, {runtime::Encoding::kSign, 1, group}};
  Value value{type, Garbage(runtime::ByteSize(type))};
  std::memset(value.data->data(), 0, runtime::ByteSize(type));
  const kernels::CodePlanes p = Planes(value);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == 0) continue;
    const size_t row = i / p.cols, col = i % p.cols;
    const size_t word = row * p.row_words +
                        col / p.group * kernels::GroupWords(p.group) +
                        col % p.group / 64;
    const uint64_t bit = uint64_t{1} << (col % p.group % 64);
    p.valid[word] |= bit;
    if (codes[i] > 0) p.sign[word] |= bit;
    ++p.valid_count[row];
  }
  return value;
}

Value Bipolar(const Shape& shape, const std::vector<int>& signs) {
  REQUIRE(static_cast<int64_t>(signs.size()) == shape.Elements());
  TensorType type{DType::kCode, shape, {runtime::Encoding::kBipolar, 1, 0}};
  Value value{type, Garbage(runtime::ByteSize(type)), true};
  const auto cols = static_cast<size_t>(shape.Last());
  for (size_t i = 0; i < signs.size(); ++i) {
    const size_t byte = i / cols * kernels::CeilDiv(cols, 8) + i % cols / 8;
    const auto bit = static_cast<uint8_t>(1u << (i % cols % 8));
    uint8_t& bits = value.data->data()[byte];
    bits = static_cast<uint8_t>(signs[i] > 0 ? bits | bit : bits & ~bit);
  }
  return value;
}

Value Constant(Value value) {
  value.constant = true;
  return value;
}

Value Iota(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.Elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return F32(shape, values);
}

std::vector<int> Codes(const Value& value) {
  const kernels::CodePlanes p = Planes(value);
  std::vector<int> codes(p.rows * p.cols);
  for (size_t row = 0; row < p.rows; ++row) {
    int count = 0, valid = 0, stray = 0;
    for (size_t col = 0; col < p.cols; ++col) {
      codes[row * p.cols + col] = kernels::CodeAt(p, row, col);
      count += codes[row * p.cols + col] != 0;
    }
    for (size_t w = row * p.row_words; w < (row + 1) * p.row_words; ++w) {
      valid += std::popcount(p.valid[w]);
      stray += std::popcount(p.sign[w] & ~p.valid[w]);
    }
    REQUIRE(p.valid_count[row] == count);
    REQUIRE(valid == count);  // more: padding bits are set
    REQUIRE(stray == 0);
  }
  return codes;
}

namespace {

// The outputs; and what the op calls its kernel.
runtime::Result<std::vector<Value>> TryRun(const OpCall& call,
                                           std::string* kernel) {
  const runtime::OpInfo* info = runtime::FindOp(call.op);
  REQUIRE(info != nullptr);
  const auto model = ModelOf(call);
  runtime::OpDef def{call.op, kNode, {}, {}, call.attributes};
  std::vector<runtime::InputInfo> inputs;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const auto& input = call.inputs[i];
    inputs.push_back(
        !input ? runtime::InputInfo{}
               : runtime::InputInfo{
                     true, static_cast<int32_t>(i), input->type,
                     input->constant ? input->data->data() : nullptr});
  }
  std::vector<TensorType> types(call.outputs);
  const auto op = info->create();
  BITTERN_TRY(
      runtime::InferOp(*runtime::FindOp(call.op), *op, def, inputs, types));
  runtime::PrepareContext prepare{*model, def,      inputs,
                                  types,  call.cpu, call.threads};
  BITTERN_TRY(op->Prepare(prepare));
  *kernel = op->Kernel();
  CHECK_FALSE(kernel->empty());
  CHECK(op->Cost().macs >= 0);
  std::vector<Value> outputs;
  for (const TensorType& type : types)
    outputs.push_back({type, Garbage(runtime::ByteSize(type))});
  Execute(*op, call, prepare, call.inputs, outputs);
  ExecuteInPlace(*op, call, prepare, outputs);
  return outputs;
}

}  // namespace

runtime::Result<std::vector<Value>> TryRun(const OpCall& call) {
  std::string kernel;
  return TryRun(call, &kernel);
}

std::string KernelOf(const OpCall& call) {
  std::string kernel;
  const auto result = TryRun(call, &kernel);
  INFO(result.error().message);
  REQUIRE(result.ok());
  return kernel;
}

std::vector<Value> RunAll(const OpCall& call) {
  auto result = TryRun(call);
  INFO(call.op << ": " << result.error().message);
  REQUIRE(result.ok());
  return std::move(result).value();
}

Value Run(const OpCall& call) { return RunAll(call)[0]; }

std::string ErrorOf(const OpCall& call) {
  auto result = TryRun(call);
  INFO(call.op);
  REQUIRE_FALSE(result.ok());
  const std::string where = call.op + " '" + kNode + "': ";
  INFO(result.error().message);
  REQUIRE(result.error().message.starts_with(where));
  return result.error().message.substr(where.size());
}

std::vector<kernels::CpuFeatures> EveryCpu() {
  std::vector<kernels::CpuFeatures> list;
  for (std::string_view name : kernels::TargetNames()) {
    kernels::CpuFeatures cpu;
    if (kernels::CapCpu(kernels::DetectCpu(), name, &cpu)) list.push_back(cpu);
  }
  return list;
}

}  // namespace bittern::test
