// The boxes that a detector found: as text, and drawn on the image.
#pragma once

#include <string>
#include <vector>

#include "runtime/cli/image.h"
#include "runtime/exec/detections.h"

namespace bittern::cli {

// The name of a class, or "class <n>".
std::string ClassName(const runtime::Model& model, size_t index);

// One line a box: class, score, left, top, right, bottom. `pixels`: of the
// image, else relative to the network's input.
void PrintBoxes(const runtime::Model& model, const std::string& name,
                const std::vector<runtime::Detection>& boxes, bool pixels);

// The image in RGB with a frame and a name for each box, the best on top. Boxes
// are in pixels.
Image DrawBoxes(const runtime::Model& model, const runtime::ImageView& image,
                const std::vector<runtime::Detection>& boxes);

}  // namespace bittern::cli
