// The page holds every layer and reason, escaped, and nothing from elsewhere.
#include "converter/cli/report_page.h"

#include <catch2/catch.hpp>

namespace bittern::cli {
namespace {

convert::Report Example() {
  convert::Report report;
  report.source = "a<b>.onnx";
  report.source_sha256 = "abc";
  report.source_bytes = 4'000'000;
  report.packed_bytes = 250'000;
  report.macs_low_bit = 64e6;
  report.macs_float = 1e6;
  report.reduction_paper = 32.5;
  report.notes = {"GELUs recognised: 4"};
  convert::LayerRecord packed;
  packed.name = "blocks.0/qkv";
  packed.op = "MatMul";
  packed.weight_shape = {576, 192};
  packed.pattern = "A3 + W6";
  packed.input_scale = "fast8";
  packed.bytes_before = 442368;
  packed.bytes_after = 55296;
  convert::LayerRecord kept;
  kept.name = "head";
  kept.op = "MatMul";
  kept.reason = "no quantiser & no codes";
  report.layers = {packed, kept};
  return report;
}

TEST_CASE("a page of a conversion") {
  const std::vector<StepTime> steps = {
      {"blocks.0/qkv", "LowBitLinear", "w8a8/x", 75, 64e6, 8, 4},
      {"head", "MatMul", "f32/y", 20, 1e6, 32, 32},
      {"norm", "LayerNorm", "norm/z", 5, 0, 0, 0}};
  const std::string page = ReportPage(Example(), steps);
  for (const char* text :
       {"<!doctype html>", "a&lt;b&gt;.onnx", "1 of 2", "16.0x less",
        "442.4 kB", "55.3 kB", "scale per input channel: fast8",
        "float because: no quantiser &amp; no codes", "576 &times; 192",
        "GELUs recognised: 4", "2.0x", "32.5x", "0.10 ms", "75 us, 75.0 %",
        "8 &times; 4"}) {
    INFO(text);
    CHECK(page.find(text) != std::string::npos);
  }
  for (const char* text : {"a<b>", "http", "<script", "src="}) {
    INFO(text);
    CHECK(page.find(text) == std::string::npos);
  }
}

TEST_CASE("without times the charts of times are left out") {
  const std::string page = ReportPage(Example(), {});
  CHECK(page.find("Time by kind") == std::string::npos);
  CHECK(page.find("What every product became") != std::string::npos);
}

TEST_CASE("times of a packed model") {
  const auto steps =
      MeasureSteps(BITTERN_SOURCE_DIR "/tests/data/deit_tiny.bittern");
  REQUIRE(steps.ok());
  CHECK(steps.value().size() > 50);
  double macs = 0;
  for (const StepTime& step : steps.value()) {
    CHECK(step.us > 0);
    macs += step.macs;
  }
  CHECK(macs > 1.2e9);
  CHECK_FALSE(MeasureSteps("/nonexistent.bittern").ok());
}

}  // namespace
}  // namespace bittern::cli
