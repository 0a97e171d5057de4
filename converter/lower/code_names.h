// Names of code tensors in the packed model.
#pragma once

#include "runtime/model/model.h"

namespace bittern::convert {

// Passes call the codes of value "x" "x.codes", since both may exist. Where
// only the codes are left they get the name of the value, which `compare` looks
// for.
void NameCodes(runtime::ModelDef* def);

}  // namespace bittern::convert
