// Plain loops that define what every GEMM kernel computes:
//   strip[r][j] = sum_k a[row + r][k] * w[tile * 16 + j][k]
// exact in int32 for codes; for fp32 activations one fused multiply-add chain
// over k ascending, starting from +0, on the weights' values; those of groups
// are fl(fl(code - zero) * scale).
#include <cmath>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;

CodeMatrix WeightsOf(const GemmStripArgs& args) {
  return {args.packed_rhs, args.types.weights, args.n, args.k};
}

// Lists of groups, as their packing leaves them behind the codes.
WeightGroups GroupsOf(const GemmStripArgs& args, size_t count) {
  const auto* lists = reinterpret_cast<const float*>(
      static_cast<const uint8_t*>(args.packed_rhs) +
      RoundUp(CanonicalBytes(args.types.weights, args.n, args.k),
              sizeof(float)));
  return {lists, args.types.zeros ? lists + args.n * count : nullptr};
}

// Calls fn(r, j, channel) for every output of the strip.
template <class Fn>
void ForEachOutput(const GemmStripArgs& args, Fn fn) {
  for (size_t r = 0; r < args.rows; ++r) {
    for (size_t j = 0; j < kNr && args.tile * kNr + j < args.n; ++j)
      fn(r, j, args.tile * kNr + j);
  }
}

template <class T>
T& StripAt(const GemmStripArgs& args, size_t r, size_t j) {
  auto* row = static_cast<uint8_t*>(args.strip) +
              static_cast<ptrdiff_t>(r) * args.strip_stride;
  return reinterpret_cast<T*>(row)[j];
}

int32_t ActivationAt(const GemmStripArgs& args, size_t row, size_t k) {
  if (args.types.activations == Operand::kSign)
    return CodeAt(args.lhs->planes, row, k);
  const uint8_t* codes =
      args.lhs->bytes + static_cast<ptrdiff_t>(row) * args.lhs->bytes_stride;
  return ByteValue(args.types.activations, codes[k]);
}

void RunCodes(const GemmStripArgs& args) noexcept {
  const CodeMatrix w = WeightsOf(args);
  ForEachOutput(args, [&](size_t r, size_t j, size_t channel) {
    int32_t sum = 0;
    for (size_t k = 0; k < args.k; ++k)
      sum += ActivationAt(args, args.row + r, k) * ValueAt(w, channel, k);
    StripAt<int32_t>(args, r, j) = sum;
  });
}

// Row r of the strip's activations.
const float* FloatRow(const GemmStripArgs& args, size_t r) {
  const auto* rows = reinterpret_cast<const uint8_t*>(args.lhs->f32);
  return reinterpret_cast<const float*>(
      rows + static_cast<ptrdiff_t>(args.row + r) * args.lhs->f32_stride);
}

void RunFloats(const GemmStripArgs& args) noexcept {
  const CodeMatrix w = WeightsOf(args);
  const auto* floats = static_cast<const float*>(args.packed_rhs);
  ForEachOutput(args, [&](size_t r, size_t j, size_t channel) {
    const float* a = FloatRow(args, r);
    float sum = 0;
    for (size_t k = 0; k < args.k; ++k) {
      const float weight = w.type == Operand::kF32
                               ? floats[channel * args.k + k]
                               : static_cast<float>(ValueAt(w, channel, k));
      sum = std::fma(a[k], weight, sum);
    }
    StripAt<float>(args, r, j) = sum;
  });
}

void RunThrees(const GemmStripArgs& args) noexcept {
  const CodeMatrix w = WeightsOf(args);
  ForEachOutput(args, [&](size_t r, size_t j, size_t channel) {
    const float* a = FloatRow(args, r);
    float sum = 0;
    for (size_t k = 0; k < args.k; k += 3) {
      float three = 0;
      for (size_t i = k; i < args.k && i < k + 3; ++i)
        three += a[i] * static_cast<float>(ValueAt(w, channel, i));
      sum += three;
    }
    StripAt<float>(args, r, j) = sum;
  });
}

void RunGroups(const GemmStripArgs& args) noexcept {
  const CodeMatrix w = WeightsOf(args);
  const size_t count = CeilDiv(args.k, args.types.group);
  const WeightGroups groups = GroupsOf(args, count);
  ForEachOutput(args, [&](size_t r, size_t j, size_t channel) {
    const float* a = FloatRow(args, r);
    float sum = 0;
    for (size_t k = 0; k < args.k; ++k) {
      const size_t g = channel * count + k / args.types.group;
      auto weight = static_cast<float>(ValueAt(w, channel, k));
      if (groups.zero != nullptr) weight -= groups.zero[g];
      sum = std::fma(a[k], weight * groups.scale[g], sum);
    }
    StripAt<float>(args, r, j) = sum;
  });
}

size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return CanonicalBytes(types.weights, n, k);
}
void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  std::memcpy(packed, w.data, CanonicalBytes(w.type, w.n, w.k));
}

size_t GroupsRhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return RoundUp(CanonicalBytes(types.weights, n, k), sizeof(float)) +
         n * CeilDiv(k, types.group) * (types.zeros ? 2 : 1) * sizeof(float);
}
void PackGroups(GemmTypes types, const CodeMatrix& w,
                const WeightGroups& groups, void* packed) noexcept {
  const size_t codes = CanonicalBytes(w.type, w.n, w.k);
  const size_t bytes = w.n * CeilDiv(w.k, types.group) * sizeof(float);
  std::memcpy(packed, w.data, codes);
  auto* lists = static_cast<uint8_t*>(packed) + RoundUp(codes, sizeof(float));
  std::memcpy(lists, groups.scale, bytes);
  if (types.zeros) std::memcpy(lists + bytes, groups.zero, bytes);
}

size_t CodesMaxK(GemmTypes types) noexcept {
  const bool activations =
      types.activations == Operand::kSign || IsByteCode(types.activations);
  return activations && types.weights != Operand::kSign ? MaxK(types, 32) : 0;
}
size_t FloatsMaxK(GemmTypes types) noexcept {
  return types.activations == Operand::kF32 && types.group == 0 &&
                 !types.threes && types.weights != Operand::kSign
             ? size_t{1} << 30
             : 0;
}
size_t ThreesMaxK(GemmTypes types) noexcept {
  const GemmTypes mine{Operand::kBipolar, Operand::kF32, 0, false, true};
  return types == mine ? size_t{1} << 30 : 0;
}
size_t GroupsMaxK(GemmTypes types) noexcept {
  return types.activations == Operand::kF32 && types.group != 0 &&
                 TakesGroups(types.weights)
             ? size_t{1} << 30
             : 0;
}

constexpr GemmKernel kKernels[] = {
    {"codes/reference", kNone, &CodesMaxK, kNr, 1, 1, 1, &RhsBytes, &PackRhs,
     nullptr, nullptr, &RunCodes},
    {"f32/reference", kNone, &FloatsMaxK, kNr, 1, 1, 1, &RhsBytes, &PackRhs,
     nullptr, nullptr, &RunFloats},
    {"threes/reference", kNone, &ThreesMaxK, kNr, 1, 1, 1, &RhsBytes, &PackRhs,
     nullptr, nullptr, &RunThrees},
    {"groups/reference", kNone, &GroupsMaxK, kNr, 1, 1, 1, &GroupsRhsBytes,
     nullptr, nullptr, nullptr, &RunGroups, nullptr, nullptr, 0, &PackGroups},
};

}  // namespace

GemmKernelList GemmReference(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels
