// Weights are packed once per model, by plain loops; activations eight bytes at
// a time.
#include "kernels/gemm/pack_planes.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bittern::kernels {
namespace {

// Bit 0 of the eight bytes of x, the lowest byte's first.
uint32_t GatherBits(uint64_t x) {
  return static_cast<uint32_t>(
      (x & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

// x - lo in each byte, modulo 256: no carry leaves the lower seven bits.
uint64_t SubtractBytes(uint64_t x, int32_t lo) {
  constexpr uint64_t kTop = 0x8080808080808080u;
  const uint64_t add = 0x0101010101010101u * static_cast<uint8_t>(-lo);
  return ((x & ~kTop) + add) ^ (x & kTop);  // -lo < 128
}

void PackByteRow(const uint8_t* codes, Levels levels, size_t k,
                 uint32_t* planes) {
  const unsigned shift = levels.step == 2 ? 1 : 0;
  for (size_t i = 0; i < k; i += 8) {
    const size_t count = std::min<size_t>(k - i, 8);
    uint64_t x = 0;
    std::memcpy(&x, codes + i, count);
    const uint32_t in_row = (1u << count) - 1;
    const uint64_t v = SubtractBytes(x, levels.lo) >> shift;
    for (unsigned q = 0; q < levels.Planes(); ++q) {
      const uint32_t bits = GatherBits(v >> q) & in_row;
      planes[q * PlaneWords(k) + i / 32] |= bits << (i % 32);
    }
  }
}

struct PassShape {
  int w_planes, a_planes;
  size_t w_stride, a_stride;  // words between planes
  int scale;                  // log2 of LevelScale
};

// `low`: the first plane of a that counts.
void MakePasses(const PassShape& shape, int low, PlanePasses& passes) {
  for (int s = shape.w_planes + shape.a_planes - 2; s >= 0; --s) {
    for (int q = std::max(low, s - shape.w_planes + 1);
         q <= std::min(s, shape.a_planes - 1); ++q) {
      passes.pass[passes.count++] = {
          static_cast<uint32_t>(static_cast<size_t>(q) * shape.a_stride),
          static_cast<uint32_t>(static_cast<size_t>(s - q) * shape.w_stride),
          passes.last};
      passes.last = 0;
    }
    ++passes.last;
  }
  passes.last += shape.scale - 1;  // the sums of p + q = 0 do not double
}

uint32_t SumOfPlanes(unsigned count, size_t words, const uint32_t* planes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < count * words; ++i)
    sum += static_cast<uint32_t>(std::popcount(planes[i])) << (i / words);
  return sum;
}

}  // namespace

size_t PlanesMaxK(GemmTypes types) noexcept {
  const bool activations =
      types.activations == Operand::kSign || IsByteCode(types.activations);
  const Levels a = LevelsOf(types.activations), w = LevelsOf(types.weights);
  return activations && types.weights != Operand::kSign &&
                 a.Planes() <= kMaxPlanes && w.Planes() <= kMaxPlanes
             ? MaxK(types, 32)
             : 0;
}

size_t PlanesPasses(GemmTypes types) noexcept {
  const bool signs = types.activations == Operand::kSign;
  return size_t{LevelsOf(types.weights).Planes()} *
         (signs ? 1 : LevelsOf(types.activations).Planes());
}

size_t PlanesRhsBytes(GemmTypes types, size_t n, size_t k, size_t nr) noexcept {
  const size_t planes = LevelsOf(types.weights).Planes();
  return RoundUp(n, nr) * (1 + planes * CeilDiv(k, 32)) * sizeof(uint32_t);
}

void PackPlanesRhs(const CodeMatrix& w, Operand activations, size_t nr,
                   void* packed) noexcept {
  const Levels levels = LevelsOf(w.type);
  const unsigned planes = levels.Planes();
  const size_t words = CeilDiv(w.k, 32), tile_words = nr * (1 + planes * words);
  auto* out = static_cast<uint32_t*>(packed);
  std::memset(packed, 0, PlanesRhsBytes({w.type, activations}, w.n, w.k, nr));
  for (size_t n = 0; n < w.n; ++n) {
    uint32_t* tile = out + n / nr * tile_words;
    const size_t j = n % nr;
    tile[j] = static_cast<uint32_t>(ChannelAdd(activations) * RowSum(w, n));
    for (size_t k = 0; k < w.k; ++k) {
      const auto u =
          static_cast<uint32_t>((ValueAt(w, n, k) - levels.lo) / levels.step);
      for (unsigned p = 0; p < planes; ++p)
        tile[nr * (1 + p * words + k / 32) + j] |= (u >> p & 1) << (k % 32);
    }
  }
}

size_t PlanesLhsRow(GemmTypes types, size_t k) noexcept {
  return kPlanesHeader + LevelsOf(types.activations).Planes() * PlaneWords(k);
}

size_t PlanesLhsBytes(GemmTypes types, size_t rows, size_t k) noexcept {
  return rows * PlanesLhsRow(types, k) * sizeof(uint32_t);
}

void PackSignRow(const CodePlanes& p, size_t row, size_t k, uint32_t* planes) {
  const uint64_t *sign = p.sign + row * p.row_words,
                 *valid = p.valid + row * p.row_words;
  for (size_t i = 0; i < CeilDiv(k, 64); ++i) {
    const size_t left = k - 64 * i;
    const uint64_t in_row =
        left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0};
    const uint64_t zero = ~valid[i] & in_row;
    std::memcpy(planes + 2 * i, &zero, sizeof(zero));
    std::memcpy(planes + PlaneWords(k) + 2 * i, sign + i, sizeof(zero));
  }
}

void PackPlanesHeader(GemmTypes types, size_t k, uint32_t sum, uint32_t* row) {
  uint32_t low = 0;
  for (size_t i = 0; i < PlaneWords(k); ++i) low |= row[kPlanesHeader + i];
  row[0] = static_cast<uint32_t>(RowAdd(types)) * sum;
  row[1] = low != 0;
}

void PackPlanesLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                   size_t rows, void* packed) noexcept {
  const Levels levels = LevelsOf(types.activations);
  const size_t stride = PlanesLhsRow(types, k);
  auto* out = static_cast<uint32_t*>(packed);
  std::memset(packed, 0, rows * stride * sizeof(uint32_t));
  for (size_t r = row; r < row + rows; ++r, out += stride) {
    uint32_t* planes = out + kPlanesHeader;
    if (types.activations == Operand::kSign) {
      PackSignRow(lhs.planes, r, k, planes);
    } else {
      PackByteRow(lhs.bytes + static_cast<ptrdiff_t>(r) * lhs.bytes_stride,
                  levels, k, planes);
    }
    PackPlanesHeader(types, k,
                     SumOfPlanes(levels.Planes(), PlaneWords(k), planes), out);
  }
}

PlanesCall::PlanesCall(const GemmStripArgs& args, size_t nr)
    : words(CeilDiv(args.k, 32)),
      lhs(static_cast<const uint32_t*>(args.packed_lhs) +
          (args.row - args.packed_row) * PlanesLhsRow(args.types, args.k)),
      lhs_stride(PlanesLhsRow(args.types, args.k)),
      strip(static_cast<int32_t*>(args.strip)),
      strip_stride(static_cast<size_t>(args.strip_stride) / sizeof(int32_t)) {
  const Levels w = LevelsOf(args.types.weights),
               a = LevelsOf(args.types.activations);
  const PassShape shape{
      static_cast<int>(w.Planes()), static_cast<int>(a.Planes()), words * nr,
      PlaneWords(args.k),
      std::countr_zero(static_cast<uint32_t>(w.step * a.step))};
  rhs = static_cast<const uint32_t*>(args.packed_rhs) +
        args.tile * nr * (1 + w.Planes() * words);
  MakePasses(shape, 0, passes[0]);
  last_passes = args.types.activations == Operand::kSign ? 1 : 0;
  if (last_passes != 0) MakePasses(shape, 1, passes[1]);
}

}  // namespace bittern::kernels
