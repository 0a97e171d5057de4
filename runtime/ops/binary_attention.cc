// BinaryAttention: softmax(q k^T) v on sign codes with integer zero points, all
// heads of a batch entry by one kernel (kernels/attention/attention.h).
#include <algorithm>

#include "kernels/attention/attention.h"
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
    const double scores =
        static_cast<double>(batches_ * tokens_) * static_cast<double>(keys_);
    return {2 * scores * static_cast<double>(q_.cols), 1, 1, 0};
  }

 private:
  Result<void> CheckCodeInputs(const InferContext& context);
  Result<void> ReadHeads(const InferContext& context);

  bool sign_ = false;
  CodeLayout q_, kv_, out_;
  size_t batches_ = 0, tokens_ = 0, keys_ = 0, heads_ = 0, head_dim_ = 0;
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
  const Shape &q = context.inputs[kQ].type.shape,
              &k = context.inputs[kK].type.shape;
  Shape expected = q;
  expected[q.rank() - 2] = k.rank() == q.rank() ? k[q.rank() - 2] : 0;
  if (k != expected || k[k.rank() - 2] < 1) {
    return WrongInput(
        context, kK, "k",
        "the shape of q, " + ToString(q) + ", but for the number of keys");
  }
  if (context.inputs[kV].type.shape != k)
    return WrongInput(context, kV, "v", "the shape of k, " + ToString(k));
  heads_ = static_cast<size_t>(heads);
  head_dim_ = static_cast<size_t>(q.Last() / heads);
  tokens_ = static_cast<size_t>(q[q.rank() - 2]);
  keys_ = static_cast<size_t>(k[k.rank() - 2]);
  q_ = CodeLayout(context.inputs[kQ].type);
  kv_ = CodeLayout(context.inputs[kK].type);
  batches_ = kv_.rows / keys_;
  return {};
}

Result<void> BinaryAttentionOp::ReadHeads(const InferContext& context) {
  const Shape shape{static_cast<int64_t>(heads_)};
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
  for (size_t h = 0; h < heads_; ++h) {
    const auto within = [&](size_t x, size_t y, size_t terms) {
      const int64_t limit = kMaxSum / static_cast<int64_t>(terms);
      return magnitude(x, h) <= limit &&
             magnitude(y, h) <= limit / magnitude(x, h);
    };
    if (!within(kZq, kZk, head_dim_) || !within(kZp, kZv, keys_)) {
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
  kernel_ = kernels::SelectAttention(keys_, heads_, head_dim_, context.cpu);
  context.scratch_shared = heads_ * kernel_->prepared_bytes(keys_, head_dim_);
  context.scratch_per_thread =
      AlignUp64(kernel_->scratch_bytes(keys_, head_dim_));
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
  for (size_t b = 0; b < batches_; ++b) {
    kernels::AttentionArgs args{};
    args.q = Slice(q_.View(context.inputs[kQ]), b * tokens_, tokens_);
    args.k = Slice(kv_.View(context.inputs[kK]), b * keys_, keys_);
    args.v = Slice(kv_.View(context.inputs[kV]), b * keys_, keys_);
    args.heads = heads_;
    args.head_dim = head_dim_;
    args.head = head_.data();
    args.prepared = context.scratch_shared;
    if (sign_) {
      args.out_codes =
          Slice(out_.View(context.outputs[0]), b * tokens_, tokens_);
    } else {
      args.out_f32 = RunOutput<float>(context, 0) + b * tokens_ * q_.cols;
    }
    context.pool->For(heads_, 1, [&](size_t, size_t begin, size_t end) {
      for (size_t h = begin; h < end; ++h) kernel_->prepare(args, h);
    });
    context.pool->For(
        tokens_, kGrain, [&](size_t part, size_t begin, size_t end) {
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
