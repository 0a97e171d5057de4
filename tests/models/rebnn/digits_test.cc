// The trained ReBNN and ReActNet digits (1-bit convolutions with residuals)
// from ONNX to answers: onnxruntime's, codes and images of every block those of
// the numpy oracle bit for bit, nothing between the convolutions but signs, the
// same bits on every target and thread count.
#include "tests/models/digits.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "converter/cli/comparison.h"
#include "tests/models/bivit/support.h"
#include "tests/models/bivit/trace.h"

namespace bittern::test {
namespace {

struct Network {
  std::string name;  // of its files
  size_t blocks;     // 1-bit layers
};
const Network kNetworks[] = {{"digits", 5}, {"reactnet_digits", 6}};

// Of the 2,000 held-out ones, so that emulated and checked builds end soon.
constexpr size_t kImages = 300;

Digits Convert(const std::string& file) {
  return ConvertDigitsFile("models/rebnn/" + file, {});
}

cli::NpyArray Images() {
  return LoadNpy(SourcePath("models/bivit/digits_images.npy"));
}

// What the oracle records, of a session that keeps every tensor.
nlohmann::json Trace(runtime::Session& session) {
  const runtime::ModelDef& def = session.model().def();
  const auto view = [&](int32_t tensor) { return ViewOf(session, tensor); };
  nlohmann::json trace;
  size_t block = 0;
  for (const runtime::OpDef& op : def.ops) {
    if (op.op != "LowBitConv") continue;
    const std::string name = "block" + std::to_string(block++);
    trace[name + ".codes"] = HashSigns(view(op.inputs[0]));
    const runtime::TensorView stream = view(op.outputs[0]);
    trace[name + ".stream"] = HashHex(stream.data, ByteSize(*stream.type));
  }
  trace["logits"] = HashOutput(session, 0);
  return trace;
}

}  // namespace

TEST_CASE("rebnn digits: the answers of onnxruntime, from both exporters") {
  const auto images = Images();
  const auto labels = LoadNpy(SourcePath("models/bivit/digits_labels.npy"));
  for (const Network& network : kNetworks) {
    INFO(network.name);
    const auto expected =
        LoadNpy(SourcePath("models/rebnn/" + network.name + "_answers.npy"));
    const auto answers =
        Answers(Convert(network.name + ".onnx"), images, kImages);
    CHECK(Equal(answers, expected) >= kImages * 995 / 1000);
    CHECK(Equal(answers, labels) >= kImages * 93 / 100);
    if (network.name != "digits") continue;
    CHECK(Answers(Convert("digits_dynamo.onnx"), images, kImages) == answers);
  }
}

TEST_CASE("rebnn digits: blocks are one step, and one for the first signs") {
  for (const Network& network : kNetworks) {
    const Digits digits = Convert(network.name + ".onnx");
    size_t low_bit = 0;
    for (const convert::LayerRecord& layer : digits.report.layers) {
      INFO(layer.name << ": " << layer.reason);
      low_bit += layer.reason.empty() ? 1 : 0;
      if (layer.reason.empty()) CHECK(layer.weights.starts_with("1 bit"));
    }
    CHECK(low_bit == network.blocks);
    std::map<std::string, size_t> steps;
    for (const runtime::OpDef& op : digits.model->def().ops) ++steps[op.op];
    CHECK(steps["LowBitConv"] == network.blocks);
    CHECK(steps["Binarize"] == 1);
    for (const char* op :
         {"Where", "Less", "Mul", "Sign", "Transpose", "Conv"}) {
      INFO(op);
      CHECK(steps[op] == 0);
    }
    CHECK(steps["Add"] <= 2);  // the first shift, the head's bias
  }
}

TEST_CASE("rebnn digits: differences of layers are ties") {
  const auto images = Images();
  const auto cpu = kernels::DetectCpu();
  for (const Network& network : kNetworks) {
    const auto float_model = convert::LoadFloatModel(
        SourcePath("models/rebnn/" + network.name + ".onnx"), {});
    REQUIRE(float_model.ok());
    auto comparer = cli::Comparer::Make(
        MakeSession(float_model.value(), cpu, 1, true),
        MakeSession(Convert(network.name + ".onnx").model, cpu, 1, true));
    REQUIRE(comparer.ok());
    SetImage(comparer.value().packed(), images, 0);
    REQUIRE(comparer.value().Run().ok());
    size_t of_blocks = 0;
    for (const auto& tensor : comparer.value().comparison().tensors) {
      INFO(tensor.name << ": " << tensor.first);
      CHECK(tensor.unexplained == 0);
      of_blocks += tensor.name.ends_with("move2/Add_output_0.last") ? 1 : 0;
    }
    CHECK(of_blocks == network.blocks);
  }
}

TEST_CASE("rebnn digits: codes and images are the oracle's on every target") {
  const auto images = Images();
  for (const Network& network : kNetworks) {
    std::ifstream file(
        SourcePath("models/rebnn/" + network.name + "_oracle.json"));
    const auto oracle = nlohmann::json::parse(file);
    REQUIRE(oracle.size() == 2);
    const Digits digits = Convert(network.name + ".onnx");
    for (const Target& target : ExactTargets()) {
      for (size_t threads : {size_t{1}, size_t{2}}) {
        INFO(network.name << ", " << target.name << ", " << threads
                          << " thread(s)");
        const auto session =
            MakeSession(digits.model, target.cpu, threads, true);
        for (size_t i = 0; i < oracle.size(); ++i) {
          SetImage(*session, images, i);
          REQUIRE(session->Run().ok());
          CHECK(Trace(*session) == oracle[i]["hashes"]);
        }
      }
    }
  }
}

}  // namespace bittern::test
