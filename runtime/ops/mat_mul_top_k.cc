// MatMulTopK: the places of the k best of every row of a [B,M,K] times b
// [B,K,N], after a chain of steps by terms that belong to rows or columns: the
// neighbours of points as float graphs spell them, |a|^2 - 2 a b + |b|^2. A few
// rows of the product exist at a time. The bits of MatMul, the steps and TopK
// one after the other.
#include <algorithm>
#include <array>

#include "kernels/elementwise/elementwise.h"
#include "kernels/points/points.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/transpose_block.h"

namespace bittern::runtime {
namespace {

constexpr size_t kMostTerms = 8;
constexpr size_t kRowBlock = 16;  // rows of the product held at once

enum class StepKind : uint8_t { kAdd, kMul, kSub, kRightSub };

struct Step {
  StepKind kind;
  size_t row, column, sample;  // strides of the term, in floats
};

class MatMulTopKOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override {
    return driver_.Name() + " + " + points_->name;
  }
  OpCost Cost() const override {
    return {static_cast<double>(batch_ * m_ * n_) * static_cast<double>(k_), 32,
            32, 0};
  }

 private:
  Result<void> InferSteps(const InferContext& context);
  void Rows(const RunContext& context, size_t part, size_t sample, size_t begin,
            size_t rows) const;
  void Apply(const RunContext& context, size_t step, size_t sample, size_t row,
             float* scores) const;

  size_t batch_ = 0, m_ = 0, n_ = 0, k_ = 0, best_ = 0, count_ = 0;
  bool largest_ = true;
  std::array<Step, kMostTerms> steps_{};
  GemmDriver driver_;
  const kernels::ElementwiseKernel* elementwise_ = nullptr;
  const kernels::PointsKernel* points_ = nullptr;
};

Result<void> MatMulTopKOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, 0, "a", kF32Only));
  BITTERN_TRY(CheckType(context, 1, "b", kF32Only));
  const Shape &a = context.inputs[0].type.shape,
              &b = context.inputs[1].type.shape;
  if (a.rank() != 3 || a[2] < 1) {
    return WrongInput(context, 0, "a", "f32[B,M,K] with K at least 1");
  }
  if (b.rank() != 3 || b[0] != a[0] || b[1] != a[2]) {
    return WrongInput(
        context, 1, "b",
        "f32[" + std::to_string(a[0]) + "," + std::to_string(a[2]) + ",N]");
  }
  batch_ = static_cast<size_t>(a[0]);
  m_ = static_cast<size_t>(a[1]);
  k_ = static_cast<size_t>(a[2]);
  n_ = static_cast<size_t>(b[2]);
  const int64_t most = std::min<int64_t>(b[2], int64_t{1} << 30);
  const int64_t best = context.Int("k", 0);
  if (best < 1 || best > most) {
    return WrongAttribute(context, "k", std::to_string(best),
                          "1 to " + std::to_string(most));
  }
  best_ = static_cast<size_t>(best);
  largest_ = context.Int("largest", 1) != 0;
  BITTERN_TRY(InferSteps(context));
  return SetOutput(context, 0, DType::kI64, {a[0], a[1], best});
}

// Each word of `steps` takes the next term: [B or 1, M or 1, N or 1], or one
// number.
Result<void> MatMulTopKOp::InferSteps(const InferContext& context) {
  constexpr std::string_view kNames[] = {"add", "mul", "sub", "rsub"};
  std::string_view left = context.String("steps", "");
  const Shape full = {static_cast<int64_t>(batch_), static_cast<int64_t>(m_),
                      static_cast<int64_t>(n_)};
  for (count_ = 0; !left.empty(); ++count_) {
    const std::string_view word = NextName(left);
    const auto* name = std::find(std::begin(kNames), std::end(kNames), word);
    if (name == std::end(kNames) || count_ == kMostTerms) {
      return WrongAttribute(context, "steps", std::string(word),
                            "at most 8 of add, mul, sub, rsub");
    }
    const size_t input = 2 + count_;
    BITTERN_TRY(CheckType(context, input, "term", kF32Only));
    Shape shape = context.inputs[input].type.shape;
    if (shape.Elements() == 1) shape = {1, 1, 1};
    bool fits = shape.rank() == 3;
    for (size_t i = 0; fits && i < 3; ++i)
      fits = shape[i] == 1 || shape[i] == full[i];
    if (!fits) {
      return WrongInput(context, input, "term",
                        "what broadcasts to " + ToString(full));
    }
    const auto columns = static_cast<size_t>(shape[2]);
    const size_t size = static_cast<size_t>(shape[1]) * columns;
    steps_[count_] = {static_cast<StepKind>(name - kNames),
                      shape[1] == 1 ? 0 : columns, columns == 1 ? size_t{0} : 1,
                      shape[0] == 1 ? 0 : size};
  }
  if (Has(context, 2 + count_)) {
    return WrongInput(context, 2 + count_, "term", "a step that takes it");
  }
  return {};
}

Result<void> MatMulTopKOp::Prepare(PrepareContext& context) {
  const kernels::GemmTypes types{};
  const auto* gemm = kernels::SelectGemm({types, m_, n_, k_}, context.cpu);
  const auto* epilogue =
      kernels::SelectEpilogue(kernels::EpilogueKind::kFloatF32, context.cpu);
  driver_ = GemmDriver(gemm, epilogue, types, n_, k_, 1);
  elementwise_ = kernels::SelectElementwise(context.cpu);
  points_ = kernels::SelectPoints(context.cpu);
  const size_t padded = kernels::PaddedPoints(n_);
  context.scratch_per_thread = driver_.ScratchPerThread() +
                               kRowBlock * padded * sizeof(float) +
                               padded * (sizeof(uint64_t) + sizeof(int32_t));
  context.scratch_shared =
      driver_.RhsBytes() + AlignUp64(n_ * k_ * sizeof(float));
  return {};
}

void MatMulTopKOp::Apply(const RunContext& context, size_t step, size_t sample,
                         size_t row, float* scores) const {
  using kernels::Binary;
  const Step& s = steps_[step];
  const float* term =
      RunInput<float>(context, 2 + step) + sample * s.sample + row * s.row;
  const bool one = s.column == 0;
  const Binary function = s.kind == StepKind::kAdd   ? Binary::kAdd
                          : s.kind == StepKind::kMul ? Binary::kMul
                                                     : Binary::kSub;
  if (s.kind == StepKind::kRightSub) {
    elementwise_->binary(
        function, one ? kernels::Spread::kLeftScalar : kernels::Spread::kBoth,
        term, scores, scores, n_);
  } else {
    elementwise_->binary(
        function, one ? kernels::Spread::kRightScalar : kernels::Spread::kBoth,
        scores, term, scores, n_);
  }
}

// At most kRowBlock rows.
void MatMulTopKOp::Rows(const RunContext& context, size_t part, size_t sample,
                        size_t begin, size_t rows) const {
  const size_t padded = kernels::PaddedPoints(n_);
  uint8_t* scratch =
      context.scratch_thread + part * context.scratch_thread_stride;
  auto* scores = reinterpret_cast<float*>(scratch + driver_.ScratchPerThread());
  auto* selected = reinterpret_cast<uint64_t*>(scores + kRowBlock * padded);
  auto* keys = reinterpret_cast<int32_t*>(selected + padded);
  kernels::GemmLhs lhs;
  lhs.f32 = RunInput<float>(context, 0) + (sample * m_ + begin) * k_;
  lhs.f32_stride = static_cast<ptrdiff_t>(k_ * sizeof(float));
  kernels::EpilogueArgs args;
  args.out_f32 = scores;
  args.out_stride = static_cast<ptrdiff_t>(padded * sizeof(float));
  driver_.Rows(lhs, context.scratch_shared, args, 0, rows, scratch);
  for (size_t r = 0; r < rows; ++r) {
    float* row = scores + r * padded;
    for (size_t step = 0; step < count_; ++step)
      Apply(context, step, sample, begin + r, row);
    points_->score_keys(row, n_, largest_, keys);
    points_->select(
        {keys, n_, best_, selected,
         RunOutput<int64_t>(context, 0) + (sample * m_ + begin + r) * best_});
  }
}

void MatMulTopKOp::Run(const RunContext& context) const noexcept {
  auto* w =
      reinterpret_cast<float*>(context.scratch_shared + driver_.RhsBytes());
  for (size_t b = 0; b < batch_; ++b) {
    TransposeBlocks(RunInput<float>(context, 1) + b * n_ * k_, n_, k_, n_, w,
                    k_);
    driver_.PackRhs(w, context.scratch_shared);
    const size_t blocks = (m_ + kRowBlock - 1) / kRowBlock;
    context.pool->For(blocks, 1, [&](size_t part, size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t row = i * kRowBlock;
        Rows(context, part, b, row, std::min(kRowBlock, m_ - row));
      }
    });
  }
}

constexpr AttributeSpec kAttributes[] = {
    {"k", AttributeKind::kInt, true},
    {"largest", AttributeKind::kInt, false},
    {"steps", AttributeKind::kString, false}};

}  // namespace

constinit const OpInfo kMatMulTopKOp = SimpleOpInfo(
    "MatMulTopK", 2, 2 + kMostTerms, kAttributes, &CreateOp<MatMulTopKOp>);

}  // namespace bittern::runtime
