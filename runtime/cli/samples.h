// Inputs of `bittern run`: a sample fills every model input once. Files come as
// images or arrays; one array of 8-bit images is many samples.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/cli/image.h"
#include "runtime/cli/npy.h"
#include "runtime/exec/session.h"

namespace bittern::cli {

class Samples {
 public:
  // `files`: [NAME=]PATH. With one model input, every file is a sample (or
  // many); with several, each input needs one file.
  static runtime::Result<Samples> Open(const runtime::Model& model,
                                       const std::vector<std::string>& files);

  size_t count() const { return count_; }
  std::string Name(size_t sample)
      const;  // for printing: the file, "[3]" behind it if it holds many
  // The image that a sample is for `input`; none if it is an array.
  std::optional<runtime::ImageView> ImageFor(const runtime::Model& model,
                                             size_t sample, size_t input) const;
  // Fills the session's inputs. Open dimensions take the sizes of an array,
  // which prepares the session again if they are new.
  runtime::Result<void> Load(size_t sample, runtime::Session& session) const;

 private:
  struct Source {
    std::string path;
    size_t input = 0;
    size_t count = 1;  // samples in this file
    std::variant<Image, NpyArray> content;
  };
  static runtime::Result<Source> ReadSource(const runtime::Model& model,
                                            const std::string& text);
  // The sources of a sample, and which of its images it is.
  std::vector<const Source*> SourcesOf(size_t sample, size_t* index) const;
  static runtime::Result<void> FitShapes(
      const std::vector<const Source*>& sources, runtime::Session& session);
  static std::optional<runtime::ImageView> ImageOf(const runtime::Model& model,
                                                   const Source& source,
                                                   size_t index);
  runtime::Result<void> LoadSource(const Source& source, size_t index,
                                   runtime::Session& session) const;

  std::vector<Source> sources_;
  bool parallel_inputs_ =
      false;  // sources_ are the inputs of one sample, not samples of one input
  size_t count_ = 0;
};

}  // namespace bittern::cli
