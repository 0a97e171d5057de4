#include "runtime/format/writer.h"

#include <fcntl.h>
#include <flatbuffers/flatbuffers.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <type_traits>
#include <utility>

#include "kernels/base/bits.h"
#include "model_generated.h"
#include "runtime/format/header.h"

namespace bittern::runtime {
namespace {

namespace fb = bittern::format;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

// Where the blobs of the constants go: one after another in tensor order, each
// at a multiple of kFileAlign.
struct BlobLayout {
  std::vector<uint64_t>
      offsets;  // per tensor, from the start of the blobs; constants only
  uint64_t size = 0;
};

BlobLayout PlaceBlobs(const ModelDef& def) {
  BlobLayout layout;
  layout.offsets.resize(def.tensors.size());
  for (size_t t = 0; t < def.tensors.size(); ++t) {
    if (def.tensors[t].data == nullptr) continue;
    layout.offsets[t] = layout.size;
    layout.size += kernels::RoundUp(ByteSize(def.tensors[t].type), kFileAlign);
  }
  return layout;
}

class MetadataWriter {
 public:
  MetadataWriter(const ModelDef& def, const BlobLayout& blobs)
      : def_(def), blobs_(blobs) {}

  std::vector<uint8_t> Write() {
    const auto tensors = Tables<fb::Tensor>(
        def_.tensors.size(), [&](size_t i) { return Tensor(i); });
    const auto ops = Tables<fb::Op>(def_.ops.size(),
                                    [&](size_t i) { return Op(def_.ops[i]); });
    const auto inputs = builder_.CreateVector(def_.inputs);
    const auto outputs = builder_.CreateVector(def_.outputs);
    const auto preprocess = Tables<fb::Preprocess>(
        def_.preprocess.size(),
        [&](size_t i) { return Preprocessing(def_.preprocess[i]); });
    const auto labels = Tables<flatbuffers::String>(
        def_.labels.size(),
        [&](size_t i) { return builder_.CreateString(def_.labels[i]); });
    std::vector<Offset<fb::KeyValue>> pairs;
    for (const auto& [key, value] : def_.metadata) {
      const auto key_text = builder_.CreateString(key);
      pairs.push_back(
          fb::CreateKeyValue(builder_, key_text, builder_.CreateString(value)));
    }
    const auto metadata = builder_.CreateVector(pairs);
    builder_.Finish(fb::CreateModel(builder_, tensors, ops, inputs, outputs,
                                    preprocess, labels, metadata,
                                    PostprocessingIfAny()));
    const uint8_t* bytes = builder_.GetBufferPointer();
    return {bytes, bytes + builder_.GetSize()};
  }

 private:
  template <class Table, class Make>
  Offset<flatbuffers::Vector<Offset<Table>>> Tables(size_t count,
                                                    const Make& make) {
    std::vector<Offset<Table>> tables;
    tables.reserve(count);
    for (size_t i = 0; i < count; ++i) tables.push_back(make(i));
    return builder_.CreateVector(tables);
  }

  Offset<fb::Tensor> Tensor(size_t index) {
    const TensorDef& tensor = def_.tensors[index];
    const auto name = builder_.CreateString(tensor.name);
    const auto dims = builder_.CreateVector(tensor.type.shape.dims().data(),
                                            tensor.type.shape.rank());
    const bool constant = tensor.data != nullptr;
    return fb::CreateTensor(
        builder_, name, static_cast<uint8_t>(tensor.type.dtype), dims,
        static_cast<uint8_t>(tensor.type.code.encoding), tensor.type.code.bits,
        tensor.type.code.group, constant ? blobs_.offsets[index] : 0,
        constant ? ByteSize(tensor.type) : 0, constant);
  }

  std::pair<fb::Value, Offset<void>> Value(const AttributeValue& value) {
    return std::visit(
        [&](const auto& v) -> std::pair<fb::Value, Offset<void>> {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, int64_t>) {
            return {fb::Value::IntValue,
                    fb::CreateIntValue(builder_, v).Union()};
          } else if constexpr (std::is_same_v<T, float>) {
            return {fb::Value::FloatValue,
                    fb::CreateFloatValue(builder_, v).Union()};
          } else if constexpr (std::is_same_v<T, std::string>) {
            return {fb::Value::StringValue,
                    fb::CreateStringValue(builder_, builder_.CreateString(v))
                        .Union()};
          } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
            return {fb::Value::IntsValue,
                    fb::CreateIntsValue(builder_, builder_.CreateVector(v))
                        .Union()};
          } else {
            return {fb::Value::FloatsValue,
                    fb::CreateFloatsValue(builder_, builder_.CreateVector(v))
                        .Union()};
          }
        },
        value);
  }

  Offset<fb::Op> Op(const OpDef& op) {
    std::vector<Offset<fb::Attribute>> attributes;
    for (const auto& [name, value] : op.attributes) {
      const auto [type, offset] = Value(value);
      attributes.push_back(fb::CreateAttribute(
          builder_, builder_.CreateString(name), type, offset));
    }
    const auto list = builder_.CreateVector(attributes);
    const auto kind = builder_.CreateString(op.op);
    const auto name = builder_.CreateString(op.name);
    const auto inputs = builder_.CreateVector(op.inputs);
    return fb::CreateOp(builder_, kind, name, inputs,
                        builder_.CreateVector(op.outputs), list);
  }

  Offset<fb::Preprocess> Preprocessing(const Preprocess& p) {
    const auto mean = builder_.CreateVector(p.mean);
    const auto std = builder_.CreateVector(p.std);
    return fb::CreatePreprocess(builder_, p.input, p.width, p.height,
                                p.channels, static_cast<uint8_t>(p.resize),
                                p.resize_shorter, p.scale, mean, std, p.pad);
  }

  Offset<fb::Postprocess> PostprocessingIfAny() {
    if (!def_.postprocess) return 0;
    const Postprocess& p = *def_.postprocess;
    return fb::CreatePostprocess(builder_, p.input, p.scores, p.boxes,
                                 static_cast<uint8_t>(p.score_kind),
                                 static_cast<uint8_t>(p.box_kind));
  }

  const ModelDef& def_;
  const BlobLayout& blobs_;
  FlatBufferBuilder builder_;
};

Error SystemError(const std::string& what, const std::string& path) {
  return IoError("'" + path + "': cannot " + what + ": " +
                 std::generic_category().message(errno));
}

// A file that vanishes unless it is renamed to its final name.
class TemporaryFile {
 public:
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
    if (!path_.empty()) unlink(path_.c_str());
  }

  Result<void> Open(const std::string& target) {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries && fd_ < 0; ++i) {
      const std::string path = target + "." + std::to_string(getpid()) + "." +
                               std::to_string(i) + ".tmp";
      fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd_ >= 0)
        path_ = path;
      else if (errno != EEXIST)
        break;
    }
    if (fd_ < 0) return SystemError("create a file beside it", target);
    return {};
  }

  Result<void> Write(const std::vector<uint8_t>& bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count =
          write(fd_, bytes.data() + done, bytes.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError("write", path_);
      done += static_cast<size_t>(count);
    }
    return {};
  }

  Result<void> RenameTo(const std::string& target) {
    if (close(std::exchange(fd_, -1)) != 0) return SystemError("close", path_);
    if (rename(path_.c_str(), target.c_str()) != 0)
      return SystemError("put the new file there", target);
    path_.clear();
    return {};
  }

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace

Result<std::vector<uint8_t>> SerializeModel(const ModelDef& def) {
  BITTERN_TRY(VerifyModel(def));
  const BlobLayout blobs = PlaceBlobs(def);
  const std::vector<uint8_t> metadata = MetadataWriter(def, blobs).Write();
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kFormatVersion;
  header.header_size = sizeof(FileHeader);
  header.metadata_offset = sizeof(FileHeader);
  header.metadata_size = metadata.size();
  header.blobs_offset =
      kernels::RoundUp(sizeof(FileHeader) + metadata.size(), kFileAlign);
  header.file_size = header.blobs_offset + blobs.size;

  std::vector<uint8_t> file(header.file_size);
  std::memcpy(file.data() + header.metadata_offset, metadata.data(),
              metadata.size());
  for (size_t t = 0; t < def.tensors.size(); ++t) {
    const TensorDef& tensor = def.tensors[t];
    const size_t bytes = tensor.data == nullptr ? 0 : ByteSize(tensor.type);
    if (bytes != 0)
      std::memcpy(file.data() + header.blobs_offset + blobs.offsets[t],
                  tensor.data, bytes);
  }
  const std::span<const uint8_t> all(file);
  header.metadata_checksum = SectionChecksum(
      all.subspan(header.metadata_offset, header.metadata_size));
  header.blobs_checksum = SectionChecksum(all.subspan(header.blobs_offset));
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

Result<void> WriteModelFile(const ModelDef& def, const std::string& path) {
  BITTERN_TRY_ASSIGN(const std::vector<uint8_t> bytes, SerializeModel(def));
  TemporaryFile file;
  BITTERN_TRY(file.Open(path));
  BITTERN_TRY(file.Write(bytes));
  return file.RenameTo(path);
}

}  // namespace bittern::runtime
