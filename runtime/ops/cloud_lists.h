// The k nearest neighbours of every point of a cloud within that cloud. The
// distance of two points is the same both ways, bit for bit, so a block of
// distances is computed once and read by rows and by columns; each point's list
// of candidates takes them as they come. No matrix of all distances is made: a
// part holds the lists of at most 2,048 points (1.2 KB each) and a strip of 64
// columns by at most 1,024 rows.
#pragma once

#include "kernels/points/points.h"

namespace bittern::runtime {

class CloudLists {
 public:
  CloudLists() = default;
  CloudLists(size_t points, size_t k, const kernels::CpuFeatures& cpu);

  // Whether lists serve, and beat a whole row of distances for each point.
  static bool Fits(size_t channels, size_t k);
  size_t ScratchBytes() const;  // of a part, aligned to 64 bytes
  // The neighbours of points [begin, end), begin a multiple of kPointGroup;
  // `rows` are the points [count][channels], indices those of point 0.
  void Run(const kernels::PointPlanes& points, const float* rows, size_t begin,
           size_t end, uint8_t* scratch, int64_t* indices) const;

 private:
  struct Job;
  void Columns(const Job& job, size_t column) const;
  void Own(const Job& job, size_t column, size_t row, size_t count) const;

  size_t points_ = 0, k_ = 0;
  const kernels::PointsKernel* kernel_ = nullptr;
};

}  // namespace bittern::runtime
