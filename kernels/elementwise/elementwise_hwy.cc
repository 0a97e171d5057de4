// Elementwise kernels for every Highway target: y[i] = f(x[i]) or f(a[i],
// b[i]); one function object per operation, one loop for all. The last partial
// vector goes through a padded block, so nothing outside the arrays is touched.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/math-inl.h"
#include "kernels/elementwise/elementwise_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE VF One() { return hn::Set(DF(), 1.0f); }

struct NegOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Neg(x); }
};
struct AbsOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Abs(x); }
};
struct SqrtOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Sqrt(x); }
};
struct ExpOp {
  HWY_INLINE VF operator()(VF x) const { return Exp(x); }
};
struct ErfOp {
  HWY_INLINE VF operator()(VF x) const { return Erf(x); }
};
struct TanhOp {
  HWY_INLINE VF operator()(VF x) const { return Tanh(x); }
};
struct RoundOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Round(x); }
};
struct FloorOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Floor(x); }
};
struct CeilOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Ceil(x); }
};
struct ReciprocalOp {
  HWY_INLINE VF operator()(VF x) const { return hn::Div(One(), x); }
};
struct SigmoidOp {
  HWY_INLINE VF operator()(VF x) const {
    return hn::Div(One(), hn::Add(One(), Exp(hn::Neg(x))));
  }
};
struct ReluOp {
  HWY_INLINE VF operator()(VF x) const { return Relu(x); }
};
struct GeluOp {
  HWY_INLINE VF operator()(VF x) const { return Gelu(x); }
};
struct SignOp {
  HWY_INLINE VF operator()(VF x) const {
    const VF zero = hn::Zero(DF());
    const VF positive = hn::IfThenElseZero(hn::Gt(x, zero), One());
    return hn::IfThenElse(hn::Lt(x, zero), hn::Set(DF(), -1.0f), positive);
  }
};

struct AddOp {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Add(a, b); }
};
struct SubOp {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Sub(a, b); }
};
struct MulOp {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Mul(a, b); }
};
struct DivOp {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Div(a, b); }
};
struct MinOp {
  HWY_INLINE VF operator()(VF a, VF b) const {
    return KeepNan(a, hn::IfThenElse(hn::Lt(a, b), a, b));
  }
};
struct MaxOp {
  HWY_INLINE VF operator()(VF a, VF b) const {
    return KeepNan(a, hn::IfThenElse(hn::Gt(a, b), a, b));
  }
};

struct PReluOp {
  HWY_INLINE VF operator()(VF a, VF b) const { return PRelu(a, b); }
};

struct ClipOp {
  float lo, hi;
  HWY_INLINE VF operator()(VF x) const {
    return bittern::kernels::HWY_NAMESPACE::Clip(x, hn::Set(DF(), lo),
                                                 hn::Set(DF(), hi));
  }
};

template <class Op>
HWY_NOINLINE void UnaryLoop(Op op, const float* x, float* y, size_t count) {
  const DF d;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(Canonical(op(hn::LoadU(d, x + i))), d, y + i);
  if (i == count) return;
  HWY_ALIGN float block[kBlock];
  PadBlock(x + i, count - i, 1.0f, block);
  hn::Store(Canonical(op(hn::Load(d, block))), d, block);
  memcpy(y + i, block, (count - i) * sizeof(float));
}

// One operand: an array, or one value for all elements.
template <bool kScalar>
struct Source {
  const float* x;
  VF value;

  HWY_INLINE explicit Source(const float* array)
      : x(array), value(kScalar ? hn::Set(DF(), array[0]) : hn::Zero(DF())) {}
  HWY_INLINE VF At(size_t i) const {
    return kScalar ? value : hn::LoadU(DF(), x + i);
  }
  HWY_INLINE VF Tail(size_t i, size_t count) const {
    if (kScalar) return value;
    HWY_ALIGN float block[kBlock];
    PadBlock(x + i, count, 1.0f, block);
    return hn::Load(DF(), block);
  }
};

template <bool kLeftScalar, bool kRightScalar, class Op>
HWY_NOINLINE void BinaryLoop(Op op, const float* a, const float* b, float* y,
                             size_t count) {
  const DF d;
  if (count == 0) return;
  const Source<kLeftScalar> left(a);
  const Source<kRightScalar> right(b);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    hn::StoreU(Canonical(op(left.At(i), right.At(i))), d, y + i);
  if (i == count) return;
  HWY_ALIGN float block[kBlock];
  hn::Store(Canonical(op(left.Tail(i, count - i), right.Tail(i, count - i))), d,
            block);
  memcpy(y + i, block, (count - i) * sizeof(float));
}

template <class Op>
void BinarySpread(Op op, Spread spread, const float* a, const float* b,
                  float* y, size_t count) {
  switch (spread) {
    case Spread::kBoth:
      return BinaryLoop<false, false>(op, a, b, y, count);
    case Spread::kLeftScalar:
      return BinaryLoop<true, false>(op, a, b, y, count);
    case Spread::kRightScalar:
      return BinaryLoop<false, true>(op, a, b, y, count);
  }
}

void RunUnary(Unary f, const float* x, float* y, size_t count) noexcept {
  switch (f) {
    case Unary::kNeg:
      return UnaryLoop(NegOp(), x, y, count);
    case Unary::kAbs:
      return UnaryLoop(AbsOp(), x, y, count);
    case Unary::kSqrt:
      return UnaryLoop(SqrtOp(), x, y, count);
    case Unary::kExp:
      return UnaryLoop(ExpOp(), x, y, count);
    case Unary::kErf:
      return UnaryLoop(ErfOp(), x, y, count);
    case Unary::kTanh:
      return UnaryLoop(TanhOp(), x, y, count);
    case Unary::kSigmoid:
      return UnaryLoop(SigmoidOp(), x, y, count);
    case Unary::kRelu:
      return UnaryLoop(ReluOp(), x, y, count);
    case Unary::kGelu:
      return UnaryLoop(GeluOp(), x, y, count);
    case Unary::kSign:
      return UnaryLoop(SignOp(), x, y, count);
    case Unary::kRound:
      return UnaryLoop(RoundOp(), x, y, count);
    case Unary::kFloor:
      return UnaryLoop(FloorOp(), x, y, count);
    case Unary::kCeil:
      return UnaryLoop(CeilOp(), x, y, count);
    case Unary::kReciprocal:
      return UnaryLoop(ReciprocalOp(), x, y, count);
    case Unary::kCount:
      break;
  }
}

void RunBinary(Binary f, Spread spread, const float* a, const float* b,
               float* y, size_t count) noexcept {
  switch (f) {
    case Binary::kAdd:
      return BinarySpread(AddOp(), spread, a, b, y, count);
    case Binary::kSub:
      return BinarySpread(SubOp(), spread, a, b, y, count);
    case Binary::kMul:
      return BinarySpread(MulOp(), spread, a, b, y, count);
    case Binary::kDiv:
      return BinarySpread(DivOp(), spread, a, b, y, count);
    case Binary::kMin:
      return BinarySpread(MinOp(), spread, a, b, y, count);
    case Binary::kMax:
      return BinarySpread(MaxOp(), spread, a, b, y, count);
    case Binary::kPRelu:
      return BinarySpread(PReluOp(), spread, a, b, y, count);
    case Binary::kCount:
      break;
  }
}

void Clip(const float* x, float lo, float hi, float* y, size_t count) noexcept {
  UnaryLoop(ClipOp{lo, hi}, x, y, count);
}

}  // namespace

const ElementwiseKernel* ElementwiseHwyKernel() {
  static constexpr ElementwiseKernel kKernel = {"elementwise/hwy", &RunUnary,
                                                &RunBinary, &Clip, false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(ElementwiseHwyKernel);

std::span<const ElementwiseKernel> ElementwiseHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(ElementwiseHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
