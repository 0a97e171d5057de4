// Rows of scores or sums times a factor, as loaders of lanes-inl.h. Whole
// blocks may always be read.
#if defined(BITTERN_KERNELS_ATTENTION_SCALED_ROWS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_ATTENTION_SCALED_ROWS_INL_H_
#undef BITTERN_KERNELS_ATTENTION_SCALED_ROWS_INL_H_
#else
#define BITTERN_KERNELS_ATTENTION_SCALED_ROWS_INL_H_
#endif

#include "kernels/base/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

struct ScaledFloats {
  const float* x;
  VF factor;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    for (size_t v = 0; v < kVecs; ++v)
      y[v] = hn::Mul(hn::Load(DF(), x + column + v * kLanes), factor);
  }
  HWY_INLINE void LoadTail(size_t column, size_t, VF (&y)[kVecs]) const {
    Load(column, y);
  }
};

struct ScaledIntegers {
  const int32_t* x;
  VF factor;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    const DF d;
    for (size_t v = 0; v < kVecs; ++v)
      y[v] = hn::Mul(hn::ConvertTo(d, hn::Load(DI(), x + column + v * kLanes)),
                     factor);
  }
  HWY_INLINE void LoadTail(size_t column, size_t, VF (&y)[kVecs]) const {
    Load(column, y);
  }
};

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_ATTENTION_SCALED_ROWS_INL_H_
