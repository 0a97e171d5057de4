// NonMaxSuppression: for each image and class, boxes in descending order of
// score, without those that overlap a kept one by more than `iou_threshold`;
// rows [image, class, box]. How many are kept depends on the values, so both
// inputs must be constants.
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
    BITTERN_TRY(CheckConstant(context, 0, "boxes", DType::kF32, boxes));
    BITTERN_TRY(CheckConstant(context, 1, "scores", DType::kF32, scores));
    center_ = context.Int("center_point_box", 0) != 0;
    limit_ = context.Int("max_output_boxes_per_class", 0);
    iou_threshold_ = context.Float("iou_threshold", 0);
    has_score_threshold_ = context.def.attributes.find("score_threshold") !=
                           context.def.attributes.end();
    score_threshold_ = context.Float("score_threshold", 0);
    rows_.clear();
    const auto classes = static_cast<size_t>(scores[1]);
    const auto count = static_cast<size_t>(scores[2]);
    for (size_t i = 0; count != 0 && i < static_cast<size_t>(boxes[0]); ++i) {
      const std::vector<Box> image = ReadBoxes(
          context.inputs[0].Values<float>().subspan(i * count * 4, count * 4));
      for (size_t c = 0; c < classes; ++c) {
        const auto line = context.inputs[1].Values<float>().subspan(
            (i * classes + c) * count, count);
        for (size_t box : Kept(image, line)) {
          rows_.insert(rows_.end(),
                       {static_cast<int64_t>(i), static_cast<int64_t>(c),
                        static_cast<int64_t>(box)});
        }
      }
    }
    return SetOutput(context, 0, DType::kI64,
                     Shape{static_cast<int64_t>(rows_.size() / 3), 3});
  }

  void Run(const RunContext& context) const noexcept override {
    std::copy(rows_.begin(), rows_.end(), RunOutput<int64_t>(context, 0));
  }

 private:
  // Corners in any order, or centre and size.
  std::vector<Box> ReadBoxes(std::span<const float> values) const {
    std::vector<Box> boxes;
    for (size_t i = 0; i + 4 <= values.size(); i += 4) {
      const float a = values[i], b = values[i + 1], c = values[i + 2],
                  d = values[i + 3];
      boxes.push_back(center_ ? Box{a - c / 2, b - d / 2, a + c / 2, b + d / 2}
                              : Box{std::min(b, d), std::min(a, c),
                                    std::max(b, d), std::max(a, c)});
    }
    return boxes;
  }

  std::vector<size_t> Kept(const std::vector<Box>& boxes,
                           std::span<const float> scores) const {
    std::vector<size_t> order;
    for (size_t i = 0; i < scores.size(); ++i) {
      // False for NaN, which has no place in the order.
      const bool counts = has_score_threshold_ ? scores[i] > score_threshold_
                                               : scores[i] == scores[i];
      if (counts) order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      if (scores[a] != scores[b]) return scores[a] > scores[b];
      return a < b;
    });
    std::vector<size_t> kept;
    for (size_t box : order) {
      if (static_cast<int64_t>(kept.size()) >= limit_) break;
      const bool overlaps =
          std::any_of(kept.begin(), kept.end(), [&](size_t other) {
            return IntersectionOverUnion(boxes[box], boxes[other]) >
                   iou_threshold_;
          });
      if (!overlaps) kept.push_back(box);
    }
    return kept;
  }

  bool center_ = false, has_score_threshold_ = false;
  int64_t limit_ = 0;
  float iou_threshold_ = 0, score_threshold_ = 0;
  std::vector<int64_t> rows_;
};

constexpr AttributeSpec kAttributes[] = {
    {"max_output_boxes_per_class", AttributeKind::kInt, true},
    {"center_point_box", AttributeKind::kInt, false},
    {"iou_threshold", AttributeKind::kFloat, false},
    {"score_threshold", AttributeKind::kFloat, false}};

}  // namespace

constinit const OpInfo kNonMaxSuppressionOp = SimpleOpInfo(
    "NonMaxSuppression", 2, 2, kAttributes, &CreateOp<NonMaxSuppressionOp>);

}  // namespace bittern::runtime
