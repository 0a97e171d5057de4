// A buffer with guard bytes on both sides: catches kernels that write outside
// what they were given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bittern::test {

class Guarded {  // owns its memory; movable, not copyable
 public:
  // `bytes` usable bytes at an address that is 64-byte aligned plus `misalign`.
  explicit Guarded(size_t bytes, size_t misalign = 0);
  Guarded(Guarded&&) = default;
  Guarded(const Guarded&) = delete;

  template <class T>
  T* As() {
    return reinterpret_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }
  void Fill(uint8_t value);
  bool Intact() const;  // no guard byte changed

 private:
  std::vector<uint8_t> storage_;
  uint8_t* data_;
  size_t bytes_;
};

}  // namespace bittern::test
