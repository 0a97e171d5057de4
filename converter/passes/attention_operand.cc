// The moves between the codes and the product are composed into one map; where
// the map is not that of a head split, codes are made again from the floats,
// with rows and columns in the order of the product.
#include "converter/passes/attention_operand.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "converter/passes/affine_sign.h"
#include "converter/passes/index_map.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

using Map = std::vector<int32_t>;

// A sign as a rounding: sign(t) = clip(round(t * 2^64), -1, 1), where scaling
// by a power of two is exact. |t| < 2^-65 counts as 0.
constexpr int kSignShift = 64;
constexpr int32_t kMinByte = -128, kMaxByte = 127;
constexpr float kMinSignScale = 0x1p-60f, kMaxSignScale = 0x1p60f;

// Parameters of a quantiser, by the element of the code tensor.
class Levels {
 public:
  // Nothing if they are made at run time.
  static std::optional<Levels> Of(const Graph& graph, const Node& node,
                                  size_t input, const TensorType& codes,
                                  float fallback) {
    Levels levels;
    if (input >= node.inputs.size() || node.inputs[input] == kNone) {
      levels.values_ = {fallback};
      return levels;
    }
    levels.values_ = graph.F32(node.inputs[input]);
    if (levels.values_.empty()) return std::nullopt;
    const std::string per = StringOf(node, "per");
    const int64_t last = codes.shape.Last();
    if (per == "row") {
      levels.divisor_ = last;
      return levels;
    }
    levels.modulus_ = last;
    const auto count = static_cast<int64_t>(levels.values_.size());
    levels.divisor_ = std::max<int64_t>(last / count, 1);
    return levels;
  }

  float At(int64_t element) const {
    if (values_.size() == 1) return values_[0];
    if (modulus_ != 0) element %= modulus_;
    return values_[static_cast<size_t>(element / divisor_)];
  }

  // The values by column, if all rows of `map` agree.
  std::optional<std::vector<float>> ByColumn(const Map& map,
                                             size_t columns) const {
    std::vector<float> found(columns);
    for (size_t i = 0; i < map.size(); ++i) {
      const float value = At(map[i]);
      if (i < columns) found[i] = value;
      if (found[i % columns] != value) return std::nullopt;
    }
    return found;
  }

 private:
  std::vector<float> values_;
  int64_t modulus_ = 0;  // 0: none
  int64_t divisor_ = 1;
};

// One value for each head out of one for each column.
std::optional<std::vector<float>> ByHead(
    const std::optional<std::vector<float>>& columns, int64_t heads) {
  if (!columns) return std::nullopt;
  const size_t group = columns->size() / static_cast<size_t>(heads);
  std::vector<float> values;
  for (size_t i = 0; i < columns->size(); ++i) {
    if (i % group == 0) values.push_back((*columns)[i]);
    if ((*columns)[i] != values.back()) return std::nullopt;
  }
  return values;
}

std::string TextOf(const TensorType& codes) {
  const char* sign =
      codes.code.encoding == runtime::Encoding::kUnsignedBytes ? " unsigned"
      : codes.code.encoding == runtime::Encoding::kSignedBytes ? " signed"
                                                               : "";
  return std::to_string(codes.code.bits) + " bit" + sign + " per head";
}

class Tracer {
 public:
  Tracer(const Graph& graph, const OperandView& view)
      : graph_(graph), view_(view) {}

  // The reason if it fails.
  Result<std::string> Trace() {
    if (graph_.IsConstant(view_.id)) return TraceConstant();
    IndexMap moves(graph_, true);
    const ValueId numbers = moves.SourceOf(view_.id);
    const Node* dequantize = ProducerIf(graph_, numbers, "Dequantize");
    const std::optional<Shape> shape = StaticShape(graph_, view_.id);
    if (dequantize == nullptr || !shape || shape->rank() < 3) {
      return std::string("are not codes");
    }
    if (!moves.Takes(numbers, view_.id)) {
      return std::string("have more than 2^24 elements");
    }
    codes_ = dequantize->inputs[0];
    type_ = *graph_.value(codes_).type;
    operand_.factor = moves.FactorFrom(numbers, view_.id);
    operand_.text = TextOf(type_);
    BITTERN_TRY_ASSIGN(Map map, moves.From(numbers, view_.id));
    if (!SetShape(*shape, map)) return std::string("have no heads");
    map_ = ByToken(map);
    if (!SetLevels(*dequantize)) {
      return std::string(
          "have no constant scale and integer zero point a head");
    }
    if (runtime::IsByteEncoding(type_.code.encoding) && Fits(type_.shape)) {
      operand_.codes = codes_;
      return std::string();
    }
    return FindSource();
  }

  AttentionOperand& operand() { return operand_; }

 private:
  int64_t Columns() const { return operand_.heads * operand_.head_dim; }

  // Codes of a constant that folding made floats of (the queries of a decoder's
  // first layer): the integers of each head, less what brings them to bytes.
  std::string TraceConstant() {
    const std::optional<Shape> shape = StaticShape(graph_, view_.id);
    const std::vector<float> values = graph_.F32(view_.id);
    if (!shape || shape->rank() < 3 || values.empty()) return "are not codes";
    Map map(values.size());
    std::iota(map.begin(), map.end(), 0);
    if (!SetShape(*shape, map)) return "have no heads";
    map_ = ByToken(map);
    const auto heads = static_cast<size_t>(operand_.heads),
               width = static_cast<size_t>(operand_.head_dim);
    std::vector<float> rows(values.size());  // [H][B,T,d]
    const size_t count = values.size() / heads;
    const auto place = [&](size_t i) {
      return i / width % heads * count + i / width / heads * width + i % width;
    };
    for (size_t i = 0; i < map_.size(); ++i) {
      rows[place(i)] = values[static_cast<size_t>(map_[i])];
    }
    const WeightCodes codes = ClassifyRows(rows, heads);
    if (!codes.reason.empty()) return "are constants that are no codes";
    operand_.zero.assign(heads, 0);
    for (size_t h = 0; h < heads; ++h) {
      const auto first =
          codes.values.begin() + static_cast<ptrdiff_t>(h * count);
      const auto [lo, hi] =
          std::minmax_element(first, first + static_cast<ptrdiff_t>(count));
      if (*hi - *lo > kMaxByte - kMinByte) {
        return "are constants that need more than 8 bits";
      }
      operand_.zero[h] = *lo < kMinByte   ? kMinByte - *lo
                         : *hi > kMaxByte ? kMaxByte - *hi
                                          : 0;
    }
    for (size_t i = 0; i < map_.size(); ++i) {
      operand_.constant.push_back(static_cast<float>(
          codes.values[place(i)] + operand_.zero[i / width % heads]));
    }
    operand_.source.lo = kMinByte;
    operand_.source.hi = kMaxByte;
    operand_.scale = codes.scales;
    operand_.text = "8 bit signed per head";
    return "";
  }

  // Whether the tensor is [.., T, H*d] already.
  bool Fits(const Shape& shape) const {
    return shape.Last() == Columns() && IsIdentityMap(map_, shape.Elements());
  }

  bool SetShape(const Shape& shape, const Map& map) {
    const size_t rank = shape.rank();
    operand_.tokens = shape[rank - (view_.transposed ? 1 : 2)];
    operand_.head_dim = shape[rank - (view_.transposed ? 2 : 1)];
    if (shape.Elements() == 0) return false;
    const int64_t groups =
        shape.Elements() / operand_.tokens / operand_.head_dim;
    int64_t heads = rank > 3 ? shape[rank - 3] : view_.heads;
    if (heads == 0) heads = HeadsOfCodes(groups);
    if (heads == 0) heads = CountHeads(map, groups);
    if (groups % heads != 0) return false;
    operand_.heads = heads;
    operand_.batch = groups / heads;
    return true;
  }

  // The heads of the tensor [B,H,T,d] that was quantised; 0 if it was another.
  int64_t HeadsOfCodes(int64_t groups) const {
    const Shape& codes = type_.shape;
    const bool split = codes.rank() == 4 && codes[0] * codes[1] == groups &&
                       codes[2] == operand_.tokens &&
                       codes[3] == operand_.head_dim;
    return split ? codes[1] : 0;
  }

  // The longest run of groups whose first elements are head_dim apart.
  int64_t CountHeads(const Map& map, int64_t groups) const {
    const int64_t size = operand_.tokens * operand_.head_dim;
    int64_t run = 1;
    while (run < groups && map[static_cast<size_t>(run * size)] ==
                               map[0] + run * operand_.head_dim) {
      ++run;
    }
    while (groups % run != 0) --run;
    return run;
  }

  // The map in the order [batch, tokens, heads, head_dim].
  Map ByToken(const Map& map) const {
    const int64_t t = operand_.tokens, d = operand_.head_dim;
    const int64_t token_step = view_.transposed ? 1 : d;
    const int64_t column_step = view_.transposed ? t : 1;
    Map ordered;
    ordered.reserve(map.size());
    for (int64_t b = 0; b < operand_.batch; ++b) {
      for (int64_t i = 0; i < t; ++i) {
        for (int64_t h = 0; h < operand_.heads; ++h) {
          const int64_t first = (b * operand_.heads + h) * t * d;
          for (int64_t c = 0; c < d; ++c) {
            ordered.push_back(map[static_cast<size_t>(first + i * token_step +
                                                      c * column_step)]);
          }
        }
      }
    }
    return ordered;
  }

  bool SetLevels(const Node& dequantize) {
    const auto columns = static_cast<size_t>(Columns());
    const auto scale = Levels::Of(graph_, dequantize, 1, type_, 1.0f);
    const auto zero = Levels::Of(graph_, dequantize, 2, type_, 0.0f);
    if (!scale || !zero) return false;
    const auto a = ByHead(scale->ByColumn(map_, columns), operand_.heads);
    const auto z = ByHead(zero->ByColumn(map_, columns), operand_.heads);
    if (!a || !z) return false;
    operand_.scale = *a;
    for (const float value : *z) {
      const std::optional<int32_t> integer = SnapToInteger(value);
      if (!integer) return false;
      operand_.zero.push_back(*integer);
    }
    return true;
  }

  // The floats in front of the quantiser, near it or behind more moves.
  Result<std::string> FindSource() {
    const Node* quantise = graph_.Producer(codes_);
    if (quantise == nullptr || !SetQuantiser(*quantise)) {
      return std::string("are codes in an order that cannot be changed");
    }
    const ValueId near = quantise->inputs[0];
    if (Place(near, map_) && operand_.source.rows.empty() &&
        operand_.source.width == Columns()) {
      return std::string();
    }
    IndexMap moves(graph_);
    const ValueId far = moves.SourceOf(near);
    BITTERN_TRY_ASSIGN(const Map up, moves.From(far, near));
    Map all = map_;
    for (int32_t& index : all) index = up[static_cast<size_t>(index)];
    if (Place(far, all) || Place(near, map_)) return std::string();
    if (IsByHead()) {
      operand_.source.x = near;
      operand_.source.by_head = true;
      return std::string();
    }
    return std::string("do not lie in rows of all heads");
  }

  bool SetQuantiser(const Node& node) {
    CodeSource& source = operand_.source;
    const auto columns = static_cast<size_t>(Columns());
    const bool sign = node.op == "Binarize";
    if (!sign && (node.op != "Quantize" || IntOf(node, "bipolar2", 0) != 0 ||
                  (StringOf(node, "source") != "plain" &&
                   !StringOf(node, "source").empty()))) {
      return false;
    }
    const auto scale = Levels::Of(graph_, node, 1, type_, 1.0f);
    const auto zero = Levels::Of(graph_, node, 2, type_, 0.0f);
    if (!scale || !zero) return false;
    const auto a = scale->ByColumn(map_, columns);
    const auto z = zero->ByColumn(map_, columns);
    if (!a || !z) return false;
    // `compare` finds the float graph's numbers by this name.
    source.name = graph_.value(codes_).name + ".untransposed";
    source.scale = *a;
    source.zero = *z;
    source.lo = sign ? -1 : IntOf(node, "lo", 0);
    source.hi = sign ? 1 : IntOf(node, "hi", 0);
    source.multiply = IntOf(node, "multiply", 0) != 0;
    source.zero_after = IntOf(node, "zero_after", 0) != 0;
    return !sign || MakeSignsRound(source);
  }

  static bool MakeSignsRound(CodeSource& source) {
    for (float& scale : source.scale) {
      const float size = std::fabs(scale);
      if (!(size >= kMinSignScale && size <= kMaxSignScale)) return false;
      scale = std::ldexp(scale, -kSignShift);
    }
    for (float& zero : source.zero) {
      if (zero != std::nearbyint(zero)) return false;
      zero = std::ldexp(zero, kSignShift);
    }
    return true;
  }

  // Whether every token is a run of columns of a row of x.
  bool Place(ValueId x, const Map& map) {
    CodeSource& source = operand_.source;
    const Shape shape = *StaticShape(graph_, x);
    const int64_t columns = Columns();
    const int64_t width = std::max(shape.Last(), columns);
    if (shape.Elements() % width != 0) return false;
    const int64_t offset = map[0] % width;
    if (offset + columns > width) return false;
    std::vector<int64_t> rows;
    for (size_t i = 0; i < map.size(); ++i) {
      const auto column = static_cast<int64_t>(i) % columns;
      if (column == 0) rows.push_back(map[i] / width);
      if (map[i] != rows.back() * width + offset + column) return false;
    }
    bool in_order =
        static_cast<int64_t>(rows.size()) * width == shape.Elements();
    for (size_t i = 0; i < rows.size(); ++i) {
      in_order = in_order && rows[i] == static_cast<int64_t>(i);
    }
    source.x = x;
    source.width = width;
    source.offset = offset;
    source.rows = in_order ? std::vector<int64_t>() : rows;
    return true;
  }

  // Whether codes lie as [B,H,T,d].
  bool IsByHead() const {
    const int64_t heads = operand_.heads, tokens = operand_.tokens,
                  width = operand_.head_dim;
    for (size_t i = 0; i < map_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const int64_t h = at / width % heads, row = at / width / heads,
                    b = row / tokens, t = row % tokens;
      if (map_[i] != ((b * heads + h) * tokens + t) * width + at % width) {
        return false;
      }
    }
    return static_cast<int64_t>(map_.size()) == type_.shape.Elements();
  }

  const Graph& graph_;
  const OperandView& view_;
  AttentionOperand operand_;
  ValueId codes_ = kNone;
  TensorType type_;  // of codes_
  Map map_;          // from [batch, tokens, heads, head_dim] to codes_
};

// x [B,H,T,d] with tokens in front of heads, as `shape`.
Result<ValueId> EmitMerged(Graph& graph, const AttentionOperand& operand,
                           const Shape& shape, const std::string& name) {
  ValueId x = operand.source.x;
  const Shape split{operand.batch, operand.heads, operand.tokens,
                    operand.head_dim};
  if (*StaticShape(graph, x) != split) {
    BITTERN_TRY_ASSIGN(x, EmitReshape(graph, name, x, split, name + ".heads"));
  }
  BITTERN_TRY_ASSIGN(x, Emit(graph, "Transpose", name, {x},
                             {{"perm", std::vector<int64_t>{0, 2, 1, 3}}},
                             name + ".by_token"));
  return EmitReshape(graph, name, x, shape, name + ".tokens");
}

// x with the rows and columns of the source, as `shape`.
Result<ValueId> EmitRows(Graph& graph, const CodeSource& source,
                         const Shape& shape, const std::string& name) {
  ValueId x = source.x;
  const Shape own = *StaticShape(graph, x);
  const bool sliced = source.width != shape.Last();
  if (sliced || !source.rows.empty()) {
    const Shape flat{own.Elements() / source.width, source.width};
    if (own != flat) {
      BITTERN_TRY_ASSIGN(x, EmitReshape(graph, name, x, flat, name + ".flat"));
    }
  }
  if (!source.rows.empty()) {
    const ValueId index =
        graph.AddI64(name + ".rows", {static_cast<int64_t>(source.rows.size())},
                     source.rows);
    BITTERN_TRY_ASSIGN(x, Emit(graph, "Gather", name, {x, index},
                               {{"axis", int64_t{0}}}, name + ".gathered"));
  }
  if (sliced) {
    BITTERN_TRY_ASSIGN(
        x, Emit(graph, "Slice", name, {x},
                {{"axes", std::vector<int64_t>{1}},
                 {"starts", std::vector{source.offset}},
                 {"ends", std::vector{source.offset + shape.Last()}},
                 {"steps", std::vector<int64_t>{1}}},
                name + ".sliced"));
  }
  if (*StaticShape(graph, x) == shape) return x;
  return EmitReshape(graph, name, x, shape, name + ".tokens");
}

bool AllEqual(const std::vector<float>& values, float value) {
  return std::all_of(values.begin(), values.end(),
                     [value](float v) { return v == value; });
}

}  // namespace

Result<std::optional<AttentionOperand>> TraceOperand(const Graph& graph,
                                                     const OperandView& view,
                                                     std::string* reason) {
  Tracer tracer(graph, view);
  BITTERN_TRY_ASSIGN(*reason, tracer.Trace());
  if (!reason->empty()) return std::optional<AttentionOperand>();
  return std::optional(std::move(tracer.operand()));
}

Result<ValueId> EmitCodes(Graph& graph, const AttentionOperand& operand,
                          const std::string& name) {
  const Shape shape{operand.batch, operand.tokens,
                    operand.heads * operand.head_dim};
  if (operand.codes != kNone) {
    if (*StaticShape(graph, operand.codes) == shape) return operand.codes;
    return EmitReshape(graph, name, operand.codes, shape, name + ".codes");
  }
  const CodeSource& source = operand.source;
  if (!operand.constant.empty()) {
    const ValueId numbers =
        graph.AddF32(name + ".numbers", shape, operand.constant);
    return Emit(
        graph, "Quantize", name,
        {numbers, AddVector(graph, name + ".one", {1.0f})},
        {{"per", std::string("tensor")}, {"lo", source.lo}, {"hi", source.hi}},
        name + ".codes");
  }
  BITTERN_TRY_ASSIGN(const ValueId x,
                     source.by_head ? EmitMerged(graph, operand, shape, name)
                                    : EmitRows(graph, source, shape, name));
  const bool one = AllEqual(source.scale, source.scale[0]) &&
                   AllEqual(source.zero, source.zero[0]);
  const auto add = [&](const char* suffix, std::vector<float> values) {
    if (one) values.resize(1);
    return AddVector(graph, name + suffix, values);
  };
  std::vector<ValueId> inputs = {x, add(".scale", source.scale)};
  if (!AllEqual(source.zero, 0)) inputs.push_back(add(".zero", source.zero));
  AttributeMap attributes = {{"per", std::string(one ? "tensor" : "column")},
                             {"lo", source.lo},
                             {"hi", source.hi}};
  if (source.multiply) attributes["multiply"] = int64_t{1};
  if (source.zero_after && inputs.size() > 2) {
    attributes["zero_after"] = int64_t{1};
  }
  return Emit(graph, "Quantize", name, inputs, attributes, source.name);
}

}  // namespace bittern::convert
