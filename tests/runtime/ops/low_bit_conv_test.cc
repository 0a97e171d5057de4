// LowBitConv on every pair of operand types against plain loops: borders,
// strides, dilations, groups and depthwise filters, and its epilogues, on every
// target.
#include <algorithm>
#include <catch2/catch.hpp>
#include <climits>
#include <cmath>

#include "runtime/ops/op.h"
#include "tests/runtime/ops/low_bit_inputs.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;

struct Axis {
  int64_t in, kernel, stride = 1, dilation = 1, before = 0, after = 0;
  int64_t out() const {
    return (in + before + after - (kernel - 1) * dilation - 1) / stride + 1;
  }
};

struct Geometry {
  Axis h, w;
  int64_t batch, ic, oc, groups = 1;
};

int SignOf(float x) {
  return static_cast<int>(x > 0) - static_cast<int>(x < 0);
}

// Random operands and what the definition makes of them.
struct Layer {
  Geometry g;
  std::string x_type, w_type;
  int pad = 0;
  std::vector<int64_t> pads;  // by channel, if there are any
  std::vector<int> x, w;      // [N,H,W,C], [oc][kh][kw][C / groups]
  std::vector<float> floats;  // x, if its type is "f32"
  std::vector<float> scale, bias;
  std::vector<float> channel_scale;  // of input channels, if they have any

  Layer(Random& random, const Geometry& geometry, std::string x_name,
        std::string w_name)
      : g(geometry), x_type(std::move(x_name)), w_type(std::move(w_name)) {
    const auto pixels = static_cast<size_t>(g.batch * g.h.in * g.w.in * g.ic);
    w = AnyCodes(random, w_type, static_cast<size_t>(g.oc * K()));
    if (x_type == "f32") {
      floats = random.Normals(pixels);
    } else {
      x = AnyCodes(random, x_type, pixels);
      if (x_type != "sign") pad = AnyCodes(random, x_type, 1)[0];
    }
    for (int64_t i = 0; i < g.oc; ++i) {
      scale.push_back(random.Uniform(0.001f, 0.1f));
      bias.push_back(random.Normal());
    }
  }

  int64_t K() const { return g.h.kernel * g.w.kernel * g.ic / g.groups; }
  int64_t Rows() const { return g.batch * g.h.out() * g.w.out(); }
  Shape Out() const { return {g.batch, g.h.out(), g.w.out(), g.oc}; }

  // The sum of output pixel (n, oy, ox), channel c; taps in (kh, kw, ic) order.
  float Accumulator(int64_t n, int64_t oy, int64_t ox, int64_t c) const {
    const int64_t channels = g.ic / g.groups,
                  first = c / (g.oc / g.groups) * channels;
    int64_t sum = 0;
    float chain = 0;
    const int* weight = &w[static_cast<size_t>(c * K())];
    for (int64_t ky = 0; ky < g.h.kernel; ++ky) {
      for (int64_t kx = 0; kx < g.w.kernel; ++kx) {
        const int64_t y = oy * g.h.stride - g.h.before + ky * g.h.dilation,
                      z = ox * g.w.stride - g.w.before + kx * g.w.dilation;
        const bool inside = y >= 0 && y < g.h.in && z >= 0 && z < g.w.in;
        for (int64_t i = 0; i < channels; ++i, ++weight) {
          const auto at = static_cast<size_t>(
              inside ? ((n * g.h.in + y) * g.w.in + z) * g.ic + first + i : 0);
          if (x_type == "f32") {
            chain = std::fma(inside ? floats[at] : 0.0f,
                             static_cast<float>(*weight), chain);
          } else {
            const int64_t zero =
                pads.empty() ? pad : pads[static_cast<size_t>(i)];
            sum += (inside ? x[at] : zero) * *weight;
          }
        }
      }
    }
    return x_type == "f32" ? chain : static_cast<float>(sum);
  }

  // The same where channels have scales: one chain over them of integer sums.
  float ScaledAccumulator(int64_t n, int64_t oy, int64_t ox, int64_t c) const {
    float chain = 0;
    for (int64_t i = 0; i < g.ic; ++i) {
      int64_t sum = 0;
      for (int64_t tap = 0; tap < g.h.kernel * g.w.kernel; ++tap) {
        const int64_t y = oy * g.h.stride - g.h.before +
                          tap / g.w.kernel * g.h.dilation,
                      z = ox * g.w.stride - g.w.before +
                          tap % g.w.kernel * g.w.dilation;
        if (y < 0 || y >= g.h.in || z < 0 || z >= g.w.in) continue;
        const auto at =
            static_cast<size_t>(((n * g.h.in + y) * g.w.in + z) * g.ic + i);
        const int64_t zero = pads.empty() ? 0 : pads[static_cast<size_t>(i)];
        sum +=
            (x[at] - zero) * w[static_cast<size_t>(c * K() + tap * g.ic + i)];
      }
      chain = std::fma(static_cast<float>(sum),
                       channel_scale[static_cast<size_t>(i)], chain);
    }
    return chain;
  }

  // fl(fl(acc * scale) + bias).
  std::vector<float> Loops() const {
    std::vector<float> out;
    for (int64_t n = 0; n < g.batch; ++n) {
      for (int64_t oy = 0; oy < g.h.out(); ++oy) {
        for (int64_t ox = 0; ox < g.w.out(); ++ox) {
          for (int64_t c = 0; c < g.oc; ++c) {
            const auto col = static_cast<size_t>(c);
            const float sum = channel_scale.empty()
                                  ? Accumulator(n, oy, ox, c)
                                  : ScaledAccumulator(n, oy, ox, c);
            const float scaled = sum * scale[col];
            out.push_back(scaled + bias[col]);
          }
        }
      }
    }
    return out;
  }

  OpCall Call(const char* epilogue) const {
    const Shape image{g.batch, g.h.in, g.w.in, g.ic};
    const bool depthwise =
        g.groups == g.ic && g.ic == g.oc && w_type == "bipolar";
    OpCall call{"LowBitConv", std::vector<std::optional<Value>>(kInputs)};
    call.inputs[kX] =
        x_type == "f32" ? F32(image, floats)
        : x_type == "sign"
            ? Sign(image, g.groups > 1 && !depthwise ? g.ic / g.groups : 0, x)
            : CodeTensor(x_type, image, x);
    call.inputs[kW] = CodeTensor(w_type, {g.oc, K()}, w);
    call.inputs[kScale] = Constant(F32({g.oc}, scale));
    call.inputs[kBias] = Constant(F32({g.oc}, bias));
    using List = std::vector<int64_t>;
    call.attributes = {
        {"kernel", List{g.h.kernel, g.w.kernel}},
        {"strides", List{g.h.stride, g.w.stride}},
        {"dilations", List{g.h.dilation, g.w.dilation}},
        {"pads", List{g.h.before, g.w.before, g.h.after, g.w.after}},
        {"groups", g.groups},
        {"pad", int64_t{pad}},
        {"epilogue", std::string(epilogue)}};
    return call;
  }
};

// Borders on every side, unequal ones, windows that lie in the padding alone,
// channels around words, groups, depthwise and one input channel each.
const std::vector<Geometry> kGeometries = {
    {{1, 1}, {1, 1}, 1, 1, 1},
    {{7, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, 2, 64, 70},
    {{8, 3, 2, 1, 1, 0}, {9, 3, 2, 1, 0, 1}, 1, 33, 16},
    {{5, 2, 1, 3, 4, 4}, {4, 3, 3, 1, 3, 5}, 1, 5, 3},
    {{4, 1}, {5, 1}, 3, 130, 17},
    {{6, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, 1, 64, 128, 2},
    {{6, 3, 2, 1, 1, 1}, {5, 3, 1, 1, 1, 1}, 2, 24, 12, 3},
    {{7, 3, 1, 1, 1, 1}, {5, 5, 1, 1, 2, 2}, 2, 70, 70, 70},
    {{5, 3, 1, 1, 1, 1}, {5, 3, 1, 1, 1, 1}, 1, 4, 8, 4}};

template <class Check>
void Everywhere(OpCall call, bool exact, const Check& check) {
  for (const auto& cpu : EveryCpu()) {
    const std::string_view target = kernels::BestTarget(cpu);
    if (exact && (target == "scalar" || target == "sse4")) continue;
    for (const size_t threads : {1u, 3u}) {
      INFO(target << ", " << threads << " threads");
      call.cpu = cpu;
      call.threads = threads;
      check(Run(call));
    }
  }
}

size_t Different(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  size_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

TEST_CASE("Every pair of operands over every geometry") {
  Random random(70);
  std::vector<std::string> x_types = kByteTypes;
  x_types.insert(x_types.end(), {"sign", "f32"});
  for (const Geometry& g : kGeometries) {
    for (const std::string& x_type : x_types) {
      for (const std::string& w_type : kWeightTypes) {
        // 16-bit weights take codes of at most 4 bits.
        if (w_type == "s16w" && (x_type == "u8c" || x_type == "s8c")) continue;
        const Layer layer(random, g, x_type, w_type);
        INFO(x_type << " x " << w_type << ", " << g.ic << " to " << g.oc);
        const std::vector<float> expected = layer.Loops();
        Everywhere(layer.Call("f32"), x_type == "f32", [&](const Value& out) {
          CHECK(out.type.shape == layer.Out());
          CHECK(Different(out.Floats(), expected) == 0);
        });
      }
    }
  }
}

TEST_CASE("Steps and the residual of images") {
  Random random(71);
  for (const Geometry& g : kGeometries) {
    const Layer layer(random, g, "sign", "bipolar");
    const auto n = static_cast<size_t>(g.oc);
    const auto shift = random.Normals(n), slope = random.Normals(n),
               back = random.Normals(n);
    std::vector<float> steps = shift, expected = layer.Loops();
    steps.insert(steps.end(), slope.begin(), slope.end());
    steps.insert(steps.end(), back.begin(), back.end());
    const auto residual = random.Normals(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      float y = residual[i] + expected[i];
      y = y + shift[i % n];
      y = y < 0 ? y * slope[i % n] : y;
      expected[i] = y + back[i % n];
    }
    OpCall call = layer.Call("f32");
    call.attributes["functions"] = std::string("residual add prelu add");
    call.inputs[kResidual] = F32(layer.Out(), residual);
    call.inputs[kStepValues] = Constant(F32({3, g.oc}, steps));
    Everywhere(call, false, [&](const Value& out) {
      CHECK(Different(out.Floats(), expected) == 0);
    });
  }
}

TEST_CASE("Signs and bytes of what a convolution gives") {
  Random random(72);
  for (const Geometry& g : kGeometries) {
    const Layer layer(random, g, "sign", "bipolar");
    INFO(g.ic << " to " << g.oc << " in " << g.groups);
    const std::vector<float> floats = layer.Loops();
    Everywhere(layer.Call("sign"), false, [&](const Value& out) {
      const std::vector<int> codes = Codes(out);
      size_t wrong = 0;
      for (size_t i = 0; i < codes.size(); ++i)
        wrong += codes[i] != SignOf(floats[i]);
      CHECK(wrong == 0);
    });
    PlainQuantiser quantiser;
    quantiser.lo = -8;
    quantiser.hi = 7;
    quantiser.Fill(random, 1, static_cast<size_t>(g.oc), 0.2f, false);
    const Layer wide(random, g, "u4c", "s4w");
    const std::vector<float> sums = wide.Loops();
    OpCall call = wide.Call("bytes");
    for (const auto& [name, value] : quantiser.Attributes())
      call.attributes[name] = value;
    call.inputs[kA] = Constant(F32({1}, quantiser.scale));
    Everywhere(call, false, [&](const Value& out) {
      const std::vector<int> codes = ByteValues(out);
      size_t wrong = 0;
      for (size_t i = 0; i < codes.size(); ++i)
        wrong += codes[i] != quantiser.ValueOf(sums[i], 0, 0);
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("Floats and the signs of what is added to them, at once") {
  Random random(75);
  for (const Geometry& g : kGeometries) {
    const Layer layer(random, g, "sign", "bipolar");
    INFO(g.ic << " to " << g.oc << " in " << g.groups);
    const auto n = static_cast<size_t>(g.oc);
    const auto slope = random.Normals(n);
    auto shift = random.Normals(n);
    std::vector<float> expected = layer.Loops();
    shift[0] = -std::max(expected[0], expected[0] * slope[0]);  // a zero
    const auto residual = std::vector<float>(expected.size(), 0.0f);
    for (size_t i = 0; i < expected.size(); ++i) {
      const float y = residual[i] + expected[i];
      expected[i] = y < 0 ? y * slope[i % n] : y;
    }
    OpCall call = layer.Call("f32_sign");
    call.attributes["functions"] = std::string("residual prelu");
    call.inputs[kResidual] = F32(layer.Out(), residual);
    call.inputs[kStepValues] = Constant(F32({1, g.oc}, slope));
    call.inputs[kZ] = Constant(F32({g.oc}, shift));
    call.outputs = 2;
    for (const auto& cpu : EveryCpu()) {
      for (const size_t threads : {1u, 3u}) {
        INFO(kernels::BestTarget(cpu) << ", " << threads << " threads");
        call.cpu = cpu;
        call.threads = threads;
        const std::vector<Value> out = RunAll(call);
        CHECK(Different(out[0].Floats(), expected) == 0);
        const std::vector<int> codes = Codes(out[1]);
        size_t wrong = 0;
        for (size_t i = 0; i < codes.size(); ++i)
          wrong += codes[i] != SignOf(expected[i] + shift[i % n]);
        CHECK(wrong == 0);
      }
    }
  }
  const Layer layer(random, kGeometries[1], "sign", "bipolar");
  OpCall call = layer.Call("f32_sign");
  CHECK(ErrorOf(call) ==
        "epilogue: got 'f32_sign', expected 2 outputs for it, not 1");
  call.outputs = 2;
  call.inputs[kZ] = Constant(F32({1}, {0.5f}));
  CHECK(ErrorOf(call) == "input z: got f32[1], expected f32[70]");
  OpCall one = layer.Call("f32");
  one.outputs = 2;
  CHECK(ErrorOf(one) ==
        "epilogue: got 'f32', expected 1 outputs for it, not 2");
}

TEST_CASE("Floats, and codes of what is made of them, at once") {
  Random random(78);
  const std::pair<const char*, const char*> types[] = {
      {"sign", "bipolar"}, {"u4c", "s8w"}, {"f32", "s4w"}};
  for (const Geometry& g : kGeometries) {
    for (const auto& [x, w] : types) {
      const Layer layer(random, g, x, w);
      INFO(x << ", " << g.ic << " to " << g.oc << " in " << g.groups);
      const auto n = static_cast<size_t>(g.oc);
      const auto values = random.Normals(4 * n);
      PlainQuantiser quantiser;
      quantiser.lo = -8;
      quantiser.hi = 7;
      quantiser.per = kernels::ScalePer::kColumn;
      quantiser.Fill(random, 1, n, 0.2f, true);
      std::vector<float> expected = layer.Loops();
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += values[i % n];
      OpCall call = layer.Call("f32_bytes");
      call.attributes["functions"] = std::string("add");
      call.attributes["code_functions"] = std::string("add prelu mul relu");
      for (const auto& [name, value] : quantiser.Attributes())
        call.attributes[name] = value;
      call.inputs[kStepValues] = Constant(F32({4, g.oc}, values));
      call.inputs[kA] = Constant(F32({g.oc}, quantiser.scale));
      call.inputs[kZ] = Constant(F32({g.oc}, quantiser.zero));
      call.outputs = 2;
      for (const auto& cpu : EveryCpu()) {
        for (const size_t threads : {1u, 3u}) {
          INFO(kernels::BestTarget(cpu) << ", " << threads << " threads");
          call.cpu = cpu;
          call.threads = threads;
          const std::vector<Value> out = RunAll(call);
          const std::vector<float> floats = out[0].Floats();
          if (std::string_view(x) != "f32")
            CHECK(Different(floats, expected) == 0);
          const std::vector<int> codes = ByteValues(out[1]);
          size_t wrong = 0;
          for (size_t i = 0; i < codes.size(); ++i) {
            const size_t c = i % n;
            float y = floats[i] + values[n + c];
            if (y < 0) y = y * values[2 * n + c];
            y = std::max(y * values[3 * n + c], 0.0f);
            wrong += codes[i] != quantiser.ValueOf(y, 0, c);
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
  const Layer layer(random, kGeometries[1], "u4c", "s8w");
  OpCall call = layer.Call("f32_bytes");
  call.outputs = 2;
  call.attributes["lo"] = int64_t{0};
  call.attributes["hi"] = int64_t{3};
  call.inputs[kA] = Constant(F32({1}, {0.5f}));
  call.attributes["code_functions"] = std::string("gelu");
  const char* expected =
      "', expected relu, add, mul or prelu, of epilogue f32_bytes alone";
  CHECK(ErrorOf(call) == "code_functions: got 'gelu" + std::string(expected));
  call.attributes["code_functions"] = std::string("relu add");
  CHECK(ErrorOf(call).find("1 rows, one for each add, mul and prelu") !=
        std::string::npos);
  OpCall plain = layer.Call("f32");
  plain.attributes["code_functions"] = std::string("relu");
  CHECK(ErrorOf(plain) == "code_functions: got 'relu" + std::string(expected));
}

TEST_CASE("A zero point and a scale of the whole image") {
  Random random(73);
  const Geometry g{{6, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 1}, 2, 12, 20};
  const Layer layer(random, g, "u8c", "s8w");
  std::vector<float> expected;
  std::vector<int32_t> correction;
  for (int64_t c = 0; c < g.oc; ++c) {
    int32_t sum = 0;
    for (int64_t k = 0; k < layer.K(); ++k)
      sum += layer.w[static_cast<size_t>(c * layer.K() + k)];
    correction.push_back(-layer.pad * sum);
  }
  for (int64_t n = 0; n < g.batch; ++n) {
    for (int64_t y = 0; y < g.h.out(); ++y) {
      for (int64_t x = 0; x < g.w.out(); ++x) {
        for (int64_t c = 0; c < g.oc; ++c) {
          const auto col = static_cast<size_t>(c);
          const float sum = layer.Accumulator(n, y, x, c) +
                            static_cast<float>(correction[col]);
          const float factor = layer.scale[col] * 0.37f;
          expected.push_back(sum * factor + layer.bias[col]);
        }
      }
    }
  }
  OpCall call = layer.Call("f32");
  call.inputs[kCorrection] = Constant(I32({g.oc}, correction));
  call.inputs[kRowScale] = F32({1}, {0.37f});
  const auto check = [&](const Value& out) {
    CHECK(Different(out.Floats(), expected) == 0);
  };
  Everywhere(call, false, check);
  // The same, made at run time: it is the code of the padding too.
  for (int32_t& term : correction) term /= -layer.pad;
  call.inputs[kCorrection] = std::nullopt;
  call.inputs[kRowTerm] = I32({1}, {-layer.pad});
  call.inputs[kColumnTerm] = Constant(I32({g.oc}, correction));
  call.attributes.erase("pad");
  call.attributes["pad_row_term"] = int64_t{1};
  Everywhere(call, false, check);
  call.attributes["pad"] = int64_t{1};
  const std::string refused =
      "pad_row_term: got 1, expected 0 but for byte codes of step 1, one "
      "row_term for all rows and no pad";
  CHECK(ErrorOf(call) == refused);
  call.attributes.erase("pad");
  call.inputs[kRowTerm] = I32({2, 6, 3, 1}, std::vector<int32_t>(36));
  CHECK(ErrorOf(call) == refused);
  call.inputs[kRowTerm] = std::nullopt;
  CHECK(ErrorOf(call) == refused);
}

TEST_CASE("Channels with zero points of their own are padded with them") {
  Random random(76);
  const Geometry g{{6, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 2}, 2, 12, 20};
  for (const auto& [x, w] :
       {std::pair("u4c", "s8w"), {"s4c", "s16w"}, {"s8c", "s8w"}}) {
    Layer layer(random, g, x, w);
    for (const int pad : AnyCodes(random, x, static_cast<size_t>(g.ic)))
      layer.pads.push_back(pad);
    // A byte that is none of the codes.
    if (std::string_view(w) == "s8w") layer.pads[1] = x[0] == 'u' ? 200 : -99;
    OpCall call = layer.Call("f32");
    call.attributes.erase("pad");
    call.attributes["channel_pads"] = layer.pads;
    const std::vector<float> expected = layer.Loops();
    Everywhere(call, false, [&](const Value& out) {
      CHECK(Different(out.Floats(), expected) == 0);
    });
  }
}

TEST_CASE("Codes of padding that do not fit the channels are refused") {
  Random random(77);
  const Layer layer(random, {{4, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}, 1, 2, 4},
                    "u4c", "s4w");
  const auto with = [&](std::vector<int64_t> pads) {
    OpCall call = layer.Call("f32");
    call.attributes.erase("pad");
    call.attributes["channel_pads"] = std::move(pads);
    return call;
  };
  const std::string expected =
      ", expected 2, for byte codes in one group, without pad and pad_row_term";
  CHECK(ErrorOf(with({1})) == "channel_pads: got 1 values" + expected);
  CHECK(ErrorOf(with({1, 2, 3})) == "channel_pads: got 3 values" + expected);
  CHECK(ErrorOf(with({1, 256})) ==
        "channel_pads: got 256, expected codes of u4c[1,4,4,2], or of 8 bits");
  CHECK(ErrorOf(with({1, -1})).starts_with("channel_pads: got -1, expected"));
  CHECK(ErrorOf(with({INT64_MIN, 1})).starts_with("channel_pads: got -9"));
  OpCall call = with({1, 2});
  call.attributes["pad"] = int64_t{3};
  CHECK(ErrorOf(call) == "channel_pads: got 2 values" + expected);
  call = with({1, 2});
  call.attributes["groups"] = int64_t{2};
  call.inputs[kW] =
      CodeTensor("s4w", {4, 9}, AnyCodes(random, "s4w", size_t{36}));
  CHECK(ErrorOf(call) == "channel_pads: got 2 values" + expected);
}

TEST_CASE("Channels with scales of their own") {
  Random random(78);
  const Geometry geometries[] = {
      {{6, 3, 1, 1, 1, 1}, {5, 3, 2, 1, 1, 2}, 2, 12, 20},
      {{4, 1}, {9, 2, 1, 3, 2, 0}, 1, 70, 33},
      {{9, 5, 2, 1, 2, 2}, {8, 6, 1, 1, 3, 3}, 3, 3, 16}};
  for (const Geometry& g : geometries) {
    for (const auto& [x, w] :
         {std::pair("u4c", "s4w"), {"s4c", "s2w"}, {"u2c", "ternary"}}) {
      Layer layer(random, g, x, w);
      for (int64_t i = 0; i < g.ic; ++i)
        layer.channel_scale.push_back(random.Uniform(0.01f, 3.0f));
      OpCall call = layer.Call("f32");
      call.attributes.erase("pad");
      call.inputs[kChannelScale] = Constant(F32({g.ic}, layer.channel_scale));
      for (const bool pads : {false, true}) {
        if (pads) {
          for (const int pad : AnyCodes(random, x, layer.channel_scale.size()))
            layer.pads.push_back(pad);
          call.attributes["channel_pads"] = layer.pads;
        }
        const std::vector<float> expected = layer.Loops();
        Everywhere(call, true, [&](const Value& out) {
          CHECK(out.type.shape == layer.Out());
          CHECK(Different(out.Floats(), expected) == 0);
        });
      }
    }
  }
}

TEST_CASE("Scales of channels that do not fit are refused") {
  Random random(79);
  const auto error = [&](const char* x, const char* w, int64_t groups,
                         int64_t scales, bool constant, int64_t pad) {
    const Layer layer(random,
                      {{4, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}, 1, 6, 4, groups},
                      x, w);
    OpCall call = layer.Call("f32");
    call.attributes["pad"] = pad;
    const Value value =
        F32({scales}, std::vector<float>(static_cast<size_t>(scales), 1.0f));
    call.inputs[kChannelScale] = constant ? Constant(value) : value;
    return ErrorOf(call);
  };
  const auto refused = [](const std::string& got) {
    return "input channel_scale: got " + got +
           "f32[6], expected nothing but for byte codes in one group, without "
           "pad and pad_row_term, whose taps add up in 16 bits";
  };
  CHECK(error("u4c", "s4w", 2, 6, true, 0) == refused(""));
  CHECK(error("u4c", "s4w", 1, 6, true, 1) == refused(""));
  CHECK(error("u4c", "s8w", 1, 6, true, 0) == refused(""));
  CHECK(error("sign", "s4w", 1, 6, true, 0) == refused(""));
  CHECK(error("f32", "s4w", 1, 6, true, 0) == refused(""));
  CHECK(error("u4c", "s4w", 1, 5, true, 0) ==
        "input channel_scale: got f32[5], expected f32[6]");
  CHECK(error("u4c", "s4w", 1, 6, false, 0) ==
        "input channel_scale: got f32[6], expected a constant");
}

TEST_CASE("Windows that span too much of the padding are refused") {
  Random random(80);
  constexpr int64_t kFar = (int64_t{1} << 24) - 1;
  const Layer small(random, {{1, 1}, {1, 1}, 1, 64, 1}, "u2c", "ternary");
  OpCall call = small.Call("f32");
  call.inputs[kW] =
      CodeTensor("ternary", {1, 128}, AnyCodes(random, "ternary", size_t{128}));
  call.inputs[kChannelScale] =
      Constant(F32({64}, std::vector<float>(64, 1.0f)));
  using List = std::vector<int64_t>;
  call.attributes["kernel"] = List{2, 1};
  call.attributes["pad"] = int64_t{0};
  call.attributes["dilations"] = List{kFar, 1};
  call.attributes["pads"] = List{kFar, kFar + 1, 0, kFar};
  CHECK(ErrorOf(call) ==
        "window: got rows of 33554432 columns spread over 16777215 lines, "
        "expected less than 2^30 bytes of their codes at once");
}

TEST_CASE("A zero point out of the codes is held within them") {
  Random random(75);
  const Geometry g{{4, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}, 1, 3, 5};
  Layer layer(random, g, "s4c", "s4w");
  OpCall call = layer.Call("f32");
  call.attributes.erase("pad");
  call.attributes["pad_row_term"] = int64_t{1};
  call.inputs[kColumnTerm] =
      Constant(I32({g.oc}, std::vector<int32_t>(static_cast<size_t>(g.oc))));
  for (const int32_t zero : {-300, -8, 7, 300, INT32_MAX}) {
    call.inputs[kRowTerm] = I32({1}, {-zero});
    layer.pad = std::clamp(zero, -8, 7);
    CHECK(Different(Run(call).Floats(), layer.Loops()) == 0);
  }
}

TEST_CASE("Images, filters and windows that do not fit are refused") {
  Random random(74);
  const Layer layer(random, {{4, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}, 1, 6, 4},
                    "sign", "bipolar");
  const auto with = [&](size_t input, std::optional<Value> value) {
    OpCall call = layer.Call("f32");
    call.inputs[input] = std::move(value);
    return call;
  };
  const auto having = [&](const char* name, runtime::AttributeValue value) {
    OpCall call = layer.Call("f32");
    call.attributes[name] = std::move(value);
    return call;
  };
  using List = std::vector<int64_t>;
  const std::vector<int> codes(96, 1);
  CHECK(ErrorOf(with(kX, std::nullopt)) ==
        "input x: got nothing, expected codes or f32");
  CHECK(ErrorOf(with(kX, Sign({16, 6}, 0, codes))) ==
        "input x: got sign[16,6], expected rank 4 (NHWC)");
  CHECK(ErrorOf(with(kX, Sign({1, 4, 4, 6}, 3, codes))) ==
        "input x: got sign[1,4,4,6]/3, expected groups of 6 columns");
  CHECK(ErrorOf(with(kX, I64({1, 4, 4, 6}, std::vector<int64_t>(96)))) ==
        "input x: got i64[1,4,4,6], expected sign codes");
  CHECK(ErrorOf(with(kW, Bipolar({4, 6}, std::vector<int>(24, 1)))) ==
        "input w: got bipolar[4,6], expected [N,54]");
  CHECK(ErrorOf(with(kResidual, Iota({16, 4}))) ==
        "input residual: got f32[16,4], expected f32[1,4,4,4]");
  CHECK(ErrorOf(having("kernel", List{3})) ==
        "kernel: got 1 values, expected 2");
  CHECK(ErrorOf(having("kernel", List{0, 3}))
            .starts_with("window: got 0x3 over"));
  CHECK(ErrorOf(having("kernel", List{1 << 24, 1 << 24}))
            .starts_with("window: got an extent of 16777216"));
  CHECK(ErrorOf(having("strides", List{1, 0})) ==
        "strides: got 0, expected 1 to 2^24");
  CHECK(ErrorOf(having("pads", List{1, 1})) ==
        "pads: got 2 values, expected 4");
  CHECK(ErrorOf(having("groups", int64_t{4})) ==
        "groups: got 4, expected a divisor of 6 channels");
  CHECK(ErrorOf(having("groups", int64_t{0})) ==
        "groups: got 0, expected a divisor of 6 channels");
  CHECK(ErrorOf(having("pad", int64_t{1})) ==
        "pad: got 1, expected a code of sign[1,4,4,6]");
  const Layer grouped(random, {{4, 1}, {4, 1}, 1, 6, 5}, "u4c", "s4w");
  OpCall call = grouped.Call("f32");
  call.attributes["groups"] = int64_t{2};
  call.inputs[kW] =
      CodeTensor("s4w", {5, 3}, AnyCodes(random, "s4w", size_t{15}));
  CHECK(ErrorOf(call) == "input w: got s4w[5,3], expected filters in 2 groups");
  call = grouped.Call("f32");
  call.attributes["pad"] = int64_t{16};
  CHECK(ErrorOf(call) == "pad: got 16, expected a code of u4c[1,4,4,6]");
}

}  // namespace
}  // namespace bittern::test
