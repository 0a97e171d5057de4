// Runs one op as the executor does (Infer, Prepare, Run), on values of the
// test, without a file, plan or session. Outputs and scratch start as garbage,
// and what lies behind them must stay as it was. Where output 0 may lie over an
// input, the op runs once more with both in one place, to the same outputs.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/cpu.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"
#include "runtime/model/model.h"

namespace bittern::test {

struct Value {  // shares its bytes
  runtime::TensorType type;
  std::shared_ptr<runtime::AlignedBuffer> data;
  bool constant = false;

  template <class T>
  std::vector<T> As() const {
    const auto* first = reinterpret_cast<const T*>(data->data());
    return {first, first + type.shape.Elements()};
  }
  std::vector<float> Floats() const { return As<float>(); }
};

// `values` must be as many as the shape says.
Value F32(const runtime::Shape& shape, const std::vector<float>& values);
Value I64(const runtime::Shape& shape, const std::vector<int64_t>& values);
Value I32(const runtime::Shape& shape, const std::vector<int32_t>& values);
Value Bytes(runtime::DType dtype, const runtime::Shape& shape,
            const std::vector<uint8_t>& values);
Value Bool(const runtime::Shape& shape, const std::vector<uint8_t>& values);
// Three-valued codes in {-1, 0, 1}; group 0 = the whole row.
Value Sign(const runtime::Shape& shape, int64_t group,
           const std::vector<int>& codes);
// Weights in {-1, 1}, a constant.
Value Bipolar(const runtime::Shape& shape, const std::vector<int>& signs);
Value Constant(Value value);
// Values 0, 1, 2 ... of the shape.
Value Iota(const runtime::Shape& shape);

// The codes of a sign tensor; requires that planes, padding and counts agree
// (kernels/base/types.h).
std::vector<int> Codes(const Value& value);

struct OpCall {
  std::string op;
  std::vector<std::optional<Value>> inputs;
  runtime::AttributeMap attributes{};
  size_t outputs = 1;
  size_t threads = 1;
  kernels::CpuFeatures cpu = kernels::DetectCpu();
};

runtime::Result<std::vector<Value>> TryRun(const OpCall& call);
std::vector<Value> RunAll(const OpCall& call);  // requires success
Value Run(const OpCall& call);                  // the first output
// What the op calls the kernel it chose.
std::string KernelOf(const OpCall& call);
// Requires that Infer or Prepare fails, with a message that begins with op and
// node name; the rest of it.
std::string ErrorOf(const OpCall& call);

// The features of this CPU narrowed to each target of TargetNames() that it
// has.
std::vector<kernels::CpuFeatures> EveryCpu();

}  // namespace bittern::test
