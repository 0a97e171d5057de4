// The report's table stays within its width and says why a layer is float; its
// JSON holds the same, and the embedded form nothing of this machine.
#include "converter/lower/report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

namespace bittern::convert {
namespace {

Report Example() {
  Report report;
  report.source = "net.onnx";
  report.source_sha256 = "abc";
  LayerRecord packed;
  packed.name = "/model/with/a/very/long/prefix/blocks.11/attn/qkv/MatMul";
  packed.op = "MatMul";
  packed.weight_shape = {576, 192};
  packed.weights = "1 bit +-s, exact";
  packed.activations = "1 bit sign {-1,0,1}";
  packed.pattern = "sign in front, rows of +-s";
  packed.kernel = std::string(70, 'k');
  packed.bytes_before = 442368;
  packed.bytes_after = 16128;
  packed.input_scale = "fast16";
  packed.max_ulp = 2;
  LayerRecord kept;
  kept.name = "head";
  kept.op = "MatMul";
  kept.weights = kept.activations = "f32";
  kept.kernel = "f32/x";
  kept.reason = "float activations: no sign in front";
  kept.bytes_before = kept.bytes_after = 3840;
  LayerRecord attention;
  attention.name = "scores";
  attention.op = "Attention q*k";
  report.layers = {packed, kept, attention};
  report.notes = {"GELUs recognised: 4"};
  report.source_bytes = 1000;
  report.packed_bytes = 100;
  report.macs_low_bit = 64e6;
  report.macs_float = 1e6;
  report.reduction_paper = 32.5;
  return report;
}

TEST_CASE("the table has a line per layer, reasons, notes and a summary") {
  const std::string table = ReportTable(Example());
  std::istringstream lines(table);
  std::string line, last;
  while (std::getline(lines, line)) {
    CHECK(line.size() <= 160);
    last = line;
  }
  // The end of a long name and the start of a long kernel survive.
  CHECK(table.find("...ix/blocks.11/attn/qkv/MatMul  MatMul") !=
        std::string::npos);
  CHECK(table.find(std::string(37, 'k') + "...  442 -> 16.1\n") !=
        std::string::npos);
  CHECK(
      table.find("    float because: float activations: no sign in front\n") !=
      std::string::npos);
  CHECK(table.find("note: GELUs recognised: 4\n") != std::string::npos);
  CHECK(last.find("2 of 3 products low-bit; 64 M low-bit and 1 M float MACs: "
                  "32.5x fewer operations") == 0);
  CHECK(table.find("1000 -> 100 bytes (10.0x)") != std::string::npos);
}

TEST_CASE("the JSON holds every field") {
  const auto json = nlohmann::json::parse(ReportJson(Example()));
  CHECK(json["source"] == "net.onnx");
  CHECK(json["packed_bytes"] == 100);
  CHECK(json["layers"].size() == 3);
  CHECK(json["layers"][0]["weight_shape"] == std::vector<int>{576, 192});
  CHECK(json["layers"][0]["kernel"] == std::string(70, 'k'));
  CHECK_FALSE(json["layers"][0].contains("reason"));
  CHECK(json["layers"][0]["input_scale"] == "fast16");
  CHECK(json["layers"][0]["max_ulp"] == 2);
  CHECK_FALSE(json["layers"][1].contains("input_scale"));
  CHECK(json["layers"][1]["reason"] == "float activations: no sign in front");
  CHECK(json["notes"][0] == "GELUs recognised: 4");
}

TEST_CASE("the embedded JSON is one line without kernels and file size") {
  const std::string text = EmbeddedReportJson(Example());
  CHECK(text.find('\n') == std::string::npos);
  const auto json = nlohmann::json::parse(text);
  CHECK_FALSE(json.contains("packed_bytes"));
  CHECK_FALSE(json["layers"][0].contains("kernel"));
  CHECK(json["layers"][1]["reason"] == "float activations: no sign in front");
}

TEST_CASE("names that are no UTF-8 do not break the JSON") {
  Report report = Example();
  report.layers[0].name = "\xff\xfe";
  CHECK(nlohmann::json::accept(ReportJson(report)));
}

}  // namespace
}  // namespace bittern::convert
