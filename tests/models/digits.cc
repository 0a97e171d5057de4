#include "tests/models/digits.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/format/reader.h"
#include "tests/models/bivit/support.h"

namespace bittern::test {

Digits ConvertModelFile(const std::string& file,
                        const convert::ConvertOptions& options) {
  const auto packed = std::filesystem::temp_directory_path() /
                      (std::to_string(getpid()) + ".digits.bittern");
  auto report =
      convert::ConvertFile(SourcePath(file), packed.string(), options);
  INFO(report.error().message);
  REQUIRE(report.ok());
  auto model = runtime::ReadModelFile(packed.string());
  INFO(model.error().message);
  REQUIRE(model.ok());
  std::filesystem::remove(packed);
  return {std::move(report).value(), std::move(model).value()};
}

Digits ConvertDigitsFile(const std::string& file,
                         const convert::PassOptions& passes) {
  convert::ConvertOptions options;
  options.passes = passes;
  options.preprocess_json = SourcePath("models/bivit/digits.json");
  options.labels_file = SourcePath("models/bivit/labels.txt");
  return ConvertModelFile(file, options);
}

void SetImage(runtime::Session& session, const cli::NpyArray& images,
              size_t index) {
  const uint8_t* pixels = images.bytes.data() + index * kDigitPixels;
  REQUIRE(session.SetImage(0, {pixels, 28, 28, 1, 28}).ok());
}

uint8_t Answer(runtime::Session& session) {
  auto view = session.Output(0);
  REQUIRE(view.ok());
  const auto* scores = static_cast<const float*>(view.value().data);
  return static_cast<uint8_t>(std::max_element(scores, scores + 10) - scores);
}

std::vector<uint8_t> Answers(const Digits& digits, const cli::NpyArray& images,
                             size_t count) {
  const auto session =
      MakeSession(digits.model, kernels::DetectCpu(), 1, false);
  std::vector<uint8_t> answers;
  for (size_t i = 0; i < count; ++i) {
    SetImage(*session, images, i);
    REQUIRE(session->Run().ok());
    answers.push_back(Answer(*session));
  }
  return answers;
}

size_t Equal(const std::vector<uint8_t>& answers,
             const cli::NpyArray& expected) {
  size_t equal = 0;
  for (size_t i = 0; i < answers.size(); ++i)
    equal += answers[i] == expected.bytes[i];
  return equal;
}

}  // namespace bittern::test
