// Renames "x.codes" to "x" where no tensor "x" is left, and numbers constants.
#include "converter/lower/code_names.h"

#include <unordered_set>

namespace bittern::convert {

void NameCodes(runtime::ModelDef* def) {
  constexpr std::string_view kSuffix = ".codes";
  std::unordered_set<std::string> names;
  for (const runtime::TensorDef& tensor : def->tensors) {
    names.insert(tensor.name);
  }
  for (runtime::TensorDef& tensor : def->tensors) {
    if (tensor.type.dtype != runtime::DType::kCode ||
        !tensor.name.ends_with(kSuffix)) {
      continue;
    }
    const std::string value =
        tensor.name.substr(0, tensor.name.size() - kSuffix.size());
    if (names.insert(value).second) tensor.name = value;
  }
}

void NameConstants(runtime::ModelDef* def) {
  std::unordered_set<std::string> names;
  for (const runtime::TensorDef& tensor : def->tensors) {
    if (tensor.data == nullptr) names.insert(tensor.name);
  }
  size_t next = 0;
  for (runtime::TensorDef& tensor : def->tensors) {
    if (tensor.data == nullptr) continue;
    do {
      tensor.name = '#' + std::to_string(next++);
    } while (!names.insert(tensor.name).second);
  }
}

}  // namespace bittern::convert
