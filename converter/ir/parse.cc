// Reads the text form: a cursor over one line at a time, one function per kind
// of line.
#include "converter/ir/parse.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "converter/ir/cursor.h"
#include "kernels/base/code_matrix.h"

namespace bittern::convert {
namespace {

using runtime::AlignedBuffer;
using runtime::DType;
using runtime::Encoding;
using runtime::InvalidArgument;

constexpr std::pair<const char*, DType> kDTypes[] = {
    {"f32", DType::kF32}, {"i32", DType::kI32}, {"i64", DType::kI64},
    {"u8", DType::kU8},   {"s8", DType::kS8},   {"bool", DType::kBool}};

Result<Shape> ReadShape(Cursor& cursor) {
  BITTERN_TRY(cursor.Expect("["));
  Shape shape;
  if (cursor.Accept("]")) return shape;
  do {
    int64_t dim = -1;
    if (!cursor.Accept("?")) {
      BITTERN_TRY_ASSIGN(const Number number, cursor.ReadNumber());
      if (!number.is_integer || number.integer < 0) {
        return cursor.Fail("a dimension");
      }
      dim = number.integer;
    }
    if (shape.rank() == runtime::kMaxRank) return cursor.Fail("']'");
    shape.Append(dim);
  } while (cursor.Accept(","));
  BITTERN_TRY(cursor.Expect("]"));
  return shape;
}

Result<TensorType> ReadType(Cursor& cursor) {
  TensorType type;
  for (const auto& [name, dtype] : kDTypes) {
    if (!cursor.AcceptWord(name)) continue;
    type.dtype = dtype;
    BITTERN_TRY_ASSIGN(type.shape, ReadShape(cursor));
    return type;
  }
  const Cursor start = cursor;
  BITTERN_TRY_ASSIGN(const std::string word,
                     cursor.ReadWord("a type such as f32[1,4]"));
  const auto code = runtime::CodeTypeNamed(word);
  if (!code) return start.Fail("a type such as f32[1,4]");
  type.dtype = DType::kCode;
  type.code = *code;
  BITTERN_TRY_ASSIGN(type.shape, ReadShape(cursor));
  if (code->encoding == Encoding::kSign && cursor.Accept("/")) {
    BITTERN_TRY_ASSIGN(const Number group, cursor.ReadNumber());
    type.code.group = group.integer;
  }
  return type;
}

// The generator of tests/support/random.h would be a dependency on tests; this
// is the same well-known splitmix64.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  double Normal() {  // a sum of 12 uniforms
    double sum = -6;
    for (int i = 0; i < 12; ++i) {
      sum += static_cast<double>(Next() >> 11) * 0x1p-53;
    }
    return sum;
  }
  double Sign() { return (Next() >> 63) != 0 ? 1.0 : -1.0; }

 private:
  uint64_t state_;
};

Number RealNumber(double value) {
  return {value, static_cast<int64_t>(value), false};
}

// `normal(seed=3, scale=0.5)`, `pm1(...)`: the word is already read.
Result<std::vector<Number>> Generate(Cursor& cursor, bool normal,
                                     size_t count) {
  BITTERN_TRY(cursor.Expect("("));
  BITTERN_TRY(cursor.Expect("seed="));
  BITTERN_TRY_ASSIGN(const Number seed, cursor.ReadNumber());
  double scale = 1;
  if (cursor.Accept(",")) {
    BITTERN_TRY(cursor.Expect("scale="));
    BITTERN_TRY_ASSIGN(const Number number, cursor.ReadNumber());
    scale = number.real;
  }
  BITTERN_TRY(cursor.Expect(")"));
  Generator generator(static_cast<uint64_t>(seed.integer));
  std::vector<Number> numbers;
  numbers.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const double value = normal ? generator.Normal() : generator.Sign();
    numbers.push_back(RealNumber(value * scale));
  }
  return numbers;
}

Result<std::vector<Number>> ReadValues(Cursor& cursor, size_t count) {
  if (cursor.AcceptWord("normal")) return Generate(cursor, true, count);
  if (cursor.AcceptWord("pm1")) return Generate(cursor, false, count);
  if (cursor.AcceptWord("fill")) {
    BITTERN_TRY(cursor.Expect("("));
    BITTERN_TRY_ASSIGN(const Number number, cursor.ReadNumber());
    BITTERN_TRY(cursor.Expect(")"));
    return std::vector<Number>(count, number);
  }
  if (!cursor.PeekIs('{')) {
    return cursor.Fail("{values}, normal(...), pm1(...) or fill(...)");
  }
  BITTERN_TRY_ASSIGN(std::vector<Number> numbers, cursor.ReadNumbers("{", "}"));
  if (numbers.size() != count) {
    return cursor.Fail(std::to_string(count) + " values, got " +
                       std::to_string(numbers.size()));
  }
  return numbers;
}

// Codes are written as the values they stand for.
void StoreCodes(const TensorType& type, const std::vector<Number>& numbers,
                uint8_t* data) {
  const auto cols = static_cast<size_t>(type.shape.Last());
  const kernels::Operand operand = runtime::OperandOf(type.code);
  const kernels::ValueRange range = kernels::RangeOf(operand);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double number = numbers[i].real;
    const double value =
        number == number ? std::clamp<double>(number, range.lo, range.hi) : 0;
    kernels::PutValue(data, operand, cols, i / cols, i % cols,
                      static_cast<int32_t>(value));
  }
}

template <class T>
void Store(const std::vector<Number>& numbers, uint8_t* data) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    T value;
    if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(numbers[i].real);
    } else {
      value = static_cast<T>(numbers[i].integer);
    }
    std::memcpy(data + i * sizeof(T), &value, sizeof(T));
  }
}

Result<ConstantData> ReadConstant(Cursor& cursor, const TensorType& type) {
  constexpr int64_t kMaxElements = int64_t{1} << 26;
  const Result<int64_t> elements = runtime::CheckedElements(type.shape);
  if (!elements.ok() || elements.value() > kMaxElements ||
      (type.dtype == DType::kCode &&
       !runtime::IsWeightEncoding(type.code.encoding))) {
    return cursor.Fail("a storable constant of at most 2^26 elements");
  }
  const auto count = static_cast<size_t>(elements.value());
  BITTERN_TRY_ASSIGN(const std::vector<Number> numbers,
                     ReadValues(cursor, count));
  const size_t bytes = std::max<size_t>(runtime::ByteSize(type), 1);
  BITTERN_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::Make(bytes));
  switch (type.dtype) {
    case DType::kF32:
      Store<float>(numbers, buffer.data());
      break;
    case DType::kI32:
      Store<int32_t>(numbers, buffer.data());
      break;
    case DType::kI64:
      Store<int64_t>(numbers, buffer.data());
      break;
    case DType::kU8:
    case DType::kBool:
      Store<uint8_t>(numbers, buffer.data());
      break;
    case DType::kS8:
      Store<int8_t>(numbers, buffer.data());
      break;
    case DType::kCode:
      StoreCodes(type, numbers, buffer.data());
      break;
  }
  return ConstantData(std::make_shared<const AlignedBuffer>(std::move(buffer)));
}

Result<AttributeValue> ReadAttribute(Cursor& cursor) {
  if (cursor.PeekIs('"')) {
    BITTERN_TRY_ASSIGN(std::string text, cursor.ReadQuoted());
    return AttributeValue(std::move(text));
  }
  const bool empty_floats = cursor.Accept("f[");
  if (empty_floats) {
    BITTERN_TRY(cursor.Expect("]"));
    return AttributeValue(std::vector<float>());
  }
  if (!cursor.PeekIs('[')) {
    BITTERN_TRY_ASSIGN(const Number number, cursor.ReadNumber());
    if (number.is_integer) return AttributeValue(number.integer);
    return AttributeValue(static_cast<float>(number.real));
  }
  BITTERN_TRY_ASSIGN(const std::vector<Number> numbers,
                     cursor.ReadNumbers("[", "]"));
  bool all_integers = true;
  for (const Number& number : numbers) all_integers &= number.is_integer;
  if (all_integers) {
    std::vector<int64_t> ints;
    for (const Number& number : numbers) ints.push_back(number.integer);
    return AttributeValue(std::move(ints));
  }
  std::vector<float> floats;
  for (const Number& number : numbers) {
    floats.push_back(static_cast<float>(number.real));
  }
  return AttributeValue(std::move(floats));
}

class Parser {
 public:
  Result<void> ParseLine(Cursor cursor) {
    if (cursor.AtEnd()) return {};
    if (cursor.AcceptWord("input")) {
      BITTERN_TRY_ASSIGN(const ValueId id, ReadNewValue(cursor, true));
      graph_.inputs.push_back(id);
    } else if (cursor.AcceptWord("const")) {
      BITTERN_TRY_ASSIGN(const ValueId id, ReadNewValue(cursor, true));
      BITTERN_TRY(cursor.Expect("="));
      BITTERN_TRY_ASSIGN(graph_.value(id).constant,
                         ReadConstant(cursor, *graph_.value(id).type));
    } else if (cursor.AcceptWord("output")) {
      BITTERN_TRY_ASSIGN(const ValueId id, ReadKnownValue(cursor));
      graph_.outputs.push_back(id);
      std::string name = graph_.value(id).name;
      if (cursor.AcceptWord("as")) {
        BITTERN_TRY_ASSIGN(name, cursor.ReadQuoted());
      }
      graph_.output_names.push_back(name);
    } else {
      BITTERN_TRY(ParseNode(cursor));
    }
    if (!cursor.AtEnd()) return cursor.Fail("the end of the line");
    return {};
  }
  Graph Finish() { return std::move(graph_); }

 private:
  Result<ValueId> ReadNewValue(Cursor& cursor, bool needs_type) {
    BITTERN_TRY_ASSIGN(std::string name, cursor.ReadValueName());
    if (ids_.count(name) != 0) return cursor.Fail("a new name, got " + name);
    std::optional<TensorType> type;
    if (needs_type || cursor.PeekIs(':')) {
      BITTERN_TRY(cursor.Expect(":"));
      BITTERN_TRY_ASSIGN(type, ReadType(cursor));
    }
    const ValueId id = graph_.AddValue(name, type);
    ids_.emplace(std::move(name), id);
    return id;
  }

  Result<ValueId> ReadKnownValue(Cursor& cursor) {
    BITTERN_TRY_ASSIGN(const std::string name, cursor.ReadValueName());
    const auto found = ids_.find(name);
    if (found == ids_.end()) {
      return cursor.Fail("a value made above, got %" + name);
    }
    return found->second;
  }

  // %y: type, _ = Op(%x, _) name="..." attribute=value
  Result<void> ParseNode(Cursor& cursor) {
    std::vector<ValueId> outputs;
    do {
      if (cursor.AcceptWord("_")) {
        outputs.push_back(kNone);
        continue;
      }
      BITTERN_TRY_ASSIGN(const ValueId id, ReadNewValue(cursor, false));
      outputs.push_back(id);
    } while (cursor.Accept(","));
    BITTERN_TRY(cursor.Expect("="));
    BITTERN_TRY_ASSIGN(std::string op, cursor.ReadWord("an operator"));
    BITTERN_TRY(cursor.Expect("("));
    std::vector<ValueId> inputs;
    if (!cursor.Accept(")")) {
      do {
        if (cursor.AcceptWord("_")) {
          inputs.push_back(kNone);
          continue;
        }
        BITTERN_TRY_ASSIGN(const ValueId id, ReadKnownValue(cursor));
        inputs.push_back(id);
      } while (cursor.Accept(","));
      BITTERN_TRY(cursor.Expect(")"));
    }
    std::string name;
    AttributeMap attributes;
    while (!cursor.AtEnd()) {
      BITTERN_TRY_ASSIGN(std::string key, cursor.ReadWord("an attribute"));
      BITTERN_TRY(cursor.Expect("="));
      if (key == "name") {
        BITTERN_TRY_ASSIGN(name, cursor.ReadQuoted());
        continue;
      }
      BITTERN_TRY_ASSIGN(AttributeValue value, ReadAttribute(cursor));
      attributes.insert_or_assign(std::move(key), std::move(value));
    }
    graph_.AddNode(std::move(op), std::move(name), std::move(inputs),
                   std::move(outputs), std::move(attributes));
    return {};
  }

  Graph graph_;
  std::map<std::string, ValueId, std::less<>> ids_;
};

// The line without its comment; a # inside a quoted string does not count.
std::string_view WithoutComment(std::string_view line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && quoted) {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '#' && !quoted) {
      return line.substr(0, i);
    }
  }
  return line;
}

}  // namespace

Result<Graph> ParseGraph(std::string_view text) {
  Parser parser;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    BITTERN_TRY(parser.ParseLine(Cursor(WithoutComment(line), ++number)));
  }
  return parser.Finish();
}

}  // namespace bittern::convert
