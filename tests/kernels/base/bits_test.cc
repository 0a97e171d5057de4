#include "kernels/base/bits.h"

#include <catch2/catch.hpp>

namespace bittern::kernels {

TEST_CASE("row words pad every group to a word") {
  CHECK(RowWords(192, 192) == 3);
  CHECK(RowWords(96, 96) == 2);
  CHECK(RowWords(96, 32) == 3);
  CHECK(RowWords(198, 198) == 4);
}

TEST_CASE("code planes view and CodeAt agree") {
  alignas(64) static uint8_t buffer[4096] = {};
  const size_t rows = 3, cols = 96, group = 32;
  REQUIRE(CodePlanesBytes(rows, cols, group) <= sizeof(buffer));
  CodePlanes p = ViewCodePlanes(buffer, rows, cols, group);
  CHECK(p.row_words == 3);
  p.valid[1 * 3 + 2] = 0b11;  // row 1, columns 64 and 65
  p.sign[1 * 3 + 2] = 0b01;
  CHECK(CodeAt(p, 1, 64) == 1);
  CHECK(CodeAt(p, 1, 65) == -1);
  CHECK(CodeAt(p, 1, 66) == 0);
  CHECK(CodeAt(p, 0, 64) == 0);
}

}  // namespace bittern::kernels
