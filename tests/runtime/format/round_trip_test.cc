// What is written comes back equal, bit for bit the same each time, from files,
// borrowed and copied memory; golden files keep loading.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "runtime/exec/session.h"
#include "runtime/format/reader.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/fixture.h"

namespace bittern::runtime {
namespace {

const std::string kGolden =
    std::string(BITTERN_SOURCE_DIR) + "/tests/data/golden_v1.bittern";

std::vector<uint8_t> FixtureBytes() {
  test::ModelBuilder builder;
  const auto bytes = SerializeModel(test::TinyClassifier(builder));
  INFO(bytes.error().message);
  REQUIRE(bytes.ok());
  return bytes.value();
}

std::shared_ptr<const Model> Loaded(
    Result<std::shared_ptr<const Model>> model) {
  INFO(model.error().message);
  REQUIRE(model.ok());
  return model.value();
}

void CheckEqual(const ModelDef& a, const ModelDef& b) {
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t t = 0; t < a.tensors.size(); ++t) {
    CHECK(a.tensors[t].name == b.tensors[t].name);
    CHECK(a.tensors[t].type == b.tensors[t].type);
    REQUIRE((a.tensors[t].data == nullptr) == (b.tensors[t].data == nullptr));
    if (a.tensors[t].data == nullptr) continue;
    CHECK(reinterpret_cast<uintptr_t>(b.tensors[t].data) % 64 == 0);
    CHECK(std::memcmp(a.tensors[t].data, b.tensors[t].data,
                      ByteSize(a.tensors[t].type)) == 0);
  }
  REQUIRE(a.ops.size() == b.ops.size());
  for (size_t i = 0; i < a.ops.size(); ++i) {
    CHECK(a.ops[i].op == b.ops[i].op);
    CHECK(a.ops[i].name == b.ops[i].name);
    CHECK(a.ops[i].inputs == b.ops[i].inputs);
    CHECK(a.ops[i].outputs == b.ops[i].outputs);
    CHECK((a.ops[i].attributes == b.ops[i].attributes));
  }
  CHECK(a.inputs == b.inputs);
  CHECK(a.outputs == b.outputs);
  CHECK((a.preprocess == b.preprocess));
  CHECK((a.postprocess == b.postprocess));
  CHECK(a.labels == b.labels);
  CHECK((a.metadata == b.metadata));
}

std::vector<float> Answer(const std::shared_ptr<const Model>& model) {
  auto session = Session::Create(model, {});
  REQUIRE(session.ok());
  REQUIRE(session.value()->SetInputShape(0, {1, 1, 4, 4}).ok());
  const Result<void> prepared = session.value()->Prepare();
  INFO(prepared.error().message);
  REQUIRE(prepared.ok());
  const uint8_t pixels[] = {0,   20,  40, 60, 80, 10, 30, 50, 70, 90,
                            100, 255, 5,  15, 25, 35, 45, 55, 65, 75};
  REQUIRE(session.value()->SetImage(0, {pixels, 5, 4, 1, 5}).ok());
  REQUIRE(session.value()->Run().ok());
  const TensorView y = session.value()->Output(0).value();
  const auto* data = static_cast<const float*>(y.data);
  return {data, data + 3};
}

TEST_CASE("write the golden file", "[.write]") {
  test::ModelBuilder builder;
  REQUIRE(WriteModelFile(test::TinyClassifier(builder), kGolden).ok());
}

TEST_CASE("a file gives back what was written") {
  test::ModelBuilder builder;
  const ModelDef def = test::TinyClassifier(builder);
  const std::string path =
      std::string(BITTERN_BINARY_DIR) + "/round_trip_test.bittern";
  REQUIRE(WriteModelFile(def, path).ok());
  const auto model = Loaded(ReadModelFile(path));
  CheckEqual(def, model->def());
  CHECK(Answer(model) == Answer(builder.Make()));
  std::remove(path.c_str());
  CHECK(Answer(model) ==
        Answer(builder.Make()));  // the mapping outlives the name
}

TEST_CASE("padding and post-processing are stored") {
  test::ModelBuilder builder;
  ModelDef def = test::TinyClassifier(builder);
  def.preprocess[0].resize_shorter = 0;
  def.preprocess[0].pad = true;
  def.postprocess = {0, 0, 0, Postprocess::Scores::kSigmoid,
                     Postprocess::Boxes::kCorners};
  const std::vector<uint8_t> bytes = SerializeModel(def).value();
  CheckEqual(def,
             Loaded(ReadModelMemory(bytes.data(), bytes.size(), true))->def());
}

TEST_CASE("memory is borrowed, copied on request and when it is misaligned") {
  test::ModelBuilder builder;
  const ModelDef def = test::TinyClassifier(builder);
  const std::vector<uint8_t> bytes = SerializeModel(def).value();
  const AlignedBuffer buffer = AlignedBuffer::Make(bytes.size() + 8).value();
  const auto inside = [&](const std::shared_ptr<const Model>& model) {
    const auto* data =
        static_cast<const uint8_t*>(model->def().tensors[1].data);
    return data >= buffer.data() && data < buffer.data() + buffer.bytes();
  };
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  const auto borrowed =
      Loaded(ReadModelMemory(buffer.data(), bytes.size(), false));
  CheckEqual(def, borrowed->def());
  CHECK(inside(borrowed));
  const auto copied =
      Loaded(ReadModelMemory(buffer.data(), bytes.size(), true));
  CHECK_FALSE(inside(copied));
  std::memcpy(buffer.data() + 8, bytes.data(), bytes.size());
  const auto moved =
      Loaded(ReadModelMemory(buffer.data() + 8, bytes.size(), false));
  CHECK_FALSE(inside(moved));
  std::memset(buffer.data(), 0xFF, buffer.bytes());
  CheckEqual(def, copied->def());
  CheckEqual(def, moved->def());
}

TEST_CASE("equal models give equal bytes") {
  CHECK(FixtureBytes() == FixtureBytes());
}

TEST_CASE("what was read is written as the same bytes") {
  const std::vector<uint8_t> bytes = FixtureBytes();
  const auto model = Loaded(ReadModelMemory(bytes.data(), bytes.size(), true));
  CHECK(SerializeModel(model->def()).value() == bytes);
}

TEST_CASE(
    "the golden file of version 1 loads, runs and is what this version "
    "writes") {
  const auto model = Loaded(ReadModelFile(kGolden));
  test::ModelBuilder builder;
  CheckEqual(test::TinyClassifier(builder), model->def());
  CHECK(Answer(model) == Answer(builder.Make()));
  std::ifstream file(kGolden, std::ios::binary);
  const std::vector<uint8_t> golden{std::istreambuf_iterator<char>(file), {}};
  CHECK(golden == FixtureBytes());
  CHECK(golden.size() <= 8192);
}

TEST_CASE("constants without elements and models without constants") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {1, 1});
  const int32_t none = b.Constant<int64_t>("none", {DType::kI64, {0}, {}}, {});
  b.Output(b.Op("Reshape", "y", {x, none}), runtime::Shape{});
  const std::vector<uint8_t> bytes = SerializeModel(b.def).value();
  CheckEqual(b.def,
             Loaded(ReadModelMemory(bytes.data(), bytes.size(), true))->def());

  test::ModelBuilder plain;
  plain.Output(plain.Op("Relu", "y", {plain.Input("x", {2})}), {2});
  const std::vector<uint8_t> small = SerializeModel(plain.def).value();
  CheckEqual(plain.def,
             Loaded(ReadModelMemory(small.data(), small.size(), true))->def());
}

}  // namespace
}  // namespace bittern::runtime
