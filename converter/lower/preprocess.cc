// Strict reading of the preprocessing JSON and of label files.
#include "converter/lower/preprocess.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "converter/lower/json_value.h"

namespace bittern::convert {
namespace {

using nlohmann::json;
using runtime::InvalidArgument;
using runtime::ModelDef;
using runtime::Preprocess;
using runtime::Result;

class Reader {
 public:
  Reader(const json& object, const std::string& source, const ModelDef& def)
      : object_(object), source_(source), def_(def) {}

  Result<Preprocess> Read() {
    for (const auto& [key, value] : object_.items()) {
      BITTERN_TRY(ReadKey(key, value));
    }
    BITTERN_TRY(TakeShape());
    return CheckValues();
  }

 private:
  Result<void> ReadKey(const std::string& key, const json& value) {
    if (key == "input") return ReadInput(value);
    if (key == "width") return ReadSize(key, value, &result_.width);
    if (key == "height") return ReadSize(key, value, &result_.height);
    if (key == "channels") return ReadSize(key, value, &result_.channels);
    if (key == "resize_shorter") {
      return value == 0 ? Result<void>()
                        : ReadSize(key, value, &result_.resize_shorter);
    }
    if (key == "resize") return ReadResize(value);
    if (key == "fit") return ReadFit(value);
    if (key == "scale") return ReadFloat(key, value, &result_.scale);
    if (key == "mean") return ReadFloats(key, value, &result_.mean);
    if (key == "std") return ReadFloats(key, value, &result_.std);
    if (key == "layout") {
      return value == "nchw" ? Result<void>() : Wrong(key, value, "\"nchw\"");
    }
    return InvalidArgument(fmt::format(
        "{}: got unknown key '{}', expected input, width, height, channels, "
        "resize, resize_shorter, fit, scale, mean, std or layout",
        source_, key));
  }

  runtime::Error Wrong(const std::string& key, const json& value,
                       const std::string& expected) const {
    return WrongValue(source_, key, value, expected);
  }

  Result<void> ReadInput(const json& value) {
    if (value.is_string()) {
      for (size_t i = 0; i < def_.inputs.size(); ++i) {
        const auto tensor = static_cast<size_t>(def_.inputs[i]);
        if (value == def_.tensors[tensor].name) {
          result_.input = static_cast<int32_t>(i);
          return {};
        }
      }
    }
    return Wrong("input", value, "the name of an input of the model");
  }

  Result<void> ReadSize(const std::string& key, const json& value,
                        int32_t* out) {
    constexpr int64_t kMaxSize = 1 << 16;
    if (!value.is_number_integer() || value < 1 || value > kMaxSize) {
      return Wrong(key, value, fmt::format("a whole number 1..{}", kMaxSize));
    }
    *out = value.get<int32_t>();
    return {};
  }

  Result<void> ReadResize(const json& value) {
    using Resize = Preprocess::Resize;
    if (value == "none") {
      result_.resize = Resize::kNone;
    } else if (value == "bilinear") {
      result_.resize = Resize::kBilinear;
    } else if (value == "bicubic") {
      result_.resize = Resize::kBicubic;
    } else {
      return Wrong("resize", value, "\"none\", \"bilinear\" or \"bicubic\"");
    }
    return {};
  }

  Result<void> ReadFit(const json& value) {
    result_.pad = value == "pad";
    return result_.pad || value == "stretch"
               ? Result<void>()
               : Wrong("fit", value, "\"stretch\" or \"pad\"");
  }

  Result<void> ReadFloat(const std::string& key, const json& value,
                         float* out) {
    if (!value.is_number() || !std::isfinite(value.get<float>())) {
      return Wrong(key, value, "a number");
    }
    *out = value.get<float>();
    return {};
  }

  Result<void> ReadFloats(const std::string& key, const json& value,
                          std::vector<float>* out) {
    if (!value.is_array()) return Wrong(key, value, "a list of numbers");
    for (const json& element : value) {
      out->push_back(0);
      BITTERN_TRY(ReadFloat(key, element, &out->back()));
    }
    return {};
  }

  // Sizes not given are those of the input; given ones must agree with it.
  Result<void> TakeShape() {
    if (def_.inputs.empty()) {
      return InvalidArgument(source_ + ": the model has no input");
    }
    const auto index =
        static_cast<size_t>(def_.inputs[static_cast<size_t>(result_.input)]);
    const runtime::TensorDef& input = def_.tensors[index];
    const runtime::Shape& shape = input.type.shape;
    if (input.type.dtype != runtime::DType::kF32 || shape.rank() != 4) {
      return InvalidArgument(
          fmt::format("{}: input '{}' is {}, expected an image f32[N,C,H,W]",
                      source_, input.name, runtime::ToString(input.type)));
    }
    const auto take = [&](const char* key, size_t axis,
                          int32_t* value) -> Result<void> {
      if (!object_.contains(key)) *value = static_cast<int32_t>(shape[axis]);
      if (*value == shape[axis]) return {};
      return Wrong(key, object_[key],
                   fmt::format("{}, as input '{}' of {}", shape[axis],
                               input.name, runtime::ToString(input.type)));
    };
    BITTERN_TRY(take("channels", 1, &result_.channels));
    BITTERN_TRY(take("height", 2, &result_.height));
    return take("width", 3, &result_.width);
  }

  Result<Preprocess> CheckValues() {
    const auto channels = static_cast<size_t>(result_.channels);
    if (channels != 1 && channels != 3) {
      return InvalidArgument(fmt::format(
          "{}: the input has {} channels, expected 1 or 3", source_, channels));
    }
    if (!object_.contains("mean")) result_.mean.assign(channels, 0.0f);
    if (!object_.contains("std")) result_.std.assign(channels, 1.0f);
    const std::string expected = fmt::format("{} numbers", channels);
    if (result_.mean.size() != channels) {
      return Wrong("mean", object_["mean"], expected);
    }
    if (result_.std.size() != channels) {
      return Wrong("std", object_["std"], expected);
    }
    for (float deviation : result_.std) {
      if (deviation == 0.0f) {
        return Wrong("std", object_["std"], "no zero, for it divides");
      }
    }
    if (result_.resize_shorter > 0 &&
        result_.resize == Preprocess::Resize::kNone) {
      return Wrong("resize_shorter", object_["resize_shorter"],
                   "a filter in 'resize' with it");
    }
    if (result_.pad && (result_.resize == Preprocess::Resize::kNone ||
                        result_.resize_shorter > 0)) {
      return Wrong("fit", object_["fit"],
                   "a filter in 'resize' with it, and no 'resize_shorter'");
    }
    return result_;
  }

  const json& object_;
  const std::string& source_;
  const ModelDef& def_;
  Preprocess result_;
};

}  // namespace

Result<Preprocess> ParsePreprocess(std::string_view text,
                                   const std::string& source,
                                   const ModelDef& def) {
  BITTERN_TRY_ASSIGN(const json object, ParseObject(text, source));
  return Reader(object, source, def).Read();
}

Result<std::vector<std::string>> ParseLabels(std::string_view text,
                                             const std::string& source) {
  std::vector<std::string> labels;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.emplace_back(line);
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  if (labels.empty()) {
    return InvalidArgument(source +
                           ": got no labels, expected one class per line");
  }
  return labels;
}

}  // namespace bittern::convert
