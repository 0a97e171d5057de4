#include "runtime/exec/detections.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/base/math_reference.h"

namespace bittern::runtime {
namespace {

using kernels::ExpReference;

struct Best {
  size_t label = 0;
  float score = std::numeric_limits<float>::quiet_NaN();
};

// The best class and its probability; NaN without classes or with a NaN.
Best BestOf(const float* scores, size_t count, Postprocess::Scores kind) {
  const size_t classes =
      kind == Postprocess::Scores::kSoftmax ? count - 1 : count;
  Best best;
  for (size_t c = 0; c < count; ++c) {
    if (std::isnan(scores[c])) return {};
    if (c < classes && scores[c] > scores[best.label]) best.label = c;
  }
  if (classes == 0) return {};
  if (kind == Postprocess::Scores::kSigmoid) {
    best.score = 1.0f / (1.0f + ExpReference(-scores[best.label]));
    return best;
  }
  const float largest = std::max(scores[best.label], scores[classes]);
  float sum = 0;
  for (size_t c = 0; c < count; ++c) sum += ExpReference(scores[c] - largest);
  best.score = ExpReference(scores[best.label] - largest) / sum;
  return best;
}

// Relative to the network's input.
Detection RelativeBox(const float* box, Postprocess::Boxes kind) {
  if (kind == Postprocess::Boxes::kCorners)
    return {box[0], box[1], box[2], box[3], 0, 0, 0};
  const float x = 0.5f * box[2], y = 0.5f * box[3];
  return {box[0] - x, box[1] - y, box[0] + x, box[1] + y, 0, 0, 0};
}

void ToPixels(const ImageWindow& window, int32_t width, int32_t height,
              Detection* d) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  d->left = std::clamp(window.left + d->left * window.width, 0.0f, w);
  d->right = std::clamp(window.left + d->right * window.width, 0.0f, w);
  d->top = std::clamp(window.top + d->top * window.height, 0.0f, h);
  d->bottom = std::clamp(window.top + d->bottom * window.height, 0.0f, h);
}

ImageWindow WindowOf(const ModelDef& def, int32_t width, int32_t height) {
  const Preprocess* preprocess =
      FindPreprocess(def, static_cast<size_t>(def.postprocess->input));
  if (preprocess != nullptr) return SeenPart(*preprocess, width, height);
  return {0, 0, static_cast<float>(width), static_cast<float>(height)};
}

Result<TensorView> RowsOf(Session& session, const char* what, int32_t output) {
  BITTERN_TRY_ASSIGN(const TensorView view,
                     session.Output(static_cast<size_t>(output)));
  if (view.type->dtype == DType::kF32 && view.type->shape.rank() == 3)
    return view;
  return InvalidArgument(std::string("detections: ") + what + " are " +
                         ToString(*view.type) + ", expected f32 [N,Q,..]");
}

}  // namespace

Result<std::vector<Detection>> FindDetections(Session& session, size_t sample,
                                              float threshold, int32_t width,
                                              int32_t height) {
  const ModelDef& def = session.model().def();
  if (!def.postprocess) {
    return Unsupported(
        "detections: the model stores no post-processing, expected one that "
        "was converted with it");
  }
  if ((width != 0 || height != 0) && (width < 1 || height < 1)) {
    return InvalidArgument(
        "detections: got an image of " + std::to_string(width) + " x " +
        std::to_string(height) + " pixels, expected 1 or more each, or 0 x 0");
  }
  const Postprocess& p = *def.postprocess;
  BITTERN_TRY_ASSIGN(const TensorView scores,
                     RowsOf(session, "scores", p.scores));
  BITTERN_TRY_ASSIGN(const TensorView boxes, RowsOf(session, "boxes", p.boxes));
  const Shape &s = scores.type->shape, &b = boxes.type->shape;
  if (s[0] != b[0] || s[1] != b[1] || s[2] < 1 || b[2] != 4) {
    return InvalidArgument("detections: got scores " + ToString(s) +
                           " and boxes " + ToString(b) +
                           ", expected [N,Q,C] and [N,Q,4]");
  }
  if (sample >= static_cast<size_t>(s[0])) {
    return InvalidArgument("detections: got sample " + std::to_string(sample) +
                           ", expected 0 to " + std::to_string(s[0]) +
                           " exclusive");
  }
  const bool pixels = width > 0;
  const ImageWindow window = WindowOf(def, width, height);
  const auto queries = static_cast<size_t>(s[1]),
             classes = static_cast<size_t>(s[2]);
  std::vector<Detection> found;
  for (size_t q = 0; q < queries; ++q) {
    const size_t row = sample * queries + q;
    const Best best =
        BestOf(static_cast<const float*>(scores.data) + row * classes, classes,
               p.score_kind);
    if (!(best.score >= threshold)) continue;
    const float* box = static_cast<const float*>(boxes.data) + row * 4;
    if (!std::all_of(box, box + 4, [](float x) { return std::isfinite(x); })) {
      return InvalidArgument("detections: box " + std::to_string(q) +
                             " is not finite");
    }
    Detection d = RelativeBox(box, p.box_kind);
    d.label = static_cast<int32_t>(best.label);
    d.query = static_cast<int32_t>(q);
    d.score = best.score;
    if (pixels) ToPixels(window, width, height, &d);
    found.push_back(d);
  }
  std::sort(found.begin(), found.end(),
            [](const Detection& x, const Detection& y) {
              return x.score != y.score ? x.score > y.score : x.query < y.query;
            });
  return found;
}

}  // namespace bittern::runtime
