// MatMul: a [.., m, k] times b [.., k, n] with numpy's rules for vectors and
// batches. A constant b is packed once per model; any other b is transposed and
// packed by every run.
#include <cstring>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/transpose_block.h"

namespace bittern::runtime {
namespace {

Shape BatchOf(const Shape& shape) {
  return Shape(shape.dims().first(shape.rank() < 2 ? 0 : shape.rank() - 2));
}

class MatMulOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override { return driver_.Name(); }
  OpCost Cost() const override {
    const double mn = static_cast<double>(m_) * static_cast<double>(n_),
                 k = static_cast<double>(k_);
    const double weights =
        packed_ == nullptr
            ? 0
            : static_cast<double>(n_ * b_matrices_) * k * sizeof(float);
    return {static_cast<double>(batches_) * mn * k, 32, 32, weights};
  }

 private:
  // Which matrix of an operand with batch dimensions `batch` belongs to output
  // matrix `index`.
  size_t MatrixOf(const Shape& batch, size_t index) const;
  const uint8_t* Rhs(const RunContext& context, size_t matrix) const;

  size_t m_ = 0, n_ = 0, k_ = 0, batches_ = 0, b_matrices_ = 0;
  Shape out_batch_, a_batch_, b_batch_;
  GemmDriver driver_;
  std::shared_ptr<const AlignedBuffer> packed_;  // null if b is no constant
};

Result<void> MatMulOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, 0, "a", kF32Only));
  BITTERN_TRY(CheckType(context, 1, "b", kF32Only));
  const Shape &a = context.inputs[0].type.shape,
              &b = context.inputs[1].type.shape;
  if (a.rank() == 0 || b.rank() == 0) {
    return context.Fail("ranks: got " + std::to_string(a.rank()) + " and " +
                        std::to_string(b.rank()) + ", expected 1 or more");
  }
  const int64_t a_rows = a.rank() == 1 ? 1 : a[a.rank() - 2];
  const int64_t b_rows = b.rank() == 1 ? b[0] : b[b.rank() - 2];
  const int64_t b_cols = b.rank() == 1 ? 1 : b.Last();
  if (a.Last() != b_rows) {
    return context.Fail(
        "shapes: got " + ToString(a) + " and " + ToString(b) +
        ", expected the last dimension of a to be b's last but one");
  }
  a_batch_ = BatchOf(a);
  b_batch_ = BatchOf(b);
  BITTERN_TRY_ASSIGN(out_batch_, BroadcastShape(context, a_batch_, b_batch_));
  Shape out = out_batch_;
  if (a.rank() > 1) out.Append(a_rows);
  if (b.rank() > 1) out.Append(b_cols);
  BITTERN_TRY(SetOutput(context, 0, DType::kF32, out));
  m_ = static_cast<size_t>(a_rows);
  n_ = static_cast<size_t>(b_cols);
  k_ = static_cast<size_t>(b_rows);
  b_matrices_ = static_cast<size_t>(b_batch_.Elements());
  if (b_matrices_ == 1 &&
      out_batch_.Elements() ==
          a_batch_.Elements()) {  // one b: the batch is more rows
    m_ *= static_cast<size_t>(a_batch_.Elements());
    a_batch_ = b_batch_ = out_batch_ = Shape();
  }
  batches_ = static_cast<size_t>(out_batch_.Elements());
  return {};
}

Result<void> MatMulOp::Prepare(PrepareContext& context) {
  const kernels::GemmTypes types{};
  const auto* gemm = kernels::SelectGemm({types, m_, n_, k_}, context.cpu);
  const auto* epilogue =
      kernels::SelectEpilogue(kernels::EpilogueKind::kFloatF32, context.cpu);
  driver_ = GemmDriver(gemm, epilogue, types, n_, k_, 1);
  context.scratch_per_thread = driver_.ScratchPerThread();
  if (context.inputs[1].constant == nullptr) {
    context.scratch_shared =
        driver_.RhsBytes() + AlignUp64(n_ * k_ * sizeof(float));
    return {};
  }
  const auto* b = static_cast<const float*>(context.inputs[1].constant);
  BITTERN_TRY_ASSIGN(
      packed_,
      context.model.Packed(
          context.inputs[1].tensor, std::string("transposed ") + gemm->name,
          driver_.RhsBytes() * b_matrices_, [&](void* out) {
            std::vector<float> w(n_ * k_);
            for (size_t i = 0; i < b_matrices_; ++i) {
              TransposeBlocks(b + i * n_ * k_, n_, k_, n_, w.data(), k_);
              driver_.PackRhs(w.data(), static_cast<uint8_t*>(out) +
                                            i * driver_.RhsBytes());
            }
          }));
  return {};
}

size_t MatMulOp::MatrixOf(const Shape& batch, size_t index) const {
  size_t matrix = 0, step = 1;
  for (size_t i = out_batch_.rank(); i-- > 0;) {
    const auto dim = static_cast<size_t>(out_batch_[i]);
    const size_t missing = out_batch_.rank() - batch.rank();
    const size_t own =
        i < missing ? 1 : static_cast<size_t>(batch[i - missing]);
    if (own != 1) matrix += index % dim * step;
    step *= own;
    index /= dim;
  }
  return matrix;
}

const uint8_t* MatMulOp::Rhs(const RunContext& context, size_t matrix) const {
  if (packed_ != nullptr) return packed_->data() + matrix * driver_.RhsBytes();
  auto* w =
      reinterpret_cast<float*>(context.scratch_shared + driver_.RhsBytes());
  TransposeBlocks(RunInput<float>(context, 1) + matrix * n_ * k_, n_, k_, n_, w,
                  k_);
  driver_.PackRhs(w, context.scratch_shared);
  return context.scratch_shared;
}

void MatMulOp::Run(const RunContext& context) const noexcept {
  const size_t size = m_ * n_;
  auto* out = RunOutput<float>(context, 0);
  if (size == 0) return;
  if (k_ == 0) {
    std::memset(out, 0, batches_ * size * sizeof(float));
    return;
  }
  size_t last = SIZE_MAX;  // matrix of b that `rhs` holds
  const uint8_t* rhs = nullptr;
  for (size_t i = 0; i < batches_; ++i) {
    if (const size_t matrix = MatrixOf(b_batch_, i); matrix != last) {
      rhs = Rhs(context, matrix);
      last = matrix;
    }
    kernels::GemmLhs lhs;
    lhs.f32 = RunInput<float>(context, 0) + MatrixOf(a_batch_, i) * m_ * k_;
    lhs.f32_stride = static_cast<ptrdiff_t>(k_ * sizeof(float));
    kernels::EpilogueArgs args;
    args.out_f32 = out + i * size;
    args.out_stride = static_cast<ptrdiff_t>(n_ * sizeof(float));
    driver_.Run(lhs, rhs, args, m_, context);
  }
}

}  // namespace

constinit const OpInfo kMatMulOp =
    SimpleOpInfo("MatMul", 2, 2, {}, &CreateOp<MatMulOp>);

}  // namespace bittern::runtime
