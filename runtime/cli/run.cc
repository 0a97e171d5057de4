// bittern run: runs a packed model on files, prints the best classes, writes
// outputs as .npy.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <system_error>

#include "runtime/cli/boxes.h"
#include "runtime/cli/command.h"
#include "runtime/cli/npy.h"
#include "runtime/cli/open.h"
#include "runtime/cli/samples.h"
#include "runtime/format/reader.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::InvalidArgument;
using runtime::IoError;
using runtime::Model;
using runtime::Result;
using runtime::Session;
using runtime::Shape;
using runtime::TensorView;

constexpr size_t kPrintedSamples =
    20;  // above this, --expect prints the accuracy only

struct Options {
  std::string model;
  std::vector<std::string> inputs;
  std::string output_dir;
  std::string expect;
  std::string draw;
  size_t top = 1;
  float threshold = 0.5f;
  RunOptions run;
};

// Outputs of all samples, joined along the first dimension.
class Collector {
 public:
  Result<void> Add(Session& session) {
    const size_t count = session.model().def().outputs.size();
    arrays_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      BITTERN_TRY_ASSIGN(const TensorView view, session.Output(i));
      NpyArray& array = arrays_[i];
      if (runs_ == 0) {
        array.type = *view.type;
      } else if (array.type.shape.rank() > 0) {
        const int64_t rows = array.type.shape[0];
        array.type.shape[0] = view.type->shape[0];
        if (array.type != *view.type) {
          return InvalidArgument(fmt::format(
              "--output-dir: output {} is {} for one sample and {} for "
              "another, expected one size: run them one by one",
              i, ToString(array.type), ToString(*view.type)));
        }
        array.type.shape[0] += rows;
      }
      const auto* bytes = static_cast<const uint8_t*>(view.data);
      if (array.type.shape.rank() == 0)
        array.bytes.clear();  // a scalar cannot be joined: the last one stays
      array.bytes.insert(array.bytes.end(), bytes,
                         bytes + ByteSize(*view.type));
    }
    ++runs_;
    return {};
  }

  Result<void> Write(const Model& model, const std::string& directory) const {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
      return IoError(fmt::format("'{}': cannot create the directory: {}",
                                 directory, error.message()));
    for (size_t i = 0; i < arrays_.size(); ++i) {
      std::string name =
          model.def().tensors[static_cast<size_t>(model.def().outputs[i])].name;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return c == '/' || c == ':'; },
          '_');
      const std::string path =
          (std::filesystem::path(directory) / (name + ".npy")).string();
      BITTERN_TRY(WriteNpy(path, arrays_[i].type, arrays_[i].bytes.data()));
    }
    return {};
  }

 private:
  std::vector<NpyArray> arrays_;
  size_t runs_ = 0;
};

// Answers in the first output: its rows if the file leaves their number open.
size_t AnswersIn(const Model& model, const TensorView& first) {
  const auto tensor = static_cast<size_t>(model.def().outputs[0]);
  const Shape& declared = model.def().tensors[tensor].type.shape;
  const bool open = declared.rank() == 2 && declared[0] < 0;
  return open ? static_cast<size_t>(first.type->shape[0]) : 1;
}

// Of one of the answers of a sample.
std::string NameOfRow(const std::string& name, size_t row, size_t rows) {
  return rows > 1 ? fmt::format("{}[{}]", name, row) : name;
}

const float* Scores(const TensorView& view, size_t row) {
  return static_cast<const float*>(view.data) +
         row * static_cast<size_t>(view.type->shape.Last());
}

// Indices of the `top` largest values of a row of the first output, best first;
// ties go to the lower index. Empty unless it is f32.
std::vector<size_t> Best(const TensorView& view, size_t row, size_t top) {
  if (view.type->dtype != DType::kF32) return {};
  const auto count = static_cast<size_t>(view.type->shape.Last());
  const float* scores = Scores(view, row);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  top = std::min(top, count);
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(top),
                    order.end(), [scores](size_t a, size_t b) {
                      return scores[a] != scores[b] ? scores[a] > scores[b]
                                                    : a < b;
                    });
  order.resize(top);
  return order;
}

void PrintAnswer(const Model& model, const std::string& name,
                 const TensorView& view, size_t row,
                 const std::vector<size_t>& best) {
  if (best.empty()) {
    fmt::print("{}: {}\n", name, ToString(*view.type));
    return;
  }
  std::string line;
  for (size_t index : best) {
    line += fmt::format("{}{} ({:.4f})", line.empty() ? "" : ", ",
                        ClassName(model, index), Scores(view, row)[index]);
  }
  fmt::print("{}: {}\n", name, line);
}

// Class numbers of --expect.
Result<std::vector<int64_t>> ReadExpected(const std::string& path) {
  BITTERN_TRY_ASSIGN(const NpyArray array, ReadNpy(path));
  const auto count = static_cast<size_t>(array.type.shape.Elements());
  std::vector<int64_t> expected(count);
  for (size_t i = 0; i < count; ++i) {
    if (array.type.dtype == DType::kU8) {
      expected[i] = array.bytes[i];
    } else if (array.type.dtype == DType::kI64) {
      expected[i] = reinterpret_cast<const int64_t*>(array.bytes.data())[i];
    } else if (array.type.dtype == DType::kI32) {
      expected[i] = reinterpret_cast<const int32_t*>(array.bytes.data())[i];
    } else {
      return InvalidArgument(
          fmt::format("'{}': holds {}, expected class numbers (u8, i32 or i64)",
                      path, ToString(array.type)));
    }
  }
  return expected;
}

// The best class of each answer against the right one.
class Accuracy {
 public:
  Accuracy(std::string path, std::vector<int64_t> expected)
      : path_(std::move(path)), expected_(std::move(expected)) {}

  size_t count() const { return expected_.size(); }
  void Add(const std::vector<size_t>& best) {
    if (answers_ < expected_.size() && !best.empty() &&
        static_cast<int64_t>(best[0]) == expected_[answers_])
      ++right_;
    ++answers_;
  }

  Result<void> Print() const {
    if (answers_ != expected_.size()) {
      return InvalidArgument(
          fmt::format("'{}': holds {} classes, expected {}, one per sample",
                      path_, expected_.size(), answers_));
    }
    fmt::print(
        "accuracy {:.2f} % ({} of {})\n",
        100.0 * static_cast<double>(right_) / static_cast<double>(answers_),
        right_, answers_);
    return {};
  }

 private:
  std::string path_;
  std::vector<int64_t> expected_;
  size_t answers_ = 0, right_ = 0;
};

// Prints the answers of one run and counts the right ones.
Result<void> Answer(const Options& options, const std::string& name,
                    Session& session, std::optional<Accuracy>& accuracy) {
  BITTERN_TRY_ASSIGN(const TensorView first, session.Output(0));
  const size_t rows = AnswersIn(session.model(), first);
  for (size_t row = 0; row < rows; ++row) {
    const std::vector<size_t> best = Best(first, row, options.top);
    if (!accuracy || accuracy->count() <= kPrintedSamples) {
      PrintAnswer(session.model(), NameOfRow(name, row, rows), first, row,
                  best);
    }
    if (accuracy) accuracy->Add(best);
  }
  return {};
}

// Prints the boxes of one run, of an array as many batches as it holds, and
// draws those of an image.
Result<void> AnswerBoxes(const Options& options, const Samples& samples,
                         size_t sample, Session& session) {
  const Model& model = session.model();
  const runtime::Postprocess& postprocess = *model.def().postprocess;
  const auto image =
      samples.ImageFor(model, sample, static_cast<size_t>(postprocess.input));
  BITTERN_TRY_ASSIGN(const TensorView scores,
                     session.Output(static_cast<size_t>(postprocess.scores)));
  const Shape& shape = scores.type->shape;
  const auto rows = static_cast<size_t>(shape.rank() == 3 ? shape[0] : 1);
  for (size_t row = 0; row < rows; ++row) {
    BITTERN_TRY_ASSIGN(const std::vector<runtime::Detection> boxes,
                       runtime::FindDetections(session, row, options.threshold,
                                               image ? image->width : 0,
                                               image ? image->height : 0));
    if (!options.draw.empty()) {
      BITTERN_TRY(WritePng(options.draw, DrawBoxes(model, *image, boxes)));
    }
    PrintBoxes(model, NameOfRow(samples.Name(sample), row, rows), boxes,
               image.has_value());
  }
  return {};
}

// Options that fit classifiers or detectors only.
Result<void> CheckOptions(const Options& options, const Model& model,
                          const Samples& samples) {
  if (!model.def().postprocess) {
    if (options.draw.empty()) return {};
    return InvalidArgument(
        "--draw: the model stores no post-processing of boxes, expected one "
        "that was converted with --postprocess");
  }
  if (!options.expect.empty()) {
    return InvalidArgument(
        "--expect: the model finds boxes, expected one that gives classes");
  }
  if (options.draw.empty()) return {};
  if (!options.draw.ends_with(".png")) {
    return InvalidArgument(fmt::format(
        "--draw: got '{}', expected a name that ends in .png", options.draw));
  }
  const auto input = static_cast<size_t>(model.def().postprocess->input);
  if (samples.count() == 1 && samples.ImageFor(model, 0, input)) return {};
  return InvalidArgument(
      samples.count() == 1
          ? "--draw: got an array of floats, expected one image"
          : fmt::format("--draw: got {} samples, expected one image",
                        samples.count()));
}

Outcome Run(const Options& options) {
  BITTERN_TRY_ASSIGN(const auto model, runtime::ReadModelFile(options.model));
  BITTERN_TRY_ASSIGN(const auto session, OpenSession(model, options.run));
  BITTERN_TRY_ASSIGN(const Samples samples,
                     Samples::Open(*model, options.inputs));
  BITTERN_TRY(CheckOptions(options, *model, samples));
  std::optional<Accuracy> accuracy;
  if (!options.expect.empty()) {
    BITTERN_TRY_ASSIGN(std::vector<int64_t> expected,
                       ReadExpected(options.expect));
    accuracy.emplace(options.expect, std::move(expected));
  }
  Collector collector;
  for (size_t i = 0; i < samples.count(); ++i) {
    BITTERN_TRY(samples.Load(i, *session));
    BITTERN_TRY(session->Run());
    if (model->def().postprocess) {
      BITTERN_TRY(AnswerBoxes(options, samples, i, *session));
    } else {
      BITTERN_TRY(Answer(options, samples.Name(i), *session, accuracy));
    }
    if (!options.output_dir.empty()) BITTERN_TRY(collector.Add(*session));
  }
  if (!options.output_dir.empty())
    BITTERN_TRY(collector.Write(*model, options.output_dir));
  if (accuracy) BITTERN_TRY(accuracy->Print());
  return {};
}

}  // namespace

void AddRun(CLI::App& app, Outcome* outcome) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("run", "Run a packed model on images or arrays");
  command->add_option("model", options->model, "Packed model (.bittern)")
      ->required();
  command
      ->add_option("--input", options->inputs,
                   "[NAME=]FILE: .npy, or an image if the model stores its "
                   "preprocessing; repeat for more samples or inputs. "
                   "A .npy of 8-bit images [N,H,W] or [N,H,W,C] is N samples")
      ->required();
  command->add_option("--output-dir", options->output_dir,
                      "Write DIR/<output name>.npy ('/' and ':' become '_')");
  command->add_option("--top", options->top, "Number of classes to print")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option(
      "--expect", options->expect,
      "FILE.npy: right class of each sample; prints the accuracy");
  command
      ->add_option("--threshold", options->threshold,
                   "Score from which a detector's boxes are printed and drawn")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](const std::string& text) {
            float value = 0;
            const bool good = CLI::detail::lexical_cast(text, value) &&
                              value >= 0 && value <= 1;  // and no NaN
            return good ? std::string() : text + " is not between 0 and 1";
          },
          "FLOAT in [0 - 1]"));
  command->add_option("--draw", options->draw,
                      "OUT.png: write the image with the boxes that a detector "
                      "found in it");
  AddRunOptions(*command, &options->run);
  command->footer(
      "Example: bittern run digits.bittern --input photo.png --top 3");
  command->callback([options, outcome] { *outcome = Run(*options); });
}

}  // namespace bittern::cli
