// The report as a table for people and as JSON for scripts.
#include "converter/lower/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bittern::convert {
namespace {

// Columns; with two blanks between them they fill 160.
constexpr size_t kLayer = 31, kOp = 13, kShape = 9, kWeights = 20,
                 kActivations = 22, kKernel = 40, kSize = 13;

// Long names keep their end, where exporters put what distinguishes them; long
// texts keep their start.
std::string FitName(const std::string& text, size_t width) {
  if (text.size() <= width) return text;
  return "..." + text.substr(text.size() - (width - 3));
}

std::string Fit(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

std::string Row(const std::string& layer, const std::string& op,
                const std::string& shape, const std::string& weights,
                const std::string& activations, const std::string& kernel,
                const std::string& size) {
  std::string row = fmt::format(
      "{:<{}}  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {}",
      FitName(layer, kLayer), kLayer, Fit(op, kOp), kOp, Fit(shape, kShape),
      kShape, Fit(weights, kWeights), kWeights, Fit(activations, kActivations),
      kActivations, Fit(kernel, kKernel), kKernel, Fit(size, kSize));
  row.erase(row.find_last_not_of(' ') + 1);
  return row + '\n';
}

std::string ShapeText(const Shape& shape) {
  if (shape.rank() != 2) return "-";
  return fmt::format("{}x{}", shape[0], shape[1]);
}

std::string KiloBytes(int64_t bytes) {
  const double kilo = static_cast<double>(bytes) / 1000;
  return fmt::format("{:.{}f}", kilo, kilo < 100 ? 1 : 0);
}

std::string SizeText(const LayerRecord& layer) {
  if (layer.bytes_before == 0) return "-";
  if (layer.bytes_before == layer.bytes_after) {
    return KiloBytes(layer.bytes_before);
  }
  return KiloBytes(layer.bytes_before) + " -> " + KiloBytes(layer.bytes_after);
}

size_t LowBitLayers(const Report& report) {
  return static_cast<size_t>(
      std::count_if(report.layers.begin(), report.layers.end(),
                    [](const LayerRecord& l) { return l.reason.empty(); }));
}

std::string Summary(const Report& report) {
  std::string text = fmt::format(
      "{} of {} products low-bit; {:.4g} M low-bit and {:.4g} M float MACs: "
      "{:.1f}x fewer operations (w x a bits count w*a/64)",
      LowBitLayers(report), report.layers.size(), report.macs_low_bit / 1e6,
      report.macs_float / 1e6, report.reduction_paper);
  if (report.packed_bytes > 0) {
    text += fmt::format("; {} -> {} bytes ({:.1f}x)", report.source_bytes,
                        report.packed_bytes,
                        static_cast<double>(report.source_bytes) /
                            static_cast<double>(report.packed_bytes));
  }
  return text + '\n';
}

nlohmann::json LayerJson(const LayerRecord& layer) {
  nlohmann::json json = {{"name", layer.name},
                         {"op", layer.op},
                         {"weights", layer.weights},
                         {"activations", layer.activations}};
  if (layer.bytes_before > 0) {
    json["bytes_before"] = layer.bytes_before;
    json["bytes_after"] = layer.bytes_after;
  }
  if (layer.weight_shape.rank() > 0) {
    json["weight_shape"] = std::vector<int64_t>(
        layer.weight_shape.dims().begin(), layer.weight_shape.dims().end());
  }
  if (!layer.kernel.empty()) json["kernel"] = layer.kernel;
  if (!layer.pattern.empty()) json["pattern"] = layer.pattern;
  if (!layer.input_scale.empty()) json["input_scale"] = layer.input_scale;
  if (layer.max_ulp > 0) json["max_ulp"] = layer.max_ulp;
  if (!layer.reason.empty()) json["reason"] = layer.reason;
  return json;
}

nlohmann::json WholeJson(const Report& report) {
  nlohmann::json json = {{"source", report.source},
                         {"source_sha256", report.source_sha256},
                         {"source_bytes", report.source_bytes},
                         {"macs_low_bit", report.macs_low_bit},
                         {"macs_float", report.macs_float},
                         {"reduction_paper", report.reduction_paper},
                         {"notes", report.notes}};
  if (report.packed_bytes > 0) json["packed_bytes"] = report.packed_bytes;
  json["layers"] = nlohmann::json::array();
  for (const LayerRecord& layer : report.layers) {
    json["layers"].push_back(LayerJson(layer));
  }
  return json;
}

// Names come from the source file and may hold any bytes: what is no UTF-8 is
// replaced, for JSON cannot hold it.
std::string Dump(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false,
                   nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string ReportTable(const Report& report) {
  std::string table = Row("layer", "op", "shape", "weights found",
                          "activations found", "kernel", "kB");
  for (const LayerRecord& layer : report.layers) {
    table +=
        Row(layer.name, layer.op, ShapeText(layer.weight_shape), layer.weights,
            layer.activations, layer.kernel, SizeText(layer));
    if (!layer.reason.empty()) {
      table += fmt::format("    float because: {}\n", layer.reason);
    }
  }
  for (const std::string& note : report.notes) {
    table += fmt::format("note: {}\n", note);
  }
  return table + Summary(report);
}

std::string ReportJson(const Report& report) {
  return Dump(WholeJson(report), 1) + '\n';
}

std::string EmbeddedReportJson(const Report& report) {
  Report portable = report;
  portable.packed_bytes = 0;
  for (LayerRecord& layer : portable.layers) {
    layer.kernel.clear();
    layer.bytes_before = 0;  // the file's own tensors tell both
  }
  return Dump(WholeJson(portable), -1);
}

}  // namespace bittern::convert
