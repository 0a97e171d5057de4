// What the per-target files of epilogue share: rows of strided matrices.
#if defined(BITTERN_KERNELS_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_EPILOGUE_INL_H_
#undef BITTERN_KERNELS_EPILOGUE_INL_H_
#else
#define BITTERN_KERNELS_EPILOGUE_INL_H_
#endif

#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

template <class T>
HWY_INLINE const T* RowAt(const void* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<const T*>(static_cast<const char*>(base) +
                                    static_cast<ptrdiff_t>(row) * stride);
}

template <class T>
HWY_INLINE T* RowAt(T* base, ptrdiff_t stride, size_t row) {
  return reinterpret_cast<T*>(reinterpret_cast<char*>(base) +
                              static_cast<ptrdiff_t>(row) * stride);
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_EPILOGUE_INL_H_
