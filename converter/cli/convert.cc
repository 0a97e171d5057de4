// bittern convert: ONNX in, packed file out, a table of what every layer
// became.
#include "converter/convert.h"

#include <fmt/format.h>
#include <unistd.h>

#include "converter/cli/compare.h"
#include "converter/cli/report_page.h"
#include "converter/lower/report.h"
#include "runtime/cli/command.h"
#include "runtime/cli/files.h"
#include "runtime/cli/open.h"

namespace bittern::cli {
namespace {

struct Options {
  std::string input, output;
  std::vector<std::string> shapes;
  std::string sign_zero = "exact";
  std::string input_scale = "exact";
  std::string leftovers = "f32";
  std::string preprocess, postprocess, labels, report;
  bool verify = false;
};

convert::InputScale InputScaleOf(const std::string& name) {
  if (name == "fast16") return convert::InputScale::kFast16;
  if (name == "fast8") return convert::InputScale::kFast8;
  return convert::InputScale::kExact;
}

// These change numbers on purpose.
bool IsLossy(const Options& options) {
  return options.sign_zero == "positive" || options.input_scale != "exact" ||
         options.leftovers != "f32";
}

// Runs both on random inputs, prints where they differ, and fails where the
// conversion has no reason to.
Outcome Verify(const Options& options) {
  CompareOptions compare;
  compare.onnx = options.input;
  compare.packed = options.output;
  compare.run.shapes = options.shapes;
  BITTERN_TRY_ASSIGN(const Comparison comparison, CompareFiles(compare));
  PrintComparison(comparison, false);
  if (!IsLossy(options)) return CheckComparison(comparison);
  fmt::print(
      "differences are not judged: --sign-zero, --input-scale or --leftovers "
      "changes numbers\n");
  return {};
}

Outcome Convert(const Options& options) {
  convert::ConvertOptions convert_options;
  for (const std::string& text : options.shapes) {
    BITTERN_TRY_ASSIGN(auto named, ParseShapeOption(text));
    convert_options.import.shapes.insert_or_assign(named.first, named.second);
  }
  convert_options.passes.sign_zero_positive = options.sign_zero == "positive";
  convert_options.passes.input_scale = InputScaleOf(options.input_scale);
  convert_options.passes.leftovers_int8 = options.leftovers == "int8";
  convert_options.preprocess_json = options.preprocess;
  convert_options.postprocess_json = options.postprocess;
  convert_options.labels_file = options.labels;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) fmt::print(stderr, "converting {} ...\r", options.input);
  auto report =
      convert::ConvertFile(options.input, options.output, convert_options);
  if (terminal) fmt::print(stderr, "\x1b[K");
  BITTERN_TRY(report);
  if (options.report.ends_with(".html")) {
    BITTERN_TRY_ASSIGN(const auto steps, MeasureSteps(options.output));
    BITTERN_TRY(WriteFile(options.report, ReportPage(report.value(), steps)));
  } else if (!options.report.empty()) {
    BITTERN_TRY(WriteFile(options.report, convert::ReportJson(report.value())));
  }
  fmt::print("{}", convert::ReportTable(report.value()));
  return options.verify ? Verify(options) : Outcome();
}

}  // namespace

void AddConvert(CLI::App& app, Outcome* outcome) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("convert", "Convert an ONNX model to one packed file");
  command->add_option("input", options->input, "Trained model (.onnx)")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "Packed model to write (.bittern)")
      ->required();
  command->add_option(
      "--shape", options->shapes,
      "NAME=1,3,224,224: shape of an input, for dynamic dimensions");
  command
      ->add_option(
          "--sign-zero", options->sign_zero,
          "exact: Sign(0) = 0 as in ONNX; positive: Sign(0) = +1, lossy")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact", "positive"}));
  command
      ->add_option(
          "--input-scale", options->input_scale,
          "Where activations have a scale per input channel: exact (float sums "
          "over packed weights), fast16 or fast8 (integer sums over 16- or "
          "8-bit weights that include the scales)")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact", "fast16", "fast8"}));
  command
      ->add_option(
          "--leftovers", options->leftovers,
          "Layers trained in float (stem, shortcuts, heads): f32, or int8: "
          "weights rounded to 8 bits and inputs quantised at run time, lossy")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "int8"}));
  command->add_option("--preprocess", options->preprocess,
                      "JSON: how images become the input (input, size, resize, "
                      "fit, scale, mean, std)");
  command->add_option(
      "--postprocess", options->postprocess,
      "JSON: which outputs of a detector are scores and boxes (input, scores, "
      "boxes, score_kind, box_kind)");
  command->add_option("--labels", options->labels,
                      "Text file with one class name per line");
  command->add_option(
      "--report", options->report,
      "Write the report to FILE: a page with charts (.html) or JSON");
  command->add_flag("--verify", options->verify,
                    "Run the float graph and the packed model layer by layer "
                    "on random inputs and print what differs (see compare); "
                    "fails if ties do not explain it");
  command->footer(
      "Example: bittern convert digits.onnx -o digits.bittern --preprocess "
      "digits.json --labels labels.txt");
  command->callback([options, outcome] { *outcome = Convert(*options); });
}

}  // namespace bittern::cli
