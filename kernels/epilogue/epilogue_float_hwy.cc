// Epilogues that finish a float per element, for every Highway target: kinds
// scale_* and float_* of epilogue.h on a strip that lies in L1. Stored floats,
// with or without their signs, and bytes go through the operations in
// registers, a few rows of 16 channels at a time, so that each operation is
// chosen once for all of them (Tile); signs alone and ends of rows go 64
// channels at a time through a buffer that stays in L1, one short loop for each
// operation (Chunk). Either way the operations add up instead of multiplying.
// Measured on Zen 5: RPReLU behind a residual in 0.13 ns an element by tiles,
// 0.5 by chunks.
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
// --- Tiles: kTileRows rows x 16 channels in registers.
constexpr size_t kTileRows = kVecs >= 4 ? 2 : 8 / kVecs;

// No struct: g++ gives the constructor of one that holds vectors no target.
using Tile = VF[kTileRows][kVecs];

// Bytes from a row to the same one of the strip that follows. It is asked for
// while this one is finished, before the next product: rows far apart are more
// streams than a CPU's own prefetchers follow, and a store to a line that is
// not there holds up the stores behind it (Q-DETR's R50 at 800 x 1066, up to 54
// MB a layer, `fast8`: 350 -> 321 ms).
struct TileAhead {
  ptrdiff_t residual, out, bytes;
};

// Which rows and channels a tile is. Past the end of the strip the last row
// stands in: what is computed twice is stored twice, the same.
struct TilePlace {
  // Where its rows begin: in the strip; of the others, channel 0.
  const char* strip[kTileRows];
  const float* residual[kTileRows];
  float* out[kTileRows];
  uint8_t* bytes[kTileRows];
  size_t row[kTileRows];  // of the product
  size_t real;            // rows that are no stand-ins
  size_t n;               // first channel
  size_t j;               // in the strip
  TileAhead ahead;
};

template <class Op>
HWY_INLINE void ForTile(Tile& t, const Op& op) {
  for (size_t i = 0; i < kTileRows; ++i) {
    for (size_t v = 0; v < kVecs; ++v) t[i][v] = op(t[i][v], i, v);
  }
}

template <class Op>
HWY_INLINE void TileWithArray(Tile& t, const float* values, const Op& op) {
  VF x[kVecs];
  for (size_t v = 0; v < kVecs; ++v)
    x[v] = hn::LoadU(DF(), values + v * kLanes);
  ForTile(t, [&](VF y, size_t, size_t v) HWY_ATTR { return op(y, x[v]); });
}

HWY_INLINE void TileResidual(const TilePlace& at, Tile& t) {
  ForTile(t, [&](VF y, size_t i, size_t v) HWY_ATTR {
    const float* row = at.residual[i] + at.n;
    if (v == 0) __builtin_prefetch(RowAt<char>(row, at.ahead.residual, 1));
    return hn::Add(hn::LoadU(DF(), row + v * kLanes), y);
  });
}

HWY_INLINE void TileIntegers(const EpilogueArgs& args, const TilePlace& at,
                             Tile& t) {
  const DF d;
  const DI di;
  VI x[kTileRows][kVecs];
  for (size_t i = 0; i < kTileRows; ++i) {
    const auto* acc = reinterpret_cast<const int32_t*>(at.strip[i]) + at.j;
    for (size_t v = 0; v < kVecs; ++v)
      x[i][v] = hn::LoadU(di, acc + v * kLanes);
  }
  if (args.correction != nullptr) {
    for (size_t v = 0; v < kVecs; ++v) {
      const VI c = hn::LoadU(di, args.correction + at.n + v * kLanes);
      for (size_t i = 0; i < kTileRows; ++i) x[i][v] = hn::Add(x[i][v], c);
    }
  }
  if (args.row_term != nullptr) {
    for (size_t v = 0; v < kVecs; ++v) {
      const VI term = hn::LoadU(di, args.column_term + at.n + v * kLanes);
      for (size_t i = 0; i < kTileRows; ++i) {
        x[i][v] = hn::Add(x[i][v],
                          hn::Mul(hn::Set(di, args.row_term[at.row[i]]), term));
      }
    }
  }
  ForTile(t, [&](VF, size_t i, size_t v)
                 HWY_ATTR { return hn::ConvertTo(d, x[i][v]); });
  if (args.row_scale == nullptr)
    return TileWithArray(t, args.scale + at.n, MulOp());
  for (size_t v = 0; v < kVecs; ++v) {
    const VF scale = hn::LoadU(d, args.scale + at.n + v * kLanes);
    for (size_t i = 0; i < kTileRows; ++i) {
      t[i][v] = hn::Mul(t[i][v],
                        hn::Mul(scale, hn::Set(d, args.row_scale[at.row[i]])));
    }
  }
}

HWY_INLINE void TileFloats(const EpilogueArgs& args, const TilePlace& at,
                           Tile& t) {
  const DF d;
  ForTile(t, [&](VF, size_t i, size_t v) HWY_ATTR {
    return hn::LoadU(
        d, reinterpret_cast<const float*>(at.strip[i]) + at.j + v * kLanes);
  });
  if (args.scale != nullptr) TileWithArray(t, args.scale + at.n, MulOp());
}

HWY_INLINE void TileStep(const EpilogueStep& step, const TilePlace& at,
                         Tile& t) {
  switch (step.kind) {
    case EpilogueStep::Kind::kMul:
      return TileWithArray(t, step.values + at.n, MulOp());
    case EpilogueStep::Kind::kAdd:
      return TileWithArray(t, step.values + at.n, AddOp());
    case EpilogueStep::Kind::kPRelu:
      return TileWithArray(t, step.values + at.n, PReluOp());
    case EpilogueStep::Kind::kResidual:
      return TileResidual(at, t);
    case EpilogueStep::Kind::kRelu:
      return ForTile(t, [](VF y, size_t, size_t) HWY_ATTR { return Relu(y); });
    case EpilogueStep::Kind::kClip: {
      const ClipOp clip{step.lo, step.hi};
      return ForTile(t, [&](VF y, size_t, size_t) HWY_ATTR { return clip(y); });
    }
    case EpilogueStep::Kind::kGelu:
      return ForTile(t, [](VF y, size_t, size_t) HWY_ATTR { return Gelu(y); });
  }
}

// A copy for loops over the real rows: were the tile itself indexed by what is
// known only then, it would lie in memory, stored anew by every step.
using TileCopy = float[kTileRows * kBlock];

HWY_INLINE void StoreTile(const Tile& t, TileCopy& copy) {
  for (size_t i = 0; i < kTileRows; ++i) {
    for (size_t v = 0; v < kVecs; ++v)
      hn::Store(t[i][v], DF(), copy + i * kBlock + v * kLanes);
  }
}

// Sixteen bits of each plane; the first of a word clears it.
HWY_INLINE void TileSigns(const EpilogueArgs& args, const TilePlace& at,
                          Tile& t) {
  const DF d;
  const VF zero = hn::Zero(d);
  const CodePlanes& p = args.codes;
  if (args.sign_shift != nullptr)
    TileWithArray(t, args.sign_shift + at.n, AddOp());
  HWY_ALIGN TileCopy copy;
  StoreTile(t, copy);
  for (size_t i = 0; i < at.real; ++i) {
    MF above[kVecs], below[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      const VF y = hn::Load(d, copy + i * kBlock + v * kLanes);
      above[v] = hn::Gt(y, zero);
      below[v] = hn::Lt(y, zero);
    }
    const uint64_t sign = BlockBits(above), valid = sign | BlockBits(below);
    const size_t word = at.row[i] * p.row_words + at.n / 64, shift = at.n % 64;
    p.sign[word] = (shift == 0 ? 0 : p.sign[word]) | sign << shift;
    p.valid[word] = (shift == 0 ? 0 : p.valid[word]) | valid << shift;
    p.valid_count[at.row[i]] += static_cast<int32_t>(hwy::PopCount(valid));
  }
}

// The tile is one block, so vector v of a row belongs to virtual lanes v *
// kLanes on.
HWY_INLINE void TileLanes(const EpilogueArgs& args, const TilePlace& at,
                          const Tile& t) {
  const DF d;
  HWY_ALIGN TileCopy copy;
  StoreTile(t, copy);
  for (size_t i = 0; i < at.real; ++i) {
    float* lanes = args.lane_sums + at.row[i] * kBlock;
    const float* y = copy + i * kBlock;
    for (size_t v = 0; v < kVecs; ++v, lanes += kLanes, y += kLanes)
      hn::StoreU(hn::Add(hn::LoadU(d, lanes), hn::Load(d, y)), d, lanes);
  }
}

// Codes of the quantiser, whose scale is one for the tensor or the column.
HWY_INLINE void TileBytes(const EpilogueArgs& args, const TilePlace& at,
                          const Tile& t) {
  const DF d;
  const ByteQuantiser& q = args.quantiser;
  const bool column = q.per == ScalePer::kColumn;
  const auto load = [&](const float* values, size_t v) HWY_ATTR {
    return column ? hn::LoadU(d, values + at.n + v * kLanes)
                  : hn::Set(d, *values);
  };
  const ByteStore store = MakeRoundedStore(q);
  VI codes[kTileRows][kVecs];
  for (size_t v = 0; v < kVecs; ++v) {
    const VF scale = load(q.scale, v);
    const ByteRounding rounding =
        MakeByteRounding(q, q.zero != nullptr ? load(q.zero, v) : hn::Zero(d));
    for (size_t i = 0; i < kTileRows; ++i) {
      codes[i][v] = rounding(q.multiply ? hn::Mul(t[i][v], scale)
                                        : hn::Div(t[i][v], scale));
    }
  }
  for (size_t i = 0; i < kTileRows; ++i) {
    uint8_t* out = at.bytes[i] + at.n;
    if (at.n % 64 == 0) __builtin_prefetch(out + at.ahead.bytes, 1);
    store(codes[i], out);
  }
}

template <bool kInteger>
HWY_INLINE void FinishTile(const EpilogueArgs& args, const TilePlace& at) {
  Tile t;
  kInteger ? TileIntegers(args, at, t) : TileFloats(args, at, t);
  if (args.bias != nullptr) TileWithArray(t, args.bias + at.n, AddOp());
  bool residual_added = args.residual == nullptr;
  for (size_t i = 0; i < args.step_count; ++i) {
    residual_added |= args.steps[i].kind == EpilogueStep::Kind::kResidual;
    TileStep(args.steps[i], at, t);
  }
  if (!residual_added) TileResidual(at, t);
  if (args.bytes.data != nullptr) return TileBytes(args, at, t);
  const bool fresh = args.out_f32 != args.residual;
  for (size_t i = 0; i < kTileRows; ++i) {
    float* out = at.out[i] + at.n;
    if (fresh) __builtin_prefetch(RowAt(out, at.ahead.out, 1), 1);
    for (size_t v = 0; v < kVecs; ++v)
      hn::StoreU(Canonical(t[i][v]), DF(), out + v * kLanes);
  }
  if (args.lane_sums != nullptr) TileLanes(args, at, t);
  if (args.codes.sign != nullptr) TileSigns(args, at, t);
}

// What most linear layers want, fl(acc * scale) [+ bias] [+ residual], row by
// row with the lane sums in registers: a third of a tile's time.
bool IsPlain(const EpilogueArgs& args) {
  return args.correction == nullptr && args.row_term == nullptr &&
         args.row_scale == nullptr && args.step_count == 0 &&
         args.codes.sign == nullptr && args.bytes.data == nullptr;
}

template <bool kBias, bool kResidual>
void PlainRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  const DF d;
  const size_t cols = s.cols / kBlock * kBlock;
  const float* HWY_RESTRICT scale = args.scale + s.col;
  const float* HWY_RESTRICT bias = kBias ? args.bias + s.col : nullptr;
  for (size_t r = 0; r < s.rows; ++r) {
    const size_t row = s.row + r;
    const int32_t* HWY_RESTRICT acc = RowAt<int32_t>(s.strip, s.stride, r);
    // May be the output itself.
    const float* residual =
        kResidual
            ? RowAt<float>(args.residual, args.residual_stride, row) + s.col
            : nullptr;
    float* out = RowAt(args.out_f32, args.out_stride, row) + s.col;
    float* lanes =
        args.lane_sums != nullptr ? args.lane_sums + row * kBlock : nullptr;
    LaneSum sum;
    if (lanes != nullptr) sum = LoadLanes(lanes);
    for (size_t j = 0; j < cols; j += kBlock) {
      for (size_t v = 0; v < kVecs; ++v) {
        const size_t n = j + v * kLanes;
        VF y = hn::Mul(hn::ConvertTo(d, hn::LoadU(DI(), acc + n)),
                       hn::LoadU(d, scale + n));
        if constexpr (kBias) y = hn::Add(y, hn::LoadU(d, bias + n));
        if constexpr (kResidual) y = hn::Add(hn::LoadU(d, residual + n), y);
        hn::StoreU(Canonical(y), d, out + n);
        sum.lane[v] = hn::Add(sum.lane[v], y);
      }
    }
    for (size_t v = 0; v < kVecs && lanes != nullptr; ++v)
      hn::StoreU(sum.lane[v], d, lanes + v * kLanes);
  }
}

void Plain(const EpilogueArgs& args, const EpilogueStrip& s) {
  if (args.bias == nullptr) {
    args.residual == nullptr ? PlainRows<false, false>(args, s)
                             : PlainRows<false, true>(args, s);
  } else {
    args.residual == nullptr ? PlainRows<true, false>(args, s)
                             : PlainRows<true, true>(args, s);
  }
}

template <class T>
HWY_INLINE T* RowIfAny(T* base, ptrdiff_t stride, size_t row) {
  return base == nullptr ? nullptr
                         : const_cast<T*>(RowAt<T>(
                               static_cast<const void*>(base), stride, row));
}

// All columns of a strip that fill tiles: bytes where args has them, else
// floats.
template <bool kInteger>
HWY_NOINLINE void TileRows(const EpilogueArgs& args, const EpilogueStrip& s) {
  TilePlace at;
  const auto rows = static_cast<ptrdiff_t>(s.rows);
  at.ahead = {rows * args.residual_stride, rows * args.out_stride,
              rows * args.bytes.stride};
  for (size_t r = 0; r < s.rows; r += kTileRows) {
    at.real = HWY_MIN(kTileRows, s.rows - r);
    for (size_t i = 0; i < kTileRows; ++i) {
      const size_t row = HWY_MIN(r + i, s.rows - 1);
      at.row[i] = s.row + row;
      at.strip[i] = RowAt<char>(s.strip, s.stride, row);
      at.residual[i] = RowIfAny(args.residual, args.residual_stride, at.row[i]);
      at.out[i] = RowIfAny(args.out_f32, args.out_stride, at.row[i]);
      at.bytes[i] = RowIfAny(args.bytes.data, args.bytes.stride, at.row[i]);
    }
    for (at.j = 0; at.j + kBlock <= s.cols; at.j += kBlock) {
      at.n = s.col + at.j;
      FinishTile<kInteger>(args, at);
    }
  }
}

// --- Chunks.
constexpr size_t kChunk = 64;     // floats: at most a word of output planes
constexpr size_t kChunkRows = 4;  // so that their chains of operations overlap

// Channels [col, col + width) of rows [row, row + rows) of the product, width
// <= kChunk, rows <= kChunkRows. The last vector of a row may go past the
// width: its lanes there hold anything.
struct Chunk {
  const EpilogueArgs& args;
  size_t row, rows, col, width;
  float* y;  // [kChunkRows][kChunk], aligned

  float* Row(size_t r) const { return y + r * kChunk; }
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

// y[r][i] = op(y[r][i], values[i]), the values a row further every `stride`
// bytes.
template <class Op>
HWY_INLINE void WithArray(const Chunk& c, const float* values, const Op& op,
                          ptrdiff_t stride = 0) {
  const DF d;
  for (size_t r = 0; r < c.rows; ++r) {
    const float* row = RowAt<float>(values, stride, r);
    float* y = c.Row(r);
    for (size_t i = 0; i < c.width; i += kLanes) {
      const VF value = LoadFloats(row + i, c.width - i);
      hn::Store(op(hn::Load(d, y + i), value), d, y + i);
    }
  }
}

template <class Op>
HWY_INLINE void Alone(const Chunk& c, const Op& op) {
  const DF d;
  for (size_t r = 0; r < c.rows; ++r) {
    float* y = c.Row(r);
    for (size_t i = 0; i < c.width; i += kLanes)
      hn::Store(op(hn::Load(d, y + i)), d, y + i);
  }
}

HWY_INLINE void AddResidual(const Chunk& c) {
  const float* row =
      RowAt<float>(c.args.residual, c.args.residual_stride, c.row);
  WithArray(c, row + c.col, AddOp(), c.args.residual_stride);
}

// fl(float(acc') * scale), with the corrections of acc', then the bias.
void ConvertIntegers(const Chunk& c, size_t r, const int32_t* acc) {
  const DF d;
  const DI di;
  // Copies: the compiler would read the members again after every store.
  const EpilogueArgs& args = c.args;
  const size_t row = c.row + r, width = c.width, first = c.col;
  const int32_t *correction = args.correction, *term = args.column_term;
  const float *scales = args.scale, *bias = args.bias;
  float* HWY_RESTRICT y = c.Row(r);
  const bool has_term = args.row_term != nullptr;
  const VI row_term = hn::Set(di, has_term ? args.row_term[row] : 0);
  const VF row_scale =
      hn::Set(d, args.row_scale != nullptr ? args.row_scale[row] : 1.0f);
  for (size_t i = 0; i < width; i += kLanes) {
    const size_t rest = width - i, n = first + i;
    VI x = LoadIntegers(acc + i, rest);
    if (correction != nullptr)
      x = hn::Add(x, LoadIntegers(correction + n, rest));
    if (has_term)
      x = hn::Add(x, hn::Mul(row_term, LoadIntegers(term + n, rest)));
    // Multiplying by a row scale of 1 changes nothing.
    const VF scale = hn::Mul(LoadFloats(scales + n, rest), row_scale);
    VF value = hn::Mul(hn::ConvertTo(d, x), scale);
    if (bias != nullptr) value = hn::Add(value, LoadFloats(bias + n, rest));
    hn::Store(value, d, y + i);
  }
}

void CopyFloats(const Chunk& c, size_t r, const float* acc) {
  const EpilogueArgs& args = c.args;
  for (size_t i = 0; i < c.width; i += kLanes) {
    const size_t rest = c.width - i, n = c.col + i;
    VF y = LoadFloats(acc + i, rest);
    if (args.scale != nullptr) y = hn::Mul(y, LoadFloats(args.scale + n, rest));
    if (args.bias != nullptr) y = hn::Add(y, LoadFloats(args.bias + n, rest));
    hn::Store(y, DF(), c.Row(r) + i);
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

// acc: the strip's element of the chunk's first channel and row. Not inlined:
// once for each kind of strip is enough, and inlined into every sink it makes
// the library half as big again.
template <bool kInteger>
HWY_NOINLINE void FinishChunk(const Chunk& c, const void* acc,
                              ptrdiff_t stride) {
  for (size_t r = 0; r < c.rows; ++r) {
    if constexpr (kInteger) {
      ConvertIntegers(c, r, RowAt<int32_t>(acc, stride, r));
    } else {
      CopyFloats(c, r, RowAt<float>(acc, stride, r));
    }
  }
  const EpilogueArgs& args = c.args;
  bool residual_added = args.residual == nullptr;
  for (size_t i = 0; i < args.step_count; ++i) {
    residual_added |= args.steps[i].kind == EpilogueStep::Kind::kResidual;
    ApplyStep(c, args.steps[i]);
  }
  if (!residual_added) AddResidual(c);
}

HWY_INLINE void StoreWord(const CodePlanes& p, size_t row, size_t word,
                          const CodeBits& bits) {
  p.sign[row * p.row_words + word] = bits.sign;
  p.valid[row * p.row_words + word] = bits.valid;
  p.valid_count[row] += static_cast<int32_t>(hwy::PopCount(bits.valid));
}

// Where the chunks of a strip go. Width: of the chunk at channel n, `rest`
// channels before the end of the strip.
struct FloatSink {
  const EpilogueArgs& args;

  HWY_INLINE size_t Width(size_t, size_t rest) const {
    return HWY_MIN(kChunk, rest);
  }
  void Put(const Chunk& c) {
    for (size_t r = 0; r < c.rows; ++r) PutRow(c, r);
    if (args.codes.sign != nullptr) PutSigns(c);
  }
  void PutRow(const Chunk& c, size_t r) const {
    const DF d;
    float* y = c.Row(r);
    float* HWY_RESTRICT out =
        RowAt(args.out_f32, args.out_stride, c.row + r) + c.col;
    size_t i = 0;
    for (; i + kLanes <= c.width; i += kLanes)
      hn::StoreU(Canonical(hn::Load(d, y + i)), d, out + i);
    if (i < c.width) {
      hn::Store(Canonical(hn::Load(d, y + i)), d, y + i);
      memcpy(out + i, y + i, (c.width - i) * sizeof(float));
    }
    if (args.lane_sums != nullptr) AddLanes(c, r);
  }
  // The chunk is a word of the planes.
  void PutSigns(const Chunk& c) const {
    if (args.sign_shift != nullptr)
      WithArray(c, args.sign_shift + c.col, AddOp());
    for (size_t r = 0; r < c.rows; ++r) {
      StoreWord(args.codes, c.row + r, c.col / 64,
                WordCodes(FloatRow{c.Row(r)}, 0, c.width, SignQuantiser{}));
    }
  }
  // Strips and chunks start at multiples of 16, so element i of the chunk is of
  // lane i mod 16.
  void AddLanes(const Chunk& c, size_t r) const {
    const DF d;
    float* lanes = args.lane_sums + (c.row + r) * kBlock;
    LaneSum sum = LoadLanes(lanes);
    for (size_t i = 0; i < c.width; i += kBlock) {
      const size_t rest = c.width - i;
      for (size_t v = 0; v < kVecs; ++v) {
        const VF y = hn::Load(d, c.Row(r) + i + v * kLanes);
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
  HWY_INLINE void PutRow(const Chunk& c, size_t r, const Bytes& bytes) const {
    ByteRow(FloatRow{c.Row(r)}, bytes, c.col, c.width,
            RowAt(args.bytes.data, args.bytes.stride, c.row + r) + c.col);
  }
  void Put(const Chunk& c) {
    const ByteQuantiser& q = args.quantiser;
    if (q.per == ScalePer::kRow) {
      for (size_t r = 0; r < c.rows; ++r) PutRow(c, r, Bytes(q, c.row + r));
    } else {
      const Bytes bytes(q, c.row);
      for (size_t r = 0; r < c.rows; ++r) PutRow(c, r, bytes);
    }
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
    for (size_t r = 0; r < c.rows; ++r) {
      StoreWord(p, c.row + r,
                group * GroupWords(p.group) + c.col % p.group / 64,
                WordCodes(FloatRow{c.Row(r)}, 0, c.width, quantiser));
    }
  }
};

// The operations up to the sink come as a pointer: two kinds of strips share
// the code of their sinks.
using ChunkFn = void (*)(const Chunk& c, const void* acc, ptrdiff_t stride);

template <class Sink>
HWY_NOINLINE void ChunkRows(const EpilogueArgs& args, const EpilogueStrip& s,
                            ChunkFn finish) {
  HWY_ALIGN float y[kChunkRows * kChunk];
  for (float& value : y) value = 0;
  Sink sink{args};
  for (size_t r = 0; r < s.rows; r += kChunkRows) {
    const size_t rows = HWY_MIN(kChunkRows, s.rows - r);
    const char* acc = RowAt<char>(s.strip, s.stride, r);
    for (size_t j = 0; j < s.cols;) {
      const size_t width = sink.Width(s.col + j, s.cols - j);
      const Chunk chunk{args, s.row + r, rows, s.col + j, width, y};
      finish(chunk, acc + j * sizeof(float), s.stride);
      sink.Put(chunk);
      j += width;
    }
  }
}

// Finishes the columns that fill tiles; returns the others.
template <bool kInteger>
EpilogueStrip TakeTiles(const EpilogueArgs& args, const EpilogueStrip& s) {
  kInteger&& IsPlain(args) ? Plain(args, s) : TileRows<kInteger>(args, s);
  const size_t done = s.cols / kBlock * kBlock;
  return {static_cast<const char*>(s.strip) + done * sizeof(float),
          s.stride,
          s.row,
          s.rows,
          s.col + done,
          s.cols - done};
}

template <bool kInteger>
void FloatKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  // A word of signs is written by tiles or by a chunk.
  if (args.codes.sign != nullptr && s.cols % kBlock != 0)
    return ChunkRows<FloatSink>(args, s, &FinishChunk<kInteger>);
  const EpilogueStrip rest = TakeTiles<kInteger>(args, s);
  if (rest.cols != 0) ChunkRows<FloatSink>(args, rest, &FinishChunk<kInteger>);
}

template <bool kInteger>
void ByteKind(const EpilogueArgs& args, const EpilogueStrip& strip) noexcept {
  const ByteQuantiser& q = args.quantiser;
  EpilogueStrip s = strip;
  if (q.per != ScalePer::kRow) {
    s = TakeTiles<kInteger>(args, s);
    if (s.cols == 0) return;
  }
  const ChunkFn finish = &FinishChunk<kInteger>;
  if (q.per == ScalePer::kColumn) {
    q.multiply ? ChunkRows<ByteSink<ColumnBytes<true>>>(args, s, finish)
               : ChunkRows<ByteSink<ColumnBytes<false>>>(args, s, finish);
  } else {
    q.multiply ? ChunkRows<ByteSink<UniformBytes<true>>>(args, s, finish)
               : ChunkRows<ByteSink<UniformBytes<false>>>(args, s, finish);
  }
}

template <bool kInteger>
void SignKind(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  ChunkRows<SignSink>(args, s, &FinishChunk<kInteger>);
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
