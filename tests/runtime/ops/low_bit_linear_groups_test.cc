// LowBitLinear with weights in groups: the bits of MatMul on the floats that
// DequantizeLinear would make of them, on every target, and what Infer refuses.
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "tests/runtime/ops/low_bit_inputs.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::DType;
using runtime::Shape;

enum class Zeros { kNone, kBytes, kFloats };

struct Size {
  size_t m, n, k, block;
};

struct Layer {
  Size size;
  std::vector<float> x, weights, scale;
  OpCall call{"LowBitLinear",
              std::vector<std::optional<Value>>(kInputs),
              {{"epilogue", std::string("f32")}}};

  Layer(Random& random, Size s, const char* type, int lo, int hi, Zeros zeros)
      : size(s), x(random.Normals(s.m * s.k)) {
    const size_t groups = (s.k + s.block - 1) / s.block;
    scale = random.Normals(s.n * groups);
    std::vector<uint8_t> bytes;
    std::vector<float> zero(s.n * groups);
    for (float& z : zero) {
      bytes.push_back(static_cast<uint8_t>(random.Below(16)));
      z = zeros == Zeros::kFloats ? random.Normal() : bytes.back();
    }
    std::vector<int> codes(s.n * s.k);
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] =
          lo + static_cast<int>(random.Below(static_cast<size_t>(hi - lo + 1)));
      const size_t g = i / s.k * groups + i % s.k / s.block;
      auto code = static_cast<float>(codes[i]);
      if (zeros != Zeros::kNone) code -= zero[g];
      weights.push_back(code * scale[g]);
    }
    const Shape lists{static_cast<int64_t>(s.n), static_cast<int64_t>(groups)};
    call.inputs[kX] = F32(Rows(s.k), x);
    call.inputs[kW] = CodeTensor(
        type, {static_cast<int64_t>(s.n), static_cast<int64_t>(s.k)}, codes);
    call.inputs[kGroupScale] = Constant(F32(lists, scale));
    if (zeros == Zeros::kBytes)
      call.inputs[kGroupZero] = Constant(Bytes(DType::kU8, lists, bytes));
    if (zeros == Zeros::kFloats)
      call.inputs[kGroupZero] = Constant(F32(lists, zero));
    call.attributes["block"] = static_cast<int64_t>(s.block);
  }

  Shape Rows(size_t last) const {
    return {static_cast<int64_t>(size.m), static_cast<int64_t>(last)};
  }

  // Of MatMul on the weights as floats.
  std::vector<float> Expected(const kernels::CpuFeatures& cpu) const {
    std::vector<float> transposed(weights.size());
    for (size_t i = 0; i < weights.size(); ++i)
      transposed[i % size.k * size.n + i / size.k] = weights[i];
    const Shape shape{static_cast<int64_t>(size.k),
                      static_cast<int64_t>(size.n)};
    OpCall floats{"MatMul",
                  {F32(Rows(size.k), x), Constant(F32(shape, transposed))}};
    floats.cpu = cpu;
    return Run(floats).Floats();
  }
};

constexpr Size kSizes[] = {{1, 1, 1, 1},      {1, 70, 64, 16}, {3, 17, 33, 16},
                           {2, 64, 100, 32},  {9, 65, 200, 7}, {1, 130, 96, 96},
                           {33, 40, 130, 128}};

TEST_CASE("Weights in groups give the bits of the float graph") {
  Random random(80);
  struct Type {
    const char* name;
    int lo, hi;
  };
  for (const Type type :
       {Type{"u1w", 0, 1}, Type{"ternary", -1, 1}, Type{"u2w", 0, 3},
        Type{"s3w", -4, 3}, Type{"u4w", 0, 15}, Type{"s4w", -8, 7},
        Type{"s8w", -128, 127}, Type{"u8w", 0, 255}}) {
    for (const Zeros zeros : {Zeros::kNone, Zeros::kBytes, Zeros::kFloats}) {
      for (const Size size : kSizes) {
        Layer layer(random, size, type.name, type.lo, type.hi, zeros);
        INFO(type.name << " zeros " << static_cast<int>(zeros) << " k "
                       << size.k << " block " << size.block);
        for (const auto& cpu : EveryCpu()) {
          // No fused multiply-add there (kernels/README.md).
          const std::string_view target = kernels::BestTarget(cpu);
          if (target == "scalar" || target == "sse4") continue;
          layer.call.cpu = cpu;
          layer.call.threads = 1 + size.m % 3;
          INFO(target);
          CHECK(Run(layer.call).Floats() == layer.Expected(cpu));
        }
      }
    }
  }
}

TEST_CASE("Groups, then the row's scale, the bias and the residual") {
  Random random(81);
  Layer layer(random, {4, 20, 48, 16}, "s4w", -8, 7, Zeros::kNone);
  const std::vector<float> scale = random.Normals(20),
                           bias = random.Normals(20),
                           residual = random.Normals(80);
  layer.call.inputs[kScale] = Constant(F32({20}, scale));
  layer.call.inputs[kBias] = Constant(F32({20}, bias));
  layer.call.inputs[kResidual] = F32({4, 20}, residual);
  const std::vector<float> got = Run(layer.call).Floats();
  const std::vector<float> sums = layer.Expected(layer.call.cpu);
  for (size_t i = 0; i < got.size(); ++i) {
    const float y = sums[i] * scale[i % 20];
    CHECK(got[i] == residual[i] + (y + bias[i % 20]));
  }
}

TEST_CASE("Groups that do not fit the weights are refused") {
  Random random(82);
  const Layer layer(random, {2, 6, 40, 16}, "u4w", 0, 15, Zeros::kBytes);
  const auto with = [&layer](size_t input, std::optional<Value> value) {
    OpCall call = layer.call;
    call.inputs[input] = std::move(value);
    return ErrorOf(call);
  };
  const auto block = [&layer](int64_t value) {
    OpCall call = layer.call;
    call.attributes["block"] = value;
    return ErrorOf(call);
  };
  CHECK(with(kGroupScale, std::nullopt) ==
        "input group_zero: got u8[6,3], expected nothing without group_scale");
  CHECK(with(kGroupScale, Constant(Iota({6, 2}))) ==
        "input group_scale: got f32[6,2], expected f32[6,3]");
  CHECK(with(kGroupScale, Iota({6, 3})) ==
        "input group_scale: got f32[6,3], expected a constant");
  CHECK(with(kGroupZero, Constant(Iota({18}))) ==
        "input group_zero: got f32[18], expected f32[6,3]");
  CHECK(with(kGroupZero, Bytes(DType::kU8, {6, 3}, std::vector<uint8_t>(18))) ==
        "input group_zero: got u8[6,3], expected a constant");
  CHECK(with(kGroupZero, Constant(I32({6, 3}, std::vector<int32_t>(18)))) ==
        "input group_zero: got i32[6,3], expected f32[6,3]");
  CHECK(with(kW, CodeTensor("u8c", {2, 40}, std::vector<int>(80))) ==
        "input w: got u8c[2,40], expected codes of weights");
  CHECK(with(kW, Bipolar({6, 40}, std::vector<int>(240, 1))) ==
        "input w: got bipolar[6,40], expected ternary, unsigned or signed "
        "codes of at most 8 bits with group_scale");
  CHECK(block(0) == "block: got 0, expected 1 to 40");
  CHECK(block(-1) == "block: got -1, expected 1 to 40");
  CHECK(block(41) == "block: got 41, expected 1 to 40");
  CHECK(block(20) == "input group_scale: got f32[6,3], expected f32[6,2]");
  OpCall codes = layer.call;
  codes.inputs[kX] = CodeTensor("u8c", {2, 40}, std::vector<int>(80));
  codes.inputs[kScale] = Constant(Iota({6}));
  CHECK(ErrorOf(codes) ==
        "input group_scale: got f32[6,3], expected nothing for epilogue f32");
  codes.inputs[kGroupScale] = codes.inputs[kGroupZero] = std::nullopt;
  CHECK(ErrorOf(codes) == "block: got 16, expected none without group_scale");
  OpCall plain = layer.call;
  plain.inputs[kGroupScale] = plain.inputs[kGroupZero] = std::nullopt;
  CHECK(ErrorOf(plain) == "block: got 16, expected none without group_scale");
  plain.attributes.erase("block");
  CHECK(ErrorOf(plain) == "input scale: got nothing, expected f32[6]");
}

}  // namespace
}  // namespace bittern::test
