// Quantize and Dequantize of byte codes and weights against their formulas, on
// every target.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using kernels::ScalePer;
using runtime::AttributeMap;
using runtime::Shape;

struct Range {
  int lo, hi;
  const char* type;
  bool bipolar2 = false;
};
const std::vector<Range> kRanges = {{0, 1, "u1c"},
                                    {0, 3, "u2c"},
                                    {1, 6, "u3c"},
                                    {0, 15, "u4c"},
                                    {0, 255, "u8c"},
                                    {-2, 1, "s2c"},
                                    {-3, 3, "s3c"},
                                    {-8, 7, "s4c"},
                                    {-7, 15, "s8c"},
                                    {-128, 127, "s8c"},
                                    {0, 3, "bipolar2c", true},
                                    {16, 16, "u8c"},
                                    {-1, -1, "s2c"}};
const std::vector<Shape> kShapes = {
    {1}, {3, 49}, {2, 5, 96}, {1, 2, 197}, {1500, 3}};

Shape ScalesOf(ScalePer per, Shape shape) {
  if (per == ScalePer::kTensor) return {1};
  if (per == ScalePer::kColumn) return {shape.Last()};
  shape[shape.rank() - 1] = 1;
  return shape;
}

// Normals with the values among them that need care.
std::vector<float> AnyFloats(Random& random, size_t count) {
  auto x = random.Normals(count);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float special[] = {0.0f,      -0.0f,      0.5f, 1.5f, 2.5f,
                           kInfinity, -kInfinity, NAN,  1e30f};
  for (size_t i = 0; i < count; i += 3) x[i] = special[random.Below(9)];
  return x;
}

// Calls check(out) on every target, with one to three threads.
template <class Check>
void Everywhere(OpCall call, const Check& check) {
  for (const auto& cpu : EveryCpu()) {
    for (const size_t threads : {1u, 2u, 3u}) {
      INFO(kernels::BestTarget(cpu) << ", " << threads << " threads");
      call.cpu = cpu;
      call.threads = threads;
      check(Run(call));
    }
  }
}

size_t Wrong(const std::vector<int>& got, const PlainQuantiser& q,
             const std::vector<float>& x, size_t cols) {
  REQUIRE(got.size() == x.size());
  size_t wrong = 0;
  for (size_t i = 0; i < x.size(); ++i)
    wrong += got[i] != q.ValueOf(x[i], i / cols, i % cols);
  return wrong;
}

void CheckQuantize(Random& random, const Shape& shape, PlainQuantiser& q,
                   const char* type) {
  const auto cols = static_cast<size_t>(shape.Last());
  const auto rows = static_cast<size_t>(shape.Leading());
  const bool zeros = q.zero_after || random.Below(2) == 0;
  q.Fill(random, rows, cols, 2.0f / static_cast<float>(q.hi - q.lo + 1), zeros);
  const auto x = AnyFloats(random, rows * cols);
  const Shape scales = ScalesOf(q.per, shape);
  OpCall call{
      "Quantize", {F32(shape, x), F32(scales, q.scale)}, q.Attributes()};
  if (zeros) call.inputs.emplace_back(F32(scales, q.zero));
  const bool constant = random.Below(2) == 0;
  for (size_t i = 1; i < call.inputs.size(); ++i)
    call.inputs[i]->constant = constant;
  INFO(ToString(shape) << " " << type << " per " << static_cast<int>(q.per)
                       << " multiply " << q.multiply << " zeros " << zeros
                       << " after " << q.zero_after << " constant "
                       << constant);
  Everywhere(call, [&](const Value& out) {
    CHECK(ToString(out.type.code) == type);
    CHECK(out.type.shape == shape);
    CHECK(Wrong(ByteValues(out), q, x, cols) == 0);
  });
}

TEST_CASE("Quantize is the formula for every range, granularity and place") {
  Random random(60);
  for (const Range& range : kRanges) {
    for (const Shape& shape : kShapes) {
      for (const ScalePer per :
           {ScalePer::kTensor, ScalePer::kColumn, ScalePer::kRow}) {
        PlainQuantiser q{per, range.lo, range.hi, range.bipolar2};
        q.multiply = random.Below(2) == 0;
        for (const bool after : {false, true}) {
          q.zero_after = after;
          CheckQuantize(random, shape, q, range.type);
        }
      }
    }
  }
}

TEST_CASE("Sources are the codes of LayerNorm, Clip and Gelu, then Clip") {
  Random random(61);
  for (const Shape& shape : kShapes) {
    const auto cols = static_cast<size_t>(shape.Last());
    const auto x = random.Normals(static_cast<size_t>(shape.Elements()));
    const Value gamma = F32({shape.Last()}, random.Normals(cols)),
                beta = F32({shape.Last()}, random.Normals(cols));
    for (const ScalePer per :
         {ScalePer::kTensor, ScalePer::kColumn, ScalePer::kRow}) {
      PlainQuantiser q{per, -8, 7};
      q.Fill(random, static_cast<size_t>(shape.Leading()), cols, 0.2f, true);
      const Shape scales = ScalesOf(per, shape);
      const AttributeMap bounds{{"min", -0.5f}, {"max", 1.25f}};
      for (const auto& cpu : EveryCpu()) {
        const auto one = [&](const char* op, const Value& in,
                             const AttributeMap& attributes) {
          OpCall call{op, {in}, attributes};
          call.cpu = cpu;
          if (call.op == "LayerNorm") call.inputs = {in, gamma, beta};
          return Run(call);
        };
        const Value in = F32(shape, x);
        const std::pair<const char*, std::vector<float>> sources[] = {
            {"layer_norm", one("LayerNorm", in, {{"epsilon", 1e-3f}}).Floats()},
            {"clip", one("Clip", in, bounds).Floats()},
            {"gelu_clip", one("Clip", one("Gelu", in, {}), bounds).Floats()}};
        for (const auto& [source, y] : sources) {
          INFO(source << " " << ToString(shape) << " on "
                      << kernels::BestTarget(cpu));
          OpCall call{"Quantize",
                      {in, F32(scales, q.scale), F32(scales, q.zero)},
                      q.Attributes()};
          call.cpu = cpu;
          call.threads = 3;
          call.attributes["source"] = std::string(source);
          if (call.attributes["source"] ==
              runtime::AttributeValue(std::string("layer_norm"))) {
            call.attributes["epsilon"] = 1e-3f;
            call.inputs.insert(call.inputs.end(), {gamma, beta});
          } else {
            call.attributes["clip_min"] = -0.5f;
            call.attributes["clip_max"] = 1.25f;
          }
          CHECK(Wrong(ByteValues(Run(call)), q, y, cols) == 0);
        }
      }
    }
  }
}

TEST_CASE("Computed zero points after the rounding become integers") {
  const std::vector<float> zeros = {2.5f, NAN, 1e30f, -1e30f, -3.4f, 2};
  PlainQuantiser q{ScalePer::kRow, 0, 15};
  q.zero_after = true;
  q.scale.assign(zeros.size(), 1);
  q.zero = {2, 0, 32768, -32768, -3, 2};
  const std::vector<float> x(zeros.size() * 2, 5);
  const Shape shape{6, 2};
  Everywhere(
      {"Quantize",
       {F32(shape, x), F32({6, 1}, q.scale), F32({6, 1}, zeros)},
       q.Attributes()},
      [&](const Value& out) { CHECK(Wrong(ByteValues(out), q, x, 2) == 0); });
}

TEST_CASE("Dequantize of byte codes is (v - zero) * scale") {
  Random random(62);
  for (const std::string& type : kByteTypes) {
    for (const Shape& shape : kShapes) {
      const auto cols = static_cast<size_t>(shape.Last());
      const auto count = static_cast<size_t>(shape.Elements());
      const auto codes = AnyCodes(random, type, count);
      for (const ScalePer per :
           {ScalePer::kTensor, ScalePer::kColumn, ScalePer::kRow}) {
        PlainQuantiser q{per, -8, 8};
        const bool zeros = random.Below(2) == 0;
        q.Fill(random, count / cols, cols, 0.3f, zeros);
        const Shape scales = ScalesOf(per, shape);
        OpCall call{"Dequantize",
                    {CodeTensor(type, shape, codes), F32(scales, q.scale)},
                    {{"per", q.Attributes()["per"]}}};
        if (zeros) call.inputs.emplace_back(F32(scales, q.zero));
        INFO(type << ToString(shape) << " zeros " << zeros);
        Everywhere(call, [&](const Value& out) {
          const auto got = out.Floats();
          size_t wrong = 0;
          for (size_t i = 0; i < count; ++i) {
            const size_t s = per == ScalePer::kTensor   ? 0
                             : per == ScalePer::kColumn ? i % cols
                                                        : i / cols;
            const float zero = zeros ? q.zero[s] : 0.0f;
            wrong +=
                got[i] != (static_cast<float>(codes[i]) - zero) * q.scale[s];
          }
          CHECK(wrong == 0);
        });
      }
    }
  }
}

TEST_CASE("Dequantize of weights is v * scale of the row") {
  Random random(63);
  for (const std::string& type : kWeightTypes) {
    for (const int64_t cols : {1, 49, 96, 197}) {
      const auto codes = AnyCodes(random, type, static_cast<size_t>(3 * cols));
      const auto scale = random.Normals(3);
      INFO(type << " of " << cols);
      Everywhere(
          {"Dequantize", {CodeTensor(type, {3, cols}, codes), F32({3}, scale)}},
          [&](const Value& out) {
            const auto got = out.Floats();
            size_t wrong = 0;
            for (size_t i = 0; i < codes.size(); ++i) {
              wrong += got[i] != static_cast<float>(codes[i]) *
                                     scale[i / static_cast<size_t>(cols)];
            }
            CHECK(wrong == 0);
          });
    }
  }
}

TEST_CASE("Weights of scales that are no numbers give one NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto got =
      Run({"Dequantize",
           {CodeTensor("ternary", {1, 3}, {-1, 0, 1}), F32({1}, {infinity})}})
          .As<uint32_t>();
  CHECK(got[0] == 0xFF800000u);
  CHECK(got[1] == 0x7FC00000u);
  CHECK(got[2] == 0x7F800000u);
}

TEST_CASE("Byte quantisers that do not fit are refused") {
  const Value x = Iota({2, 6}), one = F32({1}, {1});
  const auto call = [&](AttributeMap attributes) {
    OpCall c{"Quantize", {x, one, one}, {}};
    c.attributes = {{"per", std::string("tensor")},
                    {"lo", int64_t{0}},
                    {"hi", int64_t{15}}};
    for (auto& [name, value] : attributes) c.attributes[name] = value;
    return c;
  };
  const auto with = [&](size_t input, std::optional<Value> value,
                        AttributeMap attributes = {}) {
    OpCall c = call(std::move(attributes));
    c.inputs.resize(5);
    c.inputs[input] = std::move(value);
    return c;
  };
  CHECK(ErrorOf(call({{"per", std::string("head")}})) ==
        "per: got 'head', expected tensor, column or row");
  CHECK(ErrorOf(call({{"hi", int64_t{256}}})) ==
        "lo and hi: got 0 and 256, expected a range within 0 to 255 or -128 "
        "to 127");
  CHECK(ErrorOf(call({{"lo", int64_t{-1}}, {"hi", int64_t{128}}}))
            .starts_with("lo and hi: got -1 and 128"));
  CHECK(ErrorOf(call({{"lo", int64_t{16}}}))
            .starts_with("lo and hi: got 16 and 15"));
  CHECK(ErrorOf(call({{"lo", std::numeric_limits<int64_t>::min()}}))
            .starts_with("lo and hi: got -9223372036854775808"));
  CHECK(ErrorOf(call({{"bipolar2", int64_t{1}}})) ==
        "lo and hi: got 0 and 15, expected 0 and 3 for bipolar2");
  CHECK(ErrorOf(call({{"source", std::string("tanh")}})) ==
        "source: got 'tanh', expected plain, layer_norm, clip or gelu_clip");
  CHECK(ErrorOf(call({{"source", std::string("layer_norm")}})) ==
        "input gamma: got nothing, expected f32[6]");
  CHECK(ErrorOf(with(4, Iota({6}))) ==
        "input beta: got f32[6], expected nothing for source plain");
  CHECK(ErrorOf(with(0, I64({1}, {1}))) == "input x: got i64[1], expected f32");
  CHECK(ErrorOf(with(0, F32({}, {1}))) ==
        "codes: got shape [], expected a last dimension of 1 or more");
  CHECK(ErrorOf(with(0, F32({2, 0}, {}))) ==
        "codes: got shape [2,0], expected a last dimension of 1 or more");
  CHECK(ErrorOf(with(1, std::nullopt)) ==
        "input scale: got nothing, expected f32[1]");
  CHECK(ErrorOf(with(1, one, {{"per", std::string("column")}})) ==
        "input scale: got f32[1], expected f32[6]");
  CHECK(ErrorOf(with(1, one, {{"per", std::string("row")}})) ==
        "input scale: got f32[1], expected f32[2,1]");
  CHECK(ErrorOf(with(2, Iota({6}))) ==
        "input zero: got f32[6], expected f32[1]");
  const AttributeMap after{{"zero_after", int64_t{1}}};
  CHECK(ErrorOf(with(2, Constant(F32({1}, {1.5f})), after)) ==
        "input zero: got 1.500000, expected integers within 2^15");
  CHECK(ErrorOf(with(2, Constant(F32({1}, {40000})), after))
            .starts_with("input zero: got 40000"));
  CHECK(ErrorOf(with(2, Constant(F32({1}, {NAN})), after))
            .starts_with("input zero: got nan"));
}

TEST_CASE("Constants for columns may be one for each group, zeros s8") {
  const Value x = F32({2, 6}, {0.1f, 0.9f, -3, 4, 0, -0.2f, 2, -2, 1, 5, 7, 3});
  const AttributeMap column{{"per", std::string("column")}},
      codes{{"per", std::string("column")},
            {"lo", int64_t{-8}},
            {"hi", int64_t{7}},
            {"zero_after", int64_t{1}}};
  const Value scale = Constant(F32({6}, {2, 2, 2, 0.5f, 0.5f, 0.5f})),
              zero = Constant(F32({6}, {-3, -3, -3, 4, 4, 4})),
              scales = Constant(F32({2}, {2, 0.5f})),
              zeros = Constant(Bytes(runtime::DType::kS8, {2}, {0xFD, 4})),
              every = Constant(
                  Bytes(runtime::DType::kS8, {6}, {0xFD, 0xFD, 0xFD, 4, 4, 4}));
  const Value expected = Run({"Quantize", {x, scale, zero}, codes});
  const auto levels =
      Run({"Dequantize", {expected, scale, zero}, column}).Floats();
  for (const Value& z : {zeros, every}) {
    const Value got = Run({"Quantize", {x, scales, z}, codes});
    CHECK(got.As<int8_t>() == expected.As<int8_t>());
    CHECK(Run({"Dequantize", {got, scales, z}, column}).Floats() == levels);
  }
  // A file of 2 kB asked for 4 GB this way.
  const int64_t many = (int64_t{1} << 22) + 1;
  const Value wide = F32({1, many}, std::vector<float>(size_t{1} << 22 | 1));
  CHECK(ErrorOf({"Quantize", {wide, Constant(F32({1}, {1}))}, codes}) ==
        "input scale: got f32[1], expected f32[4194305], as groups are spread "
        "over at most 4194304 columns");
  const Value few = Constant(F32({4}, {1, 1, 1, 1}));
  CHECK(ErrorOf({"Quantize", {x, few}, codes}) ==
        "input scale: got f32[4], expected f32 constants, one for each of 6 "
        "columns or of equal groups of them");
  CHECK(ErrorOf({"Quantize", {x, zeros}, codes})
            .starts_with("input scale: got s8[2], expected f32 constants"));
  CHECK(ErrorOf({"Dequantize", {expected, scales, few}, column})
            .starts_with("input zero: got f32[4], expected f32 or s8"));
}

TEST_CASE("Codes that cannot be levels are refused") {
  const Value bytes = CodeTensor("u4c", {2, 6}, std::vector<int>(12, 3)),
              weights = CodeTensor("s4w", {2, 6}, std::vector<int>(12, 3)),
              one = Iota({1}), two = Iota({2});
  const AttributeMap row{{"per", std::string("row")}};
  CHECK(ErrorOf({"Dequantize", {bytes}}) ==
        "input scale: got nothing, expected f32[1]");
  CHECK(ErrorOf({"Dequantize", {bytes, two}, row}) ==
        "input scale: got f32[2], expected f32[2,1]");
  CHECK(ErrorOf({"Dequantize", {bytes, one, two}}) ==
        "input zero: got f32[2], expected f32[1]");
  CHECK(ErrorOf({"Dequantize", {weights, one}}) ==
        "input scale: got f32[1], expected f32[2]");
  CHECK(ErrorOf({"Dequantize", {weights, two, two}}) ==
        "input zero: got f32[2], expected nothing for weights");
  CHECK(ErrorOf({"Dequantize", {weights, two}, row}) ==
        "per: got one, expected none but for byte codes");
}

}  // namespace
}  // namespace bittern::test
