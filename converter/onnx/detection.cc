// Operators of detectors: sampling at computed places, and suppression of
// overlapping boxes.
#include <algorithm>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {

using runtime::DType;

Result<void> ImportGridSample(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(std::string mode, node.String("mode", "bilinear"));
  if (mode == "linear") mode = "bilinear";  // as opset 20 spells them
  if (mode == "cubic") mode = "bicubic";
  BITTERN_TRY_ASSIGN(const std::string padding,
                     node.String("padding_mode", "zeros"));
  BITTERN_TRY_ASSIGN(const int64_t align, node.Int("align_corners", 0));
  return node.Answer("GridSample", node.inputs(),
                     {{"mode", mode},
                      {"padding_mode", padding},
                      {"align_corners", int64_t{align != 0}}});
}

// Before opset 16 regions were not shifted by half a pixel.
Result<void> ImportRoiAlign(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  BITTERN_TRY_ASSIGN(
      const std::string transform,
      node.String("coordinate_transformation_mode",
                  node.opset() < 16 ? "output_half_pixel" : "half_pixel"));
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("mode", "avg"));
  BITTERN_TRY_ASSIGN(const int64_t height, node.Int("output_height", 1));
  BITTERN_TRY_ASSIGN(const int64_t width, node.Int("output_width", 1));
  BITTERN_TRY_ASSIGN(const int64_t ratio, node.Int("sampling_ratio", 0));
  BITTERN_TRY_ASSIGN(const float scale, node.Float("spatial_scale", 1));
  if (transform != "half_pixel" && transform != "output_half_pixel") {
    return node.Fail("coordinate_transformation_mode is '" +
                     transform.substr(0, 40) +
                     "', expected 'half_pixel' or 'output_half_pixel'");
  }
  if (mode != "avg" && mode != "max") {
    return node.Fail("mode is '" + mode.substr(0, 40) +
                     "', expected 'avg' or 'max'");
  }
  BITTERN_TRY_ASSIGN(const ValueId images,
                     node.CastTo(node.Input(2), DType::kI64));
  return node.Answer("RoiAlign", {node.Input(0), node.Input(1), images},
                     {{"output_height", height},
                      {"output_width", width},
                      {"sampling_ratio", ratio},
                      {"spatial_scale", scale},
                      {"half_pixel", int64_t{transform == "half_pixel"}},
                      {"max", int64_t{mode == "max"}}});
}

Result<void> ImportNonMaxSuppression(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 5));
  BITTERN_TRY_ASSIGN(const int64_t center, node.Int("center_point_box", 0));
  std::vector<ValueId> inputs = {node.Input(0), node.Input(1)};
  for (ValueId id : inputs) {
    // Computed now if that is possible.
    BITTERN_TRY_ASSIGN([[maybe_unused]] const bool known, node.Known(id));
  }
  int64_t limit = 0;
  bool limit_known = true;
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(limit_known, node.Known(node.Input(2)));
  }
  if (!limit_known) {
    BITTERN_TRY_ASSIGN(
        const ValueId most,
        node.RunTimeInts(node.Input(2), "max_output_boxes_per_class"));
    inputs.push_back(most);
  } else if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(
        const std::vector<int64_t> given,
        node.ConstantInts(node.Input(2), "max_output_boxes_per_class"));
    if (given.size() != 1) return node.Fail("a limit is a list");
    limit = given[0];
  }
  AttributeMap attributes = {{"center_point_box", int64_t{center != 0}}};
  if (limit_known) attributes.emplace("max_output_boxes_per_class", limit);
  constexpr const char* kThresholds[] = {"iou_threshold", "score_threshold"};
  for (size_t i = 3; i < 5; ++i) {
    if (node.Input(i) == kNone) continue;
    BITTERN_TRY_ASSIGN(const std::optional<float> value,
                       node.ConstantScalar(node.Input(i)));
    if (value) {
      attributes.emplace(kThresholds[i - 3], *value);
    } else {
      inputs.resize(std::max(inputs.size(), i + 1), kNone);
      inputs[i] = node.Input(i);
    }
  }
  Formula f(node);
  const std::vector<ValueId> kept =
      f.OpAll("NonMaxSuppression", inputs, std::move(attributes), 2);
  f.Answer(f.Head(kept[0], kept[1]));
  return f.Done();
}

}  // namespace bittern::convert
