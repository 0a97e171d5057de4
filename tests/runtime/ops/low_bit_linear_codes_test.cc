// LowBitLinear on every pair of operand types, and its float and byte
// epilogues, against plain loops, on every target.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/math_reference.h"
#include "runtime/ops/op.h"
#include "tests/runtime/ops/low_bit_inputs.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using kernels::ScalePer;
using runtime::AttributeMap;
using runtime::Shape;

bool IsFused(const kernels::CpuFeatures& cpu) {
  const std::string_view target = kernels::BestTarget(cpu);
  return target != "scalar" && target != "sse4";
}

// Calls check(out) on every target, with one to three threads; where `exact`,
// only on those with a fused multiply-add.
template <class Check>
void Everywhere(OpCall call, bool exact, const Check& check) {
  for (const auto& cpu : EveryCpu()) {
    if (exact && !IsFused(cpu)) continue;
    for (const size_t threads : {1u, 2u, 3u}) {
      INFO(kernels::BestTarget(cpu) << ", " << threads << " threads");
      call.cpu = cpu;
      call.threads = threads;
      check(Run(call));
    }
  }
}

// One function of an epilogue, with its own operands.
struct Function {
  std::string name;
  float lo = 0, hi = 0;
  std::vector<float> values{};
};

// Random operands and what the definition makes of them.
struct Layer {
  int64_t m, n, k;
  std::string x_type, w_type;
  std::vector<int> x, w;
  std::vector<float> floats;  // x, if its type is "f32"
  std::vector<float> scale, bias, residual, row_scale;
  std::vector<int32_t> correction, row_term, column_term;
  std::vector<Function> functions;

  Layer(Random& random, Shape shape, std::string x_name, std::string w_name)
      : m(shape[0]),
        n(shape[1]),
        k(shape[2]),
        x_type(std::move(x_name)),
        w_type(std::move(w_name)) {
    w = AnyCodes(random, w_type, static_cast<size_t>(n * k));
    if (x_type == "f32") {
      floats = random.Normals(static_cast<size_t>(m * k));
    } else {
      x = AnyCodes(random, x_type, static_cast<size_t>(m * k));
    }
    for (int64_t i = 0; i < n; ++i)
      scale.push_back(random.Uniform(0.001f, 0.1f));
  }

  size_t At(int64_t row, int64_t col, int64_t cols) const {
    return static_cast<size_t>(row * cols + col);
  }

  float Accumulator(int64_t r, int64_t c) const {
    if (x_type == "f32") {
      const bool threes = w_type == "bipolar";
      float sum = 0, three = 0;
      for (int64_t i = 0; i < k; ++i) {
        float& to = threes ? three : sum;
        to = std::fma(floats[At(r, i, k)], static_cast<float>(w[At(c, i, k)]),
                      to);
        if (!threes || (i % 3 != 2 && i + 1 != k)) continue;
        sum += three;
        three = 0;
      }
      return sum;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < k; ++i)
      sum += int64_t{x[At(r, i, k)]} * w[At(c, i, k)];
    const auto row = static_cast<size_t>(r), col = static_cast<size_t>(c);
    if (!correction.empty()) sum += correction[col];
    if (!row_term.empty())
      sum += int64_t{row_term[row % row_term.size()]} * column_term[col];
    REQUIRE(std::abs(sum) < int64_t{1} << 31);
    return static_cast<float>(static_cast<int32_t>(sum));
  }

  float Apply(const Function& f, float y, size_t col,
              float residual_value) const {
    if (f.name == "relu") return y <= 0 ? 0.0f : y;
    if (f.name == "gelu") return kernels::GeluReference(y);
    if (f.name == "clip") return std::min(std::max(y, f.lo), f.hi);
    if (f.name == "add") return y + f.values[col];
    if (f.name == "mul") return y * f.values[col];
    if (f.name == "prelu") return y < 0 ? y * f.values[col] : y;
    return residual_value + y;
  }

  // The finished floats.
  std::vector<float> Loops() const {
    std::vector<float> out;
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t c = 0; c < n; ++c) {
        const auto row = static_cast<size_t>(r), col = static_cast<size_t>(c);
        float factor = scale[col];
        if (!row_scale.empty())
          factor = factor * row_scale[row % row_scale.size()];
        float y = Accumulator(r, c) * factor;
        if (!bias.empty()) y = y + bias[col];
        const float value = residual.empty() ? 0.0f : residual[At(r, c, n)];
        bool added = residual.empty();
        for (const Function& f : functions) {
          y = Apply(f, y, col, value);
          added = added || f.name == "residual";
        }
        out.push_back(added ? y : value + y);
      }
    }
    return out;
  }

  OpCall Call() const {
    OpCall call{"LowBitLinear",
                std::vector<std::optional<Value>>(kInputs),
                {{"epilogue", std::string("f32")}}};
    call.inputs[kX] =
        x_type == "f32" ? F32({m, k}, floats) : CodeTensor(x_type, {m, k}, x);
    call.inputs[kW] = CodeTensor(w_type, {n, k}, w);
    const auto put = [&](size_t input, const std::vector<float>& values,
                         const Shape& shape) {
      if (!values.empty()) call.inputs[input] = Constant(F32(shape, values));
    };
    put(kScale, scale, {n});
    put(kBias, bias, {n});
    put(kResidual, residual, {m, n});
    const auto rows = [&](size_t count) {
      return count == 1 ? Shape{1} : Shape{m, 1};
    };
    put(kRowScale, row_scale, rows(row_scale.size()));
    if (!correction.empty())
      call.inputs[kCorrection] = Constant(I32({n}, correction));
    if (!row_term.empty()) {
      call.inputs[kRowTerm] = I32(rows(row_term.size()), row_term);
      call.inputs[kColumnTerm] = Constant(I32({n}, column_term));
    }
    std::string names;
    std::vector<float> arguments, values;
    for (const Function& f : functions) {
      names += (names.empty() ? "" : " ") + f.name;
      if (f.name == "clip") arguments.insert(arguments.end(), {f.lo, f.hi});
      values.insert(values.end(), f.values.begin(), f.values.end());
    }
    if (!names.empty()) call.attributes["functions"] = names;
    if (!arguments.empty()) call.attributes["function_args"] = arguments;
    put(kStepValues, values, {static_cast<int64_t>(values.size()) / n, n});
    return call;
  }

  std::string Name() const {
    return x_type + " x " + w_type + ", " + std::to_string(m) + "x" +
           std::to_string(n) + "x" + std::to_string(k);
  }
};

void AddZeroPoints(Random& random, Layer& layer, bool one_row) {
  const auto n = static_cast<size_t>(layer.n);
  const size_t rows = one_row ? 1 : static_cast<size_t>(layer.m);
  const auto any = [&](int magnitude) {
    return static_cast<int32_t>(
               random.Below(static_cast<size_t>(2 * magnitude + 1))) -
           magnitude;
  };
  for (size_t i = 0; i < n; ++i) {
    layer.correction.push_back(any(20000));
    layer.column_term.push_back(any(3000));
  }
  for (size_t i = 0; i < rows; ++i) {
    layer.row_term.push_back(any(255));
    layer.row_scale.push_back(random.Uniform(0.5f, 2));
  }
}

const std::vector<std::string> kXTypes = {"sign", "u1c", "u2c",       "u3c",
                                          "u4c",  "u8c", "s2c",       "s3c",
                                          "s4c",  "s8c", "bipolar2c", "f32"};

TEST_CASE("Every pair of operands gives the sums of plain loops") {
  Random random(70);
  for (const std::string& x : kXTypes) {
    for (const std::string& w : kWeightTypes) {
      for (const Shape& shape : {Shape{1, 3, 1}, Shape{3, 65, 49},
                                 Shape{5, 33, 96}, Shape{2, 17, 197}}) {
        const Layer layer(random, shape, x, w);
        INFO(layer.Name());
        const auto want = layer.Loops();
        Everywhere(layer.Call(), x == "f32", [&](const Value& out) {
          CHECK(out.type.shape == Shape{layer.m, layer.n});
          CHECK(out.Floats() == want);
        });
      }
    }
  }
}

TEST_CASE("Zero points, row scales, bias and residual, each in its place") {
  Random random(71);
  for (const auto& [x, w] : {std::pair{"u4c", "s4w"},
                             {"u8c", "u8w"},
                             {"sign", "ternary"},
                             {"s8c", "s8w"}}) {
    for (const bool one_row : {false, true}) {
      for (const bool constant : {false, true}) {
        Layer layer(random, {7, 70, 96}, x, w);
        AddZeroPoints(random, layer, one_row);
        layer.bias = random.Normals(70);
        layer.residual = random.Normals(7 * 70);
        OpCall call = layer.Call();
        call.inputs[kRowScale]->constant = constant;
        call.inputs[kRowTerm]->constant = constant;
        call.inputs[kResidual]->constant = false;
        INFO(layer.Name() << " one row " << one_row);
        Everywhere(call, false, [&](const Value& out) {
          CHECK(out.Floats() == layer.Loops());
        });
      }
    }
  }
}

TEST_CASE("Functions follow each other in their order") {
  Random random(72);
  const auto values = [&] { return random.Normals(33); };
  const std::vector<std::vector<Function>> chains = {
      {{"relu"}},
      {{"gelu"}},
      {{"clip", -1, 2}, {"clip", -0.5f, 0.25f}},
      {{"add", 0, 0, values()},
       {"prelu", 0, 0, values()},
       {"add", 0, 0, values()}},
      {{"mul", 0, 0, values()}, {"residual"}, {"gelu"}},
      {{"residual"}, {"relu"}, {"mul", 0, 0, values()}, {"clip", 0, 3}}};
  for (const char* x : {"u2c", "f32"}) {
    for (const auto& chain : chains) {
      Layer layer(random, {6, 33, 49}, x, "ternary");
      layer.bias = random.Normals(33);
      layer.residual = random.Normals(6 * 33);
      layer.functions = chain;
      INFO(layer.Name() << " " << chain[0].name << " of " << chain.size());
      Everywhere(layer.Call(), true, [&](const Value& out) {
        CHECK(out.Floats() == layer.Loops());
      });
    }
  }
}

TEST_CASE("Bytes are the codes of the floats") {
  Random random(73);
  const auto check = [&](const char* x, const char* w, PlainQuantiser q,
                         int64_t n) {
    Layer layer(random, {9, n, 96}, x, w);
    layer.bias = random.Normals(static_cast<size_t>(n));
    if (random.Below(2) == 0) layer.functions = {{"relu"}};
    if (random.Below(2) == 0)
      layer.residual = random.Normals(static_cast<size_t>(9 * n));
    if (layer.x_type != "f32" && random.Below(2) == 0)
      AddZeroPoints(random, layer, false);
    const auto want = layer.Loops();
    float most = 0;
    for (const float y : want) most = std::max(most, std::abs(y));
    const bool zeros = q.zero_after || random.Below(2) == 0;
    q.Fill(random, 9, static_cast<size_t>(n),
           most / static_cast<float>(q.hi - q.lo + 1), zeros);
    OpCall call = layer.Call();
    call.attributes["epilogue"] = std::string("bytes");
    call.attributes.merge(q.Attributes());
    const Shape scales{static_cast<int64_t>(q.scale.size())};
    call.inputs[kA] = Constant(F32(scales, q.scale));
    if (zeros) call.inputs[kZ] = Constant(F32(scales, q.zero));
    INFO(layer.Name() << " to " << q.lo << ".." << q.hi);
    Everywhere(call, layer.x_type == "f32", [&](const Value& out) {
      const auto got = ByteValues(out);
      size_t wrong = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        wrong += got[i] != q.ValueOf(want[i], i / static_cast<size_t>(n),
                                     i % static_cast<size_t>(n));
      }
      CHECK(wrong == 0);
    });
  };
  for (const int64_t n : {int64_t{1}, int64_t{70}, int64_t{192}}) {
    for (const ScalePer per : {ScalePer::kTensor, ScalePer::kColumn}) {
      for (const bool after : {false, true}) {
        for (const bool multiply : {false, true}) {
          check("u4c", "s4w", {per, 0, 15, false, multiply, after}, n);
          check("sign", "bipolar", {per, -8, 7, false, multiply, after}, n);
          check("bipolar2c", "bipolar2w", {per, 0, 3, true, multiply, after},
                n);
          check("s8c", "s8w", {per, -128, 127, false, multiply, after}, n);
          check("f32", "s3w", {per, 0, 255, false, multiply, after}, n);
        }
      }
    }
  }
}

TEST_CASE("Bytes of normalised groups are those of the ops in a row") {
  Random random(78);
  struct Case {
    const char *x, *w;
    int64_t n, group;
  };
  for (const Case& c :
       {Case{"s4c", "s8w", 192, 64}, Case{"u4c", "s4w", 96, 32},
        Case{"u8c", "s16w", 150, 50}, Case{"sign", "bipolar", 70, 70},
        Case{"s2c", "ternary", 320, 160}}) {
    for (const bool bias : {false, true}) {
      Layer layer(random, {9, c.n, 96}, c.x, c.w);
      if (bias) {
        layer.bias = random.Normals(static_cast<size_t>(c.n));
        for (int64_t i = 0; i < c.n; ++i)
          layer.correction.push_back(static_cast<int32_t>(random.Below(99)));
      }
      const Shape width{c.group}, rows{9 * c.n / c.group, c.group};
      const Value gamma = Constant(
                      F32(width, random.Normals(static_cast<size_t>(c.group)))),
                  beta = Constant(
                      F32(width, random.Normals(static_cast<size_t>(c.group))));
      const auto y = Run({"LayerNorm",
                          {F32(rows, Run(layer.Call()).Floats()), gamma, beta},
                          {{"epsilon", 1e-5f}}})
                         .Floats();
      PlainQuantiser q{bias ? ScalePer::kColumn : ScalePer::kTensor, -8, 7};
      q.Fill(random, 9, static_cast<size_t>(c.n), 0.3f, true);
      OpCall call = layer.Call();
      call.attributes["epilogue"] = std::string("group_norm_bytes");
      call.attributes["group"] = c.group == c.n ? int64_t{0} : c.group;
      call.attributes["epsilon"] = 1e-5f;
      call.attributes.merge(q.Attributes());
      const Shape scales{static_cast<int64_t>(q.scale.size())};
      call.inputs[kGamma] = gamma;
      call.inputs[kBeta] = beta;
      call.inputs[kA] = Constant(F32(scales, q.scale));
      call.inputs[kZ] = Constant(F32(scales, q.zero));
      INFO(layer.Name() << " in groups of " << c.group);
      Everywhere(call, true, [&](const Value& out) {
        const auto got = ByteValues(out);
        size_t wrong = 0;
        for (size_t i = 0; i < got.size(); ++i) {
          wrong += got[i] != q.ValueOf(y[i], i / static_cast<size_t>(c.n),
                                       i % static_cast<size_t>(c.n));
        }
        CHECK(wrong == 0);
      });
    }
  }
}

TEST_CASE("Few codes come from thresholds where their layer has some") {
  Random random(77);
  const float infinity = std::numeric_limits<float>::infinity();
  const auto values = [&] { return random.Normals(20); };
  struct Case {
    const char* what;
    std::vector<Function> functions;
    float first_scale;
    bool thresholds;
  };
  for (const Case& c :
       {Case{"linear", {}, 0.02f, true},
        Case{"falling", {{"relu"}}, -0.02f, true}, Case{"zero", {}, 0, true},
        Case{"infinite", {}, infinity, true}, Case{"NaN", {}, NAN, true},
        Case{"relu and clip", {{"relu"}, {"clip", 0, 1}}, 0.02f, true},
        Case{"GELU", {{"gelu"}}, 0.02f, true},
        Case{"prelu", {{"prelu", 0, 0, values()}}, 0.02f, false}}) {
    Layer layer(random, {9, 20, 96}, "u2c", "s3w");
    layer.scale[0] = c.first_scale;
    layer.bias = random.Normals(20);
    layer.functions = c.functions;
    for (size_t i = 0; i < 20; ++i)
      layer.correction.push_back(static_cast<int32_t>(random.Below(99)));
    PlainQuantiser q{ScalePer::kTensor, 0, 3};
    q.Fill(random, 9, 20, 0.7f, true);
    OpCall call = layer.Call();
    call.attributes["epilogue"] = std::string("bytes");
    call.attributes.merge(q.Attributes());
    call.inputs[kA] = Constant(F32({1}, q.scale));
    call.inputs[kZ] = Constant(F32({1}, q.zero));
    INFO(c.what);
    CHECK((KernelOf(call).find("threshold_bytes") != std::string::npos) ==
          c.thresholds);
    const auto want = layer.Loops();
    Everywhere(call, true, [&](const Value& out) {
      const auto got = ByteValues(out);
      size_t wrong = 0;
      for (size_t i = 0; i < got.size(); ++i)
        wrong += got[i] != q.ValueOf(want[i], i / 20, i % 20);
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("Codes with leading dimensions keep their shape") {
  Random random(74);
  Layer layer(random, {6, 20, 30}, "u4c", "s4w");
  layer.row_scale = random.Normals(6);
  OpCall call = layer.Call();
  call.inputs[kX] = CodeTensor("u4c", {2, 3, 30}, layer.x);
  call.inputs[kRowScale] = F32({2, 3, 1}, layer.row_scale);
  const Value out = Run(call);
  CHECK(out.type.shape == Shape{2, 3, 20});
  CHECK(out.Floats() == layer.Loops());
}

TEST_CASE("Sums near 2^31 are exact, and rounded once") {
  // 65793 products of 255 * -128 are the last that fit.
  for (const int64_t k : {65793, 65794}) {
    const auto count = static_cast<size_t>(k);
    OpCall call{"LowBitLinear",
                {CodeTensor("u8c", {1, k}, std::vector<int>(count, 255)),
                 CodeTensor("s8w", {1, k}, std::vector<int>(count, -128)),
                 Constant(F32({1}, {0.5f}))},
                {{"epilogue", std::string("f32")}}};
    if (k == 65794) {
      CHECK(ErrorOf(call) ==
            "sums: got 65794 products of u8c[1,65794] and s8w[1,65794], "
            "expected at most 65793 to fit 32 bits");
      continue;
    }
    Everywhere(call, false, [&](const Value& out) {
      CHECK(out.Floats()[0] ==
            static_cast<float>(-int64_t{255} * 128 * 65793) * 0.5f);
    });
  }
}

TEST_CASE("What does not fit codes is refused") {
  Random random(75);
  Layer layer(random, {2, 6, 8}, "u8c", "s8w");
  AddZeroPoints(random, layer, false);
  const auto with = [&](size_t input, std::optional<Value> value,
                        AttributeMap attributes = {}) {
    OpCall call = layer.Call();
    call.inputs[input] = std::move(value);
    for (auto& [name, attribute] : attributes)
      call.attributes[name] = attribute;
    return call;
  };
  const auto has = [&](size_t input) { return *layer.Call().inputs[input]; };
  const AttributeMap bytes{{"epilogue", std::string("bytes")},
                           {"lo", int64_t{0}},
                           {"hi", int64_t{15}}};
  const auto functions = [](const char* names) {
    return AttributeMap{{"functions", std::string(names)}};
  };
  CHECK(ErrorOf(with(kCorrection, Constant(Iota({6})))) ==
        "input correction: got f32[6], expected i32[6]");
  CHECK(ErrorOf(with(kRowTerm, std::nullopt)) ==
        "input row_term: got nothing, expected i32[2,1]");
  CHECK(ErrorOf(with(kRowTerm, I32({2}, {1, 2}))) ==
        "input row_term: got i32[2], expected i32[2,1]");
  CHECK(ErrorOf(with(kColumnTerm, std::nullopt)) ==
        "input column_term: got nothing, expected i32[6]");
  CHECK(ErrorOf(with(kRowScale, F32({2}, {1, 2}))) ==
        "input row_scale: got f32[2], expected f32[2,1]");
  CHECK(ErrorOf(with(kResidual, Iota({6}))) ==
        "input residual: got f32[6], expected f32[2,6]");
  CHECK(ErrorOf(with(kA, Constant(Iota({1})))) ==
        "input a: got f32[1], expected nothing for epilogue f32");
  CHECK(ErrorOf(with(kA, Iota({1}), bytes)) ==
        "input a: got f32[1], expected a constant");
  CHECK(ErrorOf(with(kA, std::nullopt, bytes)) ==
        "input a: got nothing, expected f32[1]");
  CHECK(ErrorOf(with(kA, std::nullopt, {{"epilogue", std::string("bytes")}}))
            .starts_with("lo and hi: got 0 and -1"));
  AttributeMap row = bytes;
  row["per"] = std::string("row");
  CHECK(ErrorOf(with(kA, std::nullopt, row)) ==
        "per: got 'row', expected tensor or column");
  CHECK(ErrorOf(with(kStepValues, std::nullopt, functions("add"))) ==
        "input step_values: got nothing, expected 1 rows, one for each add, "
        "mul and prelu");
  CHECK(ErrorOf(with(kStepValues, Constant(Iota({1, 5})), functions("add"))) ==
        "input step_values: got f32[1,5], expected f32[1,6]");
  CHECK(ErrorOf(with(kStepValues, Constant(Iota({2, 6})), functions("mul")))
            .ends_with("expected 1 rows, one for each add, mul and prelu"));
  CHECK(ErrorOf(with(kX, has(kX), functions("residual")))
            .starts_with("functions: got 'residual'"));
  CHECK(ErrorOf(with(kResidual, Iota({2, 6}), functions("residual residual")))
            .starts_with("functions: got 'residual'"));
  CHECK(ErrorOf(with(kX, Iota({2, 8}))) ==
        "input correction: got i32[6], expected nothing for epilogue f32 of "
        "f32");
  CHECK(ErrorOf(with(kX, has(kX), {{"epilogue", std::string("sign")}})) ==
        "epilogue sign: got s8w[6,8] and u8c[2,8], expected bipolar weights "
        "and sign codes");
  AttributeMap norm = bytes;
  norm["epilogue"] = std::string("group_norm_bytes");
  norm["group"] = int64_t{4};
  Layer plain(random, {2, 6, 8}, "u8c", "s8w");
  const auto normed = [&](size_t input, std::optional<Value> value,
                          const AttributeMap& attributes) {
    OpCall call = plain.Call();
    call.inputs[kGamma] = call.inputs[kBeta] = Constant(Iota({3}));
    call.inputs[kA] = Constant(Iota({1}));
    call.inputs[input] = std::move(value);
    for (const auto& [name, attribute] : attributes)
      call.attributes[name] = attribute;
    return call;
  };
  CHECK(ErrorOf(normed(kScale, plain.Call().inputs[kScale], norm)) ==
        "group: got 4, expected 0 or a divisor of 6");
  norm["group"] = int64_t{3};
  CHECK(ErrorOf(normed(kGamma, std::nullopt, norm)) ==
        "input gamma: got nothing, expected f32[3]");
  CHECK(ErrorOf(normed(kBeta, Constant(Iota({6})), norm)) ==
        "input beta: got f32[6], expected f32[3]");
  CHECK(ErrorOf(normed(kResidual, Iota({2, 6}), norm)) ==
        "input residual: got f32[2,6], expected nothing for epilogue "
        "group_norm_bytes");
  CHECK(ErrorOf(normed(kRowScale, F32({2, 1}, {1, 2}), norm)) ==
        "input row_scale: got f32[2,1], expected nothing for epilogue "
        "group_norm_bytes");
  CHECK(ErrorOf(normed(kX, Iota({2, 8}), norm)) ==
        "epilogue group_norm_bytes: got s8w[6,8] and f32[2,8], expected codes");
  norm["functions"] = std::string("relu");
  CHECK(ErrorOf(normed(kGamma, Constant(Iota({3})), norm)) ==
        "functions: got some, expected none for epilogue group_norm_bytes");
  std::vector<int32_t> large(6);
  large[4] = -2147483647;
  CHECK(ErrorOf(with(kCorrection, Constant(I32({6}, large))))
            .starts_with("zero points of channel 4: got sums from -2147"));
  OpCall rows = with(kRowTerm, Constant(I32({1}, {1 << 30})));
  CHECK(ErrorOf(rows).starts_with("zero points of channel 0: got sums from -"));
}

TEST_CASE("A correction that only the given weights leave room for is taken") {
  // Sums of -128 * 8 * 0..255 and a correction of all but 2^31.
  OpCall call{"LowBitLinear",
              std::vector<std::optional<Value>>(kInputs),
              {{"epilogue", std::string("f32")}}};
  call.inputs[kX] = CodeTensor("u8c", {1, 8}, std::vector<int>(8, 255));
  call.inputs[kW] = CodeTensor("s8w", {1, 8}, std::vector<int>(8, -128));
  call.inputs[kScale] = Constant(F32({1}, {1}));
  call.inputs[kCorrection] = Constant(I32({1}, {2147483647}));
  CHECK(Run(call).Floats()[0] ==
        static_cast<float>(2147483647 - 255 * 128 * 8));
  call.inputs[kCorrection] = Constant(I32({1}, {-2147483647}));
  CHECK(ErrorOf(call) ==
        "zero points of channel 0: got sums from -2147744767 to -2147483647, "
        "expected magnitudes below 2^31");
}

TEST_CASE("Costs have the widths of weights and activations") {
  Random random(76);
  const Layer layer(random, {2, 6, 40}, "u4c", "ternary");
  const OpCall call = layer.Call();
  std::vector<runtime::InputInfo> inputs;
  for (const auto& input : call.inputs) {
    inputs.push_back(
        input ? runtime::InputInfo{true, 0, input->type, input->data->data()}
              : runtime::InputInfo{});
  }
  const runtime::OpDef def{call.op, "the/node", {}, {}, call.attributes};
  std::vector<runtime::TensorType> outputs(1);
  const auto op = runtime::FindOp("LowBitLinear")->create();
  REQUIRE(op->Infer({def, inputs, outputs}).ok());
  const runtime::OpCost cost = op->Cost();
  CHECK(cost.macs == 480);
  CHECK(cost.weight_bits == 2);
  CHECK(cost.activation_bits == 4);
  CHECK(cost.bytes == 6 * 8);  // 40 trits, five a byte
}

}  // namespace
}  // namespace bittern::test
