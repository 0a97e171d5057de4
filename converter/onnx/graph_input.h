// The type of a graph input, with its dynamic dimensions settled.
#pragma once

#include "converter/onnx/importer.h"
#include "converter/onnx/onnx_proto.h"

namespace bittern::convert {

// The declared type, or the shape that the options give. A first dimension that
// is dynamic (or declared as 0 or negative, as some exporters do) is a batch of
// one; any other must be given by the options.
Result<TensorType> GraphInputType(const onnx::ValueInfoProto& input,
                                  const ImportOptions& options);

// Whether that type has a batch of one which the file leaves open.
bool HasOpenBatch(const onnx::ValueInfoProto& input,
                  const ImportOptions& options);

}  // namespace bittern::convert
