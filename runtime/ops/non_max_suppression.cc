// NonMaxSuppression: for each image and class, boxes in descending order of
// score, without those that overlap a kept one by more than the threshold; rows
// [image, class, box], and how many there are. The size of the first output is
// the bound, as if no boxes overlapped; a Slice cuts it to the count.
#include <algorithm>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

struct Box {
  float x1, y1, x2, y2;
  float Area() const { return (x2 - x1) * (y2 - y1); }
};

float IntersectionOverUnion(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(width > 0 && height > 0)) return 0;
  const float both = width * height;
  const float either = a.Area() + b.Area() - both;
  return either > 0 ? both / either : 0;
}

class NonMaxSuppressionOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "boxes", kF32Only));
    BITTERN_TRY(CheckType(context, 1, "scores", kF32Only));
    const Shape& boxes = context.inputs[0].type.shape;
    const Shape& scores = context.inputs[1].type.shape;
    if (boxes.rank() != 3 || boxes[2] != 4) {
      return WrongInput(context, 0, "boxes", "[images,boxes,4]");
    }
    if (scores.rank() != 3 || scores[0] != boxes[0] || scores[2] != boxes[1]) {
      return WrongInput(context, 1, "scores",
                        "[" + std::to_string(boxes[0]) + ",classes," +
                            std::to_string(boxes[1]) + "]");
    }
    constexpr const char* kThresholds[] = {"iou_threshold", "score_threshold"};
    for (size_t i = 0; i < 2; ++i) {
      if (!Has(context, 3 + i)) continue;
      BITTERN_TRY(CheckType(context, 3 + i, kThresholds[i], kF32Only));
      if (context.inputs[3 + i].type.shape.Elements() != 1)
        return WrongInput(context, 3 + i, kThresholds[i], "one f32");
    }
    BITTERN_TRY(CheckGiven(context, "max_output_boxes_per_class"));
    center_ = context.Int("center_point_box", 0) != 0;
    images_ = static_cast<size_t>(boxes[0]);
    boxes_ = static_cast<size_t>(boxes[1]);
    classes_ = static_cast<size_t>(scores[1]);
    limit_ = static_cast<size_t>(std::clamp<int64_t>(
        context.Int("max_output_boxes_per_class", 0), 0, boxes[1]));
    iou_threshold_ = context.Float("iou_threshold", 0);
    has_score_threshold_ =
        Has(context, 4) || context.def.attributes.find("score_threshold") !=
                               context.def.attributes.end();
    score_threshold_ = context.Float("score_threshold", 0);
    // Images times classes is at most the elements of the scores, unless they
    // are empty.
    const size_t lines = limit_ == 0 ? 0 : images_ * classes_;
    BITTERN_TRY(SetOutput(context, 0, DType::kI64,
                          {static_cast<int64_t>(lines * limit_), 3}));
    return SetOutput(context, 1, DType::kI64, Shape{1});
  }

  Result<void> Prepare(PrepareContext& context) override {
    context.scratch_shared = boxes_ * (sizeof(Box) + 2 * sizeof(size_t));
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* boxes = RunInput<float>(context, 0);
    const auto* scores = RunInput<float>(context, 1);
    const auto* iou = RunInput<float>(context, 3);
    const auto* least = RunInput<float>(context, 4);
    const float iou_threshold = iou != nullptr ? *iou : iou_threshold_;
    const float score_threshold = least != nullptr ? *least : score_threshold_;
    auto* order = reinterpret_cast<size_t*>(context.scratch_shared);
    size_t* kept = order + boxes_;
    auto* image = reinterpret_cast<Box*>(kept + boxes_);
    auto* out = RunOutput<int64_t>(context, 0);
    size_t rows = 0;
    for (size_t i = 0; limit_ != 0 && i < images_; ++i) {
      ReadBoxes(boxes + i * boxes_ * 4, image);
      for (size_t c = 0; c < classes_; ++c) {
        const float* line = scores + (i * classes_ + c) * boxes_;
        const size_t found = Order(line, score_threshold, order);
        const size_t count = Keep(image, {order, found}, iou_threshold, kept);
        for (size_t k = 0; k < count; ++k, ++rows) {
          out[3 * rows] = static_cast<int64_t>(i);
          out[3 * rows + 1] = static_cast<int64_t>(c);
          out[3 * rows + 2] = static_cast<int64_t>(kept[k]);
        }
      }
    }
    std::fill(out + 3 * rows, out + 3 * (images_ * classes_ * limit_),
              int64_t{0});
    RunOutput<int64_t>(context, 1)[0] = static_cast<int64_t>(rows);
  }

 private:
  // Corners in any order, or centre and size.
  void ReadBoxes(const float* values, Box* boxes) const {
    for (size_t i = 0; i < boxes_; ++i, values += 4) {
      const float a = values[0], b = values[1], c = values[2], d = values[3];
      boxes[i] = center_ ? Box{a - c / 2, b - d / 2, a + c / 2, b + d / 2}
                         : Box{std::min(b, d), std::min(a, c), std::max(b, d),
                               std::max(a, c)};
    }
  }

  // The boxes that count, best first.
  size_t Order(const float* scores, float threshold, size_t* order) const {
    size_t found = 0;
    for (size_t i = 0; i < boxes_; ++i) {
      // False for NaN, which has no place in the order.
      const bool counts =
          has_score_threshold_ ? scores[i] > threshold : scores[i] == scores[i];
      if (counts) order[found++] = i;
    }
    std::sort(order, order + found, [&](size_t a, size_t b) {
      if (scores[a] != scores[b]) return scores[a] > scores[b];
      return a < b;
    });
    return found;
  }

  size_t Keep(const Box* boxes, std::span<const size_t> order, float threshold,
              size_t* kept) const {
    size_t count = 0;
    for (size_t box : order) {
      if (count == limit_) break;
      const bool overlaps = std::any_of(kept, kept + count, [&](size_t other) {
        return IntersectionOverUnion(boxes[box], boxes[other]) > threshold;
      });
      if (!overlaps) kept[count++] = box;
    }
    return count;
  }

  bool center_ = false, has_score_threshold_ = false;
  size_t images_ = 0, boxes_ = 0, classes_ = 0, limit_ = 0;
  float iou_threshold_ = 0, score_threshold_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"max_output_boxes_per_class", AttributeKind::kInt, false},
    {"center_point_box", AttributeKind::kInt, false},
    {"iou_threshold", AttributeKind::kFloat, false},
    {"score_threshold", AttributeKind::kFloat, false}};
constexpr ValueInput kValues[] = {{2, "max_output_boxes_per_class"}};

}  // namespace

constinit const OpInfo kNonMaxSuppressionOp = {"NonMaxSuppression",
                                               2,
                                               5,
                                               2,
                                               2,
                                               kAttributes,
                                               &CreateOp<NonMaxSuppressionOp>,
                                               kValues};

}  // namespace bittern::runtime
