// Shared by the Bi-ViT tests: sessions on every target, fixtures, oracle
// records.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/base/cpu.h"
#include "runtime/cli/npy.h"
#include "runtime/exec/session.h"

namespace bittern::test {

struct Target {
  std::string name;
  kernels::CpuFeatures cpu;
};

// Every target of this CPU whose floats are promised to be the same bits (all
// but scalar and sse4: kernels/README.md), named.
std::vector<Target> ExactTargets();

std::unique_ptr<runtime::Session> MakeSession(
    std::shared_ptr<const runtime::Model> model,
    const kernels::CpuFeatures& cpu, size_t threads, bool keep_intermediates);

cli::NpyArray LoadNpy(const std::string& path);
std::string SourcePath(const std::string& relative);
// Of a session that keeps every tensor.
runtime::TensorView ViewOf(runtime::Session& session, int32_t tensor);
std::string HashOutput(runtime::Session& session, size_t output);

// Compares the trace of the last run of `session` with record `index` of an
// oracle file, entry by entry: every name that the oracle records must be
// there, but "embedding" and "logits", which are floats compared by the caller.
void CheckOracle(runtime::Session& session, const kernels::CpuFeatures& cpu,
                 const std::string& oracle_path, size_t index);

}  // namespace bittern::test
