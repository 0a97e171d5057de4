// Gather: slices of x along `axis`, chosen by indices (negative ones count from
// the end). An index out of range is an error in a constant and clamped at run
// time.
#include <algorithm>
#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class GatherOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    BITTERN_TRY(
        CheckType(context, 1, "indices", kI64Only | SetOf(DType::kI32)));
    const TensorType& type = context.inputs[0].type;
    const TensorType& indices = context.inputs[1].type;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), type.shape.rank()));
    if (type.shape.rank() - 1 + indices.shape.rank() > kMaxRank) {
      return WrongInput(
          context, 1, "indices",
          "at most " + std::to_string(kMaxRank) + " output dimensions");
    }
    wide_ = indices.dtype == DType::kI64;
    size_ = type.shape[axis];
    count_ = static_cast<size_t>(indices.shape.Elements());
    if (size_ == 0 && count_ != 0)
      return WrongInput(context, 0, "x", "something to gather from");
    BITTERN_TRY(CheckIndices(context));
    outer_ = 1;
    chunk_ = ElementBytes(type.dtype);
    Shape out;
    for (size_t i = 0; i < axis; ++i) {
      outer_ *= static_cast<size_t>(type.shape[i]);
      out.Append(type.shape[i]);
    }
    for (int64_t d : indices.shape.dims()) out.Append(d);
    for (size_t i = axis + 1; i < type.shape.rank(); ++i) {
      chunk_ *= static_cast<size_t>(type.shape[i]);
      out.Append(type.shape[i]);
    }
    return SetOutput(context, 0, type.dtype, out);
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* in = RunInput<uint8_t>(context, 0);
    auto* out = RunOutput<uint8_t>(context, 0);
    if (chunk_ == 0) return;
    for (size_t o = 0; o < outer_;
         ++o, in += static_cast<size_t>(size_) * chunk_) {
      for (size_t i = 0; i < count_; ++i, out += chunk_) {
        int64_t index = At(context.inputs[1], i);
        if (index < 0) index += size_;
        index = std::clamp<int64_t>(index, 0, size_ - 1);
        std::memcpy(out, in + static_cast<size_t>(index) * chunk_, chunk_);
      }
    }
  }

  std::string Kernel() const override { return "copy"; }

 private:
  int64_t At(const void* indices, size_t i) const {
    return wide_ ? static_cast<const int64_t*>(indices)[i]
                 : static_cast<const int32_t*>(indices)[i];
  }

  Result<void> CheckIndices(const InferContext& context) const {
    const void* indices = context.inputs[1].constant;
    for (size_t i = 0; indices != nullptr && i < count_; ++i) {
      const int64_t index = At(indices, i);
      if (index < -size_ || index >= size_) {
        return context.Fail("input indices: got " + std::to_string(index) +
                            ", expected " + std::to_string(-size_) + " to " +
                            std::to_string(size_ - 1));
      }
    }
    return {};
  }

  bool wide_ = true;
  int64_t size_ = 0;
  size_t outer_ = 0, count_ = 0, chunk_ = 0;  // chunk_ in bytes
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kGatherOp =
    SimpleOpInfo("Gather", 2, 2, kAttributes, &CreateOp<GatherOp>);

}  // namespace bittern::runtime
