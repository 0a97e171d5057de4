// libFuzzer's mutations for ONNX targets: most change one place of the parsed
// model (a field, an element of a list, a subtree of another model), so that
// the bytes still parse and the damage reaches operators and passes. One in
// eight is a mutation of the bytes, as is any input that does not parse.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "converter/onnx/onnx_proto.h"
#include "tests/support/random.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using bittern::test::Random;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::array<const char*, 6> kDomains = {"",
                                                 "ai.onnx",
                                                 "com.microsoft",
                                                 "qonnx.custom_op.general",
                                                 "onnx.brevitas",
                                                 "finn.custom_op.general"};
constexpr const char* kOperators[] = {
#define BITTERN_ONNX_HANDLER(domain, op, function) #op,
#include "converter/onnx/handlers.inc"
#undef BITTERN_ONNX_HANDLER
};

bool Parse(const uint8_t* data, size_t size, onnx::ModelProto* model) {
  return model->ParseFromArray(data, static_cast<int>(size));
}

// Every message of the tree, the root first.
void Collect(Message* message, std::vector<Message*>* all) {
  all->push_back(message);
  const Reflection* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Collect(reflection->MutableMessage(message, field), all);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      Collect(reflection->MutableRepeatedMessage(message, field, i), all);
    }
  }
}

// The strings that the model's messages hold in fields of this name kind: names
// of values for inputs and outputs, names of attributes for attributes.
std::string StringOfTheModel(onnx::ModelProto& model, Random& random) {
  std::vector<std::string> names = {""};
  for (const auto& node : model.graph().node()) {
    names.insert(names.end(), node.input().begin(), node.input().end());
    names.insert(names.end(), node.output().begin(), node.output().end());
    for (const auto& attribute : node.attribute()) {
      names.push_back(attribute.name());
      if (!attribute.s().empty()) names.push_back(attribute.s());
    }
  }
  return names[random.Below(names.size())];
}

std::string NewString(onnx::ModelProto& model, const FieldDescriptor* field,
                      std::string value, Random& random) {
  if (field->name() == "op_type") {
    return kOperators[random.Below(std::size(kOperators))];
  }
  if (field->name() == "domain") return kDomains[random.Below(kDomains.size())];
  if (field->type() != FieldDescriptor::TYPE_BYTES) {
    return StringOfTheModel(model, random);
  }
  const size_t size = value.size();
  value.resize(size + 16);
  value.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(value.data()), size,
                                value.size()));
  return value;
}

int64_t NewInteger(int64_t value, Random& random) {
  constexpr int64_t kChosen[] = {
      0,  1,  -1,  2,   3,         4,         7,         16,
      64, -2, 255, 256, 1 << 16,   INT32_MAX, INT32_MIN, INT64_MAX,
      63, 65, 127, 128, INT64_MIN, 1LL << 40, 1LL << 32, -1000};
  switch (random.Below(3)) {
    case 0:
      return static_cast<int64_t>(static_cast<uint64_t>(value) + 1);
    case 1:
      return static_cast<int64_t>(static_cast<uint64_t>(value) - 1);
    default:
      return kChosen[random.Below(std::size(kChosen))];
  }
}

float NewFloat(float value, Random& random) {
  const float chosen[] = {0.0F,
                          -0.0F,
                          1.0F,
                          -1.0F,
                          0.5F,
                          1e-40F,
                          3e38F,
                          -value,
                          value * 2.0F,
                          std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN(),
                          random.Normal()};
  return chosen[random.Below(std::size(chosen))];
}

// Replaces a field that is no list; one that is not set starts from its
// default.
void ChangeScalar(onnx::ModelProto& model, Message* message,
                  const FieldDescriptor* field, Random& random) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      reflection->SetInt32(message, field,
                           static_cast<int32_t>(NewInteger(
                               reflection->GetInt32(*message, field), random)));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      reflection->SetInt64(
          message, field,
          NewInteger(reflection->GetInt64(*message, field), random));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      reflection->SetFloat(
          message, field,
          NewFloat(reflection->GetFloat(*message, field), random));
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      reflection->SetEnumValue(message, field,
                               static_cast<int>(random.Below(28)));
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetString(
          message, field,
          NewString(model, field, reflection->GetString(*message, field),
                    random));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (random.Below(8) == 0) reflection->ClearField(message, field);
      break;
    default:
      reflection->ClearField(message, field);
  }
}

void ChangeElement(onnx::ModelProto& model, Message* message,
                   const FieldDescriptor* field, int i, Random& random) {
  const Reflection* reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      reflection->SetRepeatedInt64(
          message, field, i,
          NewInteger(reflection->GetRepeatedInt64(*message, field, i), random));
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      reflection->SetRepeatedInt32(
          message, field, i,
          static_cast<int32_t>(NewInteger(
              reflection->GetRepeatedInt32(*message, field, i), random)));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      reflection->SetRepeatedFloat(
          message, field, i,
          NewFloat(reflection->GetRepeatedFloat(*message, field, i), random));
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->SetRepeatedString(
          message, field, i,
          NewString(model, field,
                    reflection->GetRepeatedString(*message, field, i), random));
      break;
    default:
      break;
  }
}

// Adds an element: a copy of one that is there, where there is one.
void AddElement(onnx::ModelProto& model, Message* message,
                const FieldDescriptor* field, Random& random) {
  const Reflection* reflection = message->GetReflection();
  const int size = reflection->FieldSize(*message, field);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      reflection->AddInt64(message, field, NewInteger(1, random));
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      reflection->AddInt32(message, field,
                           static_cast<int32_t>(NewInteger(1, random)));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      reflection->AddFloat(message, field, NewFloat(1.0F, random));
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection->AddString(message, field, StringOfTheModel(model, random));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* added = reflection->AddMessage(message, field);
      if (size > 0) {
        const size_t from = random.Below(static_cast<size_t>(size));
        added->CopyFrom(reflection->GetRepeatedMessage(*message, field,
                                                       static_cast<int>(from)));
      }
      break;
    }
    default:
      break;
  }
}

void ChangeList(onnx::ModelProto& model, Message* message,
                const FieldDescriptor* field, Random& random) {
  const Reflection* reflection = message->GetReflection();
  const int size = reflection->FieldSize(*message, field);
  if (size == 0) return AddElement(model, message, field, random);
  const auto element = [&] {
    return static_cast<int>(random.Below(static_cast<size_t>(size)));
  };
  switch (random.Below(6)) {
    case 0:
      return AddElement(model, message, field, random);
    case 1:
      reflection->SwapElements(message, field, element(), size - 1);
      return reflection->RemoveLast(message, field);
    case 2:
      return reflection->SwapElements(message, field, element(), element());
    default:
      return ChangeElement(model, message, field, element(), random);
  }
}

void ChangeOnePlace(onnx::ModelProto& model, Random& random) {
  std::vector<Message*> all;
  Collect(&model, &all);
  Message* message = all[random.Below(all.size())];
  std::vector<const FieldDescriptor*> fields;
  message->GetReflection()->ListFields(*message, &fields);
  const FieldDescriptor* field = nullptr;
  if (fields.empty() || random.Below(8) == 0) {
    const auto* type = message->GetDescriptor();
    if (type->field_count() == 0) return;
    field = type->field(static_cast<int>(
        random.Below(static_cast<size_t>(type->field_count()))));
  } else {
    field = fields[random.Below(fields.size())];
  }
  if (field->is_repeated()) return ChangeList(model, message, field, random);
  ChangeScalar(model, message, field, random);
}

size_t Write(const onnx::ModelProto& model, uint8_t* data, size_t max_size) {
  const size_t size = model.ByteSizeLong();
  if (size > max_size) return 0;
  model.SerializeToArray(data, static_cast<int>(size));
  return size;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                          size_t max_size, unsigned seed) {
  Random random(seed);
  onnx::ModelProto model;
  if (random.Below(8) == 0 || !Parse(data, size, &model)) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  for (size_t places = random.Below(3) + 1; places > 0; --places) {
    ChangeOnePlace(model, random);
  }
  const size_t written = Write(model, data, max_size);
  return written > 0 ? written : LLVMFuzzerMutate(data, size, max_size);
}

// Puts a subtree of the second model (a node, an attribute, a tensor ...) in
// the place of one of its type in the first.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data1, size_t size1,
                                            const uint8_t* data2, size_t size2,
                                            uint8_t* out, size_t max_out_size,
                                            unsigned seed) {
  Random random(seed);
  onnx::ModelProto model;
  onnx::ModelProto other;
  if (!Parse(data1, size1, &model) || !Parse(data2, size2, &other)) return 0;
  std::vector<Message*> places;
  std::vector<Message*> givers;
  Collect(&model, &places);
  Collect(&other, &givers);
  const Message* giver = givers[random.Below(givers.size())];
  std::vector<Message*> takers;
  for (Message* place : places) {
    if (place->GetDescriptor() == giver->GetDescriptor()) {
      takers.push_back(place);
    }
  }
  if (takers.empty()) return 0;
  takers[random.Below(takers.size())]->CopyFrom(*giver);
  return Write(model, out, max_out_size);
}
