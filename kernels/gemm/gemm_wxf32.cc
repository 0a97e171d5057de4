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
//
// Weights in groups (wgxf32): w = fl(fl(code - zero) * scale) with a scale and
// a zero point for each group of k, as ONNX's DequantizeLinear says. The same
// panels, or, for a single row, floats in registers only. Right operand:
// pack_groups.h. Bits of a field are a number of the run there, not of the
// code: four widths would be four times the code, for 8 % of one row's time.
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_groups.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_wxf32.cc"
#include "hwy/foreach_target.h"
#include "kernels/gemm/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

// The compiler forgets where a pointer points to: what it reads stays in
// memory.
#define BITTERN_UNKNOWN(pointer) asm volatile("" : "+r"(pointer))

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

// Adds the products of a panel of k and moves on; the next one adds to what is
// in the strip.
HWY_NOINLINE void AddPanel(Rows& rows, size_t count, const float* panel,
                           size_t k) {
  Strip(rows, count, panel, k);
  rows.a += k * sizeof(float);
  rows.start = rows.strip;
  rows.start_stride = rows.strip_stride;
}

Rows FirstRows(const GemmStripArgs& args) {
  return {reinterpret_cast<const uint8_t*>(args.lhs->f32) +
              static_cast<ptrdiff_t>(args.row) * args.lhs->f32_stride,
          args.lhs->f32_stride,
          reinterpret_cast<const uint8_t*>(kZeros),
          0,
          static_cast<uint8_t*>(args.strip),
          args.strip_stride};
}

void Run(const GemmStripArgs& args) noexcept {
  const Codes codes = CodesOf(args.types.weights);
  const auto* w = static_cast<const uint32_t*>(args.packed_rhs) +
                  args.tile * Words(codes.bits, args.k) * kNr;
  auto* panel = static_cast<float*>(args.scratch);
  Rows rows = FirstRows(args);
  for (size_t i = 0; i < args.k; i += kPanel) {
    const size_t k = args.k - i < kPanel ? args.k - i : kPanel;
    const size_t words = Words(codes.bits, k);
    Unpack(codes, w, words, panel);
    AddPanel(rows, args.rows, panel, k);
    w += words * kNr;
  }
}

// The last word may hold fewer k than it has fields.
void UnpackRhs(GemmTypes types, const void* packed, size_t k, size_t tile,
               float* out) noexcept {
  const Codes codes = CodesOf(types.weights);
  const size_t words = Words(codes.bits, k), whole = k * codes.bits / 32;
  const auto* w = static_cast<const uint32_t*>(packed) + tile * words * kNr;
  Unpack(codes, w, whole, out);
  if (whole == words) return;
  HWY_ALIGN float last[32 * kNr];
  Unpack(codes, w + whole * kNr, 1, last);
  const size_t done = whole * 32 / codes.bits;
  memcpy(out + done * kNr, last, (k - done) * kNr * sizeof(float));
}

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types.activations == Operand::kF32 && types.group == 0 &&
                    !types.threes && types.weights != Operand::kF32 &&
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

// Old targets do with the one form that is always right: small code.
constexpr bool kOneForm = HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SCALAR;

// A part of a group: k that begin with a word.
struct Part {
  const float* scale;  // rows of kNr
  const float* base;
  const float* zero;
  const uint32_t* words;  // from the part's first k on
  size_t k;
  unsigned bits;
};

// fl(fl(code - zero) * scale) of the lowest field of each word of channels from
// j on.
template <bool kFractions>
HWY_INLINE V Weight(const Part& part, size_t j, VU words, VU mask) {
  const D d;
  const VU two23 = hn::Set(DU(), 0x4B000000u);
  V x = hn::BitCast(d, hn::Or(hn::And(words, mask), two23));
  x = hn::Sub(x, hn::LoadU(d, part.base + j));
  if constexpr (kFractions) x = hn::Sub(x, hn::LoadU(d, part.zero + j));
  return hn::Mul(x, hn::LoadU(d, part.scale + j));
}

HWY_INLINE VU MaskOf(const Part& part) {
  return hn::Set(DU(), (1u << part.bits) - 1);
}

// out[k][j] of a part.
template <bool kFractions>
void UnpackPart(const Part& part, float* out) {
  const DU d;
  const VU mask = MaskOf(part);
  const auto bits = static_cast<int>(part.bits);
  for (size_t j = 0; j < kNr; j += 2 * kLanes) {
    const uint32_t* words = part.words + j;
    float* to = out + j;
    for (size_t left = part.k; left != 0; words += kNr) {
      VU x0 = hn::LoadU(d, words), x1 = hn::LoadU(d, words + kLanes);
      size_t fields = left < 32 / part.bits ? left : 32 / part.bits;
      left -= fields;
      do {
        hn::StoreU(Weight<kFractions>(part, j, x0, mask), D(), to);
        hn::StoreU(Weight<kFractions>(part, j + kLanes, x1, mask), D(),
                   to + kLanes);
        x0 = hn::ShiftRightSame(x0, bits);
        x1 = hn::ShiftRightSame(x1, bits);
        to += kNr;
      } while (--fields != 0);
    }
  }
}

// sum[j] += a[k] * weight, the part's k ascending, for one row; zero points are
// bases. Where registers
// are few, scales and zero points stay in memory: held in registers they push
// out the words, whose chain of shifts then goes through memory (110 us instead
// of 55 at K = N = 1024 on AVX2).
void AddPart(Part part, const float* a, float* sums) {
  const DU d;
  const VU mask = MaskOf(part);
  const auto bits = static_cast<int>(part.bits);
  Tile<true> row = LoadTile<true>(sums);
  for (size_t left = part.k; left != 0; part.words += kNr) {
    const uint32_t* words = part.words;
    VU x0 = hn::LoadU(d, words), x1 = hn::LoadU(d, words + kLanes),
       x2 = hn::LoadU(d, words + 2 * kLanes),
       x3 = hn::LoadU(d, words + 3 * kLanes);
    size_t fields = left < 32 / part.bits ? left : 32 / part.bits;
    left -= fields;
    do {
      if constexpr (!kWide) {
        BITTERN_UNKNOWN(part.base);
        BITTERN_UNKNOWN(part.scale);
      }
      Step<true>({Weight<false>(part, 0, x0, mask),
                  Weight<false>(part, kLanes, x1, mask),
                  Weight<false>(part, 2 * kLanes, x2, mask),
                  Weight<false>(part, 3 * kLanes, x3, mask)},
                 a++, row);
      x0 = hn::ShiftRightSame(x0, bits);
      x1 = hn::ShiftRightSame(x1, bits);
      x2 = hn::ShiftRightSame(x2, bits);
      x3 = hn::ShiftRightSame(x3, bits);
    } while (--fields != 0);
  }
  StoreRow<true>(row, sums);
}

// The groups of a tile, in their order.
class Groups {
 public:
  explicit Groups(const GemmStripArgs& args)
      : layout_(args.types, kNr),
        header_(static_cast<const uint32_t*>(args.packed_rhs)),
        next_(header_ + layout_.HeaderSize() +
              args.tile * layout_.TileSize(args.k)),
        left_(args.k) {}

  bool fractions() const { return kind() == GroupZeros::kFractions; }
  size_t left() const { return left_; }  // k

  Part Next() {
    const size_t k = left_ < layout_.group ? left_ : layout_.group;
    const auto* lists = reinterpret_cast<const float*>(next_);
    const bool bases = kind() == GroupZeros::kBases;
    const Part part{
        lists,
        bases ? lists + kNr : reinterpret_cast<const float*>(header_),
        fractions() ? lists + kNr : kZeros,
        next_ + layout_.lists * kNr,
        k,
        layout_.bits};
    next_ += layout_.GroupSize(k);
    left_ -= k;
    return part;
  }

 private:
  GroupZeros kind() const { return static_cast<GroupZeros>(header_[kNr]); }

  GroupLayout layout_;
  const uint32_t* header_;
  const uint32_t* next_;
  size_t left_;
};

void RunRow(Groups groups, const float* a, float* sums) {
  std::memset(sums, 0, kNr * sizeof(float));
  while (groups.left() != 0) {
    const Part part = groups.Next();
    AddPart(part, a, sums);
    a += part.k;
  }
}

// A panel is what fits of one or more groups.
void RunPanels(Groups groups, Rows rows, size_t count, float* panel) {
  Part part{};
  for (size_t filled = 0; groups.left() != 0 || part.k != 0;) {
    if (part.k == 0) part = groups.Next();
    const size_t fields = 32 / part.bits;
    Part fits = part;
    if (part.k > kPanel - filled) fits.k = (kPanel - filled) / fields * fields;
    float* out = panel + filled * kNr;
    if (fits.k != 0)
      groups.fractions() ? UnpackPart<true>(fits, out)
                         : UnpackPart<kOneForm>(fits, out);
    filled += fits.k;
    part.k -= fits.k;
    part.words += fits.k / fields * kNr;
    if (part.k == 0 && groups.left() != 0) continue;
    AddPanel(rows, count, panel, filled);
    filled = 0;
  }
}

void RunGroups(const GemmStripArgs& args) noexcept {
  const Groups groups(args);
  const Rows rows = FirstRows(args);
  if (!kOneForm && args.rows == 1 && !groups.fractions()) {
    return RunRow(groups, reinterpret_cast<const float*>(rows.a),
                  static_cast<float*>(args.strip));
  }
  RunPanels(groups, rows, args.rows, static_cast<float*>(args.scratch));
}

size_t GroupsMaxK(GemmTypes types) noexcept {
  const bool mine = types.activations == Operand::kF32 && types.group != 0 &&
                    TakesGroups(types.weights);
  return mine ? size_t{1} << 30 : 0;
}

size_t GroupsRhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return GroupLayout(types, kNr).Bytes(n, k);
}

void PackGroups(GemmTypes types, const CodeMatrix& w,
                const WeightGroups& groups, void* packed) noexcept {
  PackGroupWords(GroupLayout(types, kNr), w, groups, packed);
}

size_t ScratchBytes(GemmTypes, size_t) noexcept { return kPanelBytes; }

}  // namespace

GemmKernelList WxF32List() {
  static constexpr GemmKernel kKernels[] = {
      {"wxf32/fma/" BITTERN_HWY_ISA, kNone, &TypesMaxK, kNr, kMr, kNr, 1,
       &RhsBytes, &PackRhs, nullptr, nullptr, &Run, nullptr, &ScratchBytes,
       kStripBytes, nullptr, false, &UnpackRhs},
      {"wgxf32/fma/" BITTERN_HWY_ISA, kNone, &GroupsMaxK, kNr, kMr, kNr, 1,
       &GroupsRhsBytes, nullptr, nullptr, nullptr, &RunGroups, nullptr,
       &ScratchBytes, kStripBytes, &PackGroups},
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
