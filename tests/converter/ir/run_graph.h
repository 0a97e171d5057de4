// Runs a converter graph as the product does: as a model, in a session.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "converter/ir/graph.h"
#include "runtime/model/model.h"

namespace bittern::test {

struct Array {  // a dense tensor that owns its bytes
  std::string name;
  runtime::TensorType type;
  std::vector<uint8_t> bytes;

  template <class T>
  std::vector<T> As() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

// `inputs` in the order of the graph's; outputs in that of the graph's.
runtime::Result<std::vector<Array>> RunGraph(const convert::Graph& graph,
                                             const std::vector<Array>& inputs);

runtime::Result<std::vector<Array>> RunModel(
    std::shared_ptr<const runtime::Model> model,
    const std::vector<Array>& inputs);

template <class T>
Array MakeArray(runtime::DType dtype, const runtime::Shape& shape,
                const std::vector<T>& values) {
  Array array{"", {dtype, shape, {}}, {}};
  array.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) {
    std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  }
  return array;
}

}  // namespace bittern::test
