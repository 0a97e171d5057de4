#include "runtime/ops/gemm_driver.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace bittern::runtime {
namespace {

constexpr size_t kStripBytes = 8 << 10;  // a quarter of a 32 KiB L1
constexpr size_t kBlockBytes =
    128 << 10;  // of the left operand: half of a 256 KiB L2
// Fewer are not worth a second thread: 1.1 us to start one, against 1.3 us at
// the 100 GMAC/s of a float kernel, 10 us where weights come from L2.
constexpr double kThreadMacs = 1 << 17;

}  // namespace

GemmDriver::GemmDriver(const kernels::GemmKernel* gemm,
                       const kernels::EpilogueKernel* epilogue,
                       kernels::GemmTypes types, size_t n, size_t k,
                       size_t unit)
    : gemm_(gemm), epilogue_(epilogue), types_(types), n_(n), k_(k) {
  const size_t all = (n + gemm->nr - 1) / gemm->nr * gemm->nr;
  // No multiple of both that is below all columns is as good as all columns.
  strip_cols_ = gemm->nr % unit == 0
                    ? gemm->nr
                    : gemm->nr / std::gcd(gemm->nr, unit) * unit;
  if (strip_cols_ == 0 || strip_cols_ > all)
    strip_cols_ = std::max(all, gemm->nr);
  const size_t row_bytes = strip_cols_ * sizeof(float);
  const size_t strip = gemm->strip_bytes != 0 ? gemm->strip_bytes : kStripBytes;
  strip_rows_ = std::max<size_t>(1, strip / row_bytes / gemm->mr) * gemm->mr;
  strip_bytes_ = AlignUp64(strip_rows_ * row_bytes);
  const size_t lhs_row =
      gemm->pack_lhs != nullptr
          ? gemm->packed_lhs_bytes(types, strip_rows_, k) / strip_rows_
      : types.activations == kernels::Operand::kF32  ? k * sizeof(float)
      : types.activations == kernels::Operand::kSign ? k / 4
                                                     : k;
  block_rows_ = std::max<size_t>(1, kBlockBytes / std::max<size_t>(1, lhs_row) /
                                        strip_rows_) *
                strip_rows_;
  if (gemm->pack_lhs != nullptr)
    lhs_bytes_ = AlignUp64(gemm->packed_lhs_bytes(types, block_rows_, k));
  if (gemm->scratch_bytes != nullptr)
    kernel_bytes_ = AlignUp64(gemm->scratch_bytes(types, k));
}

void GemmDriver::Block(const kernels::GemmLhs& lhs, const void* rhs,
                       const kernels::EpilogueArgs& args, size_t row,
                       size_t rows, size_t first, size_t last,
                       uint8_t* scratch) const {
  uint8_t* packed = nullptr;
  if (gemm_->pack_lhs != nullptr) {
    packed = scratch + strip_bytes_;
    gemm_->pack_lhs(types_, lhs, k_, row, rows, packed);
  }
  const auto stride = static_cast<ptrdiff_t>(strip_cols_ * sizeof(float));
  for (size_t s = first; s < last; ++s) {
    const size_t col = s * strip_cols_, cols = std::min(strip_cols_, n_ - col);
    for (size_t r = row; r < row + rows; r += strip_rows_) {
      const size_t count = std::min(strip_rows_, row + rows - r);
      for (size_t j = 0; j < cols; j += gemm_->nr) {
        gemm_->run({types_, &lhs, packed, row, rhs, k_, n_, r, count,
                    (col + j) / gemm_->nr, scratch + j * sizeof(float), stride,
                    scratch + strip_bytes_ + lhs_bytes_});
      }
      epilogue_->run(args, {scratch, stride, r, count, col, cols});
    }
  }
}

void GemmDriver::Rows(const kernels::GemmLhs& lhs, const void* rhs,
                      const kernels::EpilogueArgs& args, size_t begin,
                      size_t end, uint8_t* scratch) const noexcept {
  if (args.codes.valid_count != nullptr) {
    std::memset(args.codes.valid_count + begin, 0,
                (end - begin) * sizeof(int32_t));
  }
  for (size_t row = begin; row < end; row += block_rows_) {
    Block(lhs, rhs, args, row, std::min(block_rows_, end - row), 0, Strips(),
          scratch);
  }
}

void GemmDriver::Run(const kernels::GemmLhs& lhs, const void* rhs,
                     const kernels::EpilogueArgs& args, size_t m,
                     const RunContext& context) const noexcept {
  const auto scratch = [&context](size_t part) {
    return context.scratch_thread + part * context.scratch_thread_stride;
  };
  const double row_macs = static_cast<double>(n_) * static_cast<double>(k_);
  const double worth = row_macs > 0 ? kThreadMacs / row_macs
                                    : 1e9;  // rows of one thread, at least
  // Few rows: share out the columns instead. Codes stay whole, since strips of
  // one row add to one count.
  if (m < gemm_->mr * context.pool->threads() &&
      args.codes.valid_count == nullptr && worth < static_cast<double>(m)) {
    context.pool->For(Strips(), 1, [&](size_t part, size_t begin, size_t end) {
      for (size_t row = 0; row < m; row += block_rows_) {
        Block(lhs, rhs, args, row, std::min(block_rows_, m - row), begin, end,
              scratch(part));
      }
    });
    return;
  }
  const size_t grain =
      std::max<size_t>(
          1, static_cast<size_t>(worth / static_cast<double>(gemm_->mr))) *
      gemm_->mr;
  context.pool->For(m, grain, [&](size_t part, size_t begin, size_t end) {
    Rows(lhs, rhs, args, begin, end, scratch(part));
  });
}

std::string GemmDriver::Name() const {
  return std::string(gemm_->name) + " + " + epilogue_->name;
}

}  // namespace bittern::runtime
