// TensorProto -> constant, for every storage form ONNX has had: typed fields,
// raw bytes, packed 2- and 4-bit integers and external files.
//
// Element types map onto the runtime's: FLOAT16, BFLOAT16 and DOUBLE to f32;
// INT16 and UINT16 to i32; UINT32 and UINT64 to i64; 2- and 4-bit integers to
// one code a byte (s8, u8). Nothing is allocated before the size that the
// dimensions ask for has been compared with the bytes that are there.
#pragma once

#include <string>

#include "converter/ir/graph.h"
#include "converter/onnx/onnx_proto.h"

namespace bittern::convert {

struct ImportedTensor {
  TensorType type;
  ConstantData data;
};

// Newer element types than the installed onnx knows by name (onnx.proto).
inline constexpr int32_t kOnnxUint4 = 21;
inline constexpr int32_t kOnnxInt4 = 22;
inline constexpr int32_t kOnnxUint2 = 25;
inline constexpr int32_t kOnnxInt2 = 26;

// The runtime type that stands for an ONNX element type; an error if none does.
Result<runtime::DType> DTypeOf(int32_t onnx_type);
// "FLOAT", "INT4", "type 99".
std::string OnnxTypeName(int32_t onnx_type);

// `what` names the tensor in errors: "initializer 'w'". External data lies
// under `directory`; an empty one refuses it.
Result<ImportedTensor> ReadTensor(const onnx::TensorProto& proto,
                                  const std::string& what,
                                  const std::string& directory);

}  // namespace bittern::convert
