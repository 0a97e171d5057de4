#include "runtime/ops/cloud_lists.h"

#include <algorithm>

namespace bittern::runtime {
namespace {

using kernels::CandidateLists;
using kernels::kPointGroup;

constexpr size_t kMostRows = 2048;  // whose lists a part holds at once
constexpr size_t kStripRows = 1024;
// Fewer coordinates cost less than what lists do.
constexpr size_t kFewChannels = 8;

size_t RowsHeld(size_t points) {
  return std::min(kernels::PaddedPoints(points), kMostRows);
}
size_t StripRows(size_t points) {
  return std::min(kernels::PaddedPoints(points), kStripRows);
}

}  // namespace

// Lists of points [begin, end), and the blocks that fill them.
struct CloudLists::Job {
  kernels::PointPlanes points;
  const float* rows;
  size_t begin, end;
  CandidateLists lists;
  int32_t* strip;  // [StripRows][kPointGroup]
};

CloudLists::CloudLists(size_t points, size_t k, const kernels::CpuFeatures& cpu)
    : points_(points), k_(k), kernel_(kernels::SelectPoints(cpu)) {}

bool CloudLists::Fits(size_t channels, size_t k) {
  return channels >= kFewChannels && k <= kPointGroup;
}

size_t CloudLists::ScratchBytes() const {
  return RowsHeld(points_) * (2 * CandidateLists::kStride + 2) *
             sizeof(int32_t) +
         StripRows(points_) * kPointGroup * sizeof(int32_t);
}

void CloudLists::Run(const kernels::PointPlanes& points, const float* rows,
                     size_t begin, size_t end, uint8_t* scratch,
                     int64_t* indices) const {
  const size_t held = RowsHeld(points_);
  auto* strip = reinterpret_cast<int32_t*>(scratch);
  int32_t* bounds = strip + StripRows(points_) * kPointGroup;
  int32_t* counts = bounds + held;
  for (size_t first = begin; first < end; first += held) {
    const Job job = {points,
                     rows,
                     first,
                     std::min(end, first + held),
                     {k_, counts + held, counts, bounds},
                     strip};
    std::fill(bounds, bounds + held, kernels::kPaddingKey);
    std::fill(counts, counts + held, 0);
    for (size_t c = first; c < points_; c += kPointGroup) Columns(job, c);
    kernel_->nearest({job.lists, job.end - job.begin, indices + first * k_});
  }
}

// Columns [column, column + kPointGroup) to the lists of the job's points that
// come before them. Where they are points of the job themselves, also what they
// have in common with all points up to their last, to their own lists.
void CloudLists::Columns(const Job& job, size_t column) const {
  const bool own = column < job.end;
  const size_t last = own ? std::min(column + kPointGroup, points_) : job.end;
  for (size_t row = own ? 0 : job.begin; row < last; row += kStripRows) {
    const size_t count = std::min(kStripRows, last - row);
    kernel_->distance_keys({job.points, job.rows + row * job.points.channels,
                            count, column, column + kPointGroup, job.strip});
    if (own) {
      Own(job, column, row, count);
    }
    const size_t from = std::max(row, job.begin);
    const size_t to = std::min(row + count, std::min(column, job.end));
    if (from < to) {
      kernel_->keep_rows({job.lists, from - job.begin, column, to - from,
                          job.strip + (from - row) * kPointGroup});
    }
  }
}

// The strip of rows [row, row + count) to the lists of its columns.
void CloudLists::Own(const Job& job, size_t column, size_t row,
                     size_t count) const {
  const size_t list = column - job.begin;
  if (row == 0) {
    const size_t padded = kernels::PaddedPoints(count);
    std::fill(job.strip + count * kPointGroup, job.strip + padded * kPointGroup,
              kernels::kPaddingKey);
    kernel_->group_bounds({job.strip, padded, k_, job.lists.bounds + list});
  }
  kernel_->keep_columns({job.lists, list, row, count, job.strip});
}

}  // namespace bittern::runtime
