// Cuts a block of memory into the arrays of a layout. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/bits.h"

namespace bittern::kernels {

// Hands out parts one after the other, each aligned to 64 bytes. Addresses, not
// pointers: data is null when only the size is asked for.
class Parts {
 public:
  explicit Parts(void* data)
      : start_(reinterpret_cast<uintptr_t>(data)), at_(start_) {}
  template <class T>
  void Take(T** part, size_t count) {
    *part = reinterpret_cast<T*>(at_);
    at_ += RoundUp(count * sizeof(T), 64);
  }
  size_t bytes() const { return at_ - start_; }

 private:
  uintptr_t start_, at_;
};

}  // namespace bittern::kernels
