// Per-target sign quantiser: blocks of floats -> bits of the code planes
// (base/types.h). Two comparisons a vector by the window of base/sign_window.h,
// or the true division where there is no such window.
#if defined(BITTERN_KERNELS_BASE_SIGN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_SIGN_INL_H_
#undef BITTERN_KERNELS_BASE_SIGN_INL_H_
#else
#define BITTERN_KERNELS_BASE_SIGN_INL_H_
#endif

#include "kernels/base/rows-inl.h"
#include "kernels/base/sign_window.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

struct CodeBits {
  uint64_t sign, valid;
};

// Tells which lanes lie above and below the zero region: by the window,
struct WindowTest {
  VF lo, hi;

  HWY_INLINE MF Above(VF y) const { return hn::Gt(y, hi); }
  HWY_INLINE MF Below(VF y) const { return hn::Lt(y, lo); }
};

// or by the definition.
struct DivisionTest {
  VF a, z;

  HWY_INLINE VF Level(VF y) const { return hn::Add(hn::Div(y, a), z); }
  HWY_INLINE MF Above(VF y) const { return hn::Gt(Level(y), hn::Zero(DF())); }
  HWY_INLINE MF Below(VF y) const { return hn::Lt(Level(y), hn::Zero(DF())); }
};

struct SideBits {
  uint64_t above, below;
};

template <class Test>
HWY_INLINE SideBits TestBlock(const VF (&y)[kVecs], const Test& test) {
  MF above[kVecs], below[kVecs];
  for (size_t v = 0; v < kVecs; ++v) {
    above[v] = test.Above(y[v]);
    below[v] = test.Below(y[v]);
  }
  return {BlockBits(above), BlockBits(below)};
}

template <class Loader, class Test>
HWY_INLINE SideBits TestWord(const Loader& row, size_t column, size_t width,
                             const Test& test) {
  SideBits word{0, 0};
  VF y[kVecs];
  if (HWY_LIKELY(width == 64)) {
    for (size_t i = 0; i < 64; i += kBlock) {
      row.Load(column + i, y);
      const SideBits bits = TestBlock(y, test);
      word.above |= bits.above << i;
      word.below |= bits.below << i;
    }
    return word;
  }
  for (size_t i = 0; i < width; i += kBlock) {
    if (width - i >= kBlock) {
      row.Load(column + i, y);
    } else {
      row.LoadTail(column + i, width - i, y);
    }
    const SideBits bits = TestBlock(y, test);
    word.above |= bits.above << i;
    word.below |= bits.below << i;
  }
  const uint64_t real = (uint64_t{1} << width) - 1;
  return {word.above & real, word.below & real};
}

// Codes of columns [column, column + width), width <= 64; bits past them are 0.
template <class Loader>
HWY_INLINE CodeBits WordCodes(const Loader& row, size_t column, size_t width,
                              const SignQuantiser& q) {
  const DF d;
  if (HWY_LIKELY(q.window.exact)) {
    const SideBits side =
        TestWord(row, column, width,
                 WindowTest{hn::Set(d, q.window.lo), hn::Set(d, q.window.hi)});
    return {q.window.flip ? side.below : side.above, side.above | side.below};
  }
  const SideBits side = TestWord(
      row, column, width, DivisionTest{hn::Set(d, q.a), hn::Set(d, q.z)});
  return {side.above, side.above | side.below};
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_BASE_SIGN_INL_H_
