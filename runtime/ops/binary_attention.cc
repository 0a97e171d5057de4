// BinaryAttention: softmax(q k^T) v on sign codes with integer zero points, all
// heads of a batch entry by one kernel (kernels/attention/attention.h).
#include <algorithm>

#include "kernels/attention/attention.h"
#include "runtime/ops/attention_size.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

using kernels::CodePlanes;

enum Input : size_t {
  kQ,
  kK,
  kV,
  kScoreScale,
  kZq,
  kZk,
  kZp,
  kZv,
  kAp,
  kOutScale
};
constexpr size_t kGrain = 8;  // query rows worth a thread
constexpr int64_t kMaxSum =
    int64_t{1} << 24;  // of the integer sums, so that they are exact in fp32

class BinaryAttentionOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override { return kernel_->name; }
  OpCost Cost() const override {
    const double scores = static_cast<double>(size_.batches * size_.queries) *
                          static_cast<double>(size_.keys);
    return {2 * scores * static_cast<double>(q_.cols), 1, 1, 0};
  }

 private:
  Result<void> CheckCodeInputs(const InferContext& context);
  Result<void> ReadHeads(const InferContext& context);

  bool sign_ = false;
  CodeLayout q_, kv_, out_;
  AttentionSize size_;
  std::vector<kernels::AttentionHead> head_;
  const kernels::AttentionKernel* kernel_ = nullptr;
};

Result<void> BinaryAttentionOp::CheckCodeInputs(const InferContext& context) {
  const int64_t heads = context.Int("heads", 0);
  const char* const labels[] = {"q", "k", "v"};
  for (size_t i : {kQ, kK, kV}) {
    BITTERN_TRY(CheckSignCodes(context, i, labels[i]));
    const TensorType& type = context.inputs[i].type;
    if (heads < 1 || type.shape.Last() % heads != 0) {
      return WrongAttribute(
          context, "heads", std::to_string(heads),
          "a divisor of the last dimension of " + ToString(type));
    }
    if (type.shape.rank() < 2 || GroupOf(type) != type.shape.Last() / heads) {
      return WrongInput(context, i, labels[i],
                        "rank 2 or more and groups of " +
                            std::to_string(type.shape.Last() / heads) +
                            " columns");
    }
  }
  BITTERN_TRY_ASSIGN(size_, CheckAttentionSize(context, heads));
  q_ = CodeLayout(context.inputs[kQ].type);
  kv_ = CodeLayout(context.inputs[kK].type);
  return {};
}

Result<void> BinaryAttentionOp::ReadHeads(const InferContext& context) {
  const Shape shape{static_cast<int64_t>(size_.heads)};
  const char* const labels[] = {"q",  "k",  "v",  "score_scale", "zq",
                                "zk", "zp", "zv", "ap",          "out_scale"};
  for (size_t i = kScoreScale; i <= kOutScale; ++i) {
    const DType dtype = i >= kZq && i <= kZv ? DType::kI32 : DType::kF32;
    BITTERN_TRY(CheckConstant(context, i, labels[i], dtype, shape));
  }
  const auto floats = [&](size_t i, size_t h) {
    return context.inputs[i].Values<float>()[h];
  };
  const auto ints = [&](size_t i, size_t h) {
    return context.inputs[i].Values<int32_t>()[h];
  };
  const auto magnitude = [&](size_t i, size_t h) {
    return std::abs(int64_t{ints(i, h)}) + 1;
  };
  head_.clear();
  for (size_t h = 0; h < size_.heads; ++h) {
    const auto within = [&](size_t x, size_t y, size_t terms) {
      const int64_t limit = kMaxSum / static_cast<int64_t>(terms);
      return magnitude(x, h) <= limit &&
             magnitude(y, h) <= limit / magnitude(x, h);
    };
    if (!within(kZq, kZk, size_.head_dim) || !within(kZp, kZv, size_.keys)) {
      return context.Fail(
          "zero points of head " + std::to_string(h) + ": got " +
          std::to_string(ints(kZq, h)) + ", " + std::to_string(ints(kZk, h)) +
          ", " + std::to_string(ints(kZp, h)) + " and " +
          std::to_string(ints(kZv, h)) + ", expected sums of at most 2^24");
    }
    head_.push_back({floats(kScoreScale, h), ints(kZq, h), ints(kZk, h),
                     ints(kZp, h), ints(kZv, h), floats(kAp, h),
                     floats(kOutScale, h)});
  }
  return {};
}

Result<void> BinaryAttentionOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckCodeInputs(context));
  BITTERN_TRY(ReadHeads(context));
  const std::string_view output = context.String("output", "");
  if (output != "sign" && output != "f32") {
    return WrongAttribute(context, "output", "'" + std::string(output) + "'",
                          "sign or f32");
  }
  sign_ = output == "sign";
  const Shape& shape = context.inputs[kQ].type.shape;
  if (!sign_) return SetOutput(context, 0, DType::kF32, shape);
  BITTERN_TRY(SetSignOutput(context, 0, shape, 0));
  out_ = CodeLayout(context.outputs[0]);
  return {};
}

Result<void> BinaryAttentionOp::Prepare(PrepareContext& context) {
  kernel_ = kernels::SelectAttention(size_.keys, size_.heads, size_.head_dim,
                                     context.cpu);
  context.scratch_shared =
      size_.heads * kernel_->prepared_bytes(size_.keys, size_.head_dim);
  context.scratch_per_thread =
      AlignUp64(kernel_->scratch_bytes(size_.keys, size_.head_dim));
  return {};
}

// Rows [row, row + rows) of `all`.
CodePlanes Slice(const CodePlanes& all, size_t row, size_t rows) {
  CodePlanes part = all;
  part.sign += row * all.row_words;
  part.valid += row * all.row_words;
  part.valid_count += row;
  part.rows = rows;
  return part;
}

void BinaryAttentionOp::Run(const RunContext& context) const noexcept {
  for (size_t b = 0; b < size_.batches; ++b) {
    kernels::AttentionArgs args{};
    args.q =
        Slice(q_.View(context.inputs[kQ]), b * size_.queries, size_.queries);
    args.k = Slice(kv_.View(context.inputs[kK]), b * size_.keys, size_.keys);
    args.v = Slice(kv_.View(context.inputs[kV]), b * size_.keys, size_.keys);
    args.heads = size_.heads;
    args.head_dim = size_.head_dim;
    args.head = head_.data();
    args.prepared = context.scratch_shared;
    if (sign_) {
      args.out_codes = Slice(out_.View(context.outputs[0]), b * size_.queries,
                             size_.queries);
    } else {
      args.out_f32 = RunOutput<float>(context, 0) + b * size_.queries * q_.cols;
    }
    context.pool->For(size_.heads, 1, [&](size_t, size_t begin, size_t end) {
      for (size_t h = begin; h < end; ++h) kernel_->prepare(args, h);
    });
    context.pool->For(
        size_.queries, kGrain, [&](size_t part, size_t begin, size_t end) {
          kernel_->run(
              args, begin, end - begin,
              context.scratch_thread + part * context.scratch_thread_stride);
        });
  }
}

constexpr AttributeSpec kAttributes[] = {
    {"heads", AttributeKind::kInt, true},
    {"output", AttributeKind::kString, true}};

}  // namespace

constinit const OpInfo kBinaryAttentionOp = SimpleOpInfo(
    "BinaryAttention", 10, 10, kAttributes, &CreateOp<BinaryAttentionOp>);

}  // namespace bittern::runtime
