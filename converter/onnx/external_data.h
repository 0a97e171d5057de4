// Tensor bytes kept in files beside the model.
#pragma once

#include <string>

#include "converter/onnx/onnx_proto.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"

namespace bittern::convert {

// Reads exactly `expected_bytes`. The location is a path relative to
// `directory` that may not leave it, also not through a symbolic link; offset
// and length are checked against the real size of the file before allocation.
runtime::Result<runtime::AlignedBuffer> ReadExternalData(
    const onnx::TensorProto& proto, const std::string& what,
    const std::string& directory, size_t expected_bytes);

}  // namespace bittern::convert
