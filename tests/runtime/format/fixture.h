// A classifier of 4x4 grey images with everything a file can hold: plain and
// bipolar constants, attributes of every kind, absent inputs, preprocessing,
// labels, metadata; and with the low-bit ops, so that damaged files reach their
// checks too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/runtime/model/model_builder.h"
#include "tests/support/random.h"

namespace bittern::test {

inline runtime::ModelDef TinyClassifier(ModelBuilder& b) {
  using runtime::DType;
  using runtime::Encoding;
  using Ints = std::vector<int64_t>;
  Random random(11);
  const auto floats = [&](const std::string& name,
                          const runtime::Shape& shape) {
    return b.Constant<float>(
        name, b.F32(shape),
        random.Normals(static_cast<size_t>(shape.Elements())));
  };
  const auto bits = [&](const std::string& name, int64_t n, int64_t k) {
    std::vector<uint8_t> bytes(static_cast<size_t>(n * ((k + 7) / 8)));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next());
    return b.Constant<uint8_t>(
        name, {DType::kCode, {n, k}, {Encoding::kBipolar, 1, 0}}, bytes);
  };
  const auto zeros = [&](const std::string& name) {
    return b.Constant<int32_t>(name, {DType::kI32, {2}, {}}, {0, 1});
  };
  const int32_t x = b.Input("x", {1, 1, 4, 4});
  const int32_t rows =
      b.Constant<int64_t>("rows", {DType::kI64, {2}, {}}, {4, 4});
  const int32_t tokens =
      b.Op("Reshape", "tokens", {x, rows}, {{"allowzero", int64_t{0}}});
  const int32_t norm =
      b.Op("LayerNorm", "norm", {tokens, floats("gamma", {4}), -1},
           {{"epsilon", 1e-6f}});
  const int32_t codes = b.Op("Binarize", "codes", {norm});
  const int32_t a = b.Constant<float>("a", b.F32({2}), {0.5f, 0.25f});
  const int32_t z = b.Constant<float>("z", b.F32({2}), {0, 0.125f});
  const int32_t qkv =
      b.Op("LowBitLinear", "qkv",
           {codes, bits("qkv_w", 8, 4), floats("qkv_scale", {8}),
            floats("qkv_bias", {8}), -1, -1, -1, a, z},
           {{"epilogue", std::string("sign")},
            {"functions", std::string("clip")},
            {"function_args", std::vector<float>{-1, 1}},
            {"group", int64_t{4}}});
  const int32_t half = b.Constant<float>("half", b.F32({2}), {0.5f, 0.5f});
  const int32_t attended =
      b.Op("BinaryAttention", "attended",
           {qkv, qkv, qkv, half, zeros("zq"), zeros("zk"), zeros("zp"),
            zeros("zv"), half, half},
           {{"heads", int64_t{2}}, {"output", std::string("sign")}});
  const int32_t head =
      b.Op("LowBitLinear", "head",
           {attended, bits("head_w", 6, 8), floats("head_scale", {6})},
           {{"epilogue", std::string("f32")}});
  const int32_t mean = b.Op("ReduceMean", "mean", {head},
                            {{"axes", Ints{0}}, {"keepdims", int64_t{1}}});
  const int32_t scores =
      b.Op("MatMul", "scores", {mean, floats("scores_w", {6, 3})});
  b.Output(b.Op("Softmax", "y", {scores}), {-1, 3});
  b.def.preprocess = {{0,
                       4,
                       4,
                       1,
                       runtime::Preprocess::Resize::kBilinear,
                       5,
                       1.0f / 255,
                       {0.5f},
                       {0.25f}}};
  b.def.labels = {"cat", "dog", "owl"};
  b.def.metadata = {{"converter_version", "test"}, {"source_sha256", "0123"}};
  return b.def;
}

// An op of several outputs, of types that planning will know.
inline std::vector<int32_t> AddOp(ModelBuilder& b, const std::string& op,
                                  std::vector<int32_t> inputs, size_t outputs) {
  const auto first = static_cast<int32_t>(b.def.tensors.size());
  const std::string name = op + std::to_string(first);
  std::vector<int32_t> made;
  for (size_t i = 0; i < outputs; ++i) {
    b.def.tensors.push_back({name + "/" + std::to_string(i), {}, nullptr});
    made.push_back(first + static_cast<int32_t>(i));
  }
  b.def.ops.push_back({op, name, std::move(inputs), made, {}});
  return made;
}

// s = i < 2 ? s + x : what of s is not 0, for three turns i; the s of each.
inline runtime::ModelDef Bodies(ModelBuilder& b) {
  using runtime::DType;
  using Ints = std::vector<int64_t>;
  const runtime::TensorType scalar{DType::kI64, {}, {}};
  const int32_t x = b.Input("x", {4});
  const int32_t three = b.Constant<int64_t>("three", scalar, {3}),
                two = b.Constant<int64_t>("two", scalar, {2}),
                sum = b.Constant<float>("sum", b.F32({4}), {1, 2, 0, 4});
  const std::vector<int32_t> turn = AddOp(b, "Loop", {three, -1, sum}, 3);
  const int32_t early = b.Op("Less", "early", {turn[0], two});
  AddOp(b, "If", {early}, 0);
  const int32_t more = b.Op("Add", "more", {turn[2], x});
  AddOp(b, "Else", {}, 0);
  const std::vector<int32_t> found = AddOp(b, "NonZero", {turn[2]}, 2);
  const int32_t head = b.Op("Slice", "head", {found[0], -1, found[1]},
                            {{"axes", Ints{0}}, {"starts", Ints{0}}});
  const int32_t kept = b.Op("GatherNd", "kept", {turn[2], head});
  const int32_t next = AddOp(b, "EndIf", {more, kept}, 1)[0];
  const std::vector<int32_t> end =
      AddOp(b, "EndLoop", {turn[1], next, turn[2]}, 2);
  b.Output(end[0], {-1});
  b.Output(end[1], {-1, 4});
  return b.def;
}

}  // namespace bittern::test
