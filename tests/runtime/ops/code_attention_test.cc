// CodeAttention against the loops of its definition, with windows, biases and
// masks, probabilities in bytes and in floats, on every target.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/multi_bit.h"

namespace bittern::test {
namespace {

using kernels::ScalePer;
using runtime::AttributeMap;
using runtime::Shape;

enum Input : size_t {
  kQ,
  kK,
  kV,
  kScoreScale,
  kZq,
  kZk,
  kZv,
  kOutScale,
  kPScale,
  kPZero,
  kBias,
  kMask,
  kA,
  kZ,
  kZp,
  kBiasIndex,
  kMaskIndex,
  kInputs
};

struct Attention {
  int64_t batch, queries, keys, heads, dim;
  std::string q_type, k_type, v_type;
  std::vector<int> q, k, v;
  std::vector<float> score_scale, out_scale, bias, mask;
  std::vector<int32_t> zq, zk, zv;
  int64_t windows = 1;
  bool softmax = true, coded = true;
  PlainQuantiser probs;     // a scale and a zero point a head
  std::vector<int32_t> zp;  // of the sums, if not that zero point

  Attention(Random& random, const std::vector<int64_t>& size,
            const std::vector<std::string>& types)
      : batch(size[0]),
        queries(size[1]),
        keys(size[2]),
        heads(size[3]),
        dim(size[4]),
        q_type(types[0]),
        k_type(types[1]),
        v_type(types[2]) {
    const auto codes = [&](const std::string& type, int64_t rows) {
      return AnyCodes(random, type,
                      static_cast<size_t>(batch * rows * heads * dim));
    };
    q = codes(q_type, queries);
    k = codes(k_type, keys);
    v = codes(v_type, keys);
    const auto zero_point = [&] {
      return static_cast<int32_t>(random.Below(17)) - 8;
    };
    for (int64_t h = 0; h < heads; ++h) {
      score_scale.push_back(random.Uniform(0.001f, 0.01f));
      out_scale.push_back(random.Uniform(-1, 1));
      zq.push_back(zero_point());
      zk.push_back(zero_point());
      zv.push_back(zero_point());
    }
    probs.lo = 0;
    probs.hi = 255;
    probs.scale.assign(static_cast<size_t>(heads),
                       2.0f / static_cast<float>(keys) / 255);
  }

  void AddTerms(Random& random, int64_t w) {
    windows = w;
    bias = random.Normals(static_cast<size_t>(heads * queries * keys));
    mask = random.Normals(static_cast<size_t>(w * queries * keys));
    for (size_t i = 0; i < mask.size(); i += 5) mask[i] = -100;
  }

  // The quantiser of head h, which then is the only one.
  PlainQuantiser Head(size_t h) const {
    PlainQuantiser one = probs;
    one.scale = {probs.scale[h]};
    if (!probs.zero.empty()) one.zero = {probs.zero[h]};
    return one;
  }

  OpCall Call() const {
    OpCall call{"CodeAttention",
                std::vector<std::optional<Value>>(kInputs),
                {{"heads", heads}, {"output", std::string("f32")}}};
    const Shape tokens{batch, queries, heads * dim},
        others{batch, keys, heads * dim}, per_head{heads};
    call.inputs[kQ] = CodeTensor(q_type, tokens, q);
    call.inputs[kK] = CodeTensor(k_type, others, k);
    call.inputs[kV] = CodeTensor(v_type, others, v);
    call.inputs[kScoreScale] = Constant(F32(per_head, score_scale));
    call.inputs[kZq] = Constant(I32(per_head, zq));
    call.inputs[kZk] = Constant(I32(per_head, zk));
    call.inputs[kZv] = Constant(I32(per_head, zv));
    call.inputs[kOutScale] = Constant(F32(per_head, out_scale));
    if (coded) {
      call.inputs[kPScale] = Constant(F32(per_head, probs.scale));
      if (!probs.zero.empty())
        call.inputs[kPZero] = Constant(F32(per_head, probs.zero));
      if (!zp.empty()) call.inputs[kZp] = Constant(I32(per_head, zp));
      call.attributes["p_lo"] = int64_t{probs.lo};
      call.attributes["p_hi"] = int64_t{probs.hi};
      if (probs.multiply) call.attributes["p_multiply"] = int64_t{1};
      if (probs.zero_after) call.attributes["p_zero_after"] = int64_t{1};
    }
    if (!softmax) call.attributes["softmax"] = int64_t{0};
    if (!bias.empty()) {
      call.inputs[kBias] = F32({heads, queries, keys}, bias);
      call.inputs[kMask] = F32({windows, queries, keys}, mask);
    }
    return call;
  }

  size_t At(int64_t b, int64_t tokens, int64_t token, int64_t h,
            int64_t d) const {
    return static_cast<size_t>(((b * tokens + token) * heads + h) * dim + d);
  }

  std::vector<float> Probabilities(int64_t b, int64_t h, int64_t i) const {
    const auto head = static_cast<size_t>(h);
    std::vector<float> t;
    for (int64_t j = 0; j < keys; ++j) {
      int sum = 0;
      for (int64_t d = 0; d < dim; ++d)
        sum += (q[At(b, queries, i, h, d)] - zq[head]) *
               (k[At(b, keys, j, h, d)] - zk[head]);
      float x = static_cast<float>(sum) * score_scale[head];
      if (!bias.empty()) {
        x = x + bias[static_cast<size_t>((h * queries + i) * keys + j)];
        x = x +
            mask[static_cast<size_t>(((b % windows) * queries + i) * keys + j)];
      }
      t.push_back(x);
    }
    if (!softmax) return t;
    const float max = *std::max_element(t.begin(), t.end());
    kernels::LaneSumReference total;
    for (size_t j = 0; j < t.size(); ++j) {
      t[j] = kernels::ExpReference(t[j] - max);
      total.Add(j, t[j]);
    }
    const float inverse = 1.0f / total.Total();
    for (float& x : t) x = x * inverse;
    return t;
  }

  float Output(const std::vector<float>& p, int64_t b, int64_t h,
               int64_t d) const {
    const auto head = static_cast<size_t>(h);
    const PlainQuantiser one = Head(head);
    const int of_codes = one.zero.empty() ? 0 : static_cast<int>(one.zero[0]);
    const int zero = zp.empty() ? of_codes : zp[head];
    int sum = 0;
    float chain = 0;
    for (int64_t j = 0; j < keys; ++j) {
      const float x = p[static_cast<size_t>(j)];
      const int value = v[At(b, keys, j, h, d)] - zv[head];
      sum += (one.ValueOf(x, 0, 0) - zero) * value;
      chain = std::fma(x, static_cast<float>(value), chain);
    }
    return (coded ? static_cast<float>(sum) : chain) * out_scale[head];
  }

  std::vector<float> Loops() const {
    std::vector<float> out(q.size());
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t i = 0; i < queries; ++i) {
          const auto p = Probabilities(b, h, i);
          for (int64_t d = 0; d < dim; ++d)
            out[At(b, queries, i, h, d)] = Output(p, b, h, d);
        }
      }
    }
    return out;
  }
};

// On every target with a fused multiply-add, with one to three threads.
template <class Check>
void Everywhere(OpCall call, const Check& check) {
  for (const auto& cpu : EveryCpu()) {
    const std::string_view target = kernels::BestTarget(cpu);
    if (target == "scalar" || target == "sse4") continue;
    for (const size_t threads : {1u, 2u, 3u}) {
      INFO(target << ", " << threads << " threads");
      call.cpu = cpu;
      call.threads = threads;
      check(Run(call));
    }
  }
}

const std::vector<std::vector<int64_t>> kSizes = {
    {1, 1, 1, 1, 1},  {1, 50, 50, 3, 32}, {4, 49, 49, 2, 32},
    {3, 7, 7, 2, 24}, {2, 5, 70, 4, 16},  {1, 33, 197, 2, 64},
    {5, 9, 13, 1, 80}};

TEST_CASE("Attention on codes agrees with loops for every shape and thread") {
  Random random(80);
  for (const auto& size : kSizes) {
    for (const bool terms : {false, true}) {
      for (const bool coded : {false, true}) {
        Attention attention(random, size, {"u4c", "s4c", "s8c"});
        attention.coded = coded;
        if (terms) attention.AddTerms(random, 2);
        INFO(size[0] << "x" << size[1] << "x" << size[2] << ", " << size[3]
                     << " heads of " << size[4] << " terms " << terms
                     << " coded " << coded);
        const auto want = attention.Loops();
        Everywhere(attention.Call(),
                   [&](const Value& out) { CHECK(out.Floats() == want); });
      }
    }
  }
}

TEST_CASE("Every type of codes can be query, key and value") {
  Random random(81);
  for (size_t i = 0; i < kByteTypes.size(); ++i) {
    const size_t count = kByteTypes.size();
    const Attention attention(random, {2, 6, 19, 2, 17},
                              {kByteTypes[i], kByteTypes[(i + 3) % count],
                               kByteTypes[(i + 5) % count]});
    INFO(attention.q_type << " " << attention.k_type << " "
                          << attention.v_type);
    Everywhere(attention.Call(), [&](const Value& out) {
      CHECK(out.Floats() == attention.Loops());
    });
  }
}

TEST_CASE("Probabilities take every range and place of their zero point") {
  Random random(82);
  struct Range {
    int lo, hi;
    float zero;
  };
  for (const Range& r : {Range{0, 1, 0}, Range{0, 15, 3}, Range{0, 255, 0},
                         Range{-128, 127, -100}, Range{-8, 7, -8}}) {
    for (const bool after : {false, true}) {
      for (const bool softmax : {false, true}) {
        Attention attention(random, {1, 11, 49, 2, 32}, {"u4c", "u4c", "u4c"});
        attention.softmax = softmax;
        attention.probs.lo = r.lo;
        attention.probs.hi = r.hi;
        attention.probs.zero_after = after;
        attention.probs.multiply = after;
        attention.probs.zero.assign(2, r.zero);
        const float step =
            (softmax ? 0.05f : 2.0f) / static_cast<float>(r.hi - r.lo);
        attention.probs.scale.assign(2, after ? 1 / step : step);
        INFO(r.lo << ".." << r.hi << " after " << after << " softmax "
                  << softmax);
        Everywhere(attention.Call(), [&](const Value& out) {
          CHECK(out.Floats() == attention.Loops());
        });
      }
    }
  }
}

TEST_CASE("The sums may have another zero point than the codes") {
  Random random(86);
  for (const int lo : {0, -8}) {
    Attention attention(random, {1, 11, 49, 2, 32}, {"u4c", "u4c", "u4c"});
    attention.probs.lo = lo;
    attention.probs.hi = lo + 15;
    attention.probs.scale.assign(2, 0.003f);
    attention.probs.zero = {static_cast<float>(lo) + 0.3f, 1.5f};
    attention.zp = {lo, 2};
    INFO("from " << lo);
    Everywhere(attention.Call(), [&](const Value& out) {
      CHECK(out.Floats() == attention.Loops());
    });
  }
}

TEST_CASE("Output bytes are the codes of the floats") {
  Random random(83);
  for (const ScalePer per : {ScalePer::kTensor, ScalePer::kColumn}) {
    for (const bool after : {false, true}) {
      Attention attention(random, {3, 9, 30, 2, 20}, {"s4c", "s4c", "u4c"});
      const auto want = attention.Loops();
      float most = 0;
      for (const float y : want) most = std::max(most, std::abs(y));
      PlainQuantiser q{per, -8, 7, false, after, after};
      q.Fill(random, 27, 40, most / 16, true);
      OpCall call = attention.Call();
      call.attributes["output"] = std::string("bytes");
      call.attributes.merge(q.Attributes());
      const Shape scales{static_cast<int64_t>(q.scale.size())};
      call.inputs[kA] = Constant(F32(scales, q.scale));
      call.inputs[kZ] = Constant(F32(scales, q.zero));
      Everywhere(call, [&](const Value& out) {
        CHECK(ToString(out.type) == "s4c[3,9,40]");
        const auto got = ByteValues(out);
        size_t wrong = 0;
        for (size_t i = 0; i < got.size(); ++i)
          wrong += got[i] != q.ValueOf(want[i], i / 40, i % 40);
        CHECK(wrong == 0);
      });
    }
  }
}

// Bias and mask of `attention` as tables of `entries` and `masks` with random
// index maps; `attention` gets the values that they stand for.
void SetTables(Random& random, Attention& attention, size_t entries,
               size_t masks, OpCall* call) {
  const auto heads = static_cast<size_t>(attention.heads);
  const auto pairs = static_cast<size_t>(attention.queries * attention.keys);
  const auto table = random.Normals(heads * entries);
  const auto distinct = random.Normals(masks * pairs);
  std::vector<int32_t> bias_index(pairs), mask_index(3);
  for (int32_t& i : bias_index) i = static_cast<int32_t>(random.Below(entries));
  for (int32_t& i : mask_index) i = static_cast<int32_t>(random.Below(masks));
  attention.windows = 3;
  attention.bias.clear();
  attention.mask.clear();
  for (size_t h = 0; h < heads; ++h) {
    for (const int32_t i : bias_index)
      attention.bias.push_back(table[h * entries + static_cast<size_t>(i)]);
  }
  for (const int32_t w : mask_index) {
    const auto from = distinct.begin() +
                      static_cast<ptrdiff_t>(w) * static_cast<ptrdiff_t>(pairs);
    attention.mask.insert(attention.mask.end(), from,
                          from + static_cast<ptrdiff_t>(pairs));
  }
  *call = attention.Call();
  call->inputs[kBias] =
      Constant(F32({attention.heads, static_cast<int64_t>(entries)}, table));
  call->inputs[kMask] =
      F32({static_cast<int64_t>(masks), attention.queries, attention.keys},
          distinct);
  call->inputs[kBiasIndex] =
      Constant(I32({attention.queries, attention.keys}, bias_index));
  call->inputs[kMaskIndex] = Constant(I32({3}, mask_index));
}

TEST_CASE("Tables with index maps are the biases and masks they stand for") {
  Random random(87);
  for (const auto& size : kSizes) {
    Attention attention(random, size, {"s8c", "s8c", "s8c"});
    OpCall call;
    SetTables(random, attention, 1 + random.Below(20), 1 + random.Below(4),
              &call);
    INFO(size[0] << "x" << size[1] << "x" << size[2]);
    const auto want = attention.Loops();
    Everywhere(call, [&](const Value& out) { CHECK(out.Floats() == want); });
  }
}

TEST_CASE("Tables and index maps that do not fit are refused") {
  Random random(88);
  Attention attention(random, {2, 3, 5, 2, 8}, {"u4c", "s4c", "s4c"});
  OpCall valid;
  SetTables(random, attention, 7, 2, &valid);
  REQUIRE(TryRun(valid).ok());
  const auto with = [&](size_t input, std::optional<Value> value) {
    OpCall call = valid;
    call.inputs[input] = std::move(value);
    return ErrorOf(call);
  };
  std::vector<int32_t> index(15);
  CHECK(with(kBiasIndex, I32({3, 5}, index)) ==
        "input bias_index: got i32[3,5], expected a constant");
  CHECK(with(kBiasIndex, Constant(I32({5, 3}, index))) ==
        "input bias_index: got i32[5,3], expected i32[3,5]");
  index[14] = 7;
  CHECK(with(kBiasIndex, Constant(I32({3, 5}, index))) ==
        "input bias_index: got 7, expected 0 to 6");
  index[14] = -1;
  CHECK(with(kBiasIndex, Constant(I32({3, 5}, index))) ==
        "input bias_index: got -1, expected 0 to 6");
  CHECK(with(kBias, std::nullopt) ==
        "input bias_index: got i32[3,5], expected nothing without a bias");
  CHECK(with(kBias, Iota({2, 7})) ==
        "input bias: got f32[2,7], expected a constant");
  CHECK(with(kBias, Constant(Iota({2, 3, 5}))) ==
        "input bias: got f32[2,3,5], expected f32[2,5]");
  CHECK(with(kBias, Constant(F32({2, 0}, {}))) ==
        "input bias: got f32[2,0], expected f32[2,1]");
  CHECK(with(kMask, std::nullopt) ==
        "input mask_index: got i32[3], expected nothing without a mask");
  CHECK(with(kMask, Iota({1, 3, 5})).starts_with("input mask_index: got "));
  CHECK(with(kMaskIndex, I32({3}, {0, 1, 0})) ==
        "input mask_index: got i32[3], expected a constant");
  CHECK(with(kMaskIndex, Constant(I32({3}, {0, 1, 2}))) ==
        "input mask_index: got 2, expected 0 to 1");
  CHECK(with(kMaskIndex, Constant(I32({0}, {}))) ==
        "input mask_index: got i32[0], expected i32[1]");
}

TEST_CASE("Rank 2 is one window, more leading dimensions are counted through") {
  Random random(84);
  Attention attention(random, {6, 4, 4, 2, 8}, {"u4c", "u4c", "u4c"});
  attention.AddTerms(random, 3);
  OpCall call = attention.Call();
  const auto want = Run(call).Floats();
  const auto reshape = [&](const Shape& shape) {
    for (const size_t i : {kQ, kK, kV}) call.inputs[i]->type.shape = shape;
  };
  reshape({2, 3, 4, 16});
  CHECK(Run(call).Floats() == want);
  CHECK(Run(call).type.shape == Shape{2, 3, 4, 16});
  reshape({4, 16});  // the first window
  const auto first = Run(call).Floats();
  CHECK(first == std::vector<float>(want.begin(), want.begin() + 64));
}

TEST_CASE("Attention on codes that do not fit is refused") {
  Random random(85);
  Attention attention(random, {2, 3, 5, 2, 8}, {"u4c", "s4c", "s4c"});
  attention.AddTerms(random, 2);
  const auto with = [&](size_t input, std::optional<Value> value,
                        AttributeMap attributes = {}) {
    OpCall call = attention.Call();
    call.inputs[input] = std::move(value);
    for (auto& [name, attribute] : attributes)
      call.attributes[name] = attribute;
    return call;
  };
  const auto codes = [](const Shape& shape) {
    return CodeTensor(
        "u4c", shape,
        std::vector<int>(static_cast<size_t>(shape.Elements()), 1));
  };
  const auto attributes = [&](AttributeMap map) {
    return with(kQ, attention.Call().inputs[kQ], std::move(map));
  };
  CHECK(ErrorOf(with(kQ, Iota({2, 3, 16}))) ==
        "input q: got f32[2,3,16], expected byte codes of at least one column");
  CHECK(ErrorOf(with(kQ, std::nullopt)) ==
        "input q: got nothing, expected byte codes");
  CHECK(ErrorOf(with(kQ, codes({16}))) ==
        "input q: got u4c[16], expected rank 2 or more");
  CHECK(ErrorOf(with(kK, codes({5, 16}))) ==
        "input k: got u4c[5,16], expected the shape of q, [2,3,16], but for "
        "the number of keys");
  CHECK(ErrorOf(with(kK, codes({2, 0, 16}))).starts_with("input k: got u4c[2"));
  CHECK(ErrorOf(with(kV, codes({2, 4, 16}))) ==
        "input v: got u4c[2,4,16], expected the shape of k, [2,5,16]");
  CHECK(ErrorOf(with(kScoreScale, F32({2}, {1, 1}))) ==
        "input score_scale: got f32[2], expected a constant");
  CHECK(ErrorOf(with(kZv, Constant(I32({3}, {0, 0, 0})))) ==
        "input zv: got i32[3], expected i32[2]");
  CHECK(ErrorOf(with(kBias, Iota({1, 3, 5}))) ==
        "input bias: got f32[1,3,5], expected f32[2,3,5]");
  CHECK(ErrorOf(with(kMask, Iota({2, 3, 4}))) ==
        "input mask: got f32[2,3,4], expected f32[2,3,5]");
  CHECK(ErrorOf(with(kMask, F32({0, 3, 5}, {}))) ==
        "input mask: got f32[0,3,5], expected f32[1,3,5]");
  CHECK(ErrorOf(with(kMask, F32({}, {1}))) ==
        "input mask: got f32[], expected f32[1,3,5]");
  CHECK(ErrorOf(with(kPZero, Constant(F32({2}, {0, 0.5f})))) ==
        "input p_zero: got 0.500000, expected integers within 2^15");
  attention.coded = false;
  CHECK(ErrorOf(with(kPZero, Constant(F32({2}, {0, 0})))) ==
        "input p_zero: got f32[2], expected nothing without p_scale");
  CHECK(ErrorOf(with(kZp, Constant(I32({2}, {0, 0})))) ==
        "input zp: got i32[2], expected nothing without p_scale");
  attention.coded = true;
  CHECK(ErrorOf(with(kZp, I32({2}, {0, 0}))) ==
        "input zp: got i32[2], expected a constant");
  CHECK(ErrorOf(with(kZp, Constant(I32(
                              {2}, {std::numeric_limits<int32_t>::max(), 0}))))
            .starts_with("zero points of head 0: got "));
  CHECK(ErrorOf(attributes({{"p_lo", int64_t{-1}}})) ==
        "p_lo and p_hi: got -1 and 255, expected a range within 0 to 255 or "
        "-128 to 127");
  CHECK(ErrorOf(with(kZq, Constant(I32({2}, {0, 1 << 22})))) ==
        "zero points of head 1: got 4194304, " +
            std::to_string(attention.zk[1]) + ", 0 and " +
            std::to_string(attention.zv[1]) +
            ", expected sums that fit 32 bits");
  CHECK(ErrorOf(with(kZk, Constant(I32(
                              {2}, {std::numeric_limits<int32_t>::min(), 0}))))
            .starts_with("zero points of head 0: got "));
  CHECK(ErrorOf(with(kA, Constant(Iota({1})))) ==
        "input a: got f32[1], expected nothing for output f32");
  CHECK(ErrorOf(attributes({{"output", std::string("sign")}})) ==
        "output: got 'sign', expected bytes or f32");
  CHECK(ErrorOf(attributes({{"output", std::string("bytes")}}))
            .starts_with("lo and hi: got 0 and -1"));
  CHECK(ErrorOf(attributes({{"output", std::string("bytes")},
                            {"lo", int64_t{0}},
                            {"hi", int64_t{3}}})) ==
        "input a: got nothing, expected f32[1]");
  CHECK(ErrorOf(attributes({{"heads", int64_t{3}}})) ==
        "heads: got 3, expected a divisor of the last dimension of [2,3,16]");
  CHECK(
      ErrorOf(attributes({{"heads", int64_t{0}}})).starts_with("heads: got 0"));
}

}  // namespace
}  // namespace bittern::test
