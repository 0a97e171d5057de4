// ReadMetadata against hand-made FlatBuffers that no writer of ours would make.
#include "runtime/format/metadata.h"

#include <flatbuffers/flatbuffers.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "model_generated.h"

namespace bittern::runtime {
namespace {

namespace fb = bittern::format;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

// Parts of a model; each test replaces what it is about.
struct Parts {
  FlatBufferBuilder builder;
  std::vector<Offset<fb::Tensor>> tensors;
  std::vector<Offset<fb::Op>> ops;
  std::vector<Offset<flatbuffers::String>> labels;
  std::vector<Offset<fb::KeyValue>> pairs;

  void Add(const std::string& name, const std::vector<int64_t>& dims,
           uint64_t offset = 0, uint64_t size = 0, bool constant = false,
           uint8_t dtype = 1, uint8_t encoding = 0, uint8_t bits = 0) {
    const auto text = builder.CreateString(name);
    tensors.push_back(fb::CreateTensor(builder, text, dtype,
                                       builder.CreateVector(dims), encoding,
                                       bits, 0, offset, size, constant));
  }

  Result<ModelDef> Read(const std::vector<uint8_t>& blobs = {}) {
    const auto t = builder.CreateVector(tensors);
    const auto o = builder.CreateVector(ops);
    const auto indices = builder.CreateVector(std::vector<int32_t>{0});
    const auto preprocess =
        builder.CreateVector(std::vector<Offset<fb::Preprocess>>{});
    const auto l = builder.CreateVector(labels);
    builder.Finish(fb::CreateModel(builder, t, o, indices,
                                   builder.CreateVector(std::vector<int32_t>{}),
                                   preprocess, l, builder.CreateVector(pairs)));
    return ReadMetadata({builder.GetBufferPointer(), builder.GetSize()}, blobs);
  }

  std::string Message(const std::vector<uint8_t>& blobs = {}) {
    const Result<ModelDef> def = Read(blobs);
    REQUIRE_FALSE(def.ok());
    CHECK(def.error().code == Code::kCorruptFile);
    return def.error().message;
  }
};

TEST_CASE("a small model is read") {
  Parts parts;
  parts.Add("x", {2, -1});
  parts.Add("c", {3}, 0, 12, true);
  parts.labels.push_back(parts.builder.CreateString("cat"));
  const std::vector<uint8_t> blobs(64);
  const Result<ModelDef> def = parts.Read(blobs);
  INFO(def.error().message);
  REQUIRE(def.ok());
  CHECK(def.value().tensors[0].type.shape == Shape{2, -1});
  CHECK(def.value().tensors[1].data == blobs.data());
  CHECK(def.value().labels == std::vector<std::string>{"cat"});
}

TEST_CASE("bytes that are no FlatBuffers") {
  for (const size_t size : {size_t{0}, size_t{3}, size_t{64}, size_t{1000}}) {
    const std::vector<uint8_t> noise(size, 0x5A);
    const Result<ModelDef> def = ReadMetadata(noise, {});
    REQUIRE_FALSE(def.ok());
    CHECK(def.error().message.find("FlatBuffers") != std::string::npos);
  }
}

TEST_CASE(
    "blobs lie one after another, each as large as its type, and fill the "
    "section") {
  const auto message = [](uint64_t offset, uint64_t size, size_t blob_bytes) {
    Parts parts;
    parts.Add("a", {20}, 0, 80, true);
    parts.Add("b", {3}, offset, size, true);
    return parts.Message(std::vector<uint8_t>(blob_bytes));
  };
  CHECK(message(128, 16, 192) ==
        "tensor 1: data size: got 16, expected 12 for f32[3]");
  CHECK(message(64, 12, 192) == "tensor 1: data offset: got 64, expected 128");
  CHECK(message(~uint64_t{0}, 12, 192).find("data offset") !=
        std::string::npos);
  CHECK(message(128, 12, 130) ==
        "tensor 1: data: got 2 bytes up to the end of the file, expected 12");
  CHECK(message(128, 12, 140).find("padding") != std::string::npos);
  CHECK(message(128, 12, 256) ==
        "blobs: got 256 bytes, expected 192 for the constants");
}

TEST_CASE("types whose size cannot be computed") {
  const auto message = [](const std::vector<int64_t>& dims, uint8_t dtype,
                          uint8_t encoding) {
    Parts parts;
    parts.Add("c", dims, 0, 64, true, dtype, encoding, 1);
    return parts.Message(std::vector<uint8_t>(64));
  };
  CHECK(message({-1}, 1, 0).find("not known") != std::string::npos);
  CHECK(message({1 << 30, 1 << 30}, 1, 0).find("2^40") != std::string::npos);
  CHECK(message({INT64_MIN, 2}, 1, 0).find("not known") != std::string::npos);
  CHECK(message(std::vector<int64_t>(9, 1), 1, 0) ==
        "tensor 0: rank: got 9, expected at most 8");
  // Sign codes, byte codes, and widths that no encoding has.
  constexpr uint8_t kNone[] = {0, 2, 7, 8, 9, 10, 255};
  for (const uint8_t encoding : kNone) {
    CHECK(message({4, 4}, 7, encoding)
              .find("expected numbers or codes of weights") !=
          std::string::npos);
  }
  CHECK(message({4, 4}, 99, 0).find("data size") != std::string::npos);
}

TEST_CASE("only constants have data") {
  Parts parts;
  parts.Add("x", {2}, 64, 8, false);
  CHECK(parts.Message() ==
        "tensor 0: got data, expected none: it is not a constant");
}

TEST_CASE("texts hold no NUL") {
  Parts parts;
  parts.Add(std::string("a\0b", 3), {2});
  CHECK(parts.Message() == "tensor 0: text: got a NUL byte, expected none");
}

TEST_CASE("names hold no control characters, so that errors stay one line") {
  Parts parts;
  parts.Add("a\nb", {2});
  CHECK(parts.Message() ==
        "tensor 0: name: got a control character, expected text");
}

TEST_CASE("keys and attributes are unique") {
  Parts pairs;
  for (const char* value : {"1", "2"}) {
    const auto key = pairs.builder.CreateString("k");
    pairs.pairs.push_back(fb::CreateKeyValue(
        pairs.builder, key, pairs.builder.CreateString(value)));
  }
  CHECK(pairs.Message() == "metadata pair 1: got key 'k' twice, expected once");

  Parts attributes;
  FlatBufferBuilder& b = attributes.builder;
  std::vector<Offset<fb::Attribute>> list;
  for (int64_t value : {1, 2}) {
    const auto name = b.CreateString("axis");
    list.push_back(fb::CreateAttribute(b, name, fb::Value::IntValue,
                                       fb::CreateIntValue(b, value).Union()));
  }
  const auto op_list = b.CreateVector(list);
  const auto op = b.CreateString("Relu"), name = b.CreateString("r");
  const auto none = b.CreateVector(std::vector<int32_t>{});
  attributes.ops.push_back(fb::CreateOp(
      b, op, name, none, b.CreateVector(std::vector<int32_t>{}), op_list));
  CHECK(attributes.Message() ==
        "op 0: attribute 1: got 'axis' twice, expected once");
}

TEST_CASE("a kind of value that is not known") {
  Parts parts;
  FlatBufferBuilder& b = parts.builder;
  const auto attribute_name = b.CreateString("axis");
  const auto value = fb::CreateIntValue(b, 1).Union();
  const auto attribute =
      fb::CreateAttribute(b, attribute_name, static_cast<fb::Value>(77), value);
  const auto list =
      b.CreateVector(std::vector<Offset<fb::Attribute>>{attribute});
  const auto op = b.CreateString("Relu"), name = b.CreateString("r");
  const auto none = b.CreateVector(std::vector<int32_t>{});
  parts.ops.push_back(fb::CreateOp(
      b, op, name, none, b.CreateVector(std::vector<int32_t>{}), list));
  CHECK(parts.Message().find("kind of value: got 77") != std::string::npos);
}

// 4 kB of indices used by 1,000 ops: 4 MB if every op got its copy.
TEST_CASE("objects used twice do not multiply") {
  Parts parts;
  FlatBufferBuilder& b = parts.builder;
  const auto shared = b.CreateVector(std::vector<int32_t>(1000, 0));
  const auto none = b.CreateVector(std::vector<Offset<fb::Attribute>>{});
  const auto text = b.CreateString("Concat");
  for (int i = 0; i < 1000; ++i)
    parts.ops.push_back(fb::CreateOp(b, text, text, shared, shared, none));
  CHECK(parts.Message().find("stored once and used twice") !=
        std::string::npos);
}

// One op, named 100,000 times, with 1,000 attributes: the verifier's table
// limit stops before that is walked.
TEST_CASE("tables used many times stop early") {
  Parts parts;
  FlatBufferBuilder& b = parts.builder;
  std::vector<Offset<fb::Attribute>> list;
  for (int i = 0; i < 1000; ++i) {
    const auto name = b.CreateString("a" + std::to_string(i));
    list.push_back(fb::CreateAttribute(b, name, fb::Value::IntValue,
                                       fb::CreateIntValue(b, 1).Union()));
  }
  const auto attributes = b.CreateVector(list);
  const auto text = b.CreateString("Concat");
  const auto indices = b.CreateVector(std::vector<int32_t>{0});
  parts.ops.assign(100000,
                   fb::CreateOp(b, text, text, indices, indices, attributes));
  CHECK(parts.Message().find("FlatBuffers") != std::string::npos);
}

}  // namespace
}  // namespace bittern::runtime
