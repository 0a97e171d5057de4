#include "tests/runtime/format/damage.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "runtime/exec/session.h"
#include "runtime/format/header.h"

namespace bittern::test {

using runtime::FileHeader;
using runtime::Model;
using runtime::ModelDef;
using runtime::SectionChecksum;
using runtime::Session;
using runtime::SessionOptions;
using runtime::Shape;

void Reseal(uint8_t* file, size_t size) {
  FileHeader header;
  std::memcpy(&header, file, sizeof(header));
  const std::span<const uint8_t> all(file, size);
  const auto section = [&](uint64_t offset, uint64_t bytes) {
    const uint64_t begin = std::min<uint64_t>(offset, size);
    return all.subspan(begin, std::min<uint64_t>(bytes, size - begin));
  };
  header.metadata_checksum =
      SectionChecksum(section(header.metadata_offset, header.metadata_size));
  header.blobs_checksum = SectionChecksum(section(header.blobs_offset, size));
  std::memcpy(file, &header, sizeof(header));
}

Use RunOnce(const std::shared_ptr<const Model>& model, size_t arena_bytes) {
  SessionOptions options;
  options.arena_limit_bytes = arena_bytes;
  auto created = Session::Create(model, options);
  if (!created.ok()) return Use::kFailed;
  Session& session = *created.value();
  const ModelDef& def = model->def();
  for (size_t i = 0; i < def.inputs.size(); ++i) {
    Shape shape = def.tensors[static_cast<size_t>(def.inputs[i])].type.shape;
    for (size_t d = 0; d < shape.rank(); ++d) {
      shape[d] = shape[d] == -1 ? 1 : shape[d];
    }
    static_cast<void>(
        session.SetInputShape(i, shape).ok());  // a refusal shows in Prepare
  }
  if (!session.Prepare().ok()) return Use::kRefused;
  if (!def.inputs.empty()) {
    const uint8_t pixels[16] = {};
    static_cast<void>(session.SetImage(0, {pixels, 4, 4, 1, 4})
                          .ok());  // the model need not have any preprocessing
  }
  if (session.Run().ok()) return Use::kRan;
  // Only where sizes come from values may a run refuse them.
  return session.staged() != nullptr ? Use::kRefused : Use::kFailed;
}

}  // namespace bittern::test
