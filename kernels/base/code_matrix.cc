// Canonical weight codes: element access, for packing at plan time and for
// tests.
#include "kernels/base/code_matrix.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "kernels/base/bits.h"

namespace bittern::kernels {
namespace {

struct Form {
  ValueRange range;
  uint8_t bits;
  uint8_t step;  // value = lo + step * index for codes stored by index, else 0
};

constexpr Form kForms[] = {
    {{0, 0}, 32, 0},           // kF32
    {{-1, 1}, 1, 2},           // kBipolar
    {{-1, 1}, 2, 0},           // kSign
    {{-1, 1}, 0, 1},           // kTernary
    {{-3, 3}, 2, 2},           // kBipolar2
    {{-7, 7}, 3, 2},           // kBipolar3
    {{-15, 15}, 4, 2},         // kBipolar4
    {{0, 1}, 1, 0},            // kU1
    {{0, 3}, 2, 0},            // kU2
    {{0, 7}, 3, 0},            // kU3
    {{0, 15}, 4, 0},           // kU4
    {{0, 255}, 8, 0},          // kU8
    {{-2, 1}, 2, 0},           // kS2
    {{-4, 3}, 3, 0},           // kS3
    {{-8, 7}, 4, 0},           // kS4
    {{-128, 127}, 8, 0},       // kS8
    {{-32768, 32767}, 16, 0},  // kS16
};
static_assert(std::size(kForms) == static_cast<size_t>(Operand::kCount));

const Form& FormOf(Operand type) { return kForms[static_cast<size_t>(type)]; }

constexpr size_t kTrits = 5;  // a byte
constexpr uint8_t kPower[kTrits] = {1, 3, 9, 27, 81};

using TritTable = std::array<std::array<int8_t, kTrits>, 256>;
constexpr TritTable MakeTritTable() {
  TritTable table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    for (size_t t = 0; t < kTrits; ++t)
      table[byte][t] = static_cast<int8_t>(byte / kPower[t] % 3 - 1);
  }
  return table;
}
constexpr TritTable kTritsOf = MakeTritTable();

// value = add + scale * field, the field sign-extended first if kSigned.
struct Line {
  int32_t add, scale;
};

template <unsigned kBits, bool kSigned>
void ReadFields(const uint8_t* row, size_t first, size_t count, Line line,
                int32_t* out) {
  constexpr unsigned kUnused = 32 - kBits;
  for (size_t i = 0; i < count; ++i) {
    const size_t bit = (first + i) * kBits;
    uint32_t field = row[bit / 8];
    // Fields of 1, 2, 4 and 8 bits stay within a byte.
    if (8 % kBits != 0 && bit % 8 + kBits > 8)
      field |= uint32_t{row[bit / 8 + 1]} << 8;
    field = field >> (bit % 8) << kUnused;
    const auto value = kSigned ? static_cast<int32_t>(field) >> kUnused
                               : static_cast<int32_t>(field >> kUnused);
    out[i] = line.add + line.scale * value;
  }
}

template <bool kSigned>
void ReadFieldsOf(unsigned bits, const uint8_t* row, size_t first, size_t count,
                  Line line, int32_t* out) {
  switch (bits) {
    case 1:
      return ReadFields<1, kSigned>(row, first, count, line, out);
    case 2:
      return ReadFields<2, kSigned>(row, first, count, line, out);
    case 3:
      return ReadFields<3, kSigned>(row, first, count, line, out);
    case 4:
      return ReadFields<4, kSigned>(row, first, count, line, out);
    case 8:
      return ReadFields<8, kSigned>(row, first, count, line, out);
    default:
      return ReadFields<16, kSigned>(row, first, count, line, out);
  }
}

}  // namespace

ValueRange RangeOf(Operand type) noexcept { return FormOf(type).range; }

int32_t StepOf(Operand type) noexcept { return FormOf(type).step == 2 ? 2 : 1; }

bool IsByteCode(Operand type) noexcept {
  return type != Operand::kF32 && type != Operand::kBipolar &&
         type != Operand::kSign && type != Operand::kBipolar3 &&
         type != Operand::kBipolar4 && type != Operand::kS16;
}

unsigned FieldBits(Operand type) noexcept { return FormOf(type).bits; }

size_t CanonicalRowBytes(Operand type, size_t k) noexcept {
  return type == Operand::kTernary ? CeilDiv(k, kTrits)
                                   : CeilDiv(k * FieldBits(type), 8);
}

int32_t ValueAt(const CodeMatrix& w, size_t n, size_t k) noexcept {
  const Form& form = FormOf(w.type);
  const auto* row =
      static_cast<const uint8_t*>(w.data) + n * CanonicalRowBytes(w.type, w.k);
  if (w.type == Operand::kTernary)
    return row[k / kTrits] / kPower[k % kTrits] % 3 - 1;
  const size_t bit = k * form.bits;
  uint32_t field = row[bit / 8];
  if (bit % 8 + form.bits > 8) field |= uint32_t{row[bit / 8 + 1]} << 8;
  field = field >> (bit % 8) & ((1u << form.bits) - 1);
  if (form.step != 0)
    return form.range.lo + form.step * static_cast<int32_t>(field);
  const auto value = static_cast<int32_t>(field);
  return value > form.range.hi ? value - (1 << form.bits) : value;
}

void ReadValues(const CodeMatrix& w, size_t n, size_t first, size_t count,
                int32_t* out) noexcept {
  const Form& form = FormOf(w.type);
  const auto* row =
      static_cast<const uint8_t*>(w.data) + n * CanonicalRowBytes(w.type, w.k);
  if (w.type == Operand::kTernary) {
    for (size_t i = first; i < first + count; ++i)
      *out++ = kTritsOf[row[i / kTrits]][i % kTrits];
  } else if (form.step != 0) {
    ReadFieldsOf<false>(form.bits, row, first, count,
                        {form.range.lo, form.step}, out);
  } else if (form.range.lo < 0) {
    ReadFieldsOf<true>(form.bits, row, first, count, {0, 1}, out);
  } else {
    ReadFieldsOf<false>(form.bits, row, first, count, {0, 1}, out);
  }
}

void PutValue(void* data, Operand type, size_t row_k, size_t n, size_t k,
              int32_t value) noexcept {
  const Form& form = FormOf(type);
  auto* row = static_cast<uint8_t*>(data) + n * CanonicalRowBytes(type, row_k);
  if (type == Operand::kTernary) {
    row[k / kTrits] = static_cast<uint8_t>(row[k / kTrits] +
                                           (value + 1) * kPower[k % kTrits]);
    return;
  }
  const int32_t index =
      form.step != 0 ? (value - form.range.lo) / form.step : value;
  const uint32_t field =
      (static_cast<uint32_t>(index) & ((1u << form.bits) - 1))
      << (k * form.bits % 8);
  const size_t byte = k * form.bits / 8;
  row[byte] = static_cast<uint8_t>(row[byte] | field);
  if (field > 0xFF)
    row[byte + 1] = static_cast<uint8_t>(row[byte + 1] | field >> 8);
}

int64_t RowSum(const CodeMatrix& w, size_t n) noexcept {
  constexpr size_t kPart = 256;
  int32_t values[kPart];
  int64_t sum = 0;
  for (size_t k = 0; k < w.k; k += kPart) {
    const size_t count = std::min(kPart, w.k - k);
    ReadValues(w, n, k, count, values);
    for (size_t i = 0; i < count; ++i) sum += values[i];
  }
  return sum;
}

}  // namespace bittern::kernels
