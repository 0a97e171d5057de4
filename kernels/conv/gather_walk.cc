// Output pixels by way of gathered windows: gather a block of windows, pack it
// where the GEMM kernel wants that, and for each strip of columns fill
// accumulators and run the epilogue. The block stays in L1 or L2, a strip in
// L1.
#include <algorithm>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/conv/walk.h"

namespace bittern::kernels {
namespace {

// How many of `left` pixels the next block takes: blocks of about equal size in
// whole multiples of mr.
size_t NextBlock(size_t left, size_t block, size_t mr) {
  const size_t blocks = CeilDiv(left, block);
  return std::min(left, std::min(block, RoundUp(CeilDiv(left, blocks), mr)));
}

struct Block {  // rows of the left operand for pixels [pixel, pixel + count)
  GemmLhs lhs;
  size_t first;  // row of lhs of the first pixel
  size_t pixel, count;
};

class Walker {
 public:
  Walker(const ConvPlan& plan, const ConvRun& run, void* scratch)
      : plan_(plan),
        g_(plan.query.geometry),
        run_(run),
        scratch_(static_cast<uint8_t*>(scratch)) {}

  void Rows(size_t begin, size_t end) const {
    for (size_t pixel = begin; pixel < end;) {
      const size_t count =
          NextBlock(end - pixel, plan_.block_rows, plan_.kernel.gemm->mr);
      if (plan_.joins_groups) {
        JoinedGroups(pixel, count);
      } else {
        for (size_t group = 0; group < g_.groups; ++group)
          OneGroup(group, pixel, count);
      }
      pixel += count;
    }
  }

 private:
  Block Gather(size_t group, size_t pixel, size_t count) const {
    const GemmTypes types = plan_.query.types;
    Block block{{}, plan_.gathers ? 0 : pixel, pixel, count};
    void* rows = scratch_ + plan_.part_at[kWindows];
    if (IsPlanes(types.activations)) {
      block.lhs.planes = run_.image.planes;
      if (plan_.gathers) {
        block.lhs.planes =
            ViewCodePlanes(rows, plan_.block_rows, g_.K(), g_.K());
        GatherPlanes(g_, run_.image.planes, group, pixel, count,
                     block.lhs.planes);
      }
    } else {
      const size_t bytes = ElementBytes(types.activations);
      const uint8_t* first = static_cast<const uint8_t*>(run_.image.data) +
                             group * g_.GroupIn() * bytes;
      ptrdiff_t stride = run_.image.stride;
      if (plan_.gathers) {
        GatherElements(g_, run_.image, bytes, group, pixel, count, rows);
        first = scratch_ + plan_.part_at[kWindows];
        stride = static_cast<ptrdiff_t>(g_.K() * bytes);
      }
      block.lhs.f32 = reinterpret_cast<const float*>(first);
      block.lhs.bytes = first;
      block.lhs.f32_stride = block.lhs.bytes_stride = stride;
    }
    if (plan_.kernel.gemm->pack_lhs != nullptr) {
      plan_.kernel.gemm->pack_lhs(types, block.lhs, g_.K(), block.first, count,
                                  scratch_ + plan_.part_at[kPacked]);
    }
    return block;
  }

  // Rows [row, row + rows) of the block x one tile of the group's filters.
  void Tile(const Block& block, size_t group, size_t row, size_t rows,
            size_t tile, void* strip, size_t strip_cols) const {
    plan_.kernel.gemm->run(
        {plan_.query.types, &block.lhs,
         plan_.kernel.gemm->pack_lhs != nullptr
             ? scratch_ + plan_.part_at[kPacked]
             : nullptr,
         block.first,
         static_cast<const uint8_t*>(run_.filters) + group * plan_.group_bytes,
         g_.K(), g_.GroupOut(), block.first + row, rows, tile, strip,
         static_cast<ptrdiff_t>(strip_cols * sizeof(int32_t)),
         scratch_ + plan_.part_at[kGemm]});
  }

  void Epilogue(size_t pixel, size_t rows, size_t col, size_t cols) const {
    RunEpilogues(
        plan_, run_,
        {scratch_, static_cast<ptrdiff_t>(plan_.strip_cols * sizeof(int32_t)),
         run_.first_row + pixel, rows, col, cols});
  }

  void OneGroup(size_t group, size_t pixel, size_t count) const {
    const Block block = Gather(group, pixel, count);
    const size_t n = g_.GroupOut(), nr = plan_.kernel.gemm->nr;
    for (size_t col = 0; col < n; col += plan_.strip_cols) {
      const size_t cols = std::min(plan_.strip_cols, n - col);
      for (size_t row = 0; row < count; row += plan_.strip_rows) {
        const size_t rows = std::min(plan_.strip_rows, count - row);
        for (size_t j = 0; j < cols; j += nr) {
          Tile(block, group, row, rows, (col + j) / nr,
               scratch_ + j * sizeof(int32_t), plan_.strip_cols);
        }
        Epilogue(pixel + row, rows, group * n + col, cols);
      }
    }
  }

  // Columns of a group need not start at a whole unit or vector: tiles go
  // through a buffer of their own.
  void JoinedGroups(size_t pixel, size_t count) const {
    const size_t n = g_.GroupOut(), nr = plan_.kernel.gemm->nr;
    auto* strip = reinterpret_cast<int32_t*>(scratch_);
    const auto* tile =
        reinterpret_cast<int32_t*>(scratch_ + plan_.part_at[kTile]);
    for (size_t group = 0; group < g_.groups; ++group) {
      const Block block = Gather(group, pixel, count);
      for (size_t j = 0; j < n; j += nr) {
        Tile(block, group, 0, count, j / nr, scratch_ + plan_.part_at[kTile],
             nr);
        const size_t cols = std::min(nr, n - j);
        for (size_t r = 0; r < count; ++r) {
          std::memcpy(strip + r * plan_.strip_cols + group * n + j,
                      tile + r * nr, cols * sizeof(int32_t));
        }
      }
    }
    Epilogue(pixel, count, 0, g_.oc);
  }

  const ConvPlan& plan_;
  const ConvGeometry& g_;
  const ConvRun& run_;
  uint8_t* scratch_;
};

}  // namespace

void GatherRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept {
  Walker(plan, run, scratch).Rows(begin, end);
}

}  // namespace bittern::kernels
