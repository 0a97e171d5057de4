#include "kernels/gemm/gemm_workload.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/base/bits.h"

namespace bittern::kernels {
namespace {

uint64_t NextRandom(uint64_t& state) {  // splitmix64
  state += 0x9E3779B97F4A7C15u;
  uint64_t z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float UnitFloat(uint64_t random) {  // [-1, 1)
  return static_cast<float>(random >> 40) / static_cast<float>(1 << 23) - 1;
}

float NormalFloat(uint64_t& state) {  // Box and Muller
  constexpr float kTwoPi = 6.2831853f;
  const float u = 0.5f + 0.499999f * UnitFloat(NextRandom(state));
  return std::sqrt(-2 * std::log(u)) *
         std::cos(kTwoPi * UnitFloat(NextRandom(state)));
}

// n rows of k int8 codes of normal weights, the largest of a row at 127.
void FillNormal(size_t n, size_t k, uint64_t& random, uint8_t* codes) {
  std::vector<float> row(k);
  for (size_t j = 0; j < n; ++j) {
    float largest = 0;
    for (float& x : row) {
      x = NormalFloat(random);
      largest = std::fmax(largest, std::fabs(x));
    }
    for (float x : row)
      *codes++ = static_cast<uint8_t>(std::lrint(127 * x / largest));
  }
}

}  // namespace

void GemmWorkload::Free::operator()(uint8_t* p) const { std::free(p); }

GemmWorkload::Memory GemmWorkload::Allocate(size_t bytes) {
  const size_t size = RoundUp(bytes + 1, 64);
  Memory memory(static_cast<uint8_t*>(std::aligned_alloc(64, size)));
  std::memset(memory.get(), 0, size);
  return memory;
}

GemmWorkload::GemmWorkload(const GemmKernel& kernel, const GemmQuery& query,
                           GemmFill fill)
    : kernel_(kernel), query_(query) {
  const GemmTypes types = query.types;
  const size_t m = query.m, n = query.n, k = query.k;
  uint64_t random = 1;
  if (types.activations == Operand::kF32) {
    floats_ = Allocate(m * k * sizeof(float));
    auto* floats = reinterpret_cast<float*>(floats_.get());
    for (size_t i = 0; i < m * k; ++i)
      floats[i] = UnitFloat(NextRandom(random));
    lhs_.f32 = floats;
    lhs_.f32_stride = static_cast<ptrdiff_t>(k * sizeof(float));
  } else if (types.activations == Operand::kSign) {
    FillPlanes(fill.zeros, random);
  } else {
    FillBytes(random);
  }
  const size_t canonical_bytes = CanonicalBytes(types.weights, n, k);
  const Memory canonical = Allocate(canonical_bytes);
  for (size_t i = 0; i < canonical_bytes; ++i)
    canonical.get()[i] = static_cast<uint8_t>(NextRandom(random));
  if (types.weights == Operand::kF32) {
    auto* floats = reinterpret_cast<float*>(canonical.get());
    for (size_t i = 0; i < n * k; ++i)
      floats[i] = UnitFloat(NextRandom(random));
  }
  if (types.weights == Operand::kS8 && !fill.uniform_weights)
    FillNormal(n, k, random, canonical.get());
  rhs_ = Allocate(kernel.packed_rhs_bytes(types, n, k));
  const CodeMatrix w{canonical.get(), types.weights, n, k};
  if (types.group == 0)
    kernel.pack_rhs(w, types.activations, rhs_.get());
  else
    PackGroups(w, random);
  if (kernel.pack_lhs != nullptr)
    packed_lhs_ =
        Allocate(kernel.packed_lhs_bytes(types, kWorkloadStripRows, k));
  if (kernel.scratch_bytes != nullptr)
    scratch_ = Allocate(kernel.scratch_bytes(types, k));
  strip_ = Allocate(kWorkloadStripRows * kernel.nr * sizeof(int32_t));
}

void GemmWorkload::PackGroups(const CodeMatrix& weights, uint64_t& random) {
  const GemmTypes types = query_.types;
  const size_t count = query_.n * CeilDiv(query_.k, types.group);
  std::vector<float> scale(count), zero;
  for (float& x : scale) x = UnitFloat(NextRandom(random));
  const ValueRange range = RangeOf(types.weights);
  const auto values = static_cast<uint64_t>(range.hi - range.lo + 1);
  for (size_t i = 0; i < count && types.zeros; ++i) {
    zero.push_back(static_cast<float>(
        range.lo + static_cast<int32_t>(NextRandom(random) % values)));
  }
  kernel_.pack_groups(types, weights,
                      {scale.data(), types.zeros ? zero.data() : nullptr},
                      rhs_.get());
}

void GemmWorkload::FillPlanes(bool zeros, uint64_t& random) {
  const size_t m = query_.m, k = query_.k;
  planes_ = Allocate(CodePlanesBytes(m, k, k));
  const CodePlanes planes = ViewCodePlanes(planes_.get(), m, k, k);
  for (size_t i = 0; i < m * k; ++i) {
    const uint64_t bits = NextRandom(random);
    if (zeros && bits % 8 == 0) continue;
    const size_t word = i / k * planes.row_words + i % k / 64;
    const uint64_t bit = uint64_t{1} << (i % k % 64);
    planes.valid[word] |= bit;
    if ((bits & 16) != 0) planes.sign[word] |= bit;
    ++planes.valid_count[i / k];
  }
  lhs_.planes = planes;
}

void GemmWorkload::FillBytes(uint64_t& random) {
  const size_t count = query_.m * query_.k;
  bytes_ = Allocate(count);
  const ValueRange range = RangeOf(query_.types.activations);
  const auto values = static_cast<uint64_t>(range.hi - range.lo + 1);
  const bool odd = query_.types.activations == Operand::kBipolar2;
  for (size_t i = 0; i < count; ++i) {
    auto value = static_cast<int32_t>(NextRandom(random) % values);
    if (odd) value -= value % 2;  // -3, -1, 1, 3
    bytes_.get()[i] = static_cast<uint8_t>(range.lo + value);
  }
  lhs_.bytes = bytes_.get();
  lhs_.bytes_stride = static_cast<ptrdiff_t>(query_.k);
}

ptrdiff_t GemmWorkload::strip_stride() const {
  return static_cast<ptrdiff_t>(kernel_.nr * sizeof(int32_t));
}

void GemmWorkload::PackLhs(size_t row, size_t rows) const noexcept {
  if (kernel_.pack_lhs != nullptr) {
    kernel_.pack_lhs(query_.types, lhs_, query_.k, row, rows,
                     packed_lhs_.get());
  }
}

void GemmWorkload::RunTile(size_t row, size_t rows,
                           size_t tile) const noexcept {
  kernel_.run({query_.types, &lhs_, packed_lhs_.get(), row, rhs_.get(),
               query_.k, query_.n, row, rows, tile, strip_.get(),
               strip_stride(), scratch_.get()});
}

void GemmWorkload::Run() const noexcept {
  for (size_t row = 0; row < query_.m; row += kWorkloadStripRows) {
    const size_t left = query_.m - row;
    const size_t rows = left < kWorkloadStripRows ? left : kWorkloadStripRows;
    PackLhs(row, rows);
    RunStrip(row, rows, [](size_t, size_t, size_t, const void*) {});
  }
}

}  // namespace bittern::kernels
