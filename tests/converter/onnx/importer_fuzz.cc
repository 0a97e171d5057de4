// Fuzz target of the importer: any bytes either import or give an error of one
// line. replay_main.cc runs it over the committed corpus as a plain test.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "converter/onnx/importer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto imported = bittern::convert::ImportOnnxBytes(data, size, "", {});
  if (imported.ok()) return 0;
  const std::string& message = imported.error().message;
  if (message.empty() || message.find('\n') != std::string::npos) std::abort();
  return 0;
}
