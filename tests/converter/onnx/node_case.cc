#include "tests/converter/onnx/node_case.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "converter/convert.h"
#include "converter/onnx/tensor.h"

namespace bittern::test {
namespace {

namespace fs = std::filesystem;
using runtime::DType;
using runtime::InvalidArgument;
using runtime::Result;

constexpr double kRelativeTolerance = 1e-3;
constexpr double kAbsoluteTolerance = 1e-7;

Result<std::string> ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return runtime::IoError("cannot open " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::vector<onnx::TensorProto>> ReadTensors(const fs::path& directory,
                                                   const std::string& kind) {
  std::vector<onnx::TensorProto> tensors;
  for (int i = 0;; ++i) {
    const fs::path path = directory / (kind + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(path)) return tensors;
    BITTERN_TRY_ASSIGN(onnx::TensorProto tensor, ReadTensorFile(path.string()));
    tensors.push_back(std::move(tensor));
  }
}

// First input of each operator that must be known when the graph is imported;
// sizes of the others may come at run time.
size_t FirstConstantInput(const std::string& op) {
  static const std::map<std::string, size_t> kFirst = {
      {"Squeeze", 1},  {"Unsqueeze", 1},     {"CumSum", 1},  {"CumProd", 1},
      {"CastLike", 1}, {"CenterCropPad", 1}, {"Dropout", 1}, {"Resize", 1},
      {"Upsample", 1}, {"MaxUnpool", 2},     {"Pad", 3}};
  if (op.rfind("Reduce", 0) == 0) return 1;
  const auto found = kFirst.find(op);
  return found == kFirst.end() ? SIZE_MAX : found->second;
}

bool MustBeConstant(const onnx::GraphProto& graph, const std::string& name) {
  for (const onnx::NodeProto& node : graph.node()) {
    for (int i = 0; i < node.input_size(); ++i) {
      if (node.input(i) == name &&
          static_cast<size_t>(i) >= FirstConstantInput(node.op_type())) {
        return true;
      }
    }
  }
  return false;
}

bool IsClose(float got, float expected) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  const double difference =
      std::abs(static_cast<double>(got) - static_cast<double>(expected));
  return difference <=
         kAbsoluteTolerance +
             kRelativeTolerance * std::abs(static_cast<double>(expected));
}

// Graph inputs without initializers, in order: what the data files are for.
std::vector<std::string> FedInputs(const onnx::GraphProto& graph) {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    const bool initialised = std::any_of(
        graph.initializer().begin(), graph.initializer().end(),
        [&](const auto& tensor) { return tensor.name() == input.name(); });
    if (!initialised) names.push_back(input.name());
  }
  return names;
}

}  // namespace

Result<onnx::TensorProto> ReadTensorFile(const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::string bytes, ReadFile(path));
  onnx::TensorProto tensor;
  if (!tensor.ParseFromString(bytes)) {
    return InvalidArgument(path + " is not a tensor");
  }
  return tensor;
}

Result<Array> ToArray(const onnx::TensorProto& proto) {
  BITTERN_TRY_ASSIGN(const convert::ImportedTensor tensor,
                     convert::ReadTensor(proto, "test data", ""));
  Array array{proto.name(), tensor.type, {}};
  const uint8_t* first = tensor.data->data();
  array.bytes.assign(first, first + runtime::ByteSize(tensor.type));
  return array;
}

Result<void> Compare(const Array& got, const Array& expected) {
  if (got.type != expected.type) {
    return InvalidArgument("got " + runtime::ToString(got.type) +
                           ", expected " + runtime::ToString(expected.type));
  }
  if (got.type.dtype != DType::kF32) {
    if (got.bytes == expected.bytes) return {};
    return InvalidArgument("integers differ");
  }
  const std::vector<float> a = got.As<float>();
  const std::vector<float> b = expected.As<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (IsClose(a[i], b[i])) continue;
    return InvalidArgument("element " + std::to_string(i) + " is " +
                           std::to_string(a[i]) + ", expected " +
                           std::to_string(b[i]));
  }
  return {};
}

Result<NodeCase> LoadCase(const std::string& directory) {
  NodeCase loaded;
  loaded.directory = directory;
  loaded.name = fs::path(directory).filename().string();
  BITTERN_TRY_ASSIGN(const std::string bytes,
                     ReadFile(fs::path(directory) / "model.onnx"));
  if (!loaded.model.ParseFromString(bytes)) {
    return InvalidArgument(directory + " has no model");
  }
  const fs::path data = fs::path(directory) / "test_data_set_0";
  BITTERN_TRY_ASSIGN(loaded.inputs, ReadTensors(data, "input"));
  BITTERN_TRY_ASSIGN(loaded.outputs, ReadTensors(data, "output"));
  return loaded;
}

namespace {

enum class Constants { kAsNeeded, kIntegers, kAll };

Result<std::vector<Array>> RunPacked(convert::ImportedModel imported,
                                     const std::vector<Array>& inputs) {
  BITTERN_TRY_ASSIGN(convert::PackedModel packed,
                     convert::PackModel(std::move(imported), {}));
  BITTERN_TRY_ASSIGN(
      auto model, runtime::Model::Make(std::move(packed.def), packed.storage));
  return RunModel(std::move(model), inputs);
}

Result<void> RunWith(const NodeCase& node_case, Constants constants,
                     Through through) {
  onnx::ModelProto model = node_case.model;
  const std::vector<std::string> names = FedInputs(model.graph());
  if (names.size() < node_case.inputs.size()) {
    return InvalidArgument("more input files than graph inputs");
  }
  convert::ImportOptions options;
  std::vector<Array> inputs;
  for (size_t i = 0; i < node_case.inputs.size(); ++i) {
    const bool integer =
        node_case.inputs[i].data_type() == onnx::TensorProto::INT64 ||
        node_case.inputs[i].data_type() == onnx::TensorProto::INT32;
    if (constants == Constants::kAll ||
        (constants == Constants::kIntegers && integer) ||
        MustBeConstant(model.graph(), names[i])) {
      onnx::TensorProto* added = model.mutable_graph()->add_initializer();
      *added = node_case.inputs[i];
      added->set_name(names[i]);
      continue;
    }
    BITTERN_TRY_ASSIGN(Array array, ToArray(node_case.inputs[i]));
    options.shapes[names[i]] = array.type.shape;
    inputs.push_back(std::move(array));
  }
  const std::string bytes = model.SerializeAsString();
  BITTERN_TRY_ASSIGN(convert::ImportedModel imported,
                     convert::ImportOnnxBytes(bytes.data(), bytes.size(),
                                              node_case.directory, options));
  BITTERN_TRY_ASSIGN(const std::vector<Array> outputs,
                     through == Through::kImporter
                         ? RunGraph(imported.graph, inputs)
                         : RunPacked(std::move(imported), inputs));
  if (outputs.size() != node_case.outputs.size()) {
    return InvalidArgument("wrong number of outputs");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    BITTERN_TRY_ASSIGN(const Array expected, ToArray(node_case.outputs[i]));
    BITTERN_TRY(Compare(outputs[i], expected));
  }
  return {};
}

}  // namespace

// Functions written out (the "expanded" cases) compute sizes from any input.
Result<void> RunCase(const NodeCase& node_case, Through through) {
  Result<void> done = RunWith(node_case, Constants::kAsNeeded, through);
  for (const Constants constants : {Constants::kIntegers, Constants::kAll}) {
    const auto says = [&](const char* words) {
      return done.error().message.find(words) != std::string::npos;
    };
    if (done.ok() || !(says("at run time, expected a constant") ||
                       says("of a size that only the run knows"))) {
      return done;
    }
    done = RunWith(node_case, constants, through);
  }
  return done;
}

}  // namespace bittern::test
