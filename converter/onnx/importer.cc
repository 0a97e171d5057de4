// Reads files and protobufs; graph_importer.h does the rest.
#include "converter/onnx/importer.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <fstream>
#include <utility>

#include "converter/onnx/graph_importer.h"
#include "converter/onnx/onnx_proto.h"
#include "converter/onnx/sha256.h"

namespace bittern::convert {
namespace {

using runtime::CorruptFile;
using runtime::IoError;
using runtime::Unsupported;

bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

// Names go into reports, errors and the packed file, whose reader refuses NUL.
Result<void> CheckName(const char* what, const std::string& name) {
  if (std::none_of(name.begin(), name.end(), IsControl)) return {};
  return CorruptFile(std::string(what) + " is named '" + name +
                     "' with a control character, expected text");
}

Result<void> CheckNames(const Graph& graph) {
  for (const Value& value : graph.values()) {
    BITTERN_TRY(CheckName("a value", value.name));
  }
  for (const Node& node : graph.nodes()) {
    BITTERN_TRY(CheckName("a node", node.name));
  }
  for (const std::string& name : graph.output_names) {
    BITTERN_TRY(CheckName("an output", name));
  }
  return {};
}

Result<ImportedModel> Import(const void* data, size_t size,
                             const std::string& directory,
                             const ImportOptions& options) {
  if (size == 0) return CorruptFile("the file is empty, expected ONNX");
  if (size > INT_MAX) {
    return Unsupported("the file has " + std::to_string(size) +
                       " bytes, expected less than 2 GB: protobuf's limit; "
                       "keep weights as external data");
  }
  const google::protobuf::LogSilencer silencer;  // errors are ours to report
  onnx::ModelProto model;
  if (!model.ParseFromArray(data, static_cast<int>(size))) {
    return CorruptFile(std::to_string(size) +
                       " bytes are not a complete ONNX protobuf");
  }
  if (!model.has_graph()) {
    return CorruptFile("the file has no graph, expected an ONNX model");
  }
  if (model.graph().output_size() == 0) {
    return CorruptFile("the graph has no outputs, expected one or more");
  }
  GraphImporter importer(model, directory, options);
  ImportedModel imported;
  BITTERN_TRY_ASSIGN(imported.graph, importer.Run());
  imported.open_batch = importer.open_batch();
  BITTERN_TRY(CheckNames(imported.graph));
  imported.opset = importer.default_opset();
  imported.producer = model.producer_name().substr(0, 100);
  if (!model.producer_version().empty()) {
    imported.producer += " " + model.producer_version().substr(0, 100);
  }
  std::replace_if(imported.producer.begin(), imported.producer.end(), IsControl,
                  '?');
  imported.sha256 = Sha256Hex(data, size);
  return imported;
}

// Names of a hostile file may hold anything: an error stays one short line.
Error OneLine(Error error) {
  constexpr size_t kLongest = 600;
  std::string& message = error.message;
  if (message.size() > kLongest) message = message.substr(0, kLongest) + "...";
  for (char& c : message) {
    if (IsControl(c)) c = '?';
  }
  return error;
}

}  // namespace

Result<ImportedModel> ImportOnnxBytes(const void* data, size_t size,
                                      const std::string& directory,
                                      const ImportOptions& options) {
  Result<ImportedModel> imported = Import(data, size, directory, options);
  if (!imported.ok()) return OneLine(std::move(imported).error());
  return imported;
}

Result<ImportedModel> ImportOnnxFile(const std::string& path,
                                     const ImportOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return IoError("cannot open " + path + ": not a regular file");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return IoError("cannot open " + path);
  if (size > INT_MAX) {
    return Unsupported(path + " has " + std::to_string(size) +
                       " bytes, expected less than 2 GB: keep weights as "
                       "external data");
  }
  std::vector<char> bytes(static_cast<size_t>(size));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file && size != 0) return IoError("cannot read " + path);
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (directory.empty()) directory = ".";
  Result<ImportedModel> imported =
      ImportOnnxBytes(bytes.data(), bytes.size(), directory, options);
  if (imported.ok()) return imported;
  Error failure = std::move(imported).error();
  failure.message = path + ": " + failure.message;
  return failure;
}

}  // namespace bittern::convert
