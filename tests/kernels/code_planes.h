// Code planes for kernel tests: guarded memory, random three-valued codes,
// comparison.
#pragma once

#include <cstring>

#include "kernels/base/bits.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::test {

// Owns the memory of one CodePlanes, filled with garbage so that unwritten
// words show.
class TestPlanes {
 public:
  TestPlanes(size_t rows, size_t cols, size_t group)
      : memory_(kernels::CodePlanesBytes(rows, cols, group)),
        planes_(
            kernels::ViewCodePlanes(memory_.As<void>(), rows, cols, group)) {
    memory_.Fill(0xC3);
  }
  const kernels::CodePlanes& planes() const { return planes_; }
  bool Intact() const { return memory_.Intact(); }

  // Random codes; of `zero_percent` of them zero, in every third row none.
  void Randomise(Random& random, size_t zero_percent) {
    const kernels::CodePlanes& p = planes_;
    memory_.Fill(0);
    for (size_t r = 0; r < p.rows; ++r) {
      for (size_t c = 0; c < p.cols; ++c) {
        if (r % 3 != 0 && random.Below(100) < zero_percent) continue;
        const size_t word = r * p.row_words +
                            c / p.group * kernels::GroupWords(p.group) +
                            c % p.group / 64;
        p.valid[word] |= uint64_t{1} << (c % p.group % 64);
        p.sign[word] |= (random.Next() & 1) << (c % p.group % 64);
        ++p.valid_count[r];
      }
    }
  }

 private:
  Guarded memory_;
  kernels::CodePlanes planes_;
};

// Every word and count of rows [row, row + rows) is the same.
inline bool SameRows(const kernels::CodePlanes& a, const kernels::CodePlanes& b,
                     size_t row, size_t rows) {
  const size_t first = row * a.row_words,
               bytes = rows * a.row_words * sizeof(uint64_t);
  return std::memcmp(a.sign + first, b.sign + first, bytes) == 0 &&
         std::memcmp(a.valid + first, b.valid + first, bytes) == 0 &&
         std::memcmp(a.valid_count + row, b.valid_count + row,
                     rows * sizeof(int32_t)) == 0;
}

// Codes of rows that differ: for targets where a float near a threshold may
// fall on the other side.
inline size_t CountDifferent(const kernels::CodePlanes& a,
                             const kernels::CodePlanes& b) {
  size_t different = 0;
  for (size_t r = 0; r < a.rows; ++r) {
    for (size_t c = 0; c < a.cols; ++c)
      different += kernels::CodeAt(a, r, c) != kernels::CodeAt(b, r, c);
  }
  return different;
}

}  // namespace bittern::test
