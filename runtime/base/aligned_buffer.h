// A block of bytes aligned to 64, zero-initialised. Owns its memory; movable.
// Large blocks take pages only when they are touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "runtime/base/result.h"

namespace bittern::runtime {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  static Result<AlignedBuffer> Make(size_t bytes) {
    constexpr size_t kAlign = 64;
    AlignedBuffer buffer;
    if (bytes == 0) return buffer;
    if (bytes > SIZE_MAX - 2 * kAlign)
      return OutOfMemory("memory: cannot allocate " + std::to_string(bytes) +
                         " bytes");
    const size_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
    buffer.block_.reset(std::calloc(1, rounded + kAlign));
    if (buffer.block_ == nullptr)
      return OutOfMemory("memory: cannot allocate " + std::to_string(bytes) +
                         " bytes");
    const auto address = reinterpret_cast<uintptr_t>(buffer.block_.get());
    buffer.data_ = static_cast<uint8_t*>(buffer.block_.get()) +
                   (kAlign - address % kAlign) % kAlign;
    buffer.bytes_ = bytes;
    return buffer;
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    block_ = std::move(other.block_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  uint8_t* data() const { return data_; }  // null if empty
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> block_;
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace bittern::runtime
