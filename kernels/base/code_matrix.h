// Integer operands by value: which values an Operand can hold, and weights in
// the canonical form of the file, which every packing function reads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/types.h"

namespace bittern::kernels {

struct ValueRange {
  int32_t lo, hi;
  constexpr bool Holds(ValueRange other) const {
    return lo <= other.lo && other.hi <= hi;
  }
  constexpr int32_t MaxAbs() const { return -lo > hi ? -lo : hi; }
};

// Values that codes of `type` can take; {0, 0} for kF32.
ValueRange RangeOf(Operand type) noexcept;

// Distance of neighbouring values: 2 for kBipolar to kBipolar4, else 1.
int32_t StepOf(Operand type) noexcept;

// Whether one code takes a byte as an activation (not kF32, kBipolar,
// kSign, kBipolar3, kBipolar4 or kS16).
bool IsByteCode(Operand type) noexcept;

// Bits of one canonical field; ternary codes come five to a byte instead, 0.
// 32 for kF32.
unsigned FieldBits(Operand type) noexcept;

// Weights w[n][k] in canonical form: rows one after another, k contiguous.
// Codes are fields of FieldBits, little endian, rows padded to a byte; kTernary
// packs five trits a byte, t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4 with t = value + 1;
// kBipolar to kBipolar4 store the index of the value; kU* and kS* the value
// modulo 2^bits; kS16 int16; kF32 floats.
struct CodeMatrix {
  const void* data;
  Operand type;
  size_t n, k;
};

size_t CanonicalRowBytes(Operand type, size_t k) noexcept;
inline size_t CanonicalBytes(Operand type, size_t n, size_t k) noexcept {
  return n * CanonicalRowBytes(type, k);
}

// Value of code (n, k); not for kF32. A trit byte above 242 gives a value in
// range all the same.
int32_t ValueAt(const CodeMatrix& w, size_t n, size_t k) noexcept;

// Values (n, first) .. (n, first + count - 1): a whole row costs some tenth of
// as many ValueAt.
void ReadValues(const CodeMatrix& w, size_t n, size_t first, size_t count,
                int32_t* out) noexcept;

// Writes value (n, k) into zeroed canonical memory; not for kF32 and kTernary
// bytes already written at k. The inverse of ValueAt, for converters and tests.
void PutValue(void* data, Operand type, size_t row_k, size_t n, size_t k,
              int32_t value) noexcept;

// Sum of row n.
int64_t RowSum(const CodeMatrix& w, size_t n) noexcept;

// Value of byte code `byte` of `type`.
inline int32_t ByteValue(Operand type, uint8_t byte) noexcept {
  return RangeOf(type).lo < 0 ? static_cast<int8_t>(byte) : byte;
}

}  // namespace bittern::kernels
