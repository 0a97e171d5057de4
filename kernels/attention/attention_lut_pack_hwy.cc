// Packing of a head for the look-up kernel (layout: attention_lut.h): k through
// byte transposes of 16 keys x 64 columns, v by spreading the bits of four keys
// over the bytes of the columns.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_lut_pack_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention_lut-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
namespace {

using D16x8 = hn::CappedTag<uint8_t, 16>;

// Word `w` of head h of each row of a plane; rows are `stride` words apart.
struct WordColumn {
  const uint64_t* words;
  size_t stride;

  HWY_INLINE uint64_t At(size_t row) const { return words[row * stride]; }
};

WordColumn ColumnOf(const CodePlanes& p, const uint64_t* plane, size_t h,
                    size_t w) {
  return {plane + h * GroupWords(p.group) + w, p.row_words};
}

// One of four perfect shuffles that turn [16 keys][8 bytes] into [8 bytes][16
// keys]: each moves the highest bit of a byte's index to the bottom.
HWY_INLINE void ShuffleBytes(const uint8_t* HWY_RESTRICT in,
                             uint8_t* HWY_RESTRICT out) {
  const D16x8 d;
  for (size_t i = 0; i < 64; i += 16) {
    const auto a = hn::Load(d, in + i), b = hn::Load(d, in + 64 + i);
    hn::Store(hn::InterleaveLower(d, a, b), d, out + 2 * i);
    hn::Store(hn::InterleaveUpper(d, a, b), d, out + 2 * i + 16);
  }
}

// Bytes of 16 keys -> the nibbles of up to 16 groups; `out` is at lane 0 of
// them in the first group.
HWY_INLINE void StoreNibbles(const uint8_t* HWY_RESTRICT bytes, size_t groups,
                             size_t lanes, uint8_t* HWY_RESTRICT out) {
  const D16x8 d;
  const hn::RepartitionToWide<D16x8> d16;
  const auto low = hn::Set(d, 15);
  for (size_t g = 0; g < groups; g += 2) {
    const auto x = hn::Load(d, bytes + g * 8);
    hn::StoreU(hn::And(x, low), d, out + g * lanes);
    if (g + 1 == groups) break;
    const auto high = hn::ShiftRight<4>(hn::BitCast(d16, x));
    hn::StoreU(hn::And(hn::BitCast(d, high), low), d, out + (g + 1) * lanes);
  }
}

// A word of each row as it is packed: the signs, those of the negated codes, or
// the zeros.
enum class Bits { kSign, kNegated, kZero };
struct PackedWords {
  WordColumn sign, valid;
  Bits bits;

  HWY_INLINE uint64_t At(size_t row) const {
    if (bits == Bits::kSign) return sign.At(row);
    return bits == Bits::kZero ? ~valid.At(row) : valid.At(row) & ~sign.At(row);
  }
};

PackedWords WordsOf(const CodePlanes& p, size_t h, size_t w, Bits bits) {
  return {ColumnOf(p, p.sign, h, w), ColumnOf(p, p.valid, h, w), bits};
}

// Word w of all keys -> groups [16 w, 16 w + 16) of `out`.
void PackKeyWord(const PackedWords& in, size_t keys, size_t w,
                 const LutMatrix& m, uint8_t* out) {
  HWY_ALIGN uint64_t words[16];
  HWY_ALIGN uint64_t shuffled[16];
  auto* a = reinterpret_cast<uint8_t*>(words);
  auto* b = reinterpret_cast<uint8_t*>(shuffled);
  const size_t groups = HWY_MIN(size_t{16}, m.groups - 16 * w);
  for (size_t lane = 0; lane < m.lanes; lane += 16) {
    const size_t first = lane / kBytes * kBytes;
    for (size_t i = 0; i < 16; ++i) {
      const size_t key = first + KeyOfByte(kBytes, lane % kBytes + i);
      words[i] = key < keys ? in.At(key) : 0;
    }
    ShuffleBytes(a, b);
    ShuffleBytes(b, a);
    ShuffleBytes(a, b);
    ShuffleBytes(b, a);
    StoreNibbles(a, groups, m.lanes, out + 16 * w * m.lanes + lane);
  }
}

// Columns [64 w, 64 w + 64) of all keys -> their lanes of `out`. Keys past the
// last repeat it: the states there are zero.
void PackValueWord(const PackedWords& in, size_t keys, size_t w,
                   const LutMatrix& m, uint8_t* out) {
  const DB d;
  const hn::Repartition<uint64_t, DB> d64;
  HWY_ALIGN uint8_t index[kBytes], bit[kBytes];
  for (size_t i = 0; i < kBytes; ++i) {
    index[i] = static_cast<uint8_t>(i / 8);
    bit[i] = static_cast<uint8_t>(1u << i % 8);
  }
  const auto spread = hn::Load(d, index), mask = hn::Load(d, bit);
  const size_t end = HWY_MIN(m.lanes, 64 * (w + 1));
  for (size_t g = 0; g < m.groups; ++g) {
    uint64_t words[4];
    for (size_t e = 0; e < 4; ++e)
      words[e] = in.At(HWY_MIN(4 * g + e, keys - 1));
    for (size_t lane = 64 * w; lane < end; lane += kBytes) {
      VB nibbles = hn::Zero(d);
      for (size_t e = 0; e < 4; ++e) {
        const auto all = hn::Set(d64, words[e] >> lane % 64);
        const VB x =
            hn::And(hn::TableLookupBytes(hn::BitCast(d, all), spread), mask);
        const VB one = hn::Set(d, static_cast<uint8_t>(1u << e));
        nibbles =
            hn::Or(nibbles, hn::And(hn::VecFromMask(d, hn::Eq(x, mask)), one));
      }
      hn::Store(nibbles, d, out + g * m.lanes + lane);
    }
  }
}

bool Dense(const CodePlanes& p, size_t h) {
  const size_t words = GroupWords(p.group);
  size_t count = 0;
  for (size_t r = 0; r < p.rows; ++r) {
    for (size_t w = 0; w < words; ++w)
      count += hwy::PopCount(p.valid[r * p.row_words + h * words + w]);
  }
  return count == p.rows * p.group;
}

// Sum and positive codes of key j of k as packed.
struct KeySums {
  int32_t sum, positive;
};

KeySums SumsOf(const AttentionArgs& args, size_t h, size_t j) {
  const size_t words = GroupWords(args.head_dim);
  const size_t at = j * args.k.row_words + h * words;
  int32_t positive = 0, valid = 0;
  for (size_t w = at; w < at + words; ++w) {
    positive += static_cast<int32_t>(hwy::PopCount(args.k.sign[w]));
    valid += static_cast<int32_t>(hwy::PopCount(args.k.valid[w]));
  }
  if (args.head[h].score_scale < 0) positive = valid - positive;
  return {2 * positive - valid, positive};
}

// What the zero point of q adds to the products with each key.
void FillBiases(const AttentionArgs& args, size_t h, const LutBlock& b) {
  const int32_t zq = args.head[h].zq;
  const size_t keys = args.k.rows;
  memset(b.dot_bias, 0, b.k.lanes);
  memset(b.match_bias, 0, b.k.lanes);
  memset(b.key_base, 0, b.k.lanes * sizeof(int32_t));
  LutHeadFacts& facts = *b.facts;
  facts.dot_fits = facts.match_fits = 1;
  facts.dot_least = facts.match_least = 0;
  if (zq == 0) return;
  int32_t dot_most = INT32_MIN, match_most = INT32_MIN;
  facts.dot_least = facts.match_least = INT32_MAX;
  for (size_t j = 0; j < keys; ++j) {
    const KeySums key = SumsOf(args, h, j);
    b.key_base[j] = -zq * key.sum;
    facts.dot_least = HWY_MIN(facts.dot_least, -zq * key.sum);
    facts.match_least = HWY_MIN(facts.match_least, -zq * key.positive);
    dot_most = HWY_MAX(dot_most, -zq * key.sum);
    match_most = HWY_MAX(match_most, -zq * key.positive);
  }
  const auto dim = static_cast<int32_t>(args.head_dim);
  const int32_t dot_raw = 4 * static_cast<int32_t>(b.k.groups) + dim;
  facts.dot_fits = dot_most - facts.dot_least <= 255 - dot_raw;
  facts.match_fits = match_most - facts.match_least <= 255 - dim;
  for (size_t lane = 0; lane < b.k.lanes; ++lane) {
    const size_t key =
        lane / kBytes * kBytes + KeyOfByte(kBytes, lane % kBytes);
    if (key >= keys) continue;
    const KeySums sums = SumsOf(args, h, key);
    b.dot_bias[lane] = static_cast<uint8_t>(-zq * sums.sum - facts.dot_least);
    b.match_bias[lane] =
        static_cast<uint8_t>(-zq * sums.positive - facts.match_least);
  }
}

// The sum of a column of v is its product with a row of +1.
void FillOutBases(const AttentionArgs& args, size_t h, const LutBlock& b) {
  constexpr uint16_t kOnes = 0x0FF0;
  const AttentionHead& head = args.head[h];
  const size_t keys = args.k.rows;
  const LutScale scale = ScaleOf(b.v.dense, keys);
  uint16_t states[kLutGroups];
  HWY_ALIGN uint8_t raw[kLutRows * RoundUp(kLutMaxDim, 64)];
  for (size_t d = 0; d < b.v.lanes; ++d) b.out_base[d] = -scale.offset;
  for (size_t first = 0; first < b.v.groups; first += kLutGroups) {
    const LutMatrix part = GroupsOf(b.v, first, kLutGroups);
    for (size_t g = 0; g < part.groups; ++g) states[g] = kOnes;
    if (first + part.groups == b.v.groups) {
      const size_t missing = 4 * b.v.groups - keys;
      states[part.groups - 1] = (0xF00u >> missing & 0xF00u) | 0xF0u;
    }
    LutProduct({states, 0}, part, scale.table, nullptr, raw);
    for (size_t d = 0; d < b.v.lanes; ++d) b.out_base[d] += scale.unit * raw[d];
  }
  const int32_t offset = static_cast<int32_t>(keys) * head.zp * head.zv;
  for (size_t d = 0; d < b.v.lanes; ++d)
    b.out_base[d] = offset - head.zp * b.out_base[d];
}

}  // namespace

void PackLutBlock(const AttentionArgs& args, size_t h, void* data) noexcept {
  const size_t keys = args.k.rows, dim = args.head_dim;
  LutBlock b = ViewLutBlock(data, keys, dim, kBytes);
  b.k.dense = Dense(args.k, h);
  b.v.dense = Dense(args.v, h);
  b.facts->k_dense = b.k.dense ? 1 : 0;
  b.facts->v_dense = b.v.dense ? 1 : 0;
  const Bits k_bits =
      args.head[h].score_scale < 0 ? Bits::kNegated : Bits::kSign;
  for (size_t w = 0; w < GroupWords(dim); ++w) {
    PackKeyWord(WordsOf(args.k, h, w, k_bits), keys, w, b.k, b.k.sign);
    PackValueWord(WordsOf(args.v, h, w, Bits::kSign), keys, w, b.v, b.v.sign);
    if (!b.k.dense)
      PackKeyWord(WordsOf(args.k, h, w, Bits::kZero), keys, w, b.k, b.k.zero);
    if (!b.v.dense)
      PackValueWord(WordsOf(args.v, h, w, Bits::kZero), keys, w, b.v, b.v.zero);
  }
  for (size_t lane = 0; lane < b.k.lanes; ++lane) {
    const size_t key =
        lane / kBytes * kBytes + KeyOfByte(kBytes, lane % kBytes);
    b.real[lane] = key < keys ? 255 : 0;
  }
  FillBiases(args, h, b);
  FillOutBases(args, h, b);
}

#endif  // a target with byte shuffles
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
