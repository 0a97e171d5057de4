// Plain loops: the definition that the other kernels of this family are tested
// against.
#include <cmath>

#include "kernels/base/math_reference.h"
#include "kernels/elementwise/elementwise_kernels.h"

namespace bittern::kernels {
namespace {

float Apply(Unary f, float x) {
  switch (f) {
    case Unary::kNeg:
      return -x;
    case Unary::kAbs:
      return std::fabs(x);
    case Unary::kSqrt:
      return std::sqrt(x);
    case Unary::kExp:
      return ExpReference(x);
    case Unary::kErf:
      return ErfReference(x);
    case Unary::kTanh:
      return TanhReference(x);
    case Unary::kSigmoid:
      return 1.0f / (1.0f + ExpReference(-x));
    case Unary::kRelu:
      return x <= 0 ? 0.0f : x;
    case Unary::kGelu:
      return GeluReference(x);
    case Unary::kSign:
      return static_cast<float>(static_cast<int>(x > 0) -
                                static_cast<int>(x < 0));
    case Unary::kRound:
      return std::nearbyint(
          x);  // the rounding mode is never changed: half to even
    case Unary::kFloor:
      return std::floor(x);
    case Unary::kCeil:
      return std::ceil(x);
    case Unary::kReciprocal:
      return 1.0f / x;
    case Unary::kCount:
      break;
  }
  return kCanonicalNan;
}

float Apply(Binary f, float a, float b) {
  switch (f) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSub:
      return a - b;
    case Binary::kMul:
      return a * b;
    case Binary::kDiv:
      return a / b;
    case Binary::kMin:
      return a != a ? a : (a < b ? a : b);
    case Binary::kMax:
      return a != a ? a : (a > b ? a : b);
    case Binary::kPRelu:
      return PReluReference(a, b);
    case Binary::kCount:
      break;
  }
  return kCanonicalNan;
}

void RunUnary(Unary f, const float* x, float* y, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) y[i] = CanonicalReference(Apply(f, x[i]));
}

void RunBinary(Binary f, Spread spread, const float* a, const float* b,
               float* y, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const float left = a[spread == Spread::kLeftScalar ? 0 : i],
                right = b[spread == Spread::kRightScalar ? 0 : i];
    y[i] = CanonicalReference(Apply(f, left, right));
  }
}

void Clip(const float* x, float lo, float hi, float* y, size_t count) noexcept {
  for (size_t i = 0; i < count; ++i) {
    y[i] = CanonicalReference(ClipReference(x[i], lo, hi));
  }
}

constexpr ElementwiseKernel kKernels[] = {
    {"elementwise/reference", &RunUnary, &RunBinary, &Clip, true}};

}  // namespace

std::span<const ElementwiseKernel> ElementwiseReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
