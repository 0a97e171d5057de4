// Epilogues that finish a float per element, for every Highway target: kinds
// scale_* and float_* of epilogue.h on a strip that lies in L1. Stored floats
// without corrections and steps take one pass in registers (FloatRows); every
// other combination goes 64 channels at a time through a buffer that stays in
// L1, one short loop for each operation (Chunk), so that the operations add up
// instead of multiplying.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/epilogue/epilogue_float_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/bits.h"
#include "kernels/base/byte_quantiser-inl.h"
#include "kernels/base/sign-inl.h"
#include "kernels/epilogue/epilogue-inl.h"
#include "kernels/epilogue/epilogue_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

// One row of operands of the float kinds, already at the strip's first column.
struct FloatOperands {
  const void* acc;
  const float* scale;
  const float* bias;
  const float* residual;
};

template <bool kInteger, bool kBias, bool kResidual>
HWY_INLINE VF FloatVector(const FloatOperands& in, size_t j) {
  const DF d;
  VF y;
  if constexpr (kInteger) {
    const VI acc = hn::LoadU(DI(), static_cast<const int32_t*>(in.acc) + j);
    y = hn::Mul(hn::ConvertTo(d, acc), hn::LoadU(d, in.scale + j));
  } else {
    y = hn::LoadU(d, static_cast<const float*>(in.acc) + j);
  }
  if constexpr (kBias) y = hn::Add(y, hn::LoadU(d, in.bias + j));
  if constexpr (kResidual) y = hn::Add(hn::LoadU(d, in.residual + j), y);
  return Canonical(y);
}

template <bool kInteger, bool kBias, bool kResidual>
void FloatRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  const DF d;
  for (size_t r = 0; r < s.rows; ++r) {
    const FloatOperands in{
        RowAt<char>(s.strip, s.stride, r),
        kInteger ? args.scale + s.col : nullptr,
        kBias ? args.bias + s.col : nullptr,
        kResidual
            ? RowAt<float>(args.residual, args.residual_stride, s.row + r) +
                  s.col
            : nullptr};
    float* HWY_RESTRICT out =
        RowAt(args.out_f32, args.out_stride, s.row + r) + s.col;
    size_t j = 0;
    for (; j + kLanes <= s.cols; j += kLanes)
      hn::StoreU(FloatVector<kInteger, kBias, kResidual>(in, j), d, out + j);
    if (j == s.cols) continue;
    HWY_ALIGN float block[5][kBlock];
    const size_t rest = s.cols - j;
    PadBlock(static_cast<const float*>(in.acc) + j, rest, 0.0f, block[0]);
    if constexpr (kInteger) PadBlock(in.scale + j, rest, 0.0f, block[1]);
    if constexpr (kBias) PadBlock(in.bias + j, rest, 0.0f, block[2]);
    if constexpr (kResidual) PadBlock(in.residual + j, rest, 0.0f, block[3]);
    hn::Store(FloatVector<kInteger, kBias, kResidual>(
                  {block[0], block[1], block[2], block[3]}, 0),
              d, block[4]);
    memcpy(out + j, block[4], rest * sizeof(float));
  }
}

template <bool kInteger>
void HotFloatKind(const EpilogueArgs& args, const EpilogueStrip& s) {
  if (args.residual == nullptr) {
    return args.bias == nullptr ? FloatRows<kInteger, false, false>(args, s)
                                : FloatRows<kInteger, true, false>(args, s);
  }
  return args.bias == nullptr ? FloatRows<kInteger, false, true>(args, s)
                              : FloatRows<kInteger, true, true>(args, s);
}

constexpr size_t kChunk = 64;  // floats: at most a word of output planes

// Channels [col, col + width) of row `row` of the product, width <= kChunk. The
// last vector may go past the width: its lanes there hold anything.
struct Chunk {
  const EpilogueArgs& args;
  size_t row, col, width;
  float* y;  // [kChunk], aligned
};

// A whole vector from an array that ends after `count` elements.
HWY_INLINE VI LoadIntegers(const int32_t* x, size_t count) {
  if (HWY_LIKELY(count >= kLanes)) return hn::LoadU(DI(), x);
  HWY_ALIGN int32_t block[kBlock] = {};
  memcpy(block, x, count * sizeof(int32_t));
  return hn::Load(DI(), block);
}

HWY_INLINE VF LoadFloats(const float* x, size_t count) {
  if (HWY_LIKELY(count >= kLanes)) return hn::LoadU(DF(), x);
  HWY_ALIGN float block[kBlock];
  PadBlock(x, count, 0.0f, block);
  return hn::Load(DF(), block);
}

// y[i] = op(y[i], values[i]).
template <class Op>
HWY_INLINE void WithArray(const Chunk& c, const float* values, const Op& op) {
  const DF d;
  for (size_t i = 0; i < c.width; i += kLanes) {
    const VF value = LoadFloats(values + i, c.width - i);
    hn::Store(op(hn::Load(d, c.y + i), value), d, c.y + i);
  }
}

template <class Op>
HWY_INLINE void Alone(const Chunk& c, const Op& op) {
  const DF d;
  for (size_t i = 0; i < c.width; i += kLanes)
    hn::Store(op(hn::Load(d, c.y + i)), d, c.y + i);
}

struct AddOp {
  HWY_INLINE VF operator()(VF y, VF x) const { return hn::Add(y, x); }
};
struct MulOp {
  HWY_INLINE VF operator()(VF y, VF x) const { return hn::Mul(y, x); }
};
struct PReluOp {
  HWY_INLINE VF operator()(VF y, VF x) const { return PRelu(y, x); }
};
struct ReluOp {
  HWY_INLINE VF operator()(VF y) const { return Relu(y); }
};
struct GeluOp {
  HWY_INLINE VF operator()(VF y) const { return Gelu(y); }
};
struct ClipOp {
  float lo, hi;
  HWY_INLINE VF operator()(VF y) const {
    return Clip(y, hn::Set(DF(), lo), hn::Set(DF(), hi));
  }
};

HWY_INLINE void AddResidual(const Chunk& c) {
  const float* row =
      RowAt<float>(c.args.residual, c.args.residual_stride, c.row);
  WithArray(c, row + c.col, AddOp());
}

// fl(float(acc') * scale), with the corrections of acc', then the bias.
void ConvertIntegers(const Chunk& c, const int32_t* acc) {
  const DF d;
  const DI di;
  const EpilogueArgs& args = c.args;
  const VF row_scale =
      hn::Set(d, args.row_scale != nullptr ? args.row_scale[c.row] : 1.0f);
  for (size_t i = 0; i < c.width; i += kLanes) {
    const size_t rest = c.width - i, n = c.col + i;
    VI x = LoadIntegers(acc + i, rest);
    if (args.correction != nullptr)
      x = hn::Add(x, LoadIntegers(args.correction + n, rest));
    if (args.row_term != nullptr) {
      x = hn::Add(x, hn::Mul(hn::Set(di, args.row_term[c.row]),
                             LoadIntegers(args.column_term + n, rest)));
    }
    // Multiplying by a row scale of 1 changes nothing.
    const VF scale = hn::Mul(LoadFloats(args.scale + n, rest), row_scale);
    VF y = hn::Mul(hn::ConvertTo(d, x), scale);
    if (args.bias != nullptr) y = hn::Add(y, LoadFloats(args.bias + n, rest));
    hn::Store(y, d, c.y + i);
  }
}

void CopyFloats(const Chunk& c, const float* acc) {
  const EpilogueArgs& args = c.args;
  for (size_t i = 0; i < c.width; i += kLanes) {
    const size_t rest = c.width - i, n = c.col + i;
    VF y = LoadFloats(acc + i, rest);
    if (args.scale != nullptr) y = hn::Mul(y, LoadFloats(args.scale + n, rest));
    if (args.bias != nullptr) y = hn::Add(y, LoadFloats(args.bias + n, rest));
    hn::Store(y, DF(), c.y + i);
  }
}

HWY_NOINLINE void ApplyStep(const Chunk& c, const EpilogueStep& step) {
  switch (step.kind) {
    case EpilogueStep::Kind::kMul:
      return WithArray(c, step.values + c.col, MulOp());
    case EpilogueStep::Kind::kAdd:
      return WithArray(c, step.values + c.col, AddOp());
    case EpilogueStep::Kind::kResidual:
      return AddResidual(c);
    case EpilogueStep::Kind::kRelu:
      return Alone(c, ReluOp());
    case EpilogueStep::Kind::kGelu:
      return Alone(c, GeluOp());
    case EpilogueStep::Kind::kClip:
      return Alone(c, ClipOp{step.lo, step.hi});
    case EpilogueStep::Kind::kPRelu:
      return WithArray(c, step.values + c.col, PReluOp());
  }
}

// acc: the strip's element of the chunk's first channel. Not inlined: once for
// each kind of strip is enough, and inlined into every sink it makes the
// library half as big again.
template <bool kInteger>
HWY_NOINLINE void FinishChunk(const Chunk& c, const void* acc) {
  if constexpr (kInteger) {
    ConvertIntegers(c, static_cast<const int32_t*>(acc));
  } else {
    CopyFloats(c, static_cast<const float*>(acc));
  }
  const EpilogueArgs& args = c.args;
  bool residual_added = args.residual == nullptr;
  for (size_t i = 0; i < args.step_count; ++i) {
    residual_added |= args.steps[i].kind == EpilogueStep::Kind::kResidual;
    ApplyStep(c, args.steps[i]);
  }
  if (!residual_added) AddResidual(c);
}

// Where the chunks of a strip go. Width: of the chunk at channel n, `rest`
// channels before the end of the strip.
struct FloatSink {
  const EpilogueArgs& args;

  HWY_INLINE size_t Width(size_t, size_t rest) const {
    return HWY_MIN(kChunk, rest);
  }
  void Put(const Chunk& c) {
    const DF d;
    float* HWY_RESTRICT out =
        RowAt(args.out_f32, args.out_stride, c.row) + c.col;
    size_t i = 0;
    for (; i + kLanes <= c.width; i += kLanes)
      hn::StoreU(Canonical(hn::Load(d, c.y + i)), d, out + i);
    if (i < c.width) {
      hn::Store(Canonical(hn::Load(d, c.y + i)), d, c.y + i);
      memcpy(out + i, c.y + i, (c.width - i) * sizeof(float));
    }
    if (args.lane_sums != nullptr) AddLanes(c);
  }
  // Strips and chunks start at multiples of 16, so element i of the chunk is of
  // lane i mod 16.
  void AddLanes(const Chunk& c) const {
    const DF d;
    float* lanes = args.lane_sums + c.row * kBlock;
    LaneSum sum = LoadLanes(lanes);
    for (size_t i = 0; i < c.width; i += kBlock) {
      const size_t rest = c.width - i;
      for (size_t v = 0; v < kVecs; ++v) {
        const VF y = hn::Load(d, c.y + i + v * kLanes);
        sum.lane[v] = hn::Add(
            sum.lane[v],
            rest >= kBlock ? y : hn::IfThenElseZero(BlockMask(v, rest), y));
      }
    }
    for (size_t v = 0; v < kVecs; ++v)
      hn::StoreU(sum.lane[v], d, lanes + v * kLanes);
  }
};

template <class Bytes>
struct ByteSink {
  const EpilogueArgs& args;

  HWY_INLINE size_t Width(size_t, size_t rest) const {
    return HWY_MIN(kChunk, rest);
  }
  void Put(const Chunk& c) {
    ByteRow(FloatRow{c.y}, Bytes(args.quantiser, c.row), c.col, c.width,
            RowAt(args.bytes.data, args.bytes.stride, c.row) + c.col);
  }
};

// A chunk is a word of the planes. A window takes longer to make than a word,
// so the last one is kept.
struct SignSink {
  const EpilogueArgs& args;
  size_t group = ~size_t{0};
  SignQuantiser quantiser{};

  HWY_INLINE size_t Width(size_t n, size_t rest) const {
    const size_t size = args.codes.group;
    return HWY_MIN(HWY_MIN(kChunk, size - n % size), rest);
  }
  void Put(const Chunk& c) {
    const CodePlanes& p = args.codes;
    if (c.col / p.group != group) {
      group = c.col / p.group;
      quantiser = MakeSignQuantiser(args.a, args.z, group);
    }
    const size_t word = c.row * p.row_words + group * GroupWords(p.group) +
                        c.col % p.group / 64;
    const CodeBits bits = WordCodes(FloatRow{c.y}, 0, c.width, quantiser);
    p.sign[word] = bits.sign;
    p.valid[word] = bits.valid;
    p.valid_count[c.row] += static_cast<int32_t>(hwy::PopCount(bits.valid));
  }
};

template <bool kInteger, class Sink>
void ChunkRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  HWY_ALIGN float y[kChunk];
  for (size_t i = 0; i < kChunk; ++i) y[i] = 0;
  Sink sink{args};
  for (size_t r = 0; r < s.rows; ++r) {
    const size_t row = s.row + r;
    const char* acc = RowAt<char>(s.strip, s.stride, r);
    for (size_t j = 0; j < s.cols;) {
      const size_t width = sink.Width(s.col + j, s.cols - j);
      const Chunk chunk{args, row, s.col + j, width, y};
      FinishChunk<kInteger>(chunk, acc + j * sizeof(float));
      sink.Put(chunk);
      j += width;
    }
  }
}

template <bool kInteger>
void FloatKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const bool plain = args.step_count == 0 && args.lane_sums == nullptr &&
                     args.correction == nullptr && args.row_term == nullptr &&
                     args.row_scale == nullptr;
  if (plain && (kInteger || args.scale == nullptr)) {
    HotFloatKind<kInteger>(args, s);
  } else {
    ChunkRows<kInteger, FloatSink>(args, s);
  }
}

template <bool kInteger>
void ByteKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  const ByteQuantiser& q = args.quantiser;
  if (q.per == ScalePer::kColumn) {
    q.multiply ? ChunkRows<kInteger, ByteSink<ColumnBytes<true>>>(args, s)
               : ChunkRows<kInteger, ByteSink<ColumnBytes<false>>>(args, s);
  } else {
    q.multiply ? ChunkRows<kInteger, ByteSink<UniformBytes<true>>>(args, s)
               : ChunkRows<kInteger, ByteSink<UniformBytes<false>>>(args, s);
  }
}

template <bool kInteger>
void SignKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  ChunkRows<kInteger, SignSink>(args, s);
}

}  // namespace

const EpilogueKernel* EpilogueFloatHwyKernels() {
  static constexpr EpilogueKernel kKernels[] = {
      {"scale_f32/hwy", EpilogueKind::kScaleF32, &FloatKind<true>, false},
      {"float_f32/hwy", EpilogueKind::kFloatF32, &FloatKind<false>, false},
      {"scale_bytes/hwy", EpilogueKind::kScaleBytes, &ByteKind<true>, false},
      {"float_bytes/hwy", EpilogueKind::kFloatBytes, &ByteKind<false>, false},
      {"scale_sign/hwy", EpilogueKind::kScaleSign, &SignKind<true>, false},
      {"float_sign/hwy", EpilogueKind::kFloatSign, &SignKind<false>, false},
  };
  return kKernels;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(EpilogueFloatHwyKernels);

std::span<const EpilogueKernel> EpilogueFloatHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(EpilogueFloatHwyKernels, cpu)(), 6};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
