#include "runtime/format/metadata.h"

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/bits.h"
#include "model_generated.h"
#include "runtime/format/header.h"

namespace bittern::runtime {
namespace {

namespace fb = bittern::format;
using flatbuffers::uoffset_t;
using flatbuffers::Vector;

class MetadataReader {
 public:
  // FlatBuffers may point to one object from many places, which would let a
  // small file ask for a huge model. Every object is stored once here, so what
  // is copied out cannot exceed the section.
  MetadataReader(std::span<const uint8_t> metadata,
                 std::span<const uint8_t> blobs)
      : budget_(metadata.size()), blobs_(blobs) {}

  Result<ModelDef> Read(const fb::Model& model) {
    BITTERN_TRY(Tensors(*model.tensors()));
    BITTERN_TRY(
        Each("op", *model.ops(), [&](const fb::Op& op) { return Op(op); }));
    BITTERN_TRY(Copy(*model.inputs(), &def_.inputs));
    BITTERN_TRY(Copy(*model.outputs(), &def_.outputs));
    BITTERN_TRY(
        Each("preprocessing", *model.preprocess(),
             [&](const fb::Preprocess& p) { return Preprocessing(p); }));
    BITTERN_TRY(
        Each("label", *model.labels(), [&](const flatbuffers::String& label) {
          return Text(label, &def_.labels.emplace_back());
        }));
    BITTERN_TRY(Each("metadata pair", *model.metadata(),
                     [&](const fb::KeyValue& pair) { return Pair(pair); }));
    if (const fb::Postprocess* p = model.postprocess(); p != nullptr) {
      def_.postprocess = {p->input(), p->scores(), p->boxes(),
                          static_cast<Postprocess::Scores>(p->score_kind()),
                          static_cast<Postprocess::Boxes>(p->box_kind())};
    }
    return std::move(def_);
  }

 private:
  Result<void> Spend(size_t bytes) {
    if (bytes > budget_)
      return CorruptFile(
          "got objects that are stored once and used twice, expected each used "
          "once");
    budget_ -= bytes;
    return {};
  }

  template <class Table, class Fn>
  Result<void> Each(const char* what,
                    const Vector<flatbuffers::Offset<Table>>& tables,
                    const Fn& fn) {
    BITTERN_TRY(Spend(tables.size() * sizeof(uoffset_t)));
    for (uoffset_t i = 0; i < tables.size(); ++i) {
      if (Result<void> result = fn(*tables.Get(i)); !result.ok()) {
        return CorruptFile(std::string(what) + " " + std::to_string(i) + ": " +
                           result.error().message);
      }
    }
    return {};
  }

  template <class T>
  Result<void> Copy(const Vector<T>& from, std::vector<T>* to) {
    BITTERN_TRY(Spend(from.size() * sizeof(T)));
    // FlatBuffers' verifier does not check the alignment of vector elements,
    // and a hostile file may place them anywhere; the file is little endian.
    to->resize(from.size());
    if (from.size() != 0)
      std::memcpy(to->data(), from.Data(), from.size() * sizeof(T));
    return {};
  }

  Result<void> Text(const flatbuffers::String& from, std::string* to) {
    BITTERN_TRY(Spend(from.size()));
    to->assign(from.c_str(), from.size());
    if (to->find('\0') != std::string::npos)
      return CorruptFile("text: got a NUL byte, expected none");
    return {};
  }

  // A text that errors quote: they stay one line.
  Result<void> Name(const flatbuffers::String& from, std::string* to) {
    BITTERN_TRY(Text(from, to));
    for (const char c : *to) {
      if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) continue;
      return CorruptFile("name: got a control character, expected text");
    }
    return {};
  }

  Result<void> Tensors(const Vector<flatbuffers::Offset<fb::Tensor>>& tensors) {
    BITTERN_TRY(Each("tensor", tensors,
                     [&](const fb::Tensor& tensor) { return Tensor(tensor); }));
    if (cursor_ == blobs_.size()) return {};
    return CorruptFile("blobs: got " + std::to_string(blobs_.size()) +
                       " bytes, expected " + std::to_string(cursor_) +
                       " for the constants");
  }

  Result<void> Tensor(const fb::Tensor& from) {
    TensorDef& tensor = def_.tensors.emplace_back();
    BITTERN_TRY(Name(*from.name(), &tensor.name));
    std::vector<int64_t> dims;
    BITTERN_TRY(Copy(*from.dims(), &dims));
    if (dims.size() > kMaxRank) {
      return CorruptFile("rank: got " + std::to_string(dims.size()) +
                         ", expected at most " + std::to_string(kMaxRank));
    }
    tensor.type = {
        static_cast<DType>(from.dtype()),
        Shape(dims),
        {static_cast<Encoding>(from.encoding()), from.bits(), from.group()}};
    if (!from.constant()) {
      if (from.data_offset() == 0 && from.data_size() == 0) return {};
      return CorruptFile("got data, expected none: it is not a constant");
    }
    return Blob(from, &tensor);
  }

  // Blobs lie in tensor order without gaps but for padding, so that they cannot
  // overlap or leave the section.
  Result<void> Blob(const fb::Tensor& from, TensorDef* tensor) {
    if (tensor->type.dtype == DType::kCode &&
        (!IsWeightEncoding(tensor->type.code.encoding) ||
         OperandOf(tensor->type.code) == kernels::Operand::kF32)) {
      return CorruptFile("constant: got " + ToString(tensor->type) +
                         ", expected numbers or codes of weights");
    }
    BITTERN_TRY_ASSIGN([[maybe_unused]] const int64_t elements,
                       CheckedElements(tensor->type.shape));
    const size_t size = ByteSize(tensor->type);
    if (from.data_size() != size) {
      return CorruptFile("data size: got " + std::to_string(from.data_size()) +
                         ", expected " + std::to_string(size) + " for " +
                         ToString(tensor->type));
    }
    if (from.data_offset() != cursor_) {
      return CorruptFile("data offset: got " +
                         std::to_string(from.data_offset()) + ", expected " +
                         std::to_string(cursor_));
    }
    if (size > blobs_.size() - cursor_) {
      return CorruptFile(
          "data: got " + std::to_string(blobs_.size() - cursor_) +
          " bytes up to the end of the file, expected " + std::to_string(size));
    }
    tensor->data = blobs_.data() + cursor_;
    cursor_ += kernels::RoundUp(size, kFileAlign);
    if (cursor_ > blobs_.size())
      return CorruptFile(
          "data: got no padding to a multiple of 64 at the end of the file");
    return {};
  }

  Result<void> Op(const fb::Op& from) {
    OpDef& op = def_.ops.emplace_back();
    BITTERN_TRY(Name(*from.op(), &op.op));
    BITTERN_TRY(Name(*from.name(), &op.name));
    BITTERN_TRY(Copy(*from.inputs(), &op.inputs));
    BITTERN_TRY(Copy(*from.outputs(), &op.outputs));
    return Each("attribute", *from.attributes(),
                [&](const fb::Attribute& attribute) {
                  return Attribute(attribute, &op.attributes);
                });
  }

  Result<void> Attribute(const fb::Attribute& from, AttributeMap* attributes) {
    std::string name;
    BITTERN_TRY(Name(*from.name(), &name));
    AttributeValue value;
    switch (from.value_type()) {
      case fb::Value::IntValue:
        value = from.value_as_IntValue()->v();
        break;
      case fb::Value::FloatValue:
        value = from.value_as_FloatValue()->v();
        break;
      case fb::Value::StringValue:
        BITTERN_TRY(Text(*from.value_as_StringValue()->v(),
                         &value.emplace<std::string>()));
        break;
      case fb::Value::IntsValue:
        BITTERN_TRY(Copy(*from.value_as_IntsValue()->v(),
                         &value.emplace<std::vector<int64_t>>()));
        break;
      case fb::Value::FloatsValue:
        BITTERN_TRY(Copy(*from.value_as_FloatsValue()->v(),
                         &value.emplace<std::vector<float>>()));
        break;
      default:
        return CorruptFile("kind of value: got " +
                           std::to_string(static_cast<int>(from.value_type())) +
                           ", expected 1 to 5");
    }
    if (!attributes->emplace(name, std::move(value)).second)
      return CorruptFile("got '" + name + "' twice, expected once");
    return {};
  }

  Result<void> Preprocessing(const fb::Preprocess& from) {
    Preprocess& p = def_.preprocess.emplace_back();
    p.input = from.input();
    p.width = from.width();
    p.height = from.height();
    p.channels = from.channels();
    p.resize = static_cast<Preprocess::Resize>(from.resize());
    p.resize_shorter = from.resize_shorter();
    p.scale = from.scale();
    p.pad = from.pad();
    BITTERN_TRY(Copy(*from.mean(), &p.mean));
    return Copy(*from.std(), &p.std);
  }

  Result<void> Pair(const fb::KeyValue& from) {
    std::string key, value;
    BITTERN_TRY(Text(*from.key(), &key));
    BITTERN_TRY(Text(*from.value(), &value));
    if (!def_.metadata.emplace(key, std::move(value)).second)
      return CorruptFile("got key '" + key + "' twice, expected once");
    return {};
  }

  size_t budget_;
  std::span<const uint8_t> blobs_;
  size_t cursor_ = 0;  // end of the blobs seen so far, with padding
  ModelDef def_;
};

}  // namespace

Result<ModelDef> ReadMetadata(std::span<const uint8_t> metadata,
                              std::span<const uint8_t> blobs) {
  flatbuffers::Verifier::Options limits;
  limits.max_depth = 8;  // Model, Op, Attribute, value
  limits.max_tables =
      static_cast<uoffset_t>(metadata.size() / sizeof(uoffset_t));
  flatbuffers::Verifier verifier(metadata.data(), metadata.size(), limits);
  if (!fb::VerifyModelBuffer(verifier)) {
    return CorruptFile("metadata at byte " +
                       std::to_string(sizeof(FileHeader)) +
                       ": got bytes that are not the FlatBuffers of FORMAT.md");
  }
  return MetadataReader(metadata, blobs).Read(*fb::GetModel(metadata.data()));
}

}  // namespace bittern::runtime
