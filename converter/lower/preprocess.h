// What the user says about a model beside its graph: how images become its
// input, and what its classes are called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/model/model.h"

namespace bittern::convert {

// JSON object with the keys input (a name; default: the first input), width,
// height, channels (default: the input's), resize ("none", "bilinear",
// "bicubic"), resize_shorter, fit ("stretch", "pad": aspect kept), scale, mean,
// std and layout ("nchw"). An unknown key or a wrong type is an error that
// names it. `source` is the file's name, for messages.
runtime::Result<runtime::Preprocess> ParsePreprocess(
    std::string_view json, const std::string& source,
    const runtime::ModelDef& def);

// One label per line; empty lines at the end do not count.
runtime::Result<std::vector<std::string>> ParseLabels(
    std::string_view text, const std::string& source);

}  // namespace bittern::convert
