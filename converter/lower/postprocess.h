// What the user says about a detector's outputs.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::convert {

// JSON object with the keys scores and boxes (names of outputs; default:
// "logits" and "boxes"), input (a name; default: the first input), score_kind
// ("softmax", whose last class is no object, or "sigmoid"; default: softmax)
// and box_kind ("cxcywh" or "xyxy", relative to the input; default: cxcywh). An
// unknown key, a wrong value or outputs that are not f32 [N,Q,C] and f32
// [N,Q,4] are an error that says so. `source` is the file's name, for messages.
runtime::Result<runtime::Postprocess> ParsePostprocess(
    std::string_view json, const std::string& source,
    const runtime::ModelDef& def);

}  // namespace bittern::convert
