#include "tests/models/bivit/support.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/models/bivit/trace.h"

namespace bittern::test {

std::vector<Target> ExactTargets() {
  std::vector<Target> targets;
  for (std::string_view name : kernels::TargetNames()) {
    kernels::CpuFeatures cpu;
    if (name != "scalar" && name != "sse4" &&
        kernels::CapCpu(kernels::DetectCpu(), name, &cpu)) {
      targets.push_back({std::string(name), cpu});
    }
  }
  return targets;
}

std::unique_ptr<runtime::Session> MakeSession(
    std::shared_ptr<const runtime::Model> model,
    const kernels::CpuFeatures& cpu, size_t threads, bool keep_intermediates) {
  runtime::SessionOptions options;
  options.cpu = cpu;
  options.threads = threads;
  options.keep_intermediates = keep_intermediates;
  auto session = runtime::Session::Create(std::move(model), options);
  REQUIRE(session.ok());
  auto prepared = session.value()->Prepare();
  INFO(prepared.error().message);
  REQUIRE(prepared.ok());
  return std::move(session).value();
}

cli::NpyArray LoadNpy(const std::string& path) {
  auto array = cli::ReadNpy(path);
  INFO(path);
  REQUIRE(array.ok());
  return std::move(array).value();
}

std::string SourcePath(const std::string& relative) {
  return std::string(BITTERN_SOURCE_DIR) + "/" + relative;
}

runtime::TensorView ViewOf(runtime::Session& session, int32_t tensor) {
  const auto found = session.Tensor(
      session.model().def().tensors[static_cast<size_t>(tensor)].name);
  REQUIRE(found.ok());
  return found.value();
}

std::string HashOutput(runtime::Session& session, size_t output) {
  auto view = session.Output(output);
  REQUIRE(view.ok());
  return HashHex(view.value().data, ByteSize(*view.value().type));
}

void CheckOracle(runtime::Session& session, const kernels::CpuFeatures& cpu,
                 const std::string& oracle_path, size_t index) {
  std::ifstream file(oracle_path);
  REQUIRE(file);
  const auto records = nlohmann::json::parse(file);
  REQUIRE(index < records.size());
  const auto trace = TraceBivit(session, cpu);
  size_t compared = 0;
  for (const auto& [name, hash] : records[index]["hashes"].items()) {
    if (name == "embedding" || name == "logits") continue;
    INFO(name);
    const auto found = trace.find(name);
    REQUIRE(found != trace.end());
    CHECK(found->second == hash.get<std::string>());
    ++compared;
  }
  CHECK(compared == trace.size());
  CHECK(compared >= 16);  // at least one whole block
  CHECK(HashOutput(session, 0) ==
        records[index]["hashes"]["logits"].get<std::string>());
}

}  // namespace bittern::test
