// Codes of 2 to 16 bits on SSSE3 and SSE4.1 (CPUs without AVX2: Atom, Celeron
// and Pentium of today among them) by multiply-add (madd-inl.h): a tile of 6
// rows x 8 channels.
#if defined(__x86_64__)

#include <smmintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/pack_bits.h"

HWY_PUSH_ATTRIBUTES("sse2,ssse3,sse4.1")
namespace bittern::kernels {
namespace {

struct Sse4 {
  using Reg = __m128i;
  static constexpr size_t kLanes = 4, kCodes = 16;

  static HWY_INLINE Reg Zero() { return _mm_setzero_si128(); }
  static HWY_INLINE Reg Set1(int32_t x) { return _mm_set1_epi32(x); }
  static HWY_INLINE Reg Load(const int32_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const Reg*>(p));
  }
  static HWY_INLINE void Store(Reg x, int32_t* p) {
    _mm_store_si128(reinterpret_cast<Reg*>(p), x);
  }
  static HWY_INLINE Reg Add32(Reg x, Reg y) { return _mm_add_epi32(x, y); }
  static HWY_INLINE Reg Add16(Reg x, Reg y) { return _mm_add_epi16(x, y); }
  static HWY_INLINE Reg Madd(Reg a, Reg w) { return _mm_madd_epi16(a, w); }
  static HWY_INLINE Reg Maddubs(Reg a, Reg w) {
    return _mm_maddubs_epi16(a, w);
  }
  static HWY_INLINE void PutBytes(Reg codes, uint8_t* out) {
    _mm_storeu_si128(reinterpret_cast<Reg*>(out), codes);
  }
  static HWY_INLINE void PutWords(Reg codes, uint8_t* out) {
    PutBytes(_mm_cvtepu8_epi16(codes), out);
    PutBytes(_mm_unpackhi_epi8(codes, Zero()), out + 16);
  }
};

struct CodeRows {  // all rows of a left operand
  const GemmLhs* lhs;
  size_t k;
  Operand type;
};
struct CodeRow {
  const uint8_t* bytes;  // or, where null, planes
  const uint64_t *sign, *valid;
  size_t k;
  int32_t lo;
};

CodeRows CodeRowsOf(Operand type, const GemmLhs& lhs, size_t k) {
  return {&lhs, k, type};
}

CodeRow RowOf(const CodeRows& rows, size_t row) {
  const GemmLhs& lhs = *rows.lhs;
  const int32_t lo = RangeOf(rows.type).lo;
  if (rows.type == Operand::kSign) {
    const size_t word = row * lhs.planes.row_words;
    return {nullptr, lhs.planes.sign + word, lhs.planes.valid + word, rows.k,
            lo};
  }
  return {lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride, nullptr,
          nullptr, rows.k, lo};
}

// Bytes of -1 where one of 16 bits is set.
HWY_INLINE __m128i BytesOfBits(uint32_t bits) {
  const __m128i byte = _mm_set_epi64x(0x0101010101010101, 0);
  const __m128i bit =
      _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m128i spread =
      _mm_shuffle_epi8(_mm_set1_epi32(static_cast<int>(bits)), byte);
  return _mm_cmpeq_epi8(_mm_and_si128(spread, bit), bit);
}

HWY_INLINE __m128i SignCodes(const CodeRow& row, size_t i) {
  const auto bits = [i](const uint64_t* plane) {
    return PlaneWord(plane, i / 32) >> (i % 32);
  };
  const __m128i plus = BytesOfBits(bits(row.sign));
  return _mm_sub_epi8(BytesOfBits(bits(row.valid)), _mm_add_epi8(plus, plus));
}

// Codes [i, i + 16) less lo. i is a multiple of 16. What stands past k meets
// weights 0.
HWY_INLINE __m128i LoadCodes(const CodeRow& row, size_t i) {
  const __m128i lo = _mm_set1_epi8(static_cast<char>(row.lo));
  if (row.bytes == nullptr) return _mm_sub_epi8(SignCodes(row, i), lo);
  alignas(16) uint8_t tail[16] = {};
  const uint8_t* codes = row.bytes + i;
  if (row.k - i < 16) {
    std::memcpy(tail, codes, row.k - i);
    codes = tail;
  }
  return _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)),
                      lo);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

#define BITTERN_MADD_TARGET "sse2,ssse3,sse4.1"
#include "kernels/gemm/madd-inl.h"

namespace bittern::kernels {
namespace {

constexpr GemmKernel kKernels[] = {
    MaddKernel<Words<Sse4>>("w8a8/madd/sse4", kSse4, &WordsMaxK),
    MaddKernel<Bytes<Sse4>>("w4a4/maddubs/sse4", kSse4, &BytesMaxK),
};

}  // namespace

GemmKernelList GemmW8A8Sse4(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
