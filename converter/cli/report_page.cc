#include "converter/cli/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernels/base/cpu.h"
#include "runtime/cli/html.h"
#include "runtime/cli/open.h"
#include "runtime/format/reader.h"

namespace bittern::cli {
namespace {

using convert::LayerRecord;
using convert::Report;

constexpr int64_t kMeasureNs = 300'000'000;
constexpr int kMostRuns = 10'000;
constexpr double kFloatBits = 32, kWordBits = 64;

bool IsFloat(const StepTime& step) {
  return step.weight_bits >= kFloatBits || step.activation_bits >= kFloatBits;
}

std::string Tile(const std::string& value, const std::string& label) {
  return fmt::format("<div class=tile><b>{}</b><span>{}</span></div>",
                     HtmlEscape(value), HtmlEscape(label));
}

double TotalUs(const std::vector<StepTime>& steps) {
  double us = 0;
  for (const StepTime& step : steps) us += step.us;
  return us;
}

// Operations as papers count them: a product of w x a bits is w * a / 64 of
// one, and layers in float are left out.
double CountedLowBitOps(const std::vector<StepTime>& steps) {
  double counted = 0;
  for (const StepTime& step : steps) {
    if (!IsFloat(step))
      counted +=
          step.macs * step.weight_bits * step.activation_bits / kWordBits;
  }
  return counted;
}

std::string Head(const Report& report, const std::vector<StepTime>& steps) {
  const auto low_bit = static_cast<size_t>(
      std::count_if(report.layers.begin(), report.layers.end(),
                    [](const LayerRecord& l) { return l.reason.empty(); }));
  std::string html = fmt::format(
      "<h1>{}</h1><p>converted by Bittern; SHA-256 {}</p><div "
      "class=tiles>",
      HtmlEscape(report.source), HtmlEscape(report.source_sha256));
  html += Tile(fmt::format("{} of {}", low_bit, report.layers.size()),
               "products on low-bit kernels");
  html += Tile(
      HtmlBytes(static_cast<double>(report.packed_bytes)),
      fmt::format(
          "packed, {:.1f}x less than {}",
          static_cast<double>(report.source_bytes) /
              static_cast<double>(std::max<int64_t>(report.packed_bytes, 1)),
          HtmlBytes(static_cast<double>(report.source_bytes))));
  const double macs = report.macs_low_bit + report.macs_float;
  const double low = CountedLowBitOps(steps);
  if (low > 0) {
    html += Tile(fmt::format("{:.1f}x", report.macs_low_bit / low),
                 "fewer operations, low-bit layers alone (papers)");
  }
  html += Tile(fmt::format("{:.1f}x", report.reduction_paper),
               "fewer operations, float layers counted");
  html += Tile(fmt::format("{:.1f} M", macs / 1e6),
               fmt::format("multiply-accumulates, {:.1f} M of them low-bit",
                           report.macs_low_bit / 1e6));
  if (!steps.empty()) {
    html += Tile(
        fmt::format("{:.2f} ms", TotalUs(steps) / 1000),
        fmt::format("a run here, one thread, {}",
                    std::string(kernels::BestTarget(kernels::DetectCpu()))));
  }
  return html + "</div>\n";
}

std::string Notes(const Report& report) {
  if (report.notes.empty()) return "";
  std::string html = "<h2>Notes</h2><ul>";
  for (const std::string& note : report.notes) {
    html += "<li>" + HtmlEscape(note) + "</li>";
  }
  return html + "</ul>\n";
}

std::string ShapeText(const runtime::Shape& shape) {
  return shape.rank() == 2 ? fmt::format("{} &times; {}", shape[0], shape[1])
                           : "";
}

std::string LayerRow(const LayerRecord& layer, double largest) {
  const auto before = static_cast<double>(layer.bytes_before);
  const auto after = static_cast<double>(layer.bytes_after);
  std::string sizes;
  if (before > 0) {
    sizes = HtmlBar(before / largest, HtmlBytes(before), "b") +
            HtmlBar(after / largest, HtmlBytes(after));
  }
  std::string found = HtmlEscape(layer.pattern);
  if (!layer.input_scale.empty()) {
    found += "<br>scale per input channel: " + HtmlEscape(layer.input_scale);
  }
  if (layer.max_ulp > 0) found += fmt::format("<br>{:.2g} ulp", layer.max_ulp);
  if (!layer.reason.empty()) {
    found += "<span class=why>float because: " + HtmlEscape(layer.reason) +
             "</span>";
  }
  return fmt::format(
      "<tr{}><td class=name>{}</td><td>{}</td><td class=n>{}</td><td>{}</td>"
      "<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
      layer.reason.empty() ? "" : " class=float", HtmlEscape(layer.name),
      HtmlEscape(layer.op), ShapeText(layer.weight_shape),
      HtmlEscape(layer.weights), HtmlEscape(layer.activations), found,
      HtmlEscape(layer.kernel), sizes);
}

std::string Layers(const Report& report) {
  double largest = 1;
  for (const LayerRecord& layer : report.layers) {
    largest = std::max(largest, static_cast<double>(layer.bytes_before));
  }
  std::string html =
      "<h2>What every product became</h2><p>Sizes before (orange) and after; "
      "shaded rows stay in float, with the reason.</p><div class=wide><table>"
      "<tr><th>layer</th><th>op</th><th class=n>N &times; "
      "K</th><th>weights</th><th>activations</th><th>found "
      "by</th><th>kernel</th><th style=\"width:16%\">size</th></tr>\n";
  for (const LayerRecord& layer : report.layers) {
    html += LayerRow(layer, largest);
  }
  return html + "</table></div>\n";
}

// Time and operations by kind of op, the largest first.
std::string Kinds(const std::vector<StepTime>& steps) {
  struct Kind {
    double us = 0, macs = 0;
    size_t count = 0;
  };
  std::map<std::string, Kind> kinds;
  for (const StepTime& step : steps) {
    Kind& kind = kinds[step.op];
    kind.us += step.us;
    kind.macs += step.macs;
    ++kind.count;
  }
  std::vector<std::pair<std::string, Kind>> sorted(kinds.begin(), kinds.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.us > b.second.us;
  });
  const double total = std::max(TotalUs(steps), 1e-9);
  std::string html =
      "<h2>Time by kind</h2><div class=wide><table><tr><th>op</th><th "
      "class=n>ops</th><th class=n>M MACs</th><th style=\"width:50%\">time of "
      "a run</th></tr>\n";
  for (const auto& [op, kind] : sorted) {
    html += fmt::format(
        "<tr><td>{}</td><td class=n>{}</td><td class=n>{:.1f}</td><td>{}</td>"
        "</tr>\n",
        HtmlEscape(op), kind.count, kind.macs / 1e6,
        HtmlBar(kind.us / total, fmt::format("{:.0f} us, {:.1f} %", kind.us,
                                             100 * kind.us / total)));
  }
  return html + "</table></div>\n";
}

std::string Steps(const std::vector<StepTime>& steps) {
  double most_us = 1e-9, most_macs = 1;
  for (const StepTime& step : steps) {
    most_us = std::max(most_us, step.us);
    most_macs = std::max(most_macs, step.macs);
  }
  std::string html =
      "<h2>Time and operations by op</h2><div class=wide><table><tr><th>op</th>"
      "<th>name</th><th class=n>bits</th><th style=\"width:20%\">M "
      "MACs</th><th "
      "style=\"width:20%\">us</th><th>kernel</th></tr>\n";
  for (const StepTime& step : steps) {
    const bool products = step.macs > 0;
    html += fmt::format(
        "<tr><td>{}</td><td class=name>{}</td><td "
        "class=n>{}</td><td>{}</td><td>"
        "{}</td><td>{}</td></tr>\n",
        HtmlEscape(step.op), HtmlEscape(step.name),
        products ? fmt::format("{} &times; {}", step.weight_bits,
                               step.activation_bits)
                 : "",
        products ? HtmlBar(step.macs / most_macs,
                           fmt::format("{:.2f}", step.macs / 1e6),
                           IsFloat(step) ? "b" : "")
                 : "",
        HtmlBar(step.us / most_us, fmt::format("{:.1f}", step.us)),
        HtmlEscape(step.kernel));
  }
  return html + "</table></div>\n";
}

}  // namespace

runtime::Result<std::vector<StepTime>> MeasureSteps(const std::string& path) {
  BITTERN_TRY_ASSIGN(const auto model, runtime::ReadModelFile(path));
  runtime::SessionOptions options;
  options.profile = true;
  BITTERN_TRY_ASSIGN(const auto session,
                     OpenSession(model, RunOptions(), options));
  BITTERN_TRY(FillInputs(*session));
  int64_t spent = 0;
  for (int run = 0; run < kMostRuns && spent < kMeasureNs; ++run) {
    BITTERN_TRY(session->Run());
    spent = 0;
    for (const auto& entry : session->profile()) spent += entry.total_ns;
  }
  std::vector<StepTime> steps;
  for (const auto& entry : session->profile()) {
    const auto calls = static_cast<double>(std::max<int64_t>(entry.calls, 1));
    steps.push_back({entry.def->name, entry.def->op, entry.kernel,
                     static_cast<double>(entry.total_ns) / calls / 1000,
                     entry.cost.macs, entry.cost.weight_bits,
                     entry.cost.activation_bits});
  }
  return steps;
}

std::string ReportPage(const Report& report,
                       const std::vector<StepTime>& steps) {
  std::string body = Head(report, steps) + Notes(report) + Layers(report);
  if (!steps.empty()) body += Kinds(steps) + Steps(steps);
  return HtmlPage("bittern convert: " + report.source, body);
}

}  // namespace bittern::cli
