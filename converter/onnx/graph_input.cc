// Declared shapes of graph inputs: symbolic, missing, hostile.
#include "converter/onnx/graph_input.h"

#include "converter/onnx/emitter.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::InvalidArgument;
using runtime::Unsupported;
using Dimension = onnx::TensorShapeProto::Dimension;

std::string Describe(const Dimension& dim) {
  if (dim.has_dim_value()) return std::to_string(dim.dim_value());
  if (dim.has_dim_param() && !dim.dim_param().empty()) {
    return "'" + dim.dim_param().substr(0, 40) + "'";
  }
  return "unknown";
}

bool IsSize(const Dimension& dim) {
  return dim.has_dim_value() && dim.dim_value() > 0;
}

// The option that would say what is missing; open sizes are those of a usual
// image, or of a list.
std::string ShapeOption(const std::string& name,
                        const onnx::TensorShapeProto& declared) {
  std::string text = "--shape " + name + "=";
  for (int i = 0; i < declared.dim_size(); ++i) {
    const bool side = declared.dim_size() == 4 && i >= 2;
    const int64_t size = i == 0 ? 1 : side ? 224 : 128;
    text += (i == 0 ? "" : ",") +
            std::to_string(IsSize(declared.dim(i)) ? declared.dim(i).dim_value()
                                                   : size);
  }
  return text;
}

Result<Shape> DeclaredShape(const onnx::TypeProto::Tensor& type,
                            const std::string& name) {
  if (!type.has_shape()) {
    return InvalidArgument("input '" + name +
                           "' has no shape, expected one: give --shape " +
                           name + "=..., for example " + name + "=1,3,224,224");
  }
  const onnx::TensorShapeProto& declared = type.shape();
  if (declared.dim_size() > static_cast<int>(runtime::kMaxRank)) {
    return Unsupported(
        "input '" + name + "' has " + std::to_string(declared.dim_size()) +
        " dimensions, expected at most " + std::to_string(runtime::kMaxRank));
  }
  Shape shape;
  for (int i = 0; i < declared.dim_size(); ++i) {
    const Dimension& dim = declared.dim(i);
    if (IsSize(dim)) {
      shape.Append(dim.dim_value());
    } else if (i == 0) {
      shape.Append(1);
    } else {
      return InvalidArgument(
          "dimension " + std::to_string(i) + " of input '" + name + "' is " +
          Describe(dim) + ", expected a size: give all of them, for example " +
          ShapeOption(name, declared));
    }
  }
  return shape;
}

}  // namespace

Result<TensorType> GraphInputType(const onnx::ValueInfoProto& input,
                                  const ImportOptions& options) {
  const std::string& name = input.name();
  if (!input.type().has_tensor_type()) {
    return Unsupported("input '" + name +
                       "' is not a tensor (a sequence, map or optional), "
                       "expected a tensor");
  }
  const onnx::TypeProto::Tensor& declared = input.type().tensor_type();
  const Result<runtime::DType> dtype = DTypeOf(declared.elem_type());
  if (!dtype.ok()) {
    return Unsupported("input '" + name + "': " + dtype.error().message);
  }
  TensorType type{dtype.value(), {}, {}};
  const auto given = options.shapes.find(name);
  if (given != options.shapes.end()) {
    type.shape = given->second;
  } else {
    BITTERN_TRY_ASSIGN(type.shape, DeclaredShape(declared, name));
  }
  BITTERN_TRY(CheckValueSize(type, "input '" + name + "'"));
  return type;
}

bool HasOpenBatch(const onnx::ValueInfoProto& input,
                  const ImportOptions& options) {
  const onnx::TensorShapeProto& declared = input.type().tensor_type().shape();
  return options.shapes.count(input.name()) == 0 && declared.dim_size() > 0 &&
         !IsSize(declared.dim(0));
}

}  // namespace bittern::convert
