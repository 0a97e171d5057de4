// The trained POEM networks (1-bit PointNet, DGCNN, PointNet++) from ONNX to
// answers: PyTorch's on the committed clouds; the codes that every 1-bit layer
// reads, the sampled and neighbouring points and the logits those of the numpy
// oracle bit for bit, on every target and thread count.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/models/bivit/support.h"
#include "tests/models/bivit/trace.h"
#include "tests/models/digits.h"

namespace bittern::test {
namespace {

constexpr size_t kPoints = 1024, kCoordinates = 3 * kPoints, kClasses = 8;

struct Network {
  std::string name;
  size_t clouds;  // of the 160 committed ones, so that checked builds end soon
  size_t layers;  // of 1 bit
  std::map<std::string, size_t> ops;  // that must be there
};

cli::NpyArray Clouds() {
  return LoadNpy(SourcePath("models/poem/solids_points.npy"));
}

void SetCloud(runtime::Session& session, const cli::NpyArray& clouds,
              size_t index) {
  auto input = session.Input(0);
  REQUIRE(input.ok());
  auto* to = static_cast<float*>(
      const_cast<void*>(static_cast<const void*>(input.value().data)));
  for (size_t i = 0; i < kCoordinates; ++i) {
    int16_t stored;
    std::memcpy(&stored, clouds.bytes.data() + 2 * (index * kCoordinates + i),
                2);
    to[i] = static_cast<float>(stored) / 16384;
  }
}

std::vector<uint8_t> CloudAnswers(const Digits& network,
                                  const cli::NpyArray& clouds, size_t count) {
  const auto session =
      MakeSession(network.model, kernels::DetectCpu(), 1, false);
  std::vector<uint8_t> answers;
  for (size_t i = 0; i < count; ++i) {
    SetCloud(*session, clouds, i);
    REQUIRE(session->Run().ok());
    const auto* scores =
        static_cast<const float*>(session->Output(0).value().data);
    answers.push_back(static_cast<uint8_t>(
        std::max_element(scores, scores + kClasses) - scores));
  }
  return answers;
}

// What the oracle records, of a session that keeps every tensor.
nlohmann::json Trace(runtime::Session& session) {
  const runtime::ModelDef& def = session.model().def();
  const auto view = [&](int32_t tensor) { return ViewOf(session, tensor); };
  nlohmann::json trace;
  size_t layers = 0, samples = 0;
  for (const runtime::OpDef& op : def.ops) {
    if (op.op == "LowBitConv" || op.op == "LowBitLinear") {
      trace["codes" + std::to_string(layers++)] = HashSigns(view(op.inputs[0]));
    } else if (op.op == "KnnGraph" || op.op == "BallQuery" ||
               op.op == "FarthestPointSample") {
      const runtime::TensorView indices = view(op.outputs[0]);
      trace["indices" + std::to_string(samples++)] =
          HashHex(indices.data, ByteSize(*indices.type));
    }
  }
  trace["logits"] = HashOutput(session, 0);
  return trace;
}

void CheckNetwork(const Network& network) {
  const std::string path = "models/poem/" + network.name;
  const auto clouds = Clouds();
  const Digits packed = ConvertModelFile(path + ".onnx", {});
  const auto expected = LoadNpy(SourcePath(path + "_answers.npy"));
  CHECK(Equal(CloudAnswers(packed, clouds, network.clouds), expected) >=
        network.clouds * 99 / 100);
  size_t low_bit = 0;
  for (const convert::LayerRecord& layer : packed.report.layers) {
    INFO(layer.name << ": " << layer.reason);
    if (layer.reason.empty()) CHECK(layer.weights.starts_with("1 bit"));
    low_bit += layer.reason.empty() ? 1 : 0;
  }
  CHECK(low_bit == network.layers);
  std::map<std::string, size_t> ops;
  for (const runtime::OpDef& op : packed.model->def().ops) ++ops[op.op];
  for (const auto& [op, count] : network.ops) {
    INFO(op);
    CHECK(ops[op] == count);
  }
  CHECK(ops["Where"] + ops["Less"] + ops["Sign"] == 0);
}

void CheckCodes(const Network& network) {
  const std::string path = "models/poem/" + network.name;
  std::ifstream file(SourcePath(path + "_oracle.json"));
  const auto oracle = nlohmann::json::parse(file);
  REQUIRE(oracle.size() == 2);
  const auto clouds = Clouds();
  const Digits packed = ConvertModelFile(path + ".onnx", {});
  for (const Target& target : ExactTargets()) {
    for (size_t threads : {size_t{1}, size_t{2}}) {
      INFO(target.name << ", " << threads << " thread(s)");
      const auto session = MakeSession(packed.model, target.cpu, threads, true);
      for (size_t i = 0; i < oracle.size(); ++i) {
        SetCloud(*session, clouds, i);
        REQUIRE(session->Run().ok());
        CHECK(Trace(*session) == oracle[i]["hashes"]);
      }
    }
  }
}

const Network kPointNet = {
    "solids_pointnet", 160, 14, {{"LowBitConv", 7}, {"LowBitLinear", 7}}};

const Network kDgcnn = {
    "solids_dgcnn",
    60,
    5,
    {{"LowBitConv", 3}, {"LowBitLinear", 2}, {"KnnGraph", 3}}};
const Network kPointNet2 = {"solids_pointnet2",
                            160,
                            9,
                            {{"LowBitConv", 7},
                             {"LowBitLinear", 2},
                             {"FarthestPointSample", 2},
                             {"BallQuery", 2}}};

}  // namespace

TEST_CASE("poem: every Bi-FC is 1-bit, PyTorch's answers") {
  SECTION("PointNet") { CheckNetwork(kPointNet); }
  SECTION("DGCNN") { CheckNetwork(kDgcnn); }
  SECTION("PointNet++") { CheckNetwork(kPointNet2); }
}

TEST_CASE("poem: codes, points and logits are the oracle's on every target") {
  SECTION("PointNet") { CheckCodes(kPointNet); }
  SECTION("DGCNN") { CheckCodes(kDgcnn); }
  SECTION("PointNet++") { CheckCodes(kPointNet2); }
}

// The other exporter, or the other spelling of neighbours, whose distances
// round otherwise.
TEST_CASE("poem: other spellings give the same answers") {
  const auto clouds = Clouds();
  const auto answers = [&clouds](const std::string& name) {
    const Digits packed =
        ConvertModelFile("models/poem/solids_" + name + ".onnx", {});
    for (const runtime::OpDef& op : packed.model->def().ops)
      CHECK((op.op != "TopK" && op.op != "Where"));
    return CloudAnswers(packed, clouds, 40);
  };
  CHECK(answers("pointnet2_dynamo") == answers("pointnet2"));
  const auto native = answers("dgcnn"), gram = answers("dgcnn_gram");
  size_t equal = 0;
  for (size_t i = 0; i < native.size(); ++i) equal += native[i] == gram[i];
  CHECK(equal >= 39);
}

}  // namespace bittern::test
