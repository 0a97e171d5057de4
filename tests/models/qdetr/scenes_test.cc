// The trained SMCA Q-DETR (low-bit convolutions and linears with a scale per
// input channel, 8-bit attention per head, Gaussians of queries) from ONNX to
// boxes of digits: onnxruntime's; codes, logits and boxes those of the numpy
// oracle bit for bit, on every target and thread count.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "converter/cli/comparison.h"
#include "runtime/exec/detections.h"
#include "tests/models/bivit/support.h"
#include "tests/models/bivit/trace.h"
#include "tests/models/digits.h"
#include "tests/models/qdetr/detections.h"

namespace bittern::test {
namespace {

using convert::InputScale;

constexpr int kWidths[] = {4, 2};
constexpr size_t kScenes = 64, kSide = 64;
constexpr float kSame = 0.99f;  // overlap of one box of two runtimes

std::string NameOf(int bits) {
  return "models/qdetr/scenes_w" + std::to_string(bits) + "a" +
         std::to_string(bits);
}

Digits Convert(const std::string& name, InputScale scale = InputScale::kExact) {
  convert::ConvertOptions options;
  options.passes.input_scale = scale;
  options.preprocess_json = SourcePath("models/qdetr/preprocess.json");
  options.postprocess_json = SourcePath("models/qdetr/postprocess.json");
  return ConvertModelFile(name + ".onnx", options);
}

cli::NpyArray Scenes() {
  return LoadNpy(SourcePath("models/qdetr/scenes.npy"));
}

void SetScene(runtime::Session& session, const cli::NpyArray& scenes,
              size_t index) {
  const uint8_t* pixels = scenes.bytes.data() + index * kSide * kSide;
  REQUIRE(session.SetImage(0, {pixels, kSide, kSide, 1, kSide}).ok());
}

const float* Floats(const cli::NpyArray& array) {
  return reinterpret_cast<const float*>(array.bytes.data());
}

using OfScenes = std::vector<std::vector<Detection>>;

OfScenes Run(const Digits& network) {
  const auto scenes = Scenes();
  const auto session =
      MakeSession(network.model, kernels::DetectCpu(), 1, false);
  OfScenes all;
  for (size_t i = 0; i < kScenes; ++i) {
    SetScene(*session, scenes, i);
    REQUIRE(session->Run().ok());
    auto found = runtime::FindDetections(*session, 0, 0.5f, 0, 0);
    REQUIRE(found.ok());
    all.emplace_back();
    for (const runtime::Detection& d : found.value()) {
      all.back().push_back({static_cast<size_t>(d.label),
                            {(d.left + d.right) / 2, (d.top + d.bottom) / 2,
                             d.right - d.left, d.bottom - d.top}});
    }
  }
  return all;
}

OfScenes Expected(const std::string& name) {
  const auto logits = LoadNpy(SourcePath(name + "_logits.npy"));
  const auto boxes = LoadNpy(SourcePath(name + "_boxes.npy"));
  OfScenes all;
  for (size_t i = 0; i < kScenes; ++i) {
    all.push_back(Detections(Floats(logits) + i * kQueries * kClasses,
                             Floats(boxes) + i * kQueries * 4));
  }
  return all;
}

// Objects of the scenes: rows of scene, class, box.
OfScenes Objects() {
  const auto rows = LoadNpy(SourcePath("models/qdetr/scenes_objects.npy"));
  OfScenes all(kScenes);
  for (const float* row = Floats(rows);
       row < Floats(rows) + rows.bytes.size() / sizeof(float); row += 6) {
    all[static_cast<size_t>(row[0])].push_back(
        {static_cast<size_t>(row[1]), {row[2], row[3], row[4], row[5]}});
  }
  return all;
}

// The share of the detections of either that the other has.
double Agreement(const OfScenes& ours, const OfScenes& theirs, float overlap) {
  size_t same = 0, total = 0;
  for (size_t i = 0; i < kScenes; ++i) {
    same +=
        Found(ours[i], theirs[i], overlap) + Found(theirs[i], ours[i], overlap);
    total += ours[i].size() + theirs[i].size();
  }
  REQUIRE(total > kScenes);
  return static_cast<double>(same) / static_cast<double>(total);
}

double Recall(const OfScenes& found, const OfScenes& objects) {
  size_t right = 0, total = 0;
  for (size_t i = 0; i < kScenes; ++i) {
    right += Found(objects[i], found[i], 0.5f);
    total += objects[i].size();
  }
  return static_cast<double>(right) / static_cast<double>(total);
}

// "decoder/layers.0/ffn/linear1" of "/decoder/layers.0/ffn/linear1/MatMul".
std::string LayerOf(const std::string& op) {
  const std::string first = op.substr(0, op.find(" + "));
  return first.substr(1, first.rfind('/') - 1);
}

// Hashes of the codes that quantised layers read, by the oracle's names.
nlohmann::json Trace(runtime::Session& session) {
  const runtime::ModelDef& def = session.model().def();
  std::map<int32_t, const runtime::OpDef*> producers;
  nlohmann::json trace;
  const auto record = [&](const std::string& name, int32_t tensor) {
    const runtime::TensorView view = ViewOf(session, tensor);
    trace[name] = HashHex(view.data, ByteSize(*view.type));
  };
  for (const runtime::OpDef& op : def.ops) {
    for (int32_t output : op.outputs) producers[output] = &op;
    const std::string layer = LayerOf(op.name);
    if (op.op == "LowBitConv" || op.op == "LowBitLinear") {
      const runtime::OpDef* source = producers[op.inputs[0]];
      const bool levels = source != nullptr && source->op == "Dequantize";
      const int32_t codes = levels ? source->inputs[0] : op.inputs[0];
      if (ViewOf(session, codes).type->dtype == runtime::DType::kCode)
        record(layer + ".codes", codes);
    } else if (layer == "input_proj") {
      record("features", op.outputs[0]);
    } else if (op.op == "CodeAttention") {
      for (size_t i = 0; i < 3; ++i)
        record(layer + "." + "qkv"[i], op.inputs[i]);
    }
  }
  trace["logits"] = HashOutput(session, 0);
  trace["boxes"] = HashOutput(session, 1);
  return trace;
}

}  // namespace

TEST_CASE("qdetr scenes: the boxes of onnxruntime, and the digits are there") {
  for (int bits : kWidths) {
    INFO(bits << " bits");
    const OfScenes found = Run(Convert(NameOf(bits)));
    CHECK(Agreement(found, Expected(NameOf(bits)), kSame) >= 0.99);
    CHECK(Recall(found, Objects()) >= (bits == 4 ? 0.7 : 0.5));
  }
}

TEST_CASE("qdetr scenes: the other exporter gives the same boxes") {
  const OfScenes found = Run(Convert(NameOf(4) + "_dynamo"));
  CHECK(Agreement(found, Expected(NameOf(4)), kSame) >= 0.99);
}

TEST_CASE("qdetr scenes: faster modes find the same digits") {
  const OfScenes exact = Run(Convert(NameOf(4)));
  for (InputScale scale : {InputScale::kFast16, InputScale::kFast8}) {
    INFO("mode " << static_cast<int>(scale));
    CHECK(Agreement(Run(Convert(NameOf(4), scale)), exact, 0.8f) >= 0.9);
  }
}

TEST_CASE("qdetr scenes: every quantised layer runs on codes") {
  for (int bits : kWidths) {
    const Digits network = Convert(NameOf(bits));
    size_t low_bit = 0;
    for (const convert::LayerRecord& layer : network.report.layers) {
      INFO(layer.name << ": " << layer.reason);
      if (layer.reason.empty()) {
        ++low_bit;
        continue;
      }
      // What Q-DETR leaves in float.
      bool left = false;
      for (const char* part :
           {"/shortcut", "/input_proj", "/point", "_embed"}) {
        left = left || layer.name.find(part) != std::string::npos;
      }
      CHECK(left);
    }
    CHECK(low_bit == 39);
  }
}

TEST_CASE("qdetr scenes: differences of layers are ties") {
  const auto scenes = Scenes();
  const auto cpu = kernels::DetectCpu();
  for (int bits : kWidths) {
    const auto float_model =
        convert::LoadFloatModel(SourcePath(NameOf(bits) + ".onnx"), {});
    REQUIRE(float_model.ok());
    const Digits network = Convert(NameOf(bits));
    auto comparer =
        cli::Comparer::Make(MakeSession(float_model.value(), cpu, 1, true),
                            MakeSession(network.model, cpu, 1, true));
    REQUIRE(comparer.ok());
    for (size_t i = 0; i < 3; ++i) {
      SetScene(comparer.value().packed(), scenes, i);
      REQUIRE(comparer.value().Run().ok());
    }
    const cli::Comparison& comparison = comparer.value().comparison();
    CHECK(comparison.tensors.size() >= 100);
    for (const cli::TensorComparison& tensor : comparison.tensors) {
      INFO(bits << " bits, " << tensor.name << ": " << tensor.first);
      CHECK(tensor.unexplained == 0);
    }
  }
}

TEST_CASE("qdetr scenes: codes and boxes are the oracle's on every target") {
  const auto scenes = Scenes();
  for (int bits : kWidths) {
    std::ifstream file(SourcePath(NameOf(bits) + "_oracle.json"));
    const auto oracle = nlohmann::json::parse(file);
    REQUIRE(oracle.size() == 2);
    const Digits network = Convert(NameOf(bits));
    for (const Target& target : ExactTargets()) {
      for (size_t threads : {size_t{1}, size_t{2}}) {
        const auto session =
            MakeSession(network.model, target.cpu, threads, true);
        for (size_t i = 0; i < oracle.size(); ++i) {
          SetScene(*session, scenes, i);
          REQUIRE(session->Run().ok());
          nlohmann::json trace = Trace(*session);
          // Queries that no image changes are folded: no codes of the file.
          CHECK(trace.erase("decoder/layers.0/cross_attn.q") == 1);
          INFO(bits << " bits, " << target.name << ", " << threads
                    << " thread(s), scene " << i);
          CHECK(trace == oracle[i]["hashes"]);
        }
      }
    }
  }
}

}  // namespace bittern::test
