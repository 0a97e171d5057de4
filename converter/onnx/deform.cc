// Operators on the windows of an image as tensors: Col2Im adds them up,
// DeformConv reads them at places that the run computes. Made of scatters,
// samples and products, so plain rather than fast.
#include <algorithm>
#include <bit>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {
namespace {

using runtime::DType;
using Ints = std::vector<int64_t>;

constexpr int64_t kMaxPlaces = int64_t{1} << 24;
constexpr int64_t kMaxSide = int64_t{1} << 24;

int64_t Product(const Ints& values) {
  int64_t product = 1;
  for (int64_t value : values) product *= value;
  return product;
}

// Counts up `at` within `sizes`; the last index runs fastest.
void Next(const Ints& sizes, Ints* at) {
  for (size_t d = sizes.size(); d-- > 0;) {
    if (++(*at)[d] < sizes[d]) return;
    (*at)[d] = 0;
  }
}

struct Blocks {
  Ints image, block, strides, dilations, pads;
  Ints padded, steps;  // of the image with pads; blocks along each axis
};

Result<Ints> PositiveInts(OnnxNode& node, std::optional<Ints> given,
                          const char* what, size_t count, int64_t fallback,
                          int64_t low) {
  if (!given) given.emplace(count, fallback);
  const bool fits =
      given->size() == count &&
      std::all_of(given->begin(), given->end(), [low](int64_t value) {
        return value >= low && value <= kMaxSide;
      });
  if (fits) return *given;
  return node.Fail(std::string(what) + " are not " + std::to_string(count) +
                   " values from " + std::to_string(low) + " to " +
                   std::to_string(kMaxSide));
}

Result<Blocks> ReadBlocks(OnnxNode& node) {
  Blocks b;
  BITTERN_TRY_ASSIGN(b.image, node.ConstantInts(node.Input(1), "image_shape"));
  const size_t rank = b.image.size();
  BITTERN_TRY_ASSIGN(b.block, node.ConstantInts(node.Input(2), "block_shape"));
  BITTERN_TRY_ASSIGN(b.image,
                     PositiveInts(node, b.image, "image_shape", rank, 1, 1));
  BITTERN_TRY_ASSIGN(b.block,
                     PositiveInts(node, b.block, "block_shape", rank, 1, 1));
  BITTERN_TRY_ASSIGN(auto strides, node.Ints("strides"));
  BITTERN_TRY_ASSIGN(auto dilations, node.Ints("dilations"));
  BITTERN_TRY_ASSIGN(auto pads, node.Ints("pads"));
  BITTERN_TRY_ASSIGN(b.strides,
                     PositiveInts(node, strides, "strides", rank, 1, 1));
  BITTERN_TRY_ASSIGN(b.dilations,
                     PositiveInts(node, dilations, "dilations", rank, 1, 1));
  BITTERN_TRY_ASSIGN(b.pads, PositiveInts(node, pads, "pads", 2 * rank, 0, 0));
  for (size_t d = 0; d < rank; ++d) {
    b.padded.push_back(b.image[d] + b.pads[d] + b.pads[d + rank]);
    const int64_t room = b.padded[d] - b.dilations[d] * (b.block[d] - 1) - 1;
    b.steps.push_back(room < 0 ? 0 : room / b.strides[d] + 1);
  }
  return b;
}

// For each place in a block and each block, the pixel of the padded image.
Ints PixelsOf(const Blocks& b) {
  Ints pixels, inside(b.block.size(), 0), block(b.block.size(), 0);
  const int64_t places = Product(b.block), blocks = Product(b.steps);
  for (int64_t k = 0; k < places; ++k, Next(b.block, &inside)) {
    for (int64_t l = 0; l < blocks; ++l, Next(b.steps, &block)) {
      int64_t pixel = 0;
      for (size_t d = 0; d < b.block.size(); ++d) {
        pixel = pixel * b.padded[d] + block[d] * b.strides[d] +
                inside[d] * b.dilations[d];
      }
      pixels.push_back(pixel);
    }
  }
  return pixels;
}

}  // namespace

Result<void> ImportCol2Im(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  BITTERN_TRY_ASSIGN(const Blocks b, ReadBlocks(node));
  const Shape shape = node.ShapeOf(node.Input(0));
  const size_t rank = b.image.size();
  double pixels = 1, places = 1;  // int64 might overflow
  for (size_t d = 0; d < rank; ++d) {
    pixels *= static_cast<double>(b.padded[d]);
    places *= static_cast<double>(b.block[d]) * static_cast<double>(b.steps[d]);
  }
  if (rank == 0 || rank + 2 > runtime::kMaxRank || pixels > kMaxPlaces ||
      places > kMaxPlaces || shape.rank() != 3 ||
      shape[1] % Product(b.block) != 0 || shape[2] != Product(b.steps)) {
    return node.Fail("input is " + runtime::ToString(shape) +
                     ", expected a value for each place of a block as rows, "
                     "and columns for all blocks of the image, at most 2^24 in "
                     "all");
  }
  Formula f(node);
  const int64_t channels = shape[1] / Product(b.block);
  const int64_t updates = Product(b.block) * shape[2];
  ValueId x = f.Reshape(node.Input(0), {shape[0], channels, updates});
  x = f.Transpose(x, {2, 0, 1});
  const ValueId index = f.Reshape(f.Ints(PixelsOf(b)), {updates, 1});
  const ValueId none = f.Expand(f.Cast(f.F32(0), f.DTypeOf(x)),
                                Shape{Product(b.padded), shape[0], channels});
  x = f.Transpose(
      f.Op("ScatterNd", {none, index, x}, {{"reduction", std::string("add")}}),
      {1, 2, 0});
  Ints sizes = {shape[0], channels};
  sizes.insert(sizes.end(), b.padded.begin(), b.padded.end());
  x = f.Reshape(x, sizes);
  for (size_t d = 0; d < rank; ++d) {
    if (b.padded[d] == b.image[d]) continue;
    x = f.Slice(x, d + 2, b.pads[d], b.pads[d] + b.image[d]);
  }
  f.Answer(x);
  return f.Done();
}

namespace {

struct Deformed {
  Shape x, w, out;  // NCHW, [M, C / groups, kh, kw], NMHW
  Window window;
  int64_t groups = 1, offset_groups = 1;
  int64_t taps() const { return w[2] * w[3]; }
  // Of the image with zeros behind it, which is what lies outside: with a power
  // of two, whole pixels stay whole on their way through -1 .. 1.
  int64_t Side(size_t i) const {
    return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(x[i + 2])));
  }
};

Result<Deformed> ReadDeformed(OnnxNode& node) {
  Deformed d;
  d.x = node.ShapeOf(node.Input(0));
  d.w = node.ShapeOf(node.Input(1));
  BITTERN_TRY_ASSIGN(d.groups, node.Int("group", 1));
  BITTERN_TRY_ASSIGN(d.offset_groups, node.Int("offset_group", 1));
  if (d.x.rank() != 4 || d.w.rank() != 4) {
    return node.FailUnsupported(
        "image and weights are " + runtime::ToString(d.x) + " and " +
        runtime::ToString(d.w) + ", expected two spatial dimensions");
  }
  BITTERN_TRY_ASSIGN(d.window, ReadWindow(node, d.x, {d.w[2], d.w[3]}));
  d.out = {d.x[0], d.w[0], 0, 0};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t room = d.x[i + 2] + d.window.pads[i] + d.window.pads[i + 2] -
                         d.window.dilations[i] * (d.w[i + 2] - 1) - 1;
    d.out[i + 2] = room < 0 ? 0 : room / d.window.strides[i] + 1;
  }
  const bool divides = d.groups > 0 && d.offset_groups > 0 &&
                       d.groups <= d.x[1] && d.offset_groups <= d.x[1] &&
                       d.x[1] == d.w[1] * d.groups && d.w[0] % d.groups == 0 &&
                       d.x[1] % d.offset_groups == 0;
  const auto per_place = [&](ValueId id, int64_t values) {
    return node.ShapeOf(id) == Shape{d.x[0],
                                     d.offset_groups * d.taps() * values,
                                     d.out[2], d.out[3]};
  };
  if (divides && d.x[2] > 0 && d.x[3] > 0 && per_place(node.Input(2), 2) &&
      (node.Input(4) == kNone || per_place(node.Input(4), 1)))
    return d;
  return node.Fail("offsets are " +
                   runtime::ToString(node.ShapeOf(node.Input(2))) + " for " +
                   runtime::ToString(d.x) + " and weights " +
                   runtime::ToString(d.w) +
                   ", expected two for each tap and output of each group");
}

// One coordinate of the taps of all groups, [N * groups, taps, OH, OW], as
// GridSample has it: -1 .. 1 from edge to edge.
ValueId Coordinate(Formula& f, const Deformed& d, ValueId offsets, size_t i) {
  const int64_t count = d.taps();
  std::vector<float> places;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t tap = i == 0 ? t / d.w[3] : t % d.w[3];
    for (int64_t o = 0; o < d.out[i + 2]; ++o) {
      places.push_back(static_cast<float>(o * d.window.strides[i] -
                                          d.window.pads[i] +
                                          tap * d.window.dilations[i]));
    }
  }
  const Shape along =
      i == 0 ? Shape{1, count, d.out[2], 1} : Shape{1, count, 1, d.out[3]};
  const auto at = static_cast<int64_t>(i);
  const ValueId own =
      f.Reshape(f.Slice(offsets, 2, at, at + 1),
                {d.x[0] * d.offset_groups, count, d.out[2], d.out[3]});
  const ValueId pixel = f.Add(own, f.Floats(along, places));
  const auto size = static_cast<float>(d.Side(i));
  return f.Add(f.Mul(pixel, f.F32(2 / size)), f.F32(1 / size - 1));
}

// The image at the taps: [N, C, taps, OH, OW], times the mask.
ValueId Sampled(Formula& f, const Deformed& d, ValueId x, ValueId offsets,
                ValueId mask) {
  const int64_t n = d.x[0] * d.offset_groups, c = d.x[1] / d.offset_groups;
  const int64_t taps = d.taps(), oh = d.out[2], ow = d.out[3];
  const ValueId split = f.Reshape(offsets, {n, taps, 2, oh, ow});
  const ValueId row = f.Unsqueeze(Coordinate(f, d, split, 0), {4}),
                column = f.Unsqueeze(Coordinate(f, d, split, 1), {4});
  const ValueId grid =
      f.Reshape(f.Concat({column, row}, 4), {n, taps * oh, ow, 2});
  ValueId y = f.Reshape(x, {n, c, d.x[2], d.x[3]});
  for (size_t i = 0; i < 2; ++i)
    y = f.Pad(y, i + 2, 0, d.Side(i) - d.x[i + 2], 0);
  y = f.Op("GridSample", {y, grid}, {});
  y = f.Reshape(y, {n, c, taps * oh, ow});
  if (mask != kNone) y = f.Mul(y, f.Reshape(mask, {n, 1, taps * oh, ow}));
  return y;
}

}  // namespace

Result<void> ImportDeformConv(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 5));
  BITTERN_TRY_ASSIGN(const Deformed d, ReadDeformed(node));
  Formula f(node);
  const ValueId y = Sampled(f, d, f.Cast(node.Input(0), DType::kF32),
                            node.Input(2), node.Input(4));
  const int64_t k = d.w[1] * d.taps(), pixels = d.out[2] * d.out[3];
  const ValueId columns = f.Reshape(y, {d.x[0], d.groups, k, pixels});
  const ValueId weights =
      f.Reshape(node.Input(1), {1, d.groups, d.w[0] / d.groups, k});
  ValueId out = f.ReshapeTo(f.Op("MatMul", {weights, columns}), d.out);
  if (node.Input(3) != kNone)
    out = f.Add(out, f.Reshape(node.Input(3), {1, d.w[0], 1, 1}));
  f.Answer(out);
  return f.Done();
}

}  // namespace bittern::convert
