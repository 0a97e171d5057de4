// The ONNX protobuf classes, in the flavour that the distribution builds: the
// macros choose it, so every file includes them through here.
#pragma once

#ifndef ONNX_ML
#define ONNX_ML 1
#endif
#ifndef ONNX_NAMESPACE
#define ONNX_NAMESPACE onnx
#endif
#include <onnx/onnx_pb.h>
