// Rows of the report come from the plan's products, in its order, with what the
// passes recorded; nothing that runs is missing.
#include "converter/lower/records.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

constexpr const char* kGraph = R"(
input %x: f32[1,3,8]
input %b: f32[1,8,3]
const %w: bipolar[8,8] = pm1(seed=1)
const %scale: f32[8] = fill(0.5)
const %bias: f32[8] = fill(0.25)
const %v: f32[8,4] = normal(seed=2)
const %score: f32[2] = {0.5, 0.25}
const %zero: i32[2] = {0, -1}
const %ap: f32[2] = {0.3, 0.4}
%c = Binarize(%x) name="sign"
%l = LowBitLinear(%c, %w, %scale, %bias) epilogue="f32" name="fc"
%q = Binarize(%l) group=4 name="q"
%a = BinaryAttention(%q, %q, %q, %score, %zero, %zero, %zero, %zero, %ap, %score) heads=2 output="f32" name="scores + values"
%m = MatMul(%a, %v) name="head"
%p = MatMul(%a, %b) name="pair"
output %m
output %p
)";

LayerRecord Recorded(const char* name, const char* op, const char* reason) {
  LayerRecord record;
  record.name = name;
  record.op = op;
  record.reason = reason;
  return record;
}

Report MakeReport(const std::vector<LayerRecord>& recorded,
                  const char* text = kGraph,
                  const std::vector<Shape>& shapes = {{1, 3, 8}, {1, 8, 3}}) {
  Result<Graph> graph = ParseGraph(text);
  REQUIRE(graph.ok());
  REQUIRE(InferTypes(graph.value()).ok());
  std::vector<ConstantData> constants;
  auto def = ToModelDef(graph.value(), &constants);
  REQUIRE(def.ok());
  auto model = runtime::Model::Make(std::move(def).value(),
                                    std::shared_ptr<const void>());
  REQUIRE(model.ok());
  const auto plan = runtime::MakePlan(std::move(model).value(), shapes, {});
  if (!plan.ok()) FAIL(plan.error().message);
  Report report;
  AddLayers(plan.value(), recorded, &report);
  return report;
}

TEST_CASE("records are completed in order of execution") {
  LayerRecord linear = Recorded("fc", "MatMul", "");
  linear.weight_shape = {8, 8};
  const Report report = MakeReport(
      {Recorded("head", "MatMul", "float activations"),
       Recorded("gone", "MatMul", ""), Recorded("values", "Attention p*v", ""),
       Recorded("scores", "Attention q*k", ""), linear});
  REQUIRE(report.layers.size() == 5);
  CHECK(report.layers[0].name == "fc");
  CHECK(report.layers[1].name == "scores");
  CHECK(report.layers[2].name == "values");
  CHECK(report.layers[3].name == "head");
  CHECK(report.layers[3].reason == "float activations");
  for (const LayerRecord& layer : report.layers) {
    CHECK_FALSE(layer.kernel.empty());
  }
  // 8 x 8 weights and 8 biases in fp32; 8 bytes of bits, 8 scales, 8 biases.
  CHECK(report.layers[0].bytes_before == 8 * 8 * 4 + 8 * 4);
  CHECK(report.layers[0].bytes_after == 8 + 8 * 4 + 8 * 4);
  CHECK(report.layers[3].bytes_before == 8 * 4 * 4);
  CHECK(report.layers[3].bytes_after == 8 * 4 * 4);
}

TEST_CASE("a product that no pass recorded gets a row and a reason") {
  const Report report = MakeReport({});
  REQUIRE(report.layers.size() == 5);
  CHECK(report.layers[4].name == "pair");
  CHECK(report.layers[4].reason == "both operands are float activations");
}

TEST_CASE("multiplications are counted by width") {
  const Report report = MakeReport({});
  // fc: 3 rows x 8 x 8; attention: 2 products x 3 x 3 x 8.
  CHECK(report.macs_low_bit == 3 * 8 * 8 + 2 * 3 * 3 * 8);
  CHECK(report.macs_float == 3 * 8 * 4 + 3 * 8 * 3);
  CHECK(report.reduction_paper ==
        Approx((336.0 + 168.0) / (336.0 / 64 + 168.0)));
}

TEST_CASE("a product of w and a bits counts w * a of 64; float sums count 1") {
  const Report report = MakeReport({}, R"(
input %x: f32[2,8]
const %w: s4w[8,8] = normal(seed=1)
const %scale: f32[8] = fill(0.5)
const %a: f32[1] = {0.25}
%q = Quantize(%x, %a) per="tensor" lo=0 hi=7 name="q"
%y = LowBitLinear(%q, %w, %scale) epilogue="f32" name="codes"
%z = LowBitLinear(%x, %w, %scale) epilogue="f32" name="floats"
output %y
output %z
)",
                                   {{2, 8}});
  REQUIRE(report.layers.size() == 2);
  CHECK(report.macs_low_bit == 2 * 8 * 8);
  CHECK(report.macs_float == 2 * 8 * 8);
  CHECK(report.reduction_paper == Approx(256.0 / (128 * 12.0 / 64 + 128)));
}

}  // namespace
}  // namespace bittern::convert
