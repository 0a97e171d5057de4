// Strict reading of the post-processing JSON.
#include "converter/lower/postprocess.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "converter/lower/json_value.h"

namespace bittern::convert {
namespace {

using nlohmann::json;
using runtime::InvalidArgument;
using runtime::ModelDef;
using runtime::Postprocess;
using runtime::Result;
using runtime::TensorDef;

class Reader {
 public:
  Reader(const json& object, const std::string& source, const ModelDef& def)
      : object_(object), source_(source), def_(def) {}

  Result<Postprocess> Read() {
    for (const auto& [key, value] : object_.items()) {
      if (key != "scores" && key != "boxes" && key != "input" &&
          key != "score_kind" && key != "box_kind") {
        return InvalidArgument(fmt::format(
            "{}: got unknown key '{}', expected scores, boxes, input, "
            "score_kind or box_kind",
            source_, key));
      }
    }
    if (object_.contains("input")) {
      BITTERN_TRY(ReadName("input", "input", object_["input"], def_.inputs,
                           &result_.input));
    }
    BITTERN_TRY(ReadOutput("scores", "logits", &result_.scores));
    BITTERN_TRY(ReadOutput("boxes", "boxes", &result_.boxes));
    bool second = false;
    BITTERN_TRY(ReadKind("score_kind", "softmax", "sigmoid", &second));
    if (second) result_.score_kind = Postprocess::Scores::kSigmoid;
    BITTERN_TRY(ReadKind("box_kind", "cxcywh", "xyxy", &second));
    if (second) result_.box_kind = Postprocess::Boxes::kCorners;
    return CheckShapes();
  }

 private:
  runtime::Error Wrong(const std::string& key, const json& value,
                       const std::string& expected) const {
    return WrongValue(source_, key, value, expected);
  }

  Result<void> ReadName(const char* key, const char* what, const json& value,
                        const std::vector<int32_t>& tensors, int32_t* out) {
    for (size_t i = 0; value.is_string() && i < tensors.size(); ++i) {
      if (value != def_.tensors[static_cast<size_t>(tensors[i])].name) continue;
      *out = static_cast<int32_t>(i);
      return {};
    }
    return Wrong(key, value,
                 fmt::format("the name of an {} of the model", what));
  }

  Result<void> ReadOutput(const char* key, const char* usual, int32_t* out) {
    const json name = object_.contains(key) ? object_[key] : json(usual);
    return ReadName(key, "output", name, def_.outputs, out);
  }

  Result<void> ReadKind(const char* key, const char* first, const char* other,
                        bool* second) {
    *second = false;
    if (!object_.contains(key) || object_[key] == first) return {};
    *second = object_[key] == other;
    if (*second) return {};
    return Wrong(key, object_[key],
                 fmt::format("\"{}\" or \"{}\"", first, other));
  }

  const TensorDef& Output(int32_t index) const {
    return def_
        .tensors[static_cast<size_t>(def_.outputs[static_cast<size_t>(index)])];
  }

  Result<Postprocess> CheckShapes() const {
    const TensorDef &scores = Output(result_.scores),
                    &boxes = Output(result_.boxes);
    if (result_.scores == result_.boxes) {
      return Wrong("scores", scores.name, "another output than boxes");
    }
    const auto rows = [](const TensorDef& tensor) {
      return tensor.type.dtype == runtime::DType::kF32 &&
             tensor.type.shape.rank() == 3;
    };
    if (rows(scores) && rows(boxes) && boxes.type.shape[2] == 4 &&
        scores.type.shape[1] == boxes.type.shape[1]) {
      return result_;
    }
    return InvalidArgument(fmt::format(
        "{}: scores '{}' are {} and boxes '{}' are {}, expected f32[N,Q,C] and "
        "f32[N,Q,4]",
        source_, scores.name, runtime::ToString(scores.type), boxes.name,
        runtime::ToString(boxes.type)));
  }

  const json& object_;
  const std::string& source_;
  const ModelDef& def_;
  Postprocess result_;
};

}  // namespace

Result<Postprocess> ParsePostprocess(std::string_view text,
                                     const std::string& source,
                                     const ModelDef& def) {
  BITTERN_TRY_ASSIGN(const json object, ParseObject(text, source));
  return Reader(object, source, def).Read();
}

}  // namespace bittern::convert
