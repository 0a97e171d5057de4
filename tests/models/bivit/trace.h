// What a packed Bi-ViT computed, layer by layer, under the names of the numpy
// oracle (models/bivit/oracle.py): hashes of the codes and of the integer
// accumulators of every linear layer and both attention products.
#pragma once

#include <map>
#include <string>

#include "runtime/exec/session.h"

namespace bittern::test {

// XXH3-64 in hexadecimal, as the oracle prints it.
std::string HashHex(const void* data, size_t bytes);
// Of sign codes of one group a row, as int8.
std::string HashSigns(const runtime::TensorView& view);

// Reads the tensors of the last run of `session` (which keeps intermediates)
// and recomputes the accumulators from them, with the GEMM kernel that `cpu`
// selects and the attention reference. Keys: "block0.qkv.codes",
// "block0.qkv.acc", ... see oracle.py.
std::map<std::string, std::string> TraceBivit(runtime::Session& session,
                                              const kernels::CpuFeatures& cpu);

}  // namespace bittern::test
