#include "runtime/cli/samples.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/cli/open.h"

namespace bittern::cli {
namespace {

using runtime::DType;
using runtime::ImageView;
using runtime::InvalidArgument;
using runtime::Model;
using runtime::Result;
using runtime::Session;
using runtime::Shape;
using runtime::TensorView;

bool HasPreprocess(const Model& model, size_t input) {
  return runtime::FindPreprocess(model.def(), input) != nullptr;
}

// An array [N,H,W] or [N,H,W,C] (C = 1, 3, 4) of 8-bit pixels for an input with
// preprocessing: N images.
bool IsImageArray(const NpyArray& array, bool has_preprocess) {
  const Shape& s = array.type.shape;
  return has_preprocess && array.type.dtype == DType::kU8 &&
         (s.rank() == 3 ||
          (s.rank() == 4 && (s[3] == 1 || s[3] == 3 || s[3] == 4)));
}

ImageView ViewOf(const NpyArray& array, size_t index) {
  const Shape& s = array.type.shape;
  const int64_t channels = s.rank() == 4 ? s[3] : 1;
  const auto bytes = static_cast<size_t>(s[1] * s[2] * channels);
  return {array.bytes.data() + index * bytes, static_cast<int32_t>(s[2]),
          static_cast<int32_t>(s[1]), static_cast<int32_t>(channels),
          static_cast<ptrdiff_t>(s[2] * channels)};
}

}  // namespace

Result<Samples::Source> Samples::ReadSource(const Model& model,
                                            const std::string& text) {
  Source source;
  source.path = text;
  const size_t equals = text.find('=');
  if (equals != std::string::npos) {
    auto named = FindInput(model, text.substr(0, equals));
    if (named.ok()) {
      source.input = named.value();
      source.path = text.substr(equals + 1);
    }
  }
  const bool has_preprocess = HasPreprocess(model, source.input);
  if (IsImageName(source.path)) {
    if (!has_preprocess) {
      return InvalidArgument(
          fmt::format("'{}': is an image, but the model stores no "
                      "preprocessing for its input; expected a .npy file",
                      source.path));
    }
    BITTERN_TRY_ASSIGN(source.content, ReadImage(source.path));
    return source;
  }
  BITTERN_TRY_ASSIGN(NpyArray array, ReadNpy(source.path));
  if (IsImageArray(array, has_preprocess)) {
    source.count = static_cast<size_t>(array.type.shape[0]);
    if (ByteSize(array.type) == 0)
      return InvalidArgument(
          fmt::format("'{}': {} is empty", source.path, ToString(array.type)));
  }
  source.content = std::move(array);
  return source;
}

Result<Samples> Samples::Open(const Model& model,
                              const std::vector<std::string>& files) {
  Samples samples;
  const size_t inputs = model.def().inputs.size();
  for (const std::string& file : files) {
    BITTERN_TRY_ASSIGN(Source source, ReadSource(model, file));
    samples.count_ += source.count;
    samples.sources_.push_back(std::move(source));
  }
  if (inputs <= 1) return samples;
  samples.parallel_inputs_ = true;
  samples.count_ = 1;
  std::vector<bool> filled(inputs, false);
  for (const Source& source : samples.sources_) {
    if (filled[source.input] || source.count != 1) {
      return InvalidArgument(
          fmt::format("--input '{}': more than one sample for an input; a "
                      "model with {} inputs takes one NAME=FILE for each",
                      source.path, inputs));
    }
    filled[source.input] = true;
  }
  for (size_t i = 0; i < inputs; ++i) {
    if (filled[i]) continue;
    const auto& name =
        model.def().tensors[static_cast<size_t>(model.def().inputs[i])].name;
    return InvalidArgument(
        fmt::format("input '{}' has no --input {}=FILE", name, name));
  }
  return samples;
}

std::string Samples::Name(size_t sample) const {
  if (parallel_inputs_) return sources_.front().path;
  for (const Source& source : sources_) {
    if (sample < source.count)
      return source.count == 1 ? source.path
                               : fmt::format("{}[{}]", source.path, sample);
    sample -= source.count;
  }
  return {};
}

std::optional<ImageView> Samples::ImageOf(const Model& model,
                                          const Source& source, size_t index) {
  if (const auto* image = std::get_if<Image>(&source.content)) {
    return ImageView{image->pixels.data(), image->width, image->height,
                     image->channels,
                     static_cast<ptrdiff_t>(image->width) * image->channels};
  }
  const auto& array = std::get<NpyArray>(source.content);
  if (!IsImageArray(array, HasPreprocess(model, source.input)))
    return std::nullopt;
  return ViewOf(array, index);
}

std::optional<ImageView> Samples::ImageFor(const Model& model, size_t sample,
                                           size_t input) const {
  size_t index = 0;
  for (const Source* source : SourcesOf(sample, &index)) {
    if (source->input == input) return ImageOf(model, *source, index);
  }
  return std::nullopt;
}

Result<void> Samples::LoadSource(const Source& source, size_t index,
                                 Session& session) const {
  if (const auto image = ImageOf(session.model(), source, index))
    return session.SetImage(source.input, *image);
  const auto& array = std::get<NpyArray>(source.content);
  BITTERN_TRY_ASSIGN(const TensorView view, session.Input(source.input));
  if (view.type->dtype != array.type.dtype ||
      view.type->shape != array.type.shape) {
    return InvalidArgument(fmt::format("'{}': holds {}, expected {}",
                                       source.path, ToString(array.type),
                                       ToString(*view.type)));
  }
  std::memcpy(view.data, array.bytes.data(), array.bytes.size());
  return {};
}

std::vector<const Samples::Source*> Samples::SourcesOf(size_t sample,
                                                       size_t* index) const {
  std::vector<const Source*> sources;
  *index = 0;
  for (const Source& source : sources_) {
    if (parallel_inputs_) {
      sources.push_back(&source);
    } else if (sample < source.count) {
      *index = sample;
      return {&source};
    } else {
      sample -= source.count;
    }
  }
  return sources;
}

Result<void> Samples::FitShapes(const std::vector<const Source*>& sources,
                                Session& session) {
  const runtime::ModelDef& def = session.model().def();
  std::vector<std::pair<size_t, Shape>> wanted;
  for (const Source* source : sources) {
    const auto* array = std::get_if<NpyArray>(&source->content);
    const auto tensor = static_cast<size_t>(def.inputs[source->input]);
    const Shape& declared = def.tensors[tensor].type.shape;
    if (array == nullptr || declared.IsStatic() ||
        IsImageArray(*array, HasPreprocess(session.model(), source->input)))
      continue;
    BITTERN_TRY_ASSIGN(const TensorView view, session.Input(source->input));
    if (view.type->shape != array->type.shape)
      wanted.emplace_back(source->input, array->type.shape);
  }
  if (wanted.empty()) return {};
  for (const auto& [input, shape] : wanted)
    BITTERN_TRY(session.SetInputShape(input, shape));
  return session.Prepare();
}

Result<void> Samples::Load(size_t sample, Session& session) const {
  size_t index = 0;
  const std::vector<const Source*> sources = SourcesOf(sample, &index);
  BITTERN_TRY(FitShapes(sources, session));
  for (const Source* source : sources)
    BITTERN_TRY(LoadSource(*source, index, session));
  return {};
}

}  // namespace bittern::cli
