// Canonical weight codes: element access, for packing at plan time and for
// tests.
#include "kernels/base/code_matrix.h"

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

}  // namespace

ValueRange RangeOf(Operand type) noexcept { return FormOf(type).range; }

int32_t StepOf(Operand type) noexcept { return FormOf(type).step == 2 ? 2 : 1; }

bool IsByteCode(Operand type) noexcept {
  return type != Operand::kF32 && type != Operand::kBipolar &&
         type != Operand::kSign && type != Operand::kS16;
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
  int64_t sum = 0;
  for (size_t k = 0; k < w.k; ++k) sum += ValueAt(w, n, k);
  return sum;
}

}  // namespace bittern::kernels
