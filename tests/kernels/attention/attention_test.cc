// Every attention kernel on every target against the plain loops: all shapes of
// the supported models, zeros in every operand, zero points of both signs,
// negative scales, soft and hard probability rows, row ranges, both outputs,
// guard bytes.
#include "kernels/attention/attention.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <span>

#include "tests/kernels/code_planes.h"
#include "tests/kernels/targets.h"

namespace bittern::kernels {

#if defined(__x86_64__)
std::span<const AttentionKernel>
AttentionAvx512VpopcntdqSimde();  // simde_avx512vpopcntdq.cc
#endif

namespace {

using Target = test::TargetKernel<AttentionKernel>;
using test::Guarded;
using test::Random;
using test::TestPlanes;

struct Case {
  size_t tokens, heads, head_dim;
  size_t zero_percent;
};

// A problem with random operands; every head has its own zero points and
// scales.
struct Problem {
  Problem(const Case& c, uint64_t seed)
      : q(c.tokens, c.heads * c.head_dim, c.head_dim),
        k(c.tokens, c.heads * c.head_dim, c.head_dim),
        v(c.tokens, c.heads * c.head_dim, c.head_dim),
        out(c.tokens, c.heads * c.head_dim, c.heads * c.head_dim),
        floats(c.tokens * c.heads * c.head_dim * 4, 4) {
    static const int32_t kZeroPoints[] = {0, -1, 1, -2, 3};
    static const float kScales[] = {
        0.05f, 0.02f, -0.05f, 0.4f,
        -3.0f};  // the last: exp underflows for most keys
    Random random(seed);
    for (TestPlanes* planes : {&q, &k, &v})
      planes->Randomise(random, c.zero_percent);
    for (size_t h = 0; h < c.heads; ++h) {
      const auto zero_point = [&] { return kZeroPoints[random.Below(5)]; };
      AttentionHead head{};
      head.zq = zero_point();
      head.zk = zero_point();
      head.zp = random.Below(3) == 0 ? zero_point() : -1;
      head.zv = zero_point();
      head.score_scale = kScales[random.Below(5)];
      head.ap = (random.Below(4) == 0 ? -1.0f : 1.0f) *
                random.Uniform(0.5f, 2.0f) / static_cast<float>(c.tokens);
      head.out_scale = random.Below(4) == 0 ? -0.01f : 0.01f;
      heads.push_back(head);
    }
    args.q = q.planes();
    args.k = k.planes();
    args.v = v.planes();
    args.heads = c.heads;
    args.head_dim = c.head_dim;
    args.head = heads.data();
  }

  // Output of rows [row, row + rows) in `out` or `floats`.
  bool Run(const AttentionKernel& kernel, size_t row, size_t rows, bool codes) {
    const size_t keys = args.k.rows;
    Guarded prepared(args.heads * kernel.prepared_bytes(keys, args.head_dim)),
        scratch(kernel.scratch_bytes(keys, args.head_dim));
    args.prepared = prepared.As<void>();
    args.out_codes = codes ? out.planes() : CodePlanes{};
    args.out_f32 = codes ? nullptr : floats.As<float>();
    for (size_t h = 0; h < args.heads; ++h) kernel.prepare(args, h);
    kernel.run(args, row, rows, scratch.As<void>());
    return prepared.Intact() && scratch.Intact() && out.Intact() &&
           floats.Intact();
  }

  TestPlanes q, k, v, out;
  Guarded floats;
  std::vector<AttentionHead> heads;
  AttentionArgs args{};
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const size_t tokens :
       std::initializer_list<size_t>{1, 5, 49, 50, 63, 64, 65, 197, 198}) {
    for (const size_t head_dim :
         std::initializer_list<size_t>{1, 8, 16, 32, 48, 64, 96, 127, 130}) {
      for (const size_t zero_percent : std::initializer_list<size_t>{0, 10}) {
        // The reference looks up single codes: few of the large cases.
        if (tokens > 65 && head_dim != 32 && head_dim != 64) continue;
        const size_t heads =
            tokens > 65 ? (head_dim == 64 ? 3 : 1) : (head_dim == 8 ? 4 : 3);
        cases.push_back({tokens, heads, head_dim, zero_percent});
      }
    }
  }
  return cases;
}

std::vector<Target> Targets() {
  std::vector<Target> targets =
      test::KernelsOnTargets<AttentionKernel>(&AttentionKernels);
#if defined(__x86_64__)
  // Its float stages are those of this CPU's best Highway target.
  const std::string_view best = BestTarget(DetectCpu());
  const bool fused = best != "scalar" && best != "sse4";
  for (const AttentionKernel& kernel : AttentionAvx512VpopcntdqSimde())
    targets.push_back({&kernel, "attention over SIMDe", fused});
#endif
  return targets;
}

const AttentionKernel& Reference() {
  return *AttentionKernels(DetectCpu()).front();
}

TEST_CASE("attention equals the reference") {
  const auto targets = Targets();
  for (const Case& c : Cases()) {
    for (uint64_t seed = 0; seed < 2; ++seed) {
      Problem expected(c, seed * 1000 + c.tokens);
      REQUIRE(expected.Run(Reference(), 0, c.tokens, true));
      REQUIRE(expected.Run(Reference(), 0, c.tokens, false));
      for (const auto& target : targets) {
        if (!target.exact || target.kernel->is_reference) continue;
        CAPTURE(target.name, c.tokens, c.heads, c.head_dim, c.zero_percent,
                seed);
        Problem got(c, seed * 1000 + c.tokens);
        REQUIRE(got.Run(*target.kernel, 0, c.tokens, true));
        REQUIRE(got.Run(*target.kernel, 0, c.tokens, false));
        REQUIRE(test::SameRows(got.out.planes(), expected.out.planes(), 0,
                               c.tokens));
        REQUIRE(std::memcmp(got.floats.As<void>(), expected.floats.As<void>(),
                            got.floats.bytes()) == 0);
      }
    }
  }
}

// Without a fused multiply-add exp differs in its last bits: a probability at
// its threshold may change its code, which moves each output integer by a few;
// most outputs stay.
TEST_CASE("unfused targets agree closely") {
  const Case c{64, 2, 64, 5};
  Problem expected(c, 4);
  REQUIRE(expected.Run(Reference(), 0, c.tokens, true));
  for (const auto& target : Targets()) {
    CAPTURE(target.name);
    Problem got(c, 4);
    REQUIRE(got.Run(*target.kernel, 0, c.tokens, true));
    CHECK(test::CountDifferent(got.out.planes(), expected.out.planes()) <=
          c.tokens * c.heads * c.head_dim / 200);
  }
}

TEST_CASE("scales that are not finite or have no window") {
  const Case c{50, 3, 64, 5};
  for (const auto& target : Targets()) {
    if (!target.exact) continue;
    for (const float scale : {0.0f, NAN, INFINITY, -INFINITY, 1e38f, 1e-40f}) {
      for (const float ap : {0.0f, NAN, INFINITY, 0x1p-130f, 0.02f}) {
        CAPTURE(target.name, scale, ap);
        Problem expected(c, 6), got(c, 6);
        for (Problem* p : {&expected, &got}) {
          p->heads[1].score_scale = scale;
          p->heads[1].ap = ap;
          p->heads[2].out_scale = scale;
        }
        REQUIRE(expected.Run(Reference(), 0, c.tokens, true));
        REQUIRE(got.Run(*target.kernel, 0, c.tokens, true));
        REQUIRE(test::SameRows(got.out.planes(), expected.out.planes(), 0,
                               c.tokens));
      }
    }
  }
}

// Two blocks of query rows with the same best score, 32: in the first all
// scores are even, in the second, which has zeros, they are not. A kernel that
// keeps exp by score must not mix them up.
TEST_CASE("rows with and without zeros under the same best score") {
  for (const auto& target : Targets()) {
    if (!target.exact) continue;
    for (const float ap : {0.1f, 0.115f, 0.13f, 0.145f, 0.16f}) {
      CAPTURE(target.name, ap);
      const Case c{8, 1, 64, 0};
      Problem expected(c, 2), got(c, 2);
      for (Problem* p : {&expected, &got}) {
        const CodePlanes& q = p->args.q;
        const uint64_t key = p->args.k.sign[0];
        for (size_t r = 0; r < 8; ++r) {
          q.valid[r] = r < 4 ? ~uint64_t{0} : ~uint64_t{0} >> 2;
          q.sign[r] = (key ^ (r < 4 ? 0xFFFF : 0x7FFF)) & q.valid[r];
          q.valid_count[r] = r < 4 ? 64 : 62;
        }
        p->heads[0] = {0.02f, 0, 0, -1, 0, ap, 1.0f};
      }
      REQUIRE(expected.Run(Reference(), 0, c.tokens, false));
      REQUIRE(got.Run(*target.kernel, 0, c.tokens, false));
      REQUIRE(std::memcmp(got.floats.As<void>(), expected.floats.As<void>(),
                          got.floats.bytes()) == 0);
    }
  }
}

// Keys that are the query row or its opposite: the scores lie as far apart as
// they can, and a zero in the row makes the steps between them small.
TEST_CASE("scores further apart than tables reach") {
  for (const auto& target : Targets()) {
    if (!target.exact) continue;
    for (const size_t head_dim : std::initializer_list<size_t>{64, 100, 127}) {
      for (const int32_t zq : {0, 1, -2}) {
        CAPTURE(target.name, head_dim, zq);
        const Case c{9, 1, head_dim, 0};
        Problem expected(c, 2), got(c, 2);
        for (Problem* p : {&expected, &got}) {
          const CodePlanes &q = p->args.q, &k = p->args.k;
          for (size_t r = 0; r < 9; ++r) {
            for (size_t w = 0; w < q.row_words; ++w) {
              const size_t at = r * q.row_words + w;
              q.sign[at] = q.sign[w];
              k.sign[at] = (r % 2 == 0 ? q.sign[w] : ~q.sign[w]) & k.valid[at];
            }
            if (r < 4) continue;
            q.valid[r * q.row_words] &= ~uint64_t{1};
            q.sign[r * q.row_words] &= ~uint64_t{1};
            --q.valid_count[r];
          }
          p->heads[0] = {0.01f, zq, 1, -1, 0, 0.1f, 1.0f};
        }
        REQUIRE(expected.Run(Reference(), 0, c.tokens, false));
        REQUIRE(got.Run(*target.kernel, 0, c.tokens, false));
        REQUIRE(std::memcmp(got.floats.As<void>(), expected.floats.As<void>(),
                            got.floats.bytes()) == 0);
      }
    }
  }
}

TEST_CASE("only the rows asked for are written") {
  const Case c{65, 3, 48, 5};
  for (const auto& target : Targets()) {
    CAPTURE(target.name);
    Problem whole(c, 8), part(c, 8), untouched(c, 8);
    REQUIRE(whole.Run(*target.kernel, 0, c.tokens, true));
    REQUIRE(part.Run(*target.kernel, 7, 6, true));
    CHECK(test::SameRows(part.out.planes(), whole.out.planes(), 7, 6));
    CHECK(test::SameRows(part.out.planes(), untouched.out.planes(), 0, 7));
    CHECK(test::SameRows(part.out.planes(), untouched.out.planes(), 13, 52));
  }
}

TEST_CASE("the reference's integers are the definition") {
  const Case c{5, 1, 8, 20};
  Problem p(c, 3);
  p.heads[0] = {0.1f, 1, -2, -1, 3, 0.2f, 1.0f};
  std::vector<int32_t> scores(25), out(40);
  std::vector<int8_t> probs(25);
  AttentionReferenceHead(p.args, 0, {scores.data(), probs.data(), out.data()});
  for (size_t i = 0; i < 5; ++i) {
    double total = 0;
    for (size_t j = 0; j < 5; ++j) {
      int32_t score = 0;
      for (size_t d = 0; d < 8; ++d)
        score += (CodeAt(p.args.q, i, d) - 1) * (CodeAt(p.args.k, j, d) + 2);
      REQUIRE(scores[i * 5 + j] == score);
      total += std::exp(0.1 * score);
    }
    for (size_t j = 0; j < 5; ++j) {
      const double level = std::exp(0.1 * scores[i * 5 + j]) / total / 0.2 - 1;
      if (std::fabs(level) > 1e-4)
        CHECK(probs[i * 5 + j] == (level > 0 ? 1 : -1));
    }
    for (size_t d = 0; d < 8; ++d) {
      int32_t sum = 0;
      for (size_t j = 0; j < 5; ++j)
        sum += (probs[i * 5 + j] + 1) * (CodeAt(p.args.v, j, d) - 3);
      REQUIRE(out[i * 8 + d] == sum);
    }
  }
}

TEST_CASE("the fastest kernel is selected") {
  const AttentionKernel* kernel = SelectAttention(198, 3, 64, DetectCpu());
  CHECK_FALSE(kernel->is_reference);
}

}  // namespace
}  // namespace bittern::kernels
