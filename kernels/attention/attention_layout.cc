// Sizes and views of the prepared blocks.
#include "kernels/attention/attention_layout.h"

namespace bittern::kernels {
namespace {

LaneMatrix Dimensions(size_t rows, size_t length) {
  return {nullptr,
          nullptr,
          nullptr,
          nullptr,
          CeilDiv(rows, kLaneBlock),
          CeilDiv(length, 32),
          false};
}

size_t MatrixWords(const LaneMatrix& m) {
  return 2 * m.plane() + 2 * m.lanes();
}

LaneMatrix ViewMatrix(uint32_t* data, LaneMatrix m) {
  m.sign = data;
  m.valid = m.sign + m.plane();
  m.base = reinterpret_cast<int32_t*>(m.valid + m.plane());
  m.full = m.base + m.lanes();
  return m;
}

}  // namespace

size_t AttentionBlockBytes(size_t keys, size_t head_dim) noexcept {
  return (MatrixWords(Dimensions(keys, head_dim)) +
          MatrixWords(Dimensions(head_dim, keys)) + kLaneBlock) *
         sizeof(uint32_t);
}

AttentionBlock ViewAttentionBlock(void* data, size_t keys,
                                  size_t head_dim) noexcept {
  auto* words = static_cast<uint32_t*>(data);
  const LaneMatrix k = Dimensions(keys, head_dim),
                   v = Dimensions(head_dim, keys);
  uint32_t* v_words = words + MatrixWords(k);
  return {ViewMatrix(words, k), ViewMatrix(v_words, v),
          reinterpret_cast<int32_t*>(v_words + MatrixWords(v))};
}

}  // namespace bittern::kernels
