// Fuzz target of the reader: a file whose checksums are right, whatever else it
// says, is refused with one line, or loads; then it has a plan or not, and one
// that has a plan runs. Checksums are made right here: against them no mutation
// would get any further.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/base/aligned_buffer.h"
#include "runtime/format/header.h"
#include "runtime/format/reader.h"
#include "tests/runtime/format/damage.h"

namespace {

constexpr size_t kArenaBytes = size_t{1} << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace rt = bittern::runtime;
  auto file = rt::AlignedBuffer::Make(size);
  if (!file.ok()) return 0;
  uint8_t* bytes = file.value().data();
  if (size > 0) std::memcpy(bytes, data, size);
  if (size >= sizeof(rt::FileHeader)) bittern::test::Reseal(bytes, size);
  const auto model = rt::ReadModelMemory(bytes, size, /*copy=*/false);
  if (!model.ok()) {
    const std::string& message = model.error().message;
    if (message.empty() || message.find('\n') != std::string::npos) {
      std::fprintf(stderr, "unexpected error: %s\n", message.c_str());
      std::abort();
    }
    return 0;
  }
  if (bittern::test::RunOnce(model.value(), kArenaBytes) ==
      bittern::test::Use::kFailed) {
    std::abort();
  }
  return 0;
}
