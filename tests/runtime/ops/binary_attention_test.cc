// BinaryAttention against the loops of its definition, in batches, with keys
// and queries of different number, on every target.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/base/math_reference.h"
#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;

int SignOf(float x) {
  return static_cast<int>(x > 0) - static_cast<int>(x < 0);
}

struct Attention {
  int64_t batch, queries, keys, heads, dim;
  std::vector<int> q, k, v;
  std::vector<float> score_scale, ap, out_scale;
  std::vector<int32_t> zq, zk, zp, zv;

  Attention(Random& random, int64_t b, int64_t tq, int64_t tk, int64_t h,
            int64_t d)
      : batch(b), queries(tq), keys(tk), heads(h), dim(d) {
    const auto codes = [&](int64_t count) {
      std::vector<int> list(static_cast<size_t>(count));
      for (int& c : list) c = static_cast<int>(random.Below(9) % 3) - 1;
      return list;
    };
    q = codes(b * tq * h * d);
    k = codes(b * tk * h * d);
    v = codes(b * tk * h * d);
    for (int64_t i = 0; i < h; ++i) {
      score_scale.push_back(random.Uniform(0.01f, 0.2f));
      ap.push_back(1.0f / static_cast<float>(tk));
      out_scale.push_back(random.Uniform(-1, 1));
      const auto zero_point = [&] {
        return static_cast<int32_t>(random.Below(5)) - 2;
      };
      zq.push_back(zero_point());
      zk.push_back(zero_point());
      zp.push_back(i % 2 == 0 ? -1 : zero_point());
      zv.push_back(zero_point());
    }
  }

  OpCall Call(const char* output) const {
    const Shape queries_shape{batch, queries, heads * dim},
        keys_shape{batch, keys, heads * dim}, per_head{heads};
    return {"BinaryAttention",
            {Sign(queries_shape, dim, q), Sign(keys_shape, dim, k),
             Sign(keys_shape, dim, v), Constant(F32(per_head, score_scale)),
             Constant(I32(per_head, zq)), Constant(I32(per_head, zk)),
             Constant(I32(per_head, zp)), Constant(I32(per_head, zv)),
             Constant(F32(per_head, ap)), Constant(F32(per_head, out_scale))},
            {{"heads", heads}, {"output", std::string(output)}}};
  }

  size_t At(int64_t b, int64_t tokens, int64_t token, int64_t h,
            int64_t d) const {
    return static_cast<size_t>(((b * tokens + token) * heads + h) * dim + d);
  }

  // The codes of the probabilities of one query.
  std::vector<int> Probabilities(int64_t b, int64_t h, int64_t i) const {
    const auto head = static_cast<size_t>(h), count = static_cast<size_t>(keys);
    std::vector<float> t(count);
    for (int64_t j = 0; j < keys; ++j) {
      int sum = 0;
      for (int64_t d = 0; d < dim; ++d)
        sum += (q[At(b, queries, i, h, d)] - zq[head]) *
               (k[At(b, keys, j, h, d)] - zk[head]);
      t[static_cast<size_t>(j)] = static_cast<float>(sum) * score_scale[head];
    }
    const float max = *std::max_element(t.begin(), t.end());
    kernels::LaneSumReference total;
    for (size_t j = 0; j < count; ++j) {
      t[j] = kernels::ExpReference(t[j] - max);
      total.Add(j, t[j]);
    }
    const float inverse = 1.0f / total.Total();
    std::vector<int> codes(count);
    for (size_t j = 0; j < count; ++j)
      codes[j] =
          SignOf(t[j] * inverse / ap[head] + static_cast<float>(zp[head]));
    return codes;
  }

  std::vector<float> Loops() const {
    std::vector<float> out(q.size());
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads; ++h) {
        const auto head = static_cast<size_t>(h);
        for (int64_t i = 0; i < queries; ++i) {
          const auto p = Probabilities(b, h, i);
          for (int64_t d = 0; d < dim; ++d) {
            int sum = 0;
            for (int64_t j = 0; j < keys; ++j)
              sum += (p[static_cast<size_t>(j)] - zp[head]) *
                     (v[At(b, keys, j, h, d)] - zv[head]);
            out[At(b, queries, i, h, d)] =
                static_cast<float>(sum) * out_scale[head];
          }
        }
      }
    }
    return out;
  }
};

TEST_CASE(
    "Attention agrees with loops for every shape, target and thread count") {
  Random random(40);
  struct Size {
    int64_t batch, queries, keys, heads, dim;
  };
  for (const Size& s : {Size{1, 1, 1, 1, 1}, Size{1, 50, 50, 3, 64},
                        Size{3, 7, 7, 2, 32}, Size{2, 5, 70, 4, 16},
                        Size{1, 33, 198, 2, 64}, Size{1, 10, 130, 2, 80}}) {
    const Attention attention(random, s.batch, s.queries, s.keys, s.heads,
                              s.dim);
    INFO(s.batch << "x" << s.queries << "x" << s.keys << ", " << s.heads
                 << " heads of " << s.dim);
    const auto want = attention.Loops();
    for (const auto& cpu : EveryCpu()) {
      const std::string_view target = kernels::BestTarget(cpu);
      if (target == "scalar" || target == "sse4")
        continue;  // within tolerance only: no fused multiply-add
      for (const size_t threads : {1u, 3u}) {
        INFO(target << ", " << threads << " threads");
        OpCall call = attention.Call("f32");
        call.cpu = cpu;
        call.threads = threads;
        CHECK(Run(call).Floats() == want);
        call.attributes["output"] = std::string("sign");
        const Value out = Run(call);
        CHECK(out.type.code.group == 0);
        const auto codes = Codes(out);
        size_t wrong = 0;
        for (size_t i = 0; i < codes.size(); ++i)
          wrong += codes[i] != SignOf(want[i]);
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("Rank 2 is one batch entry") {
  Random random(41);
  const Attention attention(random, 1, 4, 4, 2, 8);
  OpCall call = attention.Call("f32");
  const auto codes = [](const std::vector<int>& c) {
    return Sign({4, 16}, 8, c);
  };
  call.inputs[0] = codes(attention.q);
  call.inputs[1] = codes(attention.k);
  call.inputs[2] = codes(attention.v);
  const Value out = Run(call);
  CHECK(out.type.shape == Shape{4, 16});
  CHECK(out.Floats() == Run(attention.Call("f32")).Floats());
}

TEST_CASE("Attention inputs that do not fit are refused") {
  Random random(42);
  const Attention attention(random, 2, 3, 5, 2, 8);
  const auto with = [&](size_t input, std::optional<Value> value) {
    OpCall call = attention.Call("sign");
    call.inputs[input] = std::move(value);
    return call;
  };
  const auto codes = [](const Shape& shape, int64_t group) {
    return Sign(shape, group,
                std::vector<int>(static_cast<size_t>(shape.Elements()), 1));
  };
  CHECK(ErrorOf(with(0, Iota({2, 3, 16}))) ==
        "input q: got f32[2,3,16], expected sign codes");
  CHECK(ErrorOf(with(0, codes({2, 3, 16}, 0))) ==
        "input q: got sign[2,3,16], expected rank 2 or more and groups of 8 "
        "columns");
  CHECK(ErrorOf(with(0, codes({16}, 8))) ==
        "input q: got sign[16]/8, expected rank 2 or more and groups of 8 "
        "columns");
  CHECK(ErrorOf(with(1, codes({5, 16}, 8))) ==
        "input k: got sign[5,16]/8, expected the shape of q, [2,3,16], but for "
        "the number of keys");
  CHECK(ErrorOf(with(1, codes({2, 5, 32}, 16)))
            .starts_with("input k: got sign[2,5,32]/16"));
  CHECK(ErrorOf(with(2, codes({2, 4, 16}, 8))) ==
        "input v: got sign[2,4,16]/8, expected the shape of k, [2,5,16]");
  CHECK(ErrorOf(with(3, F32({2}, {1, 1}))) ==
        "input score_scale: got f32[2], expected a constant");
  CHECK(ErrorOf(with(4, Constant(F32({2}, {1, 1})))) ==
        "input zq: got f32[2], expected i32[2]");
  CHECK(ErrorOf(with(8, Constant(F32({3}, {1, 1, 1})))) ==
        "input ap: got f32[3], expected f32[2]");
  CHECK(ErrorOf(with(5, Constant(I32({2}, {0, 1 << 30}))))
            .starts_with("zero points of head 1: got "));
  CHECK(ErrorOf(with(7, Constant(I32(
                            {2}, {std::numeric_limits<int32_t>::min(), 0}))))
            .starts_with("zero points of head 0: got "));
  OpCall call = attention.Call("f16");
  CHECK(ErrorOf(call) == "output: got 'f16', expected sign or f32");
  call.attributes["heads"] = int64_t{3};
  CHECK(ErrorOf(call) ==
        "heads: got 3, expected a divisor of the last dimension of "
        "sign[2,3,16]/8");
  call.attributes["heads"] = int64_t{0};
  CHECK(ErrorOf(call).starts_with("heads: got 0"));
}

}  // namespace
}  // namespace bittern::test
