// Boxes of a detector's outputs, by the post-processing stored in its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/exec/session.h"

namespace bittern::runtime {

struct Detection {
  float left, top, right, bottom;  // pixels of the image, or 0 to 1
  float score;                     // 0 to 1
  int32_t label;                   // class
  int32_t query;                   // row of the outputs
};

// What the last run found in sample `sample` of the batch with at least
// `threshold` as the score of its best class, best first, the first query of
// equals. `width` and `height`: of the image that set_image was given, into
// which boxes are clipped; 0 and 0: boxes stay relative to the network's input.
// A query whose score is NaN, as of logits that are not finite, is no
// detection. Errors: the model stores no post-processing, the outputs are not
// f32 [N,Q,C] and f32 [N,Q,4], no such sample, a box that is not finite.
Result<std::vector<Detection>> FindDetections(Session& session, size_t sample,
                                              float threshold, int32_t width,
                                              int32_t height);

}  // namespace bittern::runtime
