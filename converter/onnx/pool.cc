// Pooling over windows and over whole planes. The runtime pools f32 over two
// dimensions without dilation: one dimension becomes two, three are pooled in
// two steps (a maximum of maxima, a mean of means of equal counts), and what is
// left is a maximum over slices, one for each tap along each dimension.
#include <algorithm>
#include <limits>
#include <numeric>

#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {
namespace {

using runtime::DType;

constexpr int64_t kMaxTaps = 1024;  // of one dimension by slices

struct Pool {
  std::string op;
  Window window;
  AttributeMap options;  // ceil_mode, count_include_pad
};

ValueId EmitPlanar(Formula& f, const Pool& pool, const Window& window,
                   ValueId x) {
  AttributeMap attributes = pool.options;
  attributes.emplace("kernel", window.kernel);
  attributes.emplace("strides", window.strides);
  attributes.emplace("pads", window.pads);
  return f.Op(pool.op, {x}, std::move(attributes));
}

ValueId EmitPool(Formula& f, const Pool& pool, ValueId x) {
  const Window& w = pool.window;
  if (w.kernel.size() == 2) return EmitPlanar(f, pool, w, x);
  if (w.kernel.size() == 1) {
    const ValueId y =
        EmitPlanar(f, pool, WithTwoSpatial(w), f.Unsqueeze(x, {2}));
    return f.Op("Squeeze", {y}, {{"axes", std::vector<int64_t>{2}}});
  }
  const Shape in = f.ShapeOf(x);
  const Window planes = {{w.kernel[1], w.kernel[2]},
                         {w.strides[1], w.strides[2]},
                         {1, 1},
                         {w.pads[1], w.pads[2], w.pads[4], w.pads[5]}};
  const Window depth = {{w.kernel[0], 1},
                        {w.strides[0], 1},
                        {1, 1},
                        {w.pads[0], 0, w.pads[3], 0}};
  x = EmitPlanar(f, pool, planes,
                 f.Reshape(x, {in[0], in[1] * in[2], in[3], in[4]}));
  const int64_t height = f.ShapeOf(x)[2], width = f.ShapeOf(x)[3];
  x = EmitPlanar(f, pool, depth,
                 f.Reshape(x, {in[0], in[1], in[2], height * width}));
  return f.Reshape(x, {in[0], in[1], f.ShapeOf(x)[2], height, width});
}

// One spatial dimension of a pooling by slices.
struct Line {
  int64_t in, out, before, padded;  // padded: what all windows cover
};

Result<std::vector<Line>> MakeLines(OnnxNode& node, const Window& window,
                                    bool ceil) {
  const Shape shape = node.ShapeOf(node.Input(0));
  const size_t spatial = window.kernel.size();
  std::vector<Line> lines;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t in = shape[i + 2];
    const int64_t before = window.pads[i];
    const int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    const int64_t room = in + before + window.pads[i + spatial] - reach;
    if (room < 0 || window.kernel[i] > kMaxTaps) {
      return node.FailUnsupported(
          "the window reaches over " + std::to_string(reach) + " of " +
          std::to_string(room + reach) +
          " padded inputs, expected at most all and 1024 taps");
    }
    int64_t out = room / window.strides[i] + 1;
    if (ceil && room % window.strides[i] != 0 &&
        out * window.strides[i] < in + before) {
      ++out;
    }
    lines.push_back({in, out, before, (out - 1) * window.strides[i] + reach});
  }
  return lines;
}

// Places in each plane, row by row or (by_columns) the first spatial dimension
// fastest: i64 [1, 1, padded...].
ValueId PlacesInPlane(Formula& f, const std::vector<Line>& lines,
                      bool by_columns) {
  const size_t rank = lines.size() + 2;
  ValueId places = f.I64(0);
  int64_t stride = 1;
  for (size_t n = 0; n < lines.size(); ++n) {
    const size_t i = by_columns ? n : lines.size() - 1 - n;
    const ValueId at =
        f.Sub(f.Iota(lines[i].padded, i + 2, rank), f.I64(lines[i].before));
    places = f.Add(places, f.Mul(at, f.I64(stride)));
    stride *= lines[i].in;
  }
  return places;
}

struct Largest {
  ValueId value = kNone, place = kNone;
};

// The largest of the taps along dimension `i`, and where it is; the first of
// equals. From the last dimension to the first, that is the first of a window.
Largest EmitLargest(Formula& f, const Window& window, const Line& line,
                    size_t i, const Largest& x) {
  Largest best;
  for (int64_t k = 0; k < window.kernel[i] && !f.failed(); ++k) {
    const auto tap = [&](ValueId from) {
      const int64_t first = k * window.dilations[i];
      return f.Slice(from, i + 2, first,
                     first + (line.out - 1) * window.strides[i] + 1,
                     window.strides[i]);
    };
    const ValueId value = tap(x.value);
    const ValueId place = x.place == kNone ? kNone : tap(x.place);
    if (k == 0) {
      best = {value, place};
      continue;
    }
    if (place != kNone) {
      const ValueId larger = f.Op("Greater", {value, best.value});
      best.place = f.Where(larger, place, best.place);
    }
    best.value = f.Op("Max", {best.value, value});
  }
  return best;
}

Result<void> AnswerMaxBySlices(OnnxNode& node, const Window& window, bool ceil,
                               bool by_columns) {
  BITTERN_TRY_ASSIGN(const std::vector<Line> lines,
                     MakeLines(node, window, ceil));
  const TensorType type = node.TypeOf(node.Input(0));
  const Shape& shape = type.shape;
  Formula f(node);
  ValueId x = f.Cast(node.Input(0), DType::kF32);
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const int64_t after = line.padded - line.in - line.before;
    if (after < 0) x = f.Slice(x, i + 2, 0, line.in + after);
    x = f.Pad(x, i + 2, line.before, std::max<int64_t>(after, 0),
              -std::numeric_limits<float>::infinity());
  }
  const bool indices = node.WantsOutput(1);
  Largest best{x, indices ? PlacesInPlane(f, lines, by_columns) : kNone};
  for (size_t i = lines.size(); i-- > 0;) {
    best = EmitLargest(f, window, lines[i], i, best);
  }
  f.Answer(f.Cast(best.value, type.dtype));
  if (indices) {
    const int64_t plane = Shape(shape.dims().subspan(2)).Elements();
    const size_t rank = shape.rank();
    const ValueId image = f.Mul(f.Iota(shape[0], 0, rank), f.I64(shape[1]));
    const ValueId channel = f.Add(image, f.Iota(shape[1], 1, rank));
    f.Answer(f.Add(best.place, f.Mul(channel, f.I64(plane))), 1);
  }
  return f.Done();
}

// How many taps of each window of one dimension count.
std::vector<float> TapsOf(const Line& line, const Window& window, size_t i,
                          bool include_pad) {
  const int64_t low = include_pad ? -line.before : 0;
  const int64_t high =
      line.in + (include_pad ? window.pads[i + window.kernel.size()] : 0);
  std::vector<float> counts;
  for (int64_t o = 0; o < line.out; ++o) {
    float count = 0;
    for (int64_t k = 0; k < window.kernel[i]; ++k) {
      const int64_t at =
          o * window.strides[i] - line.before + k * window.dilations[i];
      count += at >= low && at < high ? 1.0f : 0.0f;
    }
    counts.push_back(std::max(count, 1.0f));
  }
  return counts;
}

// The sum of each window, padding counted as 0, dimension by dimension.
ValueId EmitSums(Formula& f, const Window& window,
                 const std::vector<Line>& lines, ValueId x) {
  for (size_t i = 0; i < lines.size() && !f.failed(); ++i) {
    const Line& line = lines[i];
    const int64_t after = line.padded - line.in - line.before;
    if (after < 0) x = f.Slice(x, i + 2, 0, line.in + after);
    x = f.Pad(x, i + 2, line.before, std::max<int64_t>(after, 0), 0);
    ValueId sum = kNone;
    for (int64_t k = 0; k < window.kernel[i] && !f.failed(); ++k) {
      const int64_t first = k * window.dilations[i];
      const ValueId tap = f.Slice(
          x, i + 2, first, first + (line.out - 1) * window.strides[i] + 1,
          window.strides[i]);
      sum = sum == kNone ? tap : f.Add(sum, tap);
    }
    x = sum;
  }
  return x;
}

Result<void> AnswerAverageBySlices(OnnxNode& node, const Window& window,
                                   bool ceil, bool include_pad) {
  BITTERN_TRY_ASSIGN(const std::vector<Line> lines,
                     MakeLines(node, window, ceil));
  const size_t rank = lines.size() + 2;
  Formula f(node);
  const ValueId sums = EmitSums(f, window, lines, node.Input(0));
  ValueId counts = f.F32(1);
  for (size_t i = 0; i < lines.size() && !f.failed(); ++i) {
    std::vector<int64_t> dims(rank, 1);
    dims[i + 2] = lines[i].out;
    counts = f.Mul(counts, f.Floats(Shape(dims),
                                    TapsOf(lines[i], window, i, include_pad)));
  }
  f.Answer(f.Div(sums, counts));
  return f.Done();
}

}  // namespace

Result<void> ImportPool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const TensorType type = node.TypeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const Window window, ReadWindow(node, type.shape, {}));
  BITTERN_TRY_ASSIGN(const int64_t ceil_mode, node.Int("ceil_mode", 0));
  BITTERN_TRY_ASSIGN(const int64_t order, node.Int("storage_order", 0));
  const bool dilated =
      std::any_of(window.dilations.begin(), window.dilations.end(),
                  [](int64_t d) { return d != 1; });
  Pool pool{node.op(), window, {{"ceil_mode", int64_t{ceil_mode != 0}}}};
  if (node.op() == "AveragePool") {
    BITTERN_TRY_ASSIGN(const int64_t include, node.Int("count_include_pad", 0));
    pool.options.emplace("count_include_pad", int64_t{include != 0});
    if (dilated) {
      return AnswerAverageBySlices(node, window, ceil_mode != 0, include != 0);
    }
  } else if (dilated || type.dtype != DType::kF32 || node.WantsOutput(1)) {
    return AnswerMaxBySlices(node, window, ceil_mode != 0, order != 0);
  }
  Formula f(node);
  f.Answer(EmitPool(f, pool, node.Input(0)));
  return f.Done();
}

// The p-norm of each window, padding counted as 0.
Result<void> ImportLpPool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const Window window,
                     ReadWindow(node, node.ShapeOf(node.Input(0)), {}));
  BITTERN_TRY_ASSIGN(const int64_t ceil_mode, node.Int("ceil_mode", 0));
  BITTERN_TRY_ASSIGN(const int64_t p, node.Int("p", 2));
  if (p < 1) {
    return node.Fail("p is " + std::to_string(p) + ", expected 1 or more");
  }
  BITTERN_TRY_ASSIGN(const std::vector<Line> lines,
                     MakeLines(node, window, ceil_mode != 0));
  const auto power = static_cast<float>(p);
  Formula f(node);
  const ValueId x = f.Op("Pow", {f.Op("Abs", {node.Input(0)}), f.F32(power)});
  f.Answer(f.Op("Pow", {EmitSums(f, window, lines, x), f.F32(1 / power)}));
  return f.Done();
}

// Each value at its index in a plane of the size that the window gives; with an
// output_shape, that plane at the start of a larger one.
Result<void> ImportMaxUnpool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  const Shape in = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const Window window, ReadWindow(node, in, {}));
  const size_t spatial = window.kernel.size();
  Shape out = in;
  for (size_t i = 0; i < spatial; ++i) {
    out[i + 2] = (in[i + 2] - 1) * window.strides[i] + window.kernel[i] -
                 window.pads[i] - window.pads[i + spatial];
  }
  std::vector<int64_t> wanted(out.dims().begin(), out.dims().end());
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(wanted,
                       node.ConstantInts(node.Input(2), "output_shape"));
  }
  bool fits = wanted.size() == out.rank() && runtime::CheckedElements(out).ok();
  for (size_t i = 0; fits && i < wanted.size(); ++i) fits = wanted[i] >= out[i];
  if (!fits) {
    return node.Fail("the result would be " + runtime::ToString(out) +
                     ", expected sizes within output_shape");
  }
  Formula f(node);
  const ValueId zeros = f.Expand(f.F32(0), {out.Elements()});
  const std::vector<int64_t> flat = {in.Elements()};
  ValueId x = f.Op(
      "ScatterElements",
      {zeros, f.Reshape(node.Input(1), flat), f.Reshape(node.Input(0), flat)},
      {{"axis", int64_t{0}}});
  x = f.ReshapeTo(x, out);
  for (size_t i = 0; i < out.rank(); ++i) {
    x = f.Pad(x, i, 0, wanted[i] - out[i], 0);
  }
  f.Answer(x);
  return f.Done();
}

Result<void> ImportGlobalPool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  if (rank < 3) {
    return node.Fail("input has " + std::to_string(rank) +
                     " dimensions, expected 3 or more");
  }
  const bool average = node.op() == "GlobalAveragePool";
  if (average && rank == 4) return node.Answer(node.op(), node.inputs());
  std::vector<int64_t> axes(rank - 2);
  std::iota(axes.begin(), axes.end(), int64_t{2});
  return node.Answer(average ? "ReduceMean" : "ReduceMax", node.inputs(),
                     {{"axes", axes}, {"keepdims", int64_t{1}}});
}

}  // namespace bittern::convert
