// DeiT-Tiny at 224x224 (calibrated weights, non-zero zero points, exact zeros):
// codes and accumulators of every layer equal the numpy oracle's, bit for bit,
// on every target and thread count. The packed model and the oracle's record
// are made by tests/data/make_deit_tiny.sh.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "runtime/format/reader.h"
#include "tests/models/bivit/support.h"

namespace bittern::test {
namespace {

const char kModel[] = "tests/data/deit_tiny.bittern";

std::shared_ptr<const runtime::Model> LoadModel() {
  auto model = runtime::ReadModelFile(SourcePath(kModel));
  INFO(model.error().message);
  REQUIRE(model.ok());
  return std::move(model).value();
}

void SetInput(runtime::Session& session) {
  const auto input = LoadNpy(SourcePath("tests/data/deit_tiny_input.npy"));
  auto view = session.Input(0);
  REQUIRE(view.ok());
  REQUIRE(ByteSize(*view.value().type) == input.bytes.size());
  std::memcpy(view.value().data, input.bytes.data(), input.bytes.size());
}

}  // namespace

TEST_CASE("deit_tiny: packed size") {
  CHECK(std::filesystem::file_size(SourcePath(kModel)) <= 3'200'000);
}

TEST_CASE(
    "deit_tiny: codes and accumulators of every layer equal the oracle's on "
    "every target") {
  const auto model = LoadModel();
  for (const Target& target : ExactTargets()) {
    INFO(target.name);
    const auto session = MakeSession(model, target.cpu, 1, true);
    SetInput(*session);
    REQUIRE(session->Run().ok());
    CheckOracle(*session, target.cpu,
                SourcePath("tests/data/deit_tiny_oracle.json"), 0);
  }
}

TEST_CASE(
    "deit_tiny: outputs are the same bits for every thread count and memory "
    "plan") {
  const auto model = LoadModel();
  std::string expected;
  for (size_t threads : {size_t{1}, size_t{2}, size_t{3}, size_t{5}}) {
    for (bool keep : {false, true}) {
      const auto session =
          MakeSession(model, kernels::DetectCpu(), threads, keep);
      SetInput(*session);
      REQUIRE(session->Run().ok());
      const std::string first = HashOutput(*session, 0);
      REQUIRE(session->Run().ok());
      CHECK(HashOutput(*session, 0) ==
            first);  // a second run sees no leftovers
      if (expected.empty()) expected = first;
      CHECK(first == expected);
    }
  }
}

}  // namespace bittern::test
