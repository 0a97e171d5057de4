// CodeAttention: softmax(q k^T + bias + mask) v on byte codes, all heads of a
// batch entry (a window) by one kernel (kernels/attention/attention_codes.h).
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <vector>

#include "kernels/attention/attention_codes.h"
#include "runtime/ops/attention_terms.h"
#include "runtime/ops/byte_codes.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

using kernels::Operand;

enum Input : size_t {
  kQ,
  kK,
  kV,
  kScoreScale,
  kZq,
  kZk,
  kZv,
  kOutScale,
  kPScale,
  kPZero,
  kBias,
  kMask,
  kA,
  kZ,
  kZp,
  kBiasIndex,
  kMaskIndex
};
constexpr const char* kLabels[] = {
    "q",       "k",      "v",    "score_scale", "zq", "zk", "zv", "out_scale",
    "p_scale", "p_zero", "bias", "mask",        "a",  "z",  "zp"};
constexpr size_t kGrain = 8;  // query rows worth a thread
constexpr int64_t kMaxSum = std::numeric_limits<int32_t>::max();

class CodeAttentionOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override { return kernel_->name; }
  OpCost Cost() const override;

 private:
  Result<void> CheckCodeInputs(const InferContext& context);
  Result<void> ReadProbabilities(const InferContext& context);
  Result<void> ReadHeads(const InferContext& context);
  kernels::CodeAttentionArgs ArgsOf(const RunContext& context, size_t batch,
                                    void* prepared) const;

  bool codes_out_ = false, softmax_ = true, coded_probs_ = false;
  Operand type_[3] = {};  // of q, k and v
  int bits_[3] = {};      // likewise
  int32_t prob_max_ = 0;  // the greatest byte of a probability; 0: fp32
  AttentionSize size_;
  AttentionTerms terms_;
  bool by_batch_ = false;  // threads share out the batch, not heads and rows
  size_t prepared_bytes_ = 0;
  ByteQuantiserSpec out_;
  std::vector<float> prob_scale_, prob_zero_;
  std::vector<kernels::ByteQuantiser> probs_;
  std::vector<kernels::CodeAttentionHead> head_;
  const kernels::CodeAttentionKernel* kernel_ = nullptr;
};

OpCost CodeAttentionOp::Cost() const {
  const double scores = static_cast<double>(size_.batches * size_.queries) *
                        static_cast<double>(size_.keys);
  int probs = 32;
  if (coded_probs_) {
    probs = static_cast<int>(std::bit_width(static_cast<uint32_t>(prob_max_)));
  }
  return {2 * scores * static_cast<double>(size_.heads * size_.head_dim),
          std::max(bits_[kK], bits_[kV]), std::max(bits_[kQ], probs), 0};
}

Result<void> CodeAttentionOp::CheckCodeInputs(const InferContext& context) {
  const int64_t heads = context.Int("heads", 0);
  for (const size_t i : {kQ, kK, kV}) {
    BITTERN_TRY(CheckByteCodes(context, i, kLabels[i]));
    const TensorType& type = context.inputs[i].type;
    if (type.shape.rank() < 2)
      return WrongInput(context, i, kLabels[i], "rank 2 or more");
    // The kernels read kBipolar2 as the signed bytes they are.
    type_[i] = OperandOf(type.code);
    if (type_[i] == Operand::kBipolar2) type_[i] = Operand::kS3;
    bits_[i] = type.code.bits;
  }
  const Shape& q = context.inputs[kQ].type.shape;
  if (heads < 1 || q.Last() % heads != 0) {
    return WrongAttribute(context, "heads", std::to_string(heads),
                          "a divisor of the last dimension of " + ToString(q));
  }
  BITTERN_TRY_ASSIGN(size_, CheckAttentionSize(context, heads));
  return {};
}

// Bytes of probabilities are the codes less p_lo if that is negative: the sums
// are of (code - zero point), which stays.
Result<void> CodeAttentionOp::ReadProbabilities(const InferContext& context) {
  coded_probs_ = Has(context, kPScale);
  prob_max_ = 0;
  probs_.clear();
  const Shape shape{static_cast<int64_t>(size_.heads)};
  if (!coded_probs_) {
    for (const size_t i : {kPZero, kZp}) {
      if (Has(context, i))
        return WrongInput(context, i, kLabels[i], "nothing without p_scale");
    }
    return {};
  }
  BITTERN_TRY(CheckConstant(context, kPScale, "p_scale", DType::kF32, shape));
  const int64_t lo = context.Int("p_lo", 0), hi = context.Int("p_hi", -1);
  if (lo < -128 || hi < lo || hi > (lo < 0 ? 127 : 255)) {
    return WrongAttribute(context, "p_lo and p_hi",
                          std::to_string(lo) + " and " + std::to_string(hi),
                          "a range within 0 to 255 or -128 to 127");
  }
  const auto scale = context.inputs[kPScale].Values<float>();
  prob_scale_.assign(scale.begin(), scale.end());
  prob_zero_.assign(size_.heads, 0.0f);
  if (Has(context, kPZero)) {
    BITTERN_TRY(CheckConstant(context, kPZero, "p_zero", DType::kF32, shape));
    if (!Has(context, kZp) || context.Int("p_zero_after", 0) != 0)
      BITTERN_TRY(CheckIntegerZeros(context, "p_zero",
                                    context.inputs[kPZero].Values<float>()));
    const auto zero = context.inputs[kPZero].Values<float>();
    prob_zero_.assign(zero.begin(), zero.end());
  }
  if (Has(context, kZp))
    BITTERN_TRY(CheckConstant(context, kZp, "zp", DType::kI32, shape));
  kernels::ByteQuantiser quantiser;
  quantiser.lo = static_cast<int32_t>(lo);
  quantiser.hi = static_cast<int32_t>(hi);
  quantiser.offset = std::max(0, -quantiser.lo);
  quantiser.multiply = context.Int("p_multiply", 0) != 0;
  if (context.Int("p_zero_after", 0) != 0)
    quantiser.zero_place = kernels::ZeroPointPlace::kAfterRounding;
  prob_max_ = quantiser.hi + quantiser.offset;
  for (size_t h = 0; h < size_.heads; ++h) {
    quantiser.scale = &prob_scale_[h];
    quantiser.zero = &prob_zero_[h];
    probs_.push_back(quantiser);
  }
  return {};
}

Result<void> CodeAttentionOp::ReadHeads(const InferContext& context) {
  const Shape shape{static_cast<int64_t>(size_.heads)};
  for (size_t i = kScoreScale; i <= kOutScale; ++i) {
    const DType dtype = i >= kZq && i <= kZv ? DType::kI32 : DType::kF32;
    BITTERN_TRY(CheckConstant(context, i, kLabels[i], dtype, shape));
  }
  BITTERN_TRY(ReadProbabilities(context));
  const auto ints = [&](size_t i, size_t h) {
    return context.inputs[i].Values<int32_t>()[h];
  };
  // Whether `terms` products of codes less these zero points fit 32 bits.
  const auto within = [](int64_t x, int64_t y, size_t terms) {
    const int64_t limit = kMaxSum / static_cast<int64_t>(terms);
    const int64_t most_x = 255 + std::abs(x), most_y = 255 + std::abs(y);
    return most_x <= limit && most_y <= limit / most_x;
  };
  head_.clear();
  for (size_t h = 0; h < size_.heads; ++h) {
    const int32_t zq = ints(kZq, h), zk = ints(kZk, h), zv = ints(kZv, h);
    int64_t zp = 0;
    if (coded_probs_) {
      zp = Has(context, kZp) ? ints(kZp, h)
                             : static_cast<int32_t>(prob_zero_[h]);
      zp += probs_[h].offset;
    }
    if (!within(zq, zk, size_.head_dim) ||
        !within(zp, zv, coded_probs_ ? size_.keys : 1)) {
      return context.Fail("zero points of head " + std::to_string(h) +
                          ": got " + std::to_string(zq) + ", " +
                          std::to_string(zk) + ", " + std::to_string(zp) +
                          " and " + std::to_string(zv) +
                          ", expected sums that fit 32 bits");
    }
    head_.push_back({context.inputs[kScoreScale].Values<float>()[h], zq, zk, zv,
                     static_cast<int32_t>(zp),
                     context.inputs[kOutScale].Values<float>()[h],
                     coded_probs_ ? &probs_[h] : nullptr});
    if (coded_probs_) head_.back().steps = kernels::MakeCodeSteps(probs_[h]);
  }
  return {};
}

Result<void> CodeAttentionOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckCodeInputs(context));
  BITTERN_TRY(
      terms_.Infer(context, {kBias, kMask, kBiasIndex, kMaskIndex}, size_));
  BITTERN_TRY(ReadHeads(context));
  softmax_ = context.Int("softmax", 1) != 0;
  const std::string_view output = context.String("output", "");
  if (output != "bytes" && output != "f32") {
    return WrongAttribute(context, "output", "'" + std::string(output) + "'",
                          "bytes or f32");
  }
  codes_out_ = output == "bytes";
  const Shape& shape = context.inputs[kQ].type.shape;
  if (codes_out_) return out_.Infer(context, {kA, kZ, "a", "z", true}, shape);
  for (const size_t i : {kA, kZ}) {
    if (Has(context, i))
      return WrongInput(context, i, kLabels[i], "nothing for output f32");
  }
  return SetOutput(context, 0, DType::kF32, shape);
}

Result<void> CodeAttentionOp::Prepare(PrepareContext& context) {
  BITTERN_TRY(terms_.Prepare(context));
  kernel_ = kernels::SelectCodeAttention(
      {type_[kQ], type_[kK], type_[kV], prob_max_, size_.queries, size_.keys,
       size_.heads, size_.head_dim},
      context.cpu);
  prepared_bytes_ = AlignUp64(
      size_.heads * kernel_->prepared_bytes(size_.keys, size_.head_dim));
  context.scratch_per_thread =
      AlignUp64(kernel_->scratch_bytes(size_.keys, size_.head_dim));
  // Windows are too short for two rounds of waiting each.
  by_batch_ = size_.batches >= context.threads;
  (by_batch_ ? context.scratch_per_thread : context.scratch_shared) +=
      prepared_bytes_;
  return {};
}

kernels::CodeAttentionArgs CodeAttentionOp::ArgsOf(const RunContext& context,
                                                   size_t batch,
                                                   void* prepared) const {
  const size_t cols = size_.heads * size_.head_dim;
  const auto codes = [&](const void* data, size_t rows) -> kernels::CodeBytes {
    auto* bytes = static_cast<uint8_t*>(const_cast<void*>(data));
    return {bytes + batch * rows * cols, static_cast<ptrdiff_t>(cols), rows,
            cols};
  };
  kernels::CodeAttentionArgs args{};
  args.q = codes(context.inputs[kQ], size_.queries);
  args.k = codes(context.inputs[kK], size_.keys);
  args.v = codes(context.inputs[kV], size_.keys);
  args.q_type = type_[kQ];
  args.k_type = type_[kK];
  args.v_type = type_[kV];
  args.heads = size_.heads;
  args.head_dim = size_.head_dim;
  args.head = head_.data();
  args.softmax = softmax_;
  terms_.Set(context, batch, args);
  if (codes_out_) {
    args.out_codes = codes(context.outputs[0], size_.queries);
  } else {
    args.out_f32 = RunOutput<float>(context, 0) + batch * size_.queries * cols;
  }
  args.prepared = prepared;
  return args;
}

void CodeAttentionOp::Run(const RunContext& context) const noexcept {
  const kernels::ByteQuantiser out = codes_out_
                                         ? out_.MakeRunnable(context, nullptr)
                                         : kernels::ByteQuantiser();
  const auto scratch = [&](size_t part) {
    return context.scratch_thread + part * context.scratch_thread_stride;
  };
  if (by_batch_) {
    const auto run = [&](size_t part, size_t begin, size_t end) {
      for (size_t b = begin; b < end; ++b) {
        auto args = ArgsOf(context, b, scratch(part));
        args.out_quantiser = &out;
        for (size_t h = 0; h < size_.heads; ++h) kernel_->prepare(args, h);
        kernel_->run(args, 0, size_.queries, scratch(part) + prepared_bytes_);
      }
    };
    context.pool->For(size_.batches, 1, run);
    return;
  }
  for (size_t b = 0; b < size_.batches; ++b) {
    auto args = ArgsOf(context, b, context.scratch_shared);
    args.out_quantiser = &out;
    context.pool->For(size_.heads, 1, [&](size_t, size_t begin, size_t end) {
      for (size_t h = begin; h < end; ++h) kernel_->prepare(args, h);
    });
    context.pool->For(size_.queries, kGrain,
                      [&](size_t part, size_t begin, size_t end) {
                        kernel_->run(args, begin, end - begin, scratch(part));
                      });
  }
}

constexpr AttributeSpec kAttributes[] = {
    {"heads", AttributeKind::kInt, true},
    {"output", AttributeKind::kString, true},
    {"softmax", AttributeKind::kInt, false},
    {"p_lo", AttributeKind::kInt, false},
    {"p_hi", AttributeKind::kInt, false},
    {"p_multiply", AttributeKind::kInt, false},
    {"p_zero_after", AttributeKind::kInt, false},
    {"per", AttributeKind::kString, false},
    {"lo", AttributeKind::kInt, false},
    {"hi", AttributeKind::kInt, false},
    {"multiply", AttributeKind::kInt, false},
    {"zero_after", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kCodeAttentionOp = SimpleOpInfo(
    "CodeAttention", 8, 17, kAttributes, &CreateOp<CodeAttentionOp>);

}  // namespace bittern::runtime
