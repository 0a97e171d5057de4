// Every kernel of attention on codes, on every target, against the plain loops:
// token counts and head sizes that are multiples of nothing, all code widths,
// zero points, bias and mask, soft and hard rows, both outputs, probabilities
// in fp32, misaligned rows, extreme codes, row ranges, guard bytes.
#include "kernels/attention/attention_codes.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <span>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {

#if defined(__x86_64__)
std::span<const CodeAttentionKernel>
CodeAttentionAvx512VnniSimde();  // simde_codes_avx512vnni.cc
#endif

namespace {

using Target = test::TargetKernel<CodeAttentionKernel>;
using test::Guarded;
using test::Random;

struct Widths {
  Operand q, k, v;
  int32_t prob_max;  // 0: probabilities in fp32
};

constexpr Widths kWidths[] = {
    {Operand::kU4, Operand::kU4, Operand::kU4, 15},
    {Operand::kS4, Operand::kS4, Operand::kS4, 15},
    {Operand::kU8, Operand::kU8, Operand::kU8, 255},
    {Operand::kS8, Operand::kS8, Operand::kS8, 255},
    {Operand::kU2, Operand::kS2, Operand::kS2, 3},
    {Operand::kS8, Operand::kS8, Operand::kU8, 0},
    {Operand::kS3, Operand::kU3, Operand::kS3, 7},
    {Operand::kS4, Operand::kS8, Operand::kS4, 255},
    {Operand::kU1, Operand::kU1, Operand::kU1, 1},
    {Operand::kS4, Operand::kU4, Operand::kU4, 0},
    {Operand::kU8, Operand::kS4, Operand::kS8, 15},
    {Operand::kS2, Operand::kS2, Operand::kS2, 2},
};

struct Case {
  size_t queries, keys, heads, head_dim;
  Widths widths;
  bool extreme = false;  // codes and zero points at the ends of their ranges
};

int32_t RandomIn(Random& random, ValueRange range) {
  return range.lo + static_cast<int32_t>(random.Below(
                        static_cast<size_t>(range.hi - range.lo + 1)));
}

// Rows of codes with bytes of no meaning between them.
class Codes {
 public:
  Codes(size_t rows, size_t cols, Operand type, bool extreme, Random& random)
      : stride_(cols + random.Below(9)),
        memory_((rows - 1) * stride_ + cols, random.Below(16)) {
    const ValueRange range = RangeOf(type);
    for (size_t i = 0; i < memory_.bytes(); ++i) {
      const bool end = extreme || random.Below(8) == 0;
      const int32_t code = !end                  ? RandomIn(random, range)
                           : random.Below(8) < 7 ? range.hi
                                                 : range.lo;
      memory_.As<uint8_t>()[i] = static_cast<uint8_t>(
          i % stride_ < cols ? code : static_cast<int32_t>(random.Below(256)));
    }
    view_ = {memory_.As<uint8_t>(), static_cast<ptrdiff_t>(stride_), rows,
             cols};
  }
  const CodeBytes& view() const { return view_; }
  bool Intact() const { return memory_.Intact(); }

 private:
  size_t stride_;
  Guarded memory_;
  CodeBytes view_;
};

// A problem with random operands; every head has zero points, scales and a
// quantiser of its own. `seed` also chooses bias, mask and quantiser options.
struct Problem {
  Problem(const Case& c, uint64_t seed)
      : random(seed),
        cols(c.heads * c.head_dim),
        q(c.queries, cols, c.widths.q, c.extreme, random),
        k(c.keys, cols, c.widths.k, c.extreme, random),
        v(c.keys, cols, c.widths.v, c.extreme, random),
        codes((c.queries - 1) * (cols + 5) + cols, 3),
        floats(c.queries * cols * sizeof(float), 4),
        bias(random.Normals(c.heads * c.queries * c.keys)),
        mask(random.Normals(c.queries * c.keys)) {
    for (float& m : mask) m = m > 1.2f ? -INFINITY : (m > 0.7f ? -100.0f : 0);
    args.q = q.view();
    args.k = k.view();
    args.v = v.view();
    args.q_type = c.widths.q;
    args.k_type = c.widths.k;
    args.v_type = c.widths.v;
    args.heads = c.heads;
    args.head_dim = c.head_dim;
    args.softmax = random.Below(6) != 0;
    const auto row = static_cast<ptrdiff_t>(c.keys * sizeof(float));
    if (random.Below(2) == 0)
      args.bias = {bias.data(), row * static_cast<ptrdiff_t>(c.queries), row};
    if (random.Below(2) == 0) args.mask = {mask.data(), 0, row};
    for (size_t h = 0; h < c.heads; ++h) AddHead(c);
    for (size_t h = 0; h < c.heads && c.widths.prob_max != 0; ++h)
      heads[h].probs = &quantisers[h];
    args.head = heads.data();
    for (size_t i = 0; i < cols; ++i) {
      out_scales.push_back(random.Uniform(0.2f, 0.6f));
      out_zeros.push_back(static_cast<float>(random.Below(5)) - 2);
    }
    out_quantiser = {
        out_scales.data(),
        out_zeros.data(),
        random.Below(2) == 0 ? ScalePer::kColumn : ScalePer::kTensor,
        random.Below(2) == 0,
        random.Below(2) == 0 ? ZeroPointPlace::kBeforeRounding
                             : ZeroPointPlace::kAfterRounding,
        -8,
        7};
    args.out_quantiser = &out_quantiser;
  }

  void AddHead(const Case& c) {
    const ValueRange q_range = RangeOf(c.widths.q),
                     k_range = RangeOf(c.widths.k);
    const float span = static_cast<float>(q_range.hi - q_range.lo) *
                       static_cast<float>(k_range.hi - k_range.lo);
    const float soft = random.Below(4) == 0 ? 40.0f : 3.0f;  // or hard
    CodeAttentionHead head{};
    head.score_scale = (random.Below(3) == 0 ? -soft : soft) / span /
                       std::sqrt(static_cast<float>(c.head_dim));
    head.zq = c.extreme ? q_range.lo : RandomIn(random, q_range);
    head.zk = c.extreme ? k_range.lo : RandomIn(random, k_range);
    head.zv = c.extreme ? RangeOf(c.widths.v).lo
                        : RandomIn(random, RangeOf(c.widths.v));
    if (random.Below(3) == 0) head.zq = head.zk = head.zv = 0;
    head.zp = static_cast<int32_t>(random.Below(3)) - 1;
    head.out_scale = random.Uniform(-0.01f, 0.01f);
    heads.push_back(head);
    const bool multiply = random.Below(2) == 0;
    const float step =
        random.Uniform(0.1f, 1.0f) / static_cast<float>(c.widths.prob_max + 1);
    prob_scales[h_count] = multiply ? 1 / step : step;
    prob_zeros[h_count] = static_cast<float>(random.Below(3));
    quantisers[h_count] = {&prob_scales[h_count],
                           &prob_zeros[h_count],
                           ScalePer::kTensor,
                           multiply,
                           random.Below(2) == 0
                               ? ZeroPointPlace::kBeforeRounding
                               : ZeroPointPlace::kAfterRounding,
                           0,
                           c.widths.prob_max};
    if (h_count % 2 == 0)
      heads.back().steps = MakeCodeSteps(quantisers[h_count]);
    ++h_count;
  }

  bool Run(const CodeAttentionKernel& kernel, size_t row, size_t rows,
           bool as_codes) {
    const size_t keys = args.k.rows;
    Guarded prepared(args.heads * kernel.prepared_bytes(keys, args.head_dim)),
        scratch(kernel.scratch_bytes(keys, args.head_dim));
    prepared.Fill(0xFF);  // NaN
    scratch.Fill(0xFF);
    args.prepared = prepared.As<void>();
    args.out_f32 = as_codes ? nullptr : floats.As<float>();
    args.out_codes = {codes.As<uint8_t>(), static_cast<ptrdiff_t>(cols + 5),
                      args.q.rows, cols};
    for (size_t h = 0; h < args.heads; ++h) kernel.prepare(args, h);
    kernel.run(args, row, rows, scratch.As<void>());
    return prepared.Intact() && scratch.Intact() && codes.Intact() &&
           floats.Intact() && q.Intact() && k.Intact() && v.Intact();
  }

  Random random;
  size_t cols;
  Codes q, k, v;
  Guarded codes, floats;
  std::vector<float> bias, mask, out_scales, out_zeros;
  std::vector<CodeAttentionHead> heads;
  size_t h_count = 0;
  float prob_scales[4], prob_zeros[4];
  ByteQuantiser quantisers[4], out_quantiser;
  CodeAttentionArgs args{};
};

bool SameBytes(Guarded& a, Guarded& b) {
  return std::memcmp(a.As<void>(), b.As<void>(), a.bytes()) == 0;
}

std::vector<Target> Targets() {
  std::vector<Target> targets =
      test::KernelsOnTargets<CodeAttentionKernel>(&CodeAttentionKernels);
#if defined(__x86_64__)
  const std::string_view best = BestTarget(DetectCpu());
  const bool fused = best != "scalar" && best != "sse4";
  for (const CodeAttentionKernel& kernel : CodeAttentionAvx512VnniSimde())
    targets.push_back({&kernel, "attention/codes over SIMDe", fused});
#endif
  return targets;
}

const CodeAttentionKernel& Reference() {
  return *CodeAttentionKernels(DetectCpu()).front();
}

CodeAttentionQuery QueryOf(const Case& c) {
  return {c.widths.q, c.widths.k, c.widths.v, c.widths.prob_max,
          c.queries,  c.keys,     c.heads,    c.head_dim};
}

// Both outputs of every exact kernel.
void CheckCase(const Case& c, uint64_t seed,
               const std::vector<Target>& targets) {
  Problem expected(c, seed);
  REQUIRE(expected.Run(Reference(), 0, c.queries, true));
  REQUIRE(expected.Run(Reference(), 0, c.queries, false));
  for (const Target& target : targets) {
    const CodeAttentionKernel& kernel = *target.kernel;
    if (!target.exact || kernel.is_reference) continue;
    if (!kernel.supports(QueryOf(c))) continue;
    CAPTURE(target.name, c.queries, c.keys, c.heads, c.head_dim, seed,
            c.extreme, static_cast<int>(c.widths.q),
            static_cast<int>(c.widths.v), c.widths.prob_max);
    Problem got(c, seed);
    REQUIRE(got.Run(kernel, 0, c.queries, true));
    REQUIRE(got.Run(kernel, 0, c.queries, false));
    REQUIRE(SameBytes(got.codes, expected.codes));
    REQUIRE(SameBytes(got.floats, expected.floats));
  }
}

TEST_CASE("attention on codes equals the reference") {
  const std::vector<Target> targets = Targets();
  size_t n = 0;
  for (const size_t tokens :
       std::initializer_list<size_t>{1, 2, 15, 16, 17, 49, 64, 197, 198}) {
    for (const size_t head_dim :
         std::initializer_list<size_t>{1, 3, 16, 32, 33, 64, 80}) {
      const size_t heads = tokens > 64 ? 1 : 2;
      for (size_t i = 0; i < 3; ++i, ++n) {
        const Widths& widths = kWidths[n % std::size(kWidths)];
        CheckCase({tokens, tokens, heads, head_dim, widths}, n, targets);
      }
    }
  }
}

TEST_CASE("all code widths, different numbers of queries and keys") {
  const std::vector<Target> targets = Targets();
  uint64_t seed = 1000;
  for (const Widths& widths : kWidths) {
    CheckCase({7, 50, 3, 20, widths}, seed++, targets);
    CheckCase({33, 9, 3, 64, widths}, seed++, targets);
    CheckCase({3, 300, 1, 256, widths}, seed++, targets);
  }
}

// The greatest sums that the code ranges allow.
TEST_CASE("extreme codes") {
  const std::vector<Target> targets = Targets();
  uint64_t seed = 2000;
  for (const Widths& widths : kWidths) {
    CheckCase({6, 600, 1, 256, widths, true}, seed++, targets);
    CheckCase({5, 198, 2, 64, widths, true}, seed++, targets);
  }
}

TEST_CASE("scales that are not finite") {
  const std::vector<Target> targets = Targets();
  const Case c{5, 50, 3, 16, kWidths[1]};
  for (const float scale : {0.0f, NAN, INFINITY, -INFINITY, 1e38f, 1e-40f}) {
    for (const Target& target : targets) {
      if (!target.exact || !target.kernel->supports(QueryOf(c))) continue;
      CAPTURE(target.name, scale);
      Problem expected(c, 6), got(c, 6);
      for (Problem* p : {&expected, &got}) {
        p->heads[0].score_scale = scale;
        p->prob_scales[1] = scale;
        p->heads[2].out_scale = scale;
      }
      for (const bool as_codes : {true, false}) {
        REQUIRE(expected.Run(Reference(), 0, c.queries, as_codes));
        REQUIRE(got.Run(*target.kernel, 0, c.queries, as_codes));
      }
      REQUIRE(SameBytes(got.codes, expected.codes));
      REQUIRE(SameBytes(got.floats, expected.floats));
    }
  }
}

TEST_CASE("a query row of codes that is masked whole gives NaN") {
  const Case c{5, 17, 1, 16, kWidths[5]};
  for (const Target& target : Targets()) {
    if (!target.kernel->supports(QueryOf(c))) continue;
    CAPTURE(target.name);
    Problem p(c, 9);
    p.args.softmax = true;
    for (size_t j = 0; j < c.keys; ++j) p.mask[2 * c.keys + j] = -INFINITY;
    p.args.mask = {p.mask.data(), 0,
                   static_cast<ptrdiff_t>(c.keys * sizeof(float))};
    REQUIRE(p.Run(*target.kernel, 0, c.queries, false));
    CHECK(std::isnan(p.floats.As<float>()[2 * 16]));
    CHECK_FALSE(std::isnan(p.floats.As<float>()[3 * 16]));
  }
}

// One key without weight, the others so far that their probabilities are
// integer numbers of 2^-149: every sum is exact, and the output shows each of
// their bits.
TEST_CASE("probabilities below the normal range keep their bits") {
  const Case c{5, 49, 1, 16, kWidths[5]};
  for (const Target& target : Targets()) {
    if (!target.exact || !target.kernel->supports(QueryOf(c))) continue;
    CAPTURE(target.name);
    Problem expected(c, 11), got(c, 11);
    for (Problem* p : {&expected, &got}) {
      p->args.softmax = true;
      p->args.bias = {};
      p->heads[0].score_scale *= 1e-3f;
      p->heads[0].out_scale = 0x1p+100f;
      for (size_t i = 0; i < p->mask.size(); ++i) {
        const size_t key = i % c.keys;
        p->mask[i] = key == 0 ? 0 : -86.0f - 0.4f * static_cast<float>(key);
      }
      p->args.mask = {p->mask.data(), 0,
                      static_cast<ptrdiff_t>(c.keys * sizeof(float))};
      for (size_t i = 0; i < c.head_dim; ++i)
        p->v.view().data[i] = static_cast<uint8_t>(p->heads[0].zv);
    }
    REQUIRE(expected.Run(Reference(), 0, c.queries, false));
    REQUIRE(got.Run(*target.kernel, 0, c.queries, false));
    REQUIRE(expected.floats.As<float>()[0] != 0.0f);
    REQUIRE(SameBytes(got.floats, expected.floats));
  }
}

// Without a fused multiply-add exp differs in its last bits.
TEST_CASE("unfused targets agree on codes closely") {
  const Case c{64, 64, 2, 32, kWidths[5]};
  Problem expected(c, 4);
  REQUIRE(expected.Run(Reference(), 0, c.queries, false));
  for (const Target& target : Targets()) {
    if (!target.kernel->supports(QueryOf(c))) continue;
    CAPTURE(target.name);
    Problem got(c, 4);
    REQUIRE(got.Run(*target.kernel, 0, c.queries, false));
    for (size_t i = 0; i < c.queries * expected.cols; ++i) {
      const float want = expected.floats.As<float>()[i];
      REQUIRE(std::fabs(got.floats.As<float>()[i] - want) <=
              1e-4f * (std::fabs(want) + 1));
    }
  }
}

TEST_CASE("only the query rows asked for are written") {
  const Case c{30, 21, 2, 24, kWidths[3]};
  for (const Target& target : Targets()) {
    if (!target.kernel->supports(QueryOf(c))) continue;
    CAPTURE(target.name);
    Problem whole(c, 8), part(c, 8);
    REQUIRE(whole.Run(*target.kernel, 0, c.queries, false));
    part.floats.Fill(0xC3);
    REQUIRE(part.Run(*target.kernel, 7, 6, false));
    const size_t row = part.cols * sizeof(float);
    const auto* got = part.floats.As<uint8_t>();
    CHECK(std::memcmp(got + 7 * row, whole.floats.As<uint8_t>() + 7 * row,
                      6 * row) == 0);
    for (size_t i = 0; i < 7 * row; ++i) REQUIRE(got[i] == 0xC3);
    for (size_t i = 13 * row; i < 30 * row; ++i) REQUIRE(got[i] == 0xC3);
  }
}

// The reference against arithmetic in double precision.
TEST_CASE("the reference of attention on codes is the definition") {
  const Case c{4, 6, 1, 5, kWidths[1]};
  Problem p(c, 12);
  p.args.softmax = true;
  p.args.bias = p.args.mask = ScoreTerm{};
  p.heads[0] = {0.01f, 1, -2, 3, 0, 0.5f, nullptr};
  REQUIRE(p.Run(Reference(), 0, 4, false));
  const auto code = [](const CodeBytes& x, size_t r, size_t col) {
    return static_cast<int>(static_cast<int8_t>(
        x.data[static_cast<ptrdiff_t>(r) * x.stride + static_cast<int>(col)]));
  };
  for (size_t i = 0; i < 4; ++i) {
    double weights[6], total = 0;
    for (size_t j = 0; j < 6; ++j) {
      int score = 0;
      for (size_t d = 0; d < 5; ++d)
        score += (code(p.args.q, i, d) - 1) * (code(p.args.k, j, d) + 2);
      total += weights[j] = std::exp(0.01 * score);
    }
    for (size_t d = 0; d < 5; ++d) {
      double y = 0;
      for (size_t j = 0; j < 6; ++j)
        y += weights[j] / total * (code(p.args.v, j, d) - 3) * 0.5;
      CHECK(p.floats.As<float>()[i * 5 + d] == Approx(y).margin(1e-4));
    }
  }
}

TEST_CASE("selection knows which codes suit a kernel") {
  CpuFeatures avx2;
  if (!CapCpu(DetectCpu(), "avx2", &avx2)) return;
  const Case narrow{198, 198, 3, 64, kWidths[1]},
      wide{198, 198, 3, 64, kWidths[3]};
  CHECK(std::string(SelectCodeAttention(QueryOf(narrow), avx2)->name) ==
        "attention/codes/avx2");
  CHECK(std::string(SelectCodeAttention(QueryOf(wide), avx2)->name) ==
        "attention/codes/hwy");
}

}  // namespace
}  // namespace bittern::kernels
