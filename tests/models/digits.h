// What the tests of the trained digits networks share: 28 x 28 images of
// models/bivit, answers of a packed model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "converter/convert.h"
#include "runtime/cli/npy.h"
#include "runtime/exec/session.h"

namespace bittern::test {

inline constexpr size_t kDigitPixels = 28 * 28;

struct Digits {
  convert::Report report;
  std::shared_ptr<const runtime::Model> model;
};

// Converts a file of the source tree; requires success.
Digits ConvertModelFile(const std::string& file,
                        const convert::ConvertOptions& options);
// Converts a file of the source tree with the digits' preprocessing and labels;
// requires success.
Digits ConvertDigitsFile(const std::string& file,
                         const convert::PassOptions& passes);

void SetImage(runtime::Session& session, const cli::NpyArray& images,
              size_t index);
// The class of the first output's largest score.
uint8_t Answer(runtime::Session& session);
// Of the first `count` images, on this CPU, one thread.
std::vector<uint8_t> Answers(const Digits& digits, const cli::NpyArray& images,
                             size_t count);
// How many answers are those of `expected`.
size_t Equal(const std::vector<uint8_t>& answers,
             const cli::NpyArray& expected);

}  // namespace bittern::test
