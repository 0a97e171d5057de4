#include "runtime/model/model.h"

#include <sys/mman.h>
#include <unistd.h>

namespace bittern::runtime {

const Preprocess* FindPreprocess(const ModelDef& def, size_t input) {
  for (const Preprocess& p : def.preprocess) {
    if (static_cast<size_t>(p.input) == input) return &p;
  }
  return nullptr;
}

Result<std::shared_ptr<const Model>> Model::Make(ModelDef def,
                                                 Storage storage) {
  BITTERN_TRY(VerifyModel(def));
  return std::shared_ptr<const Model>(
      new Model(std::move(def), std::move(storage)));
}

Result<std::shared_ptr<const AlignedBuffer>> Model::Packed(
    int32_t tensor, std::string_view layout, size_t bytes,
    const std::function<void(void*)>& fill) const {
  const TensorDef& constant = def_.tensors[static_cast<size_t>(tensor)];
  // Held while packing: a second session waits for the first one's tiles
  // instead of making its own.
  const std::lock_guard<std::mutex> lock(mutex_);
  std::weak_ptr<const AlignedBuffer>& slot =
      packed_[{tensor, std::string(layout)}];
  if (std::shared_ptr<const AlignedBuffer> shared = slot.lock()) {
    if (shared->bytes() == bytes) return shared;
    return Internal("packed weights of tensor '" + constant.name +
                    "' in layout " + std::string(layout) + ": asked for " +
                    std::to_string(bytes) + " bytes, expected " +
                    std::to_string(shared->bytes()));
  }
  BITTERN_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::Make(bytes));
  fill(buffer.data());
  auto shared = std::make_shared<const AlignedBuffer>(std::move(buffer));
  slot = shared;
  ReleaseCanonical(constant);
  return shared;
}

// Drops the whole pages inside the tensor's bytes. They come back from the file
// if anything reads them again.
void Model::ReleaseCanonical(const TensorDef& tensor) const {
  if (storage_.mapping == nullptr || tensor.data == nullptr) return;
  const auto mapping = reinterpret_cast<uintptr_t>(storage_.mapping);
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data);
  const uintptr_t end = begin + ByteSize(tensor.type);
  if (begin < mapping || end > mapping + storage_.mapping_bytes) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = end / page * page;
  // Advice only: a failure costs memory, not correctness.
  if (first < last)
    static_cast<void>(
        madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED));
}

}  // namespace bittern::runtime
