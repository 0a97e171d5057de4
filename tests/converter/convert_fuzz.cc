// Fuzz target of the whole conversion: any bytes either give a packed model,
// which the reader accepts and a session runs, or an error of one line that is
// not our own fault (kInternal).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "converter/convert.h"
#include "runtime/format/reader.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/damage.h"

namespace {

using bittern::convert::ConvertOptions;
using bittern::convert::ImportedModel;
namespace rt = bittern::runtime;

constexpr size_t kArenaBytes = size_t{1} << 20;

void CheckMessage(const rt::Error& error) {
  if (error.message.empty() || error.message.find('\n') != std::string::npos ||
      error.code == rt::Code::kInternal) {
    std::fprintf(stderr, "unexpected error: %s\n", error.message.c_str());
    std::abort();
  }
}

// What is packed can be stored, loaded again, and run.
void CheckPacked(const bittern::convert::PackedModel& packed) {
  using bittern::convert::EmbeddedReportJson;
  if (ReportTable(packed.report).empty() || ReportJson(packed.report).empty() ||
      EmbeddedReportJson(packed.report).find('\n') != std::string::npos) {
    std::abort();
  }
  const auto bytes = rt::SerializeModel(packed.def);
  if (!bytes.ok()) return CheckMessage(bytes.error());
  const auto model = rt::ReadModelMemory(bytes.value().data(),
                                         bytes.value().size(), /*copy=*/true);
  if (!model.ok()) {
    std::fprintf(stderr, "the reader refuses what was packed: %s\n",
                 model.error().message.c_str());
    std::abort();
  }
  if (bittern::test::RunOnce(model.value(), kArenaBytes) ==
      bittern::test::Use::kFailed) {
    std::fprintf(stderr, "what was packed does not run\n");
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto imported = bittern::convert::ImportOnnxBytes(data, size, "", {});
  if (!imported.ok()) {
    CheckMessage(imported.error());
    return 0;
  }
  const auto packed = bittern::convert::PackModel(std::move(imported).value(),
                                                  ConvertOptions());
  if (packed.ok()) {
    CheckPacked(packed.value());
  } else {
    CheckMessage(packed.error());
  }
  return 0;
}
