// Packed weight codes x f32 in portable Highway: the weights stay packed in
// memory and become floats a panel of k at a time, in scratch that stays in L1
// while the rows of the strip pass (gemm_f32-inl.h). The chain of a panel
// starts from the sums of the panel before it, in the strip: one chain of fused
// multiply-adds an output, from +0, over k ascending.
// Right operand: 32-bit words of fields, each the index of one value of the
// type, value = lo + step * index; packed[t][c][j] = the fields of F k from F c
// on of channel t * kNr + j, F = 32 / bits a field, lowest first; 0 past n and
// k. A field at bit s of 1 to 16 under the exponent of 2^23 is the float 2^23 +
// 2^s * index; a multiply-add with step / 2^s and lo - 2^23 * step / 2^s makes
// the value, exactly: every intermediate is an integer below 2^24.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_wxf32.cc"
#include "hwy/foreach_target.h"
#include "kernels/gemm/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

using DU = hn::ScalableTag<uint32_t>;
using VU = hn::Vec<DU>;

constexpr size_t kPanelBytes = 24 << 10;  // 32 KiB of L1, less the rows
constexpr size_t kPanel = kPanelBytes / sizeof(float) / kNr;  // k
// Four times the usual strip: the accumulators go through L2 once a panel, but
// a panel is unpacked for four times as many rows (2.5 % of DeiT-Small).
constexpr size_t kStripBytes = 32 << 10;
static_assert(kPanel % 32 == 0, "whole words of fields");

struct Codes {  // how one type is packed
  unsigned bits;
  float lo, step;
};

Codes CodesOf(Operand type) {
  const ValueRange range = RangeOf(type);
  const int32_t step = StepOf(type);
  const int32_t last = (range.hi - range.lo) / step;
  unsigned bits = 1;
  while (last >> bits != 0) bits *= 2;
  return {bits, static_cast<float>(range.lo), static_cast<float>(step)};
}

size_t Words(unsigned bits, size_t k) { return CeilDiv(k * bits, 32); }

HWY_INLINE void Put(VU fields, VU mask, V scale, V add, float* out) {
  const D d;
  const VU magic = hn::Set(DU(), 0x4B000000u);  // 2^23
  const V x = hn::BitCast(d, hn::Or(hn::And(fields, mask), magic));
  hn::StoreU(hn::MulAdd(x, scale, add), d, out);
}

// The fields in bits 1 to 16 of four vectors of channels: 16 / bits k.
HWY_INLINE float* UnpackHalf(const Codes& codes, VU x0, VU x1, VU x2, VU x3,
                             float* out) {
  const D d;
  const auto bits = static_cast<int>(codes.bits);
  const V two23 = hn::Set(d, 8388608.0f), lo = hn::Set(d, codes.lo);
  const V next = hn::Set(d, 1.0f / static_cast<float>(1u << bits));
  V scale = hn::Set(d, codes.step * 0.5f);
  VU mask = hn::Set(DU(), ((1u << bits) - 1) << 1);
  for (int s = 0; s < 16; s += bits) {
    const V add = hn::NegMulAdd(two23, scale, lo);
    Put(x0, mask, scale, add, out);
    Put(x1, mask, scale, add, out + kLanes);
    Put(x2, mask, scale, add, out + 2 * kLanes);
    Put(x3, mask, scale, add, out + 3 * kLanes);
    out += kNr;
    mask = hn::ShiftLeftSame(mask, bits);
    scale = hn::Mul(scale, next);
  }
  return out;
}

// `words` words of fields of every channel of a tile -> out[k][j].
void Unpack(const Codes& codes, const uint32_t* packed, size_t words,
            float* out) {
  const DU d;
  for (size_t i = 0; i < words; ++i) {
    float* end = out;
    for (size_t j = 0; j < kNr; j += 4 * kLanes) {
      const VU x0 = hn::LoadU(d, packed + j),
               x1 = hn::LoadU(d, packed + j + kLanes),
               x2 = hn::LoadU(d, packed + j + 2 * kLanes),
               x3 = hn::LoadU(d, packed + j + 3 * kLanes);
      end = UnpackHalf(codes, hn::ShiftLeft<1>(x0), hn::ShiftLeft<1>(x1),
                       hn::ShiftLeft<1>(x2), hn::ShiftLeft<1>(x3), out + j);
      end = UnpackHalf(codes, hn::ShiftRight<15>(x0), hn::ShiftRight<15>(x1),
                       hn::ShiftRight<15>(x2), hn::ShiftRight<15>(x3), end);
      end -= j;
    }
    packed += kNr;
    out = end;
  }
}

void Run(const GemmStripArgs& args) noexcept {
  const Codes codes = CodesOf(args.types.weights);
  const auto* w = static_cast<const uint32_t*>(args.packed_rhs) +
                  args.tile * Words(codes.bits, args.k) * kNr;
  auto* panel = static_cast<float*>(args.scratch);
  auto* strip = static_cast<uint8_t*>(args.strip);
  Rows rows{reinterpret_cast<const uint8_t*>(args.lhs->f32) +
                static_cast<ptrdiff_t>(args.row) * args.lhs->f32_stride,
            args.lhs->f32_stride,
            reinterpret_cast<const uint8_t*>(kZeros),
            0,
            strip,
            args.strip_stride};
  for (size_t i = 0; i < args.k; i += kPanel) {
    const size_t k = args.k - i < kPanel ? args.k - i : kPanel;
    const size_t words = Words(codes.bits, k);
    Unpack(codes, w, words, panel);
    Strip(rows, args.rows, panel, k);
    w += words * kNr;
    rows.a += k * sizeof(float);
    rows.start = strip;
    rows.start_stride = args.strip_stride;
  }
}

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types.activations == Operand::kF32 &&
                    types.weights != Operand::kF32 &&
                    types.weights != Operand::kSign;
  return mine ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return RoundUp(n, kNr) * Words(CodesOf(types.weights).bits, k) *
         sizeof(uint32_t);
}

void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  const Codes codes = CodesOf(w.type);
  const size_t fields = 32 / codes.bits;
  const auto lo = static_cast<int32_t>(codes.lo),
             step = static_cast<int32_t>(codes.step);
  auto* out = static_cast<uint32_t*>(packed);
  int32_t values[32];
  for (size_t tile = 0; tile < RoundUp(w.n, kNr); tile += kNr) {
    for (size_t i = 0; i < w.k; i += fields) {
      const size_t count = fields < w.k - i ? fields : w.k - i;
      for (size_t channel = tile; channel < tile + kNr; ++channel) {
        uint32_t word = 0;
        if (channel < w.n) ReadValues(w, channel, i, count, values);
        for (size_t f = 0; channel < w.n && f < count; ++f) {
          const int32_t index = (values[f] - lo) / step;
          word |= static_cast<uint32_t>(index) << (f * codes.bits);
        }
        *out++ = word;
      }
    }
  }
}

size_t ScratchBytes(GemmTypes, size_t) noexcept { return kPanelBytes; }

}  // namespace

GemmKernelList WxF32List() {
  static constexpr GemmKernel kKernels[] = {
      {"wxf32/fma/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kNr, kMr, kNr, 1,
       &RhsBytes, &PackRhs, nullptr, nullptr, &Run, nullptr, &ScratchBytes,
       kStripBytes},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(WxF32List);
GemmKernelList GemmWxF32(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(WxF32List, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
