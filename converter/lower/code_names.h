// Names of tensors in the packed model.
#pragma once

#include "runtime/model/model.h"

namespace bittern::convert {

// Passes call the codes of value "x" "x.codes", since both may exist. Where
// only the codes are left they get the name of the value, which `compare` looks
// for.
void NameCodes(runtime::ModelDef* def);

// Constants are numbered, "#0", "#1"...: nobody asks for them by name, and the
// names that passes make of them took 30 kB of a DeiT's file.
void NameConstants(runtime::ModelDef* def);

}  // namespace bittern::convert
