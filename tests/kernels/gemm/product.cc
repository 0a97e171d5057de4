#include "tests/kernels/gemm/product.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/bits.h"

namespace bittern::test {
namespace {

using kernels::CeilDiv;
using kernels::Operand;
using kernels::RoundUp;
using kernels::ValueRange;

constexpr size_t kGap =
    3;  // elements between left rows: strides are no lengths

// A value that a code of `type` can take.
int32_t RandomValue(Operand type, bool zero_allowed, Random& random) {
  const ValueRange range = RangeOf(type);
  if (StepOf(type) == 2 || (type == Operand::kSign && !zero_allowed)) {
    const int32_t odd = (range.hi - range.lo) / 2 + 1;
    return range.lo +
           2 * static_cast<int32_t>(random.Below(static_cast<size_t>(odd)));
  }
  const auto count = static_cast<size_t>(range.hi - range.lo + 1);
  return range.lo + static_cast<int32_t>(random.Below(count));
}

int32_t NormalValue(Operand type, Random& random) {
  const ValueRange range = RangeOf(type);
  const int32_t values = range.hi - range.lo + 1;
  const auto step = static_cast<int32_t>(
      std::lrint(random.Normal() * static_cast<float>(values) / 6));
  return std::clamp(range.lo + values / 2 + step, range.lo, range.hi);
}

// kQuarter: channel 0 high, channel 1 low, the others either.
int32_t QuarterValue(Operand type, size_t channel, Random& random) {
  const ValueRange range = RangeOf(type);
  const int32_t quarter = (range.hi - range.lo + 1) / 4;
  const bool high = channel < 2 ? channel == 0 : random.Below(2) == 0;
  return high ? range.hi - quarter : range.lo + quarter;
}

std::vector<int32_t> Weights(const Product& p, Fill fill, Random& random) {
  const ValueRange range = RangeOf(p.types.weights);
  std::vector<int32_t> w(p.n * p.k);
  const bool mixed = fill == Fill::kMixed || fill == Fill::kFractions;
  for (size_t i = 0; i < w.size(); ++i) {
    const bool high =
        fill == Fill::kHighHigh || fill == Fill::kLowHigh || (mixed && i < p.k);
    const bool low = fill == Fill::kHighLow || fill == Fill::kLowLow ||
                     (mixed && i / p.k == 1);
    w[i] = high  ? range.hi
           : low ? range.lo
           : fill == Fill::kQuarter
               ? QuarterValue(p.types.weights, i / p.k, random)
           : fill == Fill::kNormal ? NormalValue(p.types.weights, random)
                                   : RandomValue(p.types.weights, true, random);
  }
  return w;
}

std::vector<int32_t> Activations(const Product& p, Fill fill, Random& random) {
  const ValueRange range = RangeOf(p.types.activations);
  std::vector<int32_t> a(p.m * p.k);
  for (size_t i = 0; i < a.size(); ++i) {
    const size_t kind = (i / p.k + p.k) % 5;
    const bool mixed =
        fill == Fill::kMixed || fill == Fill::kQuarter || fill == Fill::kNormal;
    const bool high = fill == Fill::kHighHigh || fill == Fill::kHighLow ||
                      (mixed && kind == 3);
    const bool low =
        fill == Fill::kLowHigh || fill == Fill::kLowLow || (mixed && kind == 2);
    const bool zero = fill == Fill::kZeros || (mixed && kind == 4);
    const bool zero_allowed = mixed && kind == 1;
    const bool has_zero = p.types.activations != Operand::kBipolar2;
    a[i] = high  ? range.hi
           : low ? range.lo
           : zero && has_zero
               ? 0
               : RandomValue(p.types.activations, zero_allowed, random);
  }
  return a;
}

void PutPlanes(Product& p, const std::vector<int32_t>& a) {
  p.planes.assign(kernels::CodePlanesBytes(p.m, p.k, p.k) / 8 + 8, 0);
  const auto address = reinterpret_cast<uintptr_t>(p.planes.data());
  kernels::CodePlanes view = kernels::ViewCodePlanes(
      p.planes.data() + (RoundUp(address, 64) - address) / 8, p.m, p.k, p.k);
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == 0) continue;
    const uint64_t bit = uint64_t{1} << (i % p.k % 64);
    const size_t word = i / p.k * view.row_words + i % p.k / 64;
    ++view.valid_count[i / p.k];
    view.valid[word] |= bit;
    if (a[i] > 0) view.sign[word] |= bit;
  }
  p.lhs.planes = view;
}

void PutBytes(Product& p, const std::vector<int32_t>& a) {
  const size_t stride = p.k + kGap;
  p.bytes.assign((p.m - 1) * stride + p.k, 0xEE);
  for (size_t i = 0; i < a.size(); ++i)
    p.bytes[i / p.k * stride + i % p.k] = static_cast<uint8_t>(a[i]);
  p.lhs.bytes = p.bytes.data();
  p.lhs.bytes_stride = static_cast<ptrdiff_t>(stride);
}

void MakeCodes(Product& p, const std::vector<int32_t>& w, Fill fill,
               Random& random) {
  const std::vector<int32_t> a = Activations(p, fill, random);
  p.types.activations == Operand::kSign ? PutPlanes(p, a) : PutBytes(p, a);
  for (size_t r = 0; r < p.m; ++r) {
    for (size_t j = 0; j < p.n; ++j) {
      int64_t sum = 0;
      for (size_t i = 0; i < p.k; ++i)
        sum += int64_t{a[r * p.k + i]} * w[j * p.k + i];
      p.expected.push_back(static_cast<int32_t>(sum));
    }
  }
}

void MakeFloats(Product& p, const std::vector<float>& w, Random& random) {
  p.floats = random.Normals(p.m * (p.k + kGap));
  p.lhs.f32 = p.floats.data();
  p.lhs.f32_stride = static_cast<ptrdiff_t>((p.k + kGap) * sizeof(float));
  for (size_t r = 0; r < p.m; ++r) {
    for (size_t j = 0; j < p.n; ++j) {
      float sum = 0, three = 0;
      for (size_t i = 0; i < p.k; ++i) {
        float& to = p.types.threes ? three : sum;
        to = std::fma(p.FloatAt(r, i), w[j * p.k + i], to);
        if (!p.types.threes || (i % 3 != 2 && i + 1 != p.k)) continue;
        sum += three;
        three = 0;
      }
      p.expected.push_back(FloatBits(sum));
    }
  }
}

// Scales of both signs and many sizes, one of them 0; zero points in and
// beside the range of the codes. Codes become weights.
void MakeGroups(Product& p, std::vector<float>& w, Fill fill, Random& random) {
  const size_t group = p.types.group, count = CeilDiv(p.k, group);
  const ValueRange range = RangeOf(p.types.weights);
  p.scale = random.Normals(p.n * count);
  p.scale[0] = 0;
  for (size_t i = 0; i < p.scale.size() && p.types.zeros; ++i) {
    const auto steps = static_cast<size_t>(range.hi - range.lo + 3);
    p.zero.push_back(
        static_cast<float>(range.lo - 1 +
                           static_cast<int32_t>(random.Below(steps))) +
        (fill == Fill::kFractions ? 0.3f : 0));
  }
  for (size_t i = 0; i < w.size(); ++i) {
    const size_t g = i / p.k * count + i % p.k / group;
    const float code = p.types.zeros ? w[i] - p.zero[g] : w[i];
    w[i] = code * p.scale[g];
  }
}

}  // namespace

float Product::FloatAt(size_t row, size_t i) const {
  return floats[row * (k + kGap) + i];
}

std::string Product::Name() const {
  return "w" + std::to_string(static_cast<int>(types.weights)) + "a" +
         std::to_string(static_cast<int>(types.activations)) +
         (types.group != 0 ? "g" + std::to_string(types.group) : "") +
         (types.threes ? "threes" : "");
}

void Product::Pack(const kernels::GemmKernel& kernel, size_t count,
                   void* packed) const {
  const kernels::CodeMatrix w{canonical.data(), types.weights, count, k};
  if (types.group == 0) return kernel.pack_rhs(w, types.activations, packed);
  kernel.pack_groups(
      types, w, {scale.data(), types.zeros ? zero.data() : nullptr}, packed);
}

int32_t FloatBits(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

Product MakeProduct(kernels::GemmTypes types, size_t m, size_t n, size_t k,
                    Fill fill, uint64_t seed) {
  Random random(seed);
  Product p{m, n, k, types, {}, {}, {}, {}, {}, {}, {}, {}};
  p.canonical.assign(CanonicalBytes(types.weights, n, k), 0);
  std::vector<float> floats(n * k);
  std::vector<int32_t> codes;
  if (types.weights == Operand::kF32) {
    floats = random.Normals(n * k);
    std::memcpy(p.canonical.data(), floats.data(), p.canonical.size());
  } else {
    codes = Weights(p, fill, random);
    for (size_t i = 0; i < codes.size(); ++i) {
      kernels::PutValue(p.canonical.data(), types.weights, k, i / k, i % k,
                        codes[i]);
      floats[i] = static_cast<float>(codes[i]);
    }
  }
  if (types.group != 0) MakeGroups(p, floats, fill, random);
  types.activations == Operand::kF32 ? MakeFloats(p, floats, random)
                                     : MakeCodes(p, codes, fill, random);
  return p;
}

}  // namespace bittern::test
