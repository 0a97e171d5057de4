// What the files of the look-up attention kernel share (attention_lut_hwy.cc):
// static tables, the layout of a prepared head, the scratch of a thread.
// Private to this folder.
//
// The left operand of a bit product is a row of states, u16 per group of four
// codes: sign bits << 4 | validity bits << 8, the byte offset of a table row.
// The right operand is bytes [group][lane], the four bits of a lane's group.
// With T the table and Z the correction for zeros on the right,
//   raw[lane] = sum over groups of T[state][sign bits] + Z[state][zero bits]
//   kMatches (no zeros on either side): dot = 2 raw - codes
//   kDots (+ kZeros): dot = raw - 4 groups
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/base/bits.h"

namespace bittern::kernels {

inline constexpr size_t kLutRows = 4;  // query rows in flight
inline constexpr size_t kStates = 256;
struct LutTable {
  uint8_t at[kStates * 16];
};

enum class LutEntry { kMatches, kDots, kZeros };

constexpr LutTable MakeLutTable(LutEntry entry) {
  LutTable table{};
  for (unsigned state = 0; state < kStates; ++state) {
    for (unsigned bits = 0; bits < 16; ++bits) {
      int matches = 0, dot = 0, masked = 0;
      for (unsigned bit = 0; bit < 4; ++bit) {
        if ((state >> (4 + bit) & 1) == 0) continue;
        const bool left = (state >> bit & 1) != 0;
        const bool right = (bits >> bit & 1) != 0;
        matches += left == right;
        dot += left == right ? 1 : -1;
        masked += !right ? 0 : left ? 1 : -1;
      }
      const int value = entry == LutEntry::kMatches ? matches
                        : entry == LutEntry::kDots  ? 4 + dot
                                                    : masked;
      table.at[state * 16 + bits] = static_cast<uint8_t>(value);
    }
  }
  return table;
}

// A zero on the right has sign bit 0, so kDots took it for -1: kZeros adds the
// left code back. Sums of kDots and kZeros lie in [0, 8] a group; in between a
// byte may wrap.
alignas(64) inline constexpr LutTable kLutMatches =
    MakeLutTable(LutEntry::kMatches);
alignas(64) inline constexpr LutTable kLutDots = MakeLutTable(LutEntry::kDots);
alignas(64) inline constexpr LutTable kLutZeros =
    MakeLutTable(LutEntry::kZeros);

// Groups whose sum surely fits a byte: 8 a group (kMatches: 4, so twice this).
inline constexpr size_t kLutGroups = 31;

struct LutMatrix {
  uint8_t* sign;  // [groups][lanes]
  uint8_t* zero;  // likewise
  size_t groups;
  size_t lanes;  // whole vectors
  bool dense;    // no code is zero: `zero` is not filled
};

struct LutHeadFacts {
  int32_t k_dense, v_dense;
  int32_t dot_fits, match_fits;    // raw and bias fit a byte together
  int32_t dot_least, match_least;  // what was subtracted from the bias
};

// A prepared head. If the scale of the scores is negative, k is negated, so
// that the greatest score is always the best. Vectors have `vector` bytes. Lane
// p of a vector of k is key KeyOfByte(p) of that vector, so that look-ups of
// floats byte by byte come out in the order of the keys; v is in order.
struct LutBlock {
  LutMatrix k;    // lanes: keys, groups: of head columns
  LutMatrix v;    // lanes: head columns, groups: of keys
  uint8_t* real;  // [lanes of k] 255 for a key, 0 for padding
  // What zq != 0 adds to raw, less its least value: -zq * sum(k_j) with kDots,
  // -zq * (positive codes of k_j) with kMatches; [lanes of k].
  uint8_t* dot_bias;
  uint8_t* match_bias;
  int32_t* key_base;  // [lanes of k] in the order of keys: -zq * sum(k_j)
  int32_t* out_base;  // [lanes of v] -zp * sum(v_d) + keys * zp * zv
  LutHeadFacts* facts;
};

// A vector of `vector` bytes holds four vectors of floats; 4 keys of each lie
// in a 16-byte block.
constexpr size_t KeyOfByte(size_t vector, size_t byte) {
  return byte % 16 / 4 * (vector / 4) + byte / 16 * 4 + byte % 4;
}

// Larger heads go to the portable stages: the raw score, at most 4 groups +
// head_dim, is a byte.
inline constexpr size_t kLutMaxDim = 127;

size_t LutBlockBytes(size_t keys, size_t head_dim, size_t vector) noexcept;
LutBlock ViewLutBlock(void* data, size_t keys, size_t head_dim,
                      size_t vector) noexcept;

// exp of the scores best - i * step, i < kLutEntries, kept for the rows of a
// head that have the same best score: floats, and the four bytes of 16 floats
// apart, as look-ups want them.
inline constexpr size_t kLutEntries = 128;
inline constexpr size_t kLutSlots = 16;
struct LutExps {
  float* exps;      // [kLutSlots][kLutEntries]
  uint8_t* planes;  // [kLutSlots][kLutEntries / 16][4][16]
  int32_t* best;    // [kLutSlots]
  size_t* filled;   // [kLutSlots] leading entries that are valid
};

struct LutScratch {
  uint16_t* query;    // [kLutRows][query_states]
  uint16_t* codes;    // [kLutRows][code_states]
  uint8_t* raw;       // [kLutRows][lanes of k]
  uint8_t* distance;  // [kLutRows][lanes of k] how far below the best score
  uint8_t* raw_out;   // [kLutRows][lanes of v]
  int32_t* out;       // [kLutRows][blocks of 16 head columns]
  int32_t* scores;    // [kLutRows][lanes of k], for the portable stage
  float* floats;      // likewise
  uint32_t* planes;   // sign, then valid: [kLutRows][plane_words] each
  LutExps cache;
  size_t query_states, code_states, plane_words, bytes;
};

LutScratch ViewLutScratch(void* data, size_t keys, size_t head_dim,
                          size_t vector) noexcept;

}  // namespace bittern::kernels
