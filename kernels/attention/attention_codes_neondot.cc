// The integer product of attention on codes on NEON with the dot product
// instruction (operands: attention_codes_stages.h): sdot by lane, 16 bytes of a
// row serve four groups, a tile is 4 rows x 16 lanes. sdot wants signed bytes
// on both sides: rows are lowered by 128, which the bases make up for. The rest
// is Highway code.
// Range: |sum| <= 128 * 128 * terms; sums modulo 2^32.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/attention/attention_codes_stages.h"

HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod")
namespace bittern::kernels {
namespace {

static_assert(kCodeRows == 4 && kCodeLanes == 16);

struct Lanes {  // 16 lanes of one row's sums
  int32x4_t s0, s1, s2, s3;
};

struct Group {  // four terms of 16 lanes
  int8x16_t b0, b1, b2, b3;
};

HWY_INLINE Group LoadGroup(const int8_t* b) {
  return {vld1q_s8(b), vld1q_s8(b + 16), vld1q_s8(b + 32), vld1q_s8(b + 48)};
}

HWY_INLINE int8x16_t Lowered(uint8x16_t a) {
  return vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(128)));
}

HWY_INLINE Lanes Start(const int32_t* base, int32_t row_base) {
  const int32x4_t row = vdupq_n_s32(row_base);
  return {vaddq_s32(vld1q_s32(base), row), vaddq_s32(vld1q_s32(base + 4), row),
          vaddq_s32(vld1q_s32(base + 8), row),
          vaddq_s32(vld1q_s32(base + 12), row)};
}

template <int kLane>
HWY_INLINE void Step(const Group& b, int8x16_t a, Lanes& sum) {
  sum.s0 = vdotq_laneq_s32(sum.s0, b.b0, a, kLane);
  sum.s1 = vdotq_laneq_s32(sum.s1, b.b1, a, kLane);
  sum.s2 = vdotq_laneq_s32(sum.s2, b.b2, a, kLane);
  sum.s3 = vdotq_laneq_s32(sum.s3, b.b3, a, kLane);
}

struct Rows {
  int8x16_t a0, a1, a2, a3;
};

// 16 terms of a row, or, kWhole false, four.
template <bool kWhole>
HWY_INLINE int8x16_t LoadRow(const uint8_t* a) {
  if constexpr (kWhole) return Lowered(vld1q_u8(a));
  uint32_t four;
  std::memcpy(&four, a, sizeof(four));
  return Lowered(vreinterpretq_u8_u32(vdupq_n_u32(four)));
}

template <bool kWhole>
HWY_INLINE Rows LoadRows(const CodeRows& a, size_t k) {
  const uint8_t* at = a.a + k;
  return {LoadRow<kWhole>(at), LoadRow<kWhole>(at + a.stride),
          LoadRow<kWhole>(at + 2 * a.stride),
          LoadRow<kWhole>(at + 3 * a.stride)};
}

template <int kLane>
HWY_INLINE void StepRows(const int8_t* b, const Rows& a, Lanes& r0, Lanes& r1,
                         Lanes& r2, Lanes& r3) {
  const Group group = LoadGroup(b);
  Step<kLane>(group, a.a0, r0);
  Step<kLane>(group, a.a1, r1);
  Step<kLane>(group, a.a2, r2);
  Step<kLane>(group, a.a3, r3);
}

HWY_INLINE void StoreLanes(const Lanes& sum, int32_t* out) {
  vst1q_s32(out, sum.s0);
  vst1q_s32(out + 4, sum.s1);
  vst1q_s32(out + 8, sum.s2);
  vst1q_s32(out + 12, sum.s3);
}

void DotProduct(const CodeRows& a, const CodeLanes& b, int32_t* out) {
  const size_t step = b.lanes * 4;
  for (size_t lane = 0; lane < b.lanes; lane += kCodeLanes) {
    const int32_t* base = b.base + lane;
    Lanes r0 = Start(base, a.base[0]), r1 = Start(base, a.base[1]),
          r2 = Start(base, a.base[2]), r3 = Start(base, a.base[3]);
    const int8_t* right = b.packed + lane * 4;
    size_t g = 0;
    for (; g + 4 <= b.groups; g += 4, right += 4 * step) {
      const Rows rows = LoadRows<true>(a, 4 * g);
      StepRows<0>(right, rows, r0, r1, r2, r3);
      StepRows<1>(right + step, rows, r0, r1, r2, r3);
      StepRows<2>(right + 2 * step, rows, r0, r1, r2, r3);
      StepRows<3>(right + 3 * step, rows, r0, r1, r2, r3);
    }
    for (; g < b.groups; ++g, right += step)
      StepRows<0>(right, LoadRows<false>(a, 4 * g), r0, r1, r2, r3);
    int32_t* at = out + lane;
    StoreLanes(r0, at);
    StoreLanes(r1, at + b.lanes);
    StoreLanes(r2, at + 2 * b.lanes);
    StoreLanes(r3, at + 3 * b.lanes);
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

const CodeStages& Stages() {
  static const CodeStages stages = [] {
    CodeStages s = CodeHwyStages(DetectCpu());
    s.product = &DotProduct;
    s.left_shift = 128;
    return s;
  }();
  return stages;
}

bool Supports(const CodeAttentionQuery&) noexcept { return true; }
void Prepare(const CodeAttentionArgs& args, size_t h) noexcept {
  PrepareCodes(Stages(), args, h);
}
void Run(const CodeAttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  RunCodes(Stages(), args, row, rows, scratch);
}

// By count of instructions, four a cycle: a (query, key) pair.
double Cycles(const CodeAttentionQuery& q) noexcept {
  const double pairs = static_cast<double>(q.queries * q.keys * q.heads);
  return pairs * (7.5 + 2.0 * static_cast<double>(q.head_dim) / 32);
}

constexpr CodeAttentionKernel kKernels[] = {
    {"attention/codes/neondot", kNeon | kNeonDot, &Supports, &CodeBlockBytes,
     &CodeScratchBytes, &Prepare, &Run, &Cycles, false},
};

}  // namespace

std::span<const CodeAttentionKernel> CodeAttentionNeonDot(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels

#endif  // AArch64
