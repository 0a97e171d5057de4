// bittern bench: latency, memory and work of a packed model, per run and per
// op.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "kernels/base/cpu.h"
#include "runtime/cli/command.h"
#include "runtime/cli/files.h"
#include "runtime/cli/html.h"
#include "runtime/cli/open.h"
#include "runtime/format/reader.h"

namespace bittern::cli {
namespace {

using Clock = std::chrono::steady_clock;
using runtime::ProfileEntry;
using runtime::Result;
using runtime::Session;

struct Options {
  std::string model;
  size_t runs = 0;
  double min_time = 1.0;
  bool profile = false;
  std::string json, html;
  RunOptions run;
};

struct Measurement {
  std::vector<double> ms;  // sorted
  double median = 0, min = 0, peak_rss_mb = 0;
};

// Not getrusage: its maximum survives exec, so a large parent process would
// show through.
double PeakRssMb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kPeak = "VmHWM:";
    if (line.compare(0, kPeak.size(), kPeak) == 0) {
      return std::strtod(line.c_str() + kPeak.size(), nullptr) / 1024;
    }
  }
  return 0;
}

Result<Measurement> Measure(Session& session, const Options& options) {
  constexpr int kWarmup = 3;
  constexpr size_t kMaxRuns = 100000;
  for (int i = 0; i < kWarmup; ++i) BITTERN_TRY(session.Run());
  Measurement m;
  const Clock::time_point start = Clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto more = [&] {
    return options.runs != 0
               ? m.ms.size() < options.runs
               : elapsed() < options.min_time && m.ms.size() < kMaxRuns;
  };
  do {
    const Clock::time_point begin = Clock::now();
    BITTERN_TRY(session.Run());
    m.ms.push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - begin)
            .count());
  } while (more());
  std::sort(m.ms.begin(), m.ms.end());
  m.min = m.ms.front();
  m.median = (m.ms[(m.ms.size() - 1) / 2] + m.ms[m.ms.size() / 2]) / 2;
  m.peak_rss_mb = PeakRssMb();
  return m;
}

struct Row {
  std::string name, op, kernel;
  double us = 0, share = 0, macs = 0;
  int weight_bits = 0, activation_bits = 0;
};

std::vector<Row> Rows(const std::vector<ProfileEntry>& profile) {
  double total = 0;
  for (const ProfileEntry& entry : profile)
    total += static_cast<double>(entry.total_ns);
  std::vector<Row> rows;
  for (const ProfileEntry& entry : profile) {
    const double ns = static_cast<double>(entry.total_ns);
    const auto calls = static_cast<double>(std::max<int64_t>(entry.calls, 1));
    rows.push_back({entry.def->name, entry.def->op, entry.kernel,
                    ns / calls / 1000, total > 0 ? ns / total : 0,
                    entry.cost.macs, entry.cost.weight_bits,
                    entry.cost.activation_bits});
  }
  return rows;
}

// GMAC/s, empty for ops without products.
std::string RateText(const Row& row) {
  if (row.macs <= 0 || row.us <= 0) return "";
  return fmt::format("{:.1f}", row.macs / row.us / 1000);
}

void PrintProfile(const std::vector<Row>& rows) {
  fmt::print("{:>10} {:>6} {:>8}  {:<18} {:<44} {}\n", "us", "%", "GMAC/s",
             "op", "name", "kernel");
  for (const Row& row : rows) {
    fmt::print("{:>10.2f} {:>6.2f} {:>8}  {:<18} {:<44} {}\n", row.us,
               100 * row.share, RateText(row), row.op, row.name, row.kernel);
  }
}

// Multiply-accumulates by operand widths: bit operations of a low-bit product
// are macs * weight bits * activation bits.
struct Work {
  double macs_float = 0, macs_low_bit = 0, bit_ops = 0;
};

Work CountWork(const std::vector<ProfileEntry>& profile) {
  Work work;
  for (const ProfileEntry& entry : profile) {
    const auto& cost = entry.cost;
    if (cost.weight_bits == 32 || cost.activation_bits == 32) {
      work.macs_float += cost.macs;
    } else {
      work.macs_low_bit += cost.macs;
      work.bit_ops += cost.macs * cost.weight_bits * cost.activation_bits;
    }
  }
  return work;
}

nlohmann::json ToJson(const Options& options, const Measurement& m,
                      const Work& work, const std::vector<Row>& rows,
                      const Session& session) {
  nlohmann::json json = {
      {"model", options.model},
      {"threads", options.run.threads},
      {"target", options.run.target.empty()
                     ? std::string(kernels::BestTarget(kernels::DetectCpu()))
                     : options.run.target},
      {"runs", m.ms.size()},
      {"median_ms", m.median},
      {"min_ms", m.min},
      {"max_ms", m.ms.back()},
      {"peak_rss_mb", m.peak_rss_mb},
      {"arena_bytes", session.arena_bytes()},
      {"macs_float", work.macs_float},
      {"macs_low_bit", work.macs_low_bit},
      {"bit_ops", work.bit_ops}};
  for (const Row& row : rows) {
    json["ops"].push_back({{"name", row.name},
                           {"op", row.op},
                           {"kernel", row.kernel},
                           {"us", row.us},
                           {"share", row.share},
                           {"macs", row.macs},
                           {"weight_bits", row.weight_bits},
                           {"activation_bits", row.activation_bits}});
  }
  return json;
}

std::string ToHtml(const Options& options, const Measurement& m,
                   const Work& work, const std::vector<Row>& rows) {
  std::string body = fmt::format(
      "<h1>{}</h1><p>median <b>{:.3f} ms</b>, min {:.3f} ms over {} runs, {} "
      "thread(s), peak memory {:.1f} MB<br>{:.1f} M low-bit and {:.1f} M float "
      "multiply-accumulates a run</p><div class=wide><table><tr><th "
      "style=\"width:20%\">us</th><th class=n>%</th><th class=n>GMAC/s</th>"
      "<th>op</th><th>name</th><th>kernel</th></tr>\n",
      HtmlEscape(options.model), m.median, m.min, m.ms.size(),
      options.run.threads, m.peak_rss_mb, work.macs_low_bit / 1e6,
      work.macs_float / 1e6);
  double largest = 0;
  for (const Row& row : rows) largest = std::max(largest, row.share);
  for (const Row& row : rows) {
    body += fmt::format(
        "<tr><td>{}</td><td class=n>{:.2f}</td><td class=n>{}</td><td>{}</td>"
        "<td class=name>{}</td><td>{}</td></tr>\n",
        HtmlBar(largest > 0 ? row.share / largest : 0,
                fmt::format("{:.2f}", row.us)),
        100 * row.share, RateText(row), HtmlEscape(row.op),
        HtmlEscape(row.name), HtmlEscape(row.kernel));
  }
  return HtmlPage("bittern bench: " + options.model, body + "</table></div>\n");
}

Outcome Bench(const Options& options) {
  BITTERN_TRY_ASSIGN(const auto model, runtime::ReadModelFile(options.model));
  runtime::SessionOptions session_options;
  session_options.profile = options.profile || !options.html.empty();
  BITTERN_TRY_ASSIGN(const auto session,
                     OpenSession(model, options.run, session_options));
  BITTERN_TRY(FillInputs(*session));
  BITTERN_TRY_ASSIGN(const Measurement m, Measure(*session, options));
  const Work work = CountWork(session->profile());
  const std::vector<Row> rows =
      session_options.profile ? Rows(session->profile()) : std::vector<Row>();
  if (options.profile) PrintProfile(rows);
  if (!options.json.empty())
    BITTERN_TRY(WriteFile(
        options.json, ToJson(options, m, work, rows, *session).dump(2) + "\n"));
  if (!options.html.empty())
    BITTERN_TRY(WriteFile(options.html, ToHtml(options, m, work, rows)));
  fmt::print(
      "low-bit MACs {:.1f} M, float MACs {:.1f} M, bit operations {:.1f} M; "
      "arena {:.2f} MB; {} runs\n",
      work.macs_low_bit / 1e6, work.macs_float / 1e6, work.bit_ops / 1e6,
      static_cast<double>(session->arena_bytes()) / 1e6, m.ms.size());
  if (const auto* staged = session->staged(); staged != nullptr)
    fmt::print("dynamic plan, stages: {}, planned {} times\n", staged->stages(),
               staged->plans_made());
  fmt::print("median_ms={:.4f} min_ms={:.4f} peak_rss_mb={:.2f}\n", m.median,
             m.min, m.peak_rss_mb);
  return {};
}

}  // namespace

void AddBench(CLI::App& app, Outcome* outcome) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure latency and memory of a packed model");
  command->add_option("model", options->model, "Packed model (.bittern)")
      ->required();
  command
      ->add_option("--runs", options->runs,
                   "Number of timed runs (default: as many as fit --min-time)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--min-time", options->min_time, "Seconds to measure")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0));
  command->add_flag("--profile", options->profile,
                    "Time every op (adds a little to each)");
  command->add_option("--json", options->json, "Write all figures to FILE");
  command->add_option("--html", options->html,
                      "Write a report with a bar per op to FILE");
  AddRunOptions(*command, &options->run);
  command->footer(
      "Example: bittern bench digits.bittern --threads 2 --profile\nThe last "
      "line is: median_ms=<float> min_ms=<float> peak_rss_mb=<float>");
  command->callback([options, outcome] { *outcome = Bench(*options); });
}

}  // namespace bittern::cli
