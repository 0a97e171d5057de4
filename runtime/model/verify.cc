// VerifyModel: the structure checks that planning and running rely on. Reads
// only the definition, never constant data.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/model/bodies.h"
#include "runtime/model/model.h"
#include "runtime/model/op_info.h"

namespace bittern::runtime {
namespace {

constexpr size_t kMaxTensors = 1'000'000;
constexpr size_t kMaxOps = 1'000'000;
constexpr size_t kMaxOpOperands =
    100'000;  // of one op: Concat and Split have the most
constexpr int32_t kMaxImageSide = 16384;

std::string Quoted(std::string_view name) {
  return "'" + std::string(name) + "'";
}

const char* KindName(size_t kind) {
  constexpr const char* kNames[] = {"int", "float", "string", "ints", "floats"};
  return kind < std::size(kNames) ? kNames[kind] : "unknown";
}

bool IsPlain(DType dtype) {
  return dtype >= DType::kF32 && dtype <= DType::kBool;
}

Result<void> VerifyCode(const TensorType& type) {
  const CodeType& code = type.code;
  if (OperandOf(code) == kernels::Operand::kF32) {
    return InvalidArgument("code type: got encoding " +
                           std::to_string(static_cast<int>(code.encoding)) +
                           " with " + std::to_string(code.bits) +
                           " bits, expected one that FORMAT.md lists");
  }
  if (type.shape.rank() == 0)
    return InvalidArgument("codes: got rank 0, expected at least 1");
  if (code.encoding != Encoding::kSign) {
    if (IsWeightEncoding(code.encoding) && type.shape.rank() != 2) {
      return InvalidArgument("weight codes: got shape " + ToString(type.shape) +
                             ", expected rank 2");
    }
    if (code.group != 0)
      return InvalidArgument(ToString(code) + " codes: got group " +
                             std::to_string(code.group) + ", expected 0");
    return {};
  }
  const int64_t last = type.shape.Last();
  if (code.group < 0 ||
      (code.group > 0 && last >= 0 && last % code.group != 0)) {
    return InvalidArgument(
        "sign codes: got group " + std::to_string(code.group) +
        ", expected 0 or a divisor of the last dimension of " +
        ToString(type.shape));
  }
  return {};
}

Result<void> VerifyType(const TensorType& type) {
  if (!IsPlain(type.dtype) && type.dtype != DType::kCode) {
    return InvalidArgument("element type: got " +
                           std::to_string(static_cast<int>(type.dtype)) +
                           ", expected 1 to 7");
  }
  for (int64_t d : type.shape.dims()) {
    if (d < -1)
      return InvalidArgument("dimension: got " + std::to_string(d) +
                             ", expected -1 or more");
  }
  if (type.dtype == DType::kCode) return VerifyCode(type);
  if (type.code != CodeType{})
    return InvalidArgument("got a code format on " + ToString(type.dtype) +
                           ", expected none");
  return {};
}

Result<void> VerifyConstant(const TensorDef& tensor) {
  BITTERN_TRY_ASSIGN([[maybe_unused]] const int64_t elements,
                     CheckedElements(tensor.type.shape));
  if (tensor.type.dtype == DType::kCode &&
      !IsWeightEncoding(tensor.type.code.encoding)) {
    return InvalidArgument("constant: got " + ToString(tensor.type) +
                           ", expected numbers or codes of weights");
  }
  if (reinterpret_cast<uintptr_t>(tensor.data) % 64 != 0) {
    return InvalidArgument(
        "constant: got data that is not aligned, expected a multiple of 64");
  }
  return {};
}

Error At(const std::string& where, Error error) {
  error.message = where + ": " + error.message;
  return error;
}

class Verifier {
 public:
  explicit Verifier(const ModelDef& def)
      : def_(def),
        produced_(def.tensors.size(), kNothing),
        bodies_(def.tensors.size()) {}

  Result<void> Run() {
    BITTERN_TRY(Limits());
    BITTERN_TRY(Tensors());
    BITTERN_TRY(Inputs());
    for (size_t i = 0; i < def_.ops.size(); ++i) {
      if (Result<void> result = VerifyOp(def_.ops[i]); !result.ok()) {
        return At("op " + std::to_string(i) + " " + def_.ops[i].op + " " +
                      Quoted(def_.ops[i].name),
                  std::move(result).error());
      }
    }
    BITTERN_TRY(bodies_.Finish());
    BITTERN_TRY(Outputs());
    for (size_t i = 0; i < def_.preprocess.size(); ++i) {
      if (Result<void> result = VerifyPreprocess(i); !result.ok()) {
        return At("preprocessing " + std::to_string(i),
                  std::move(result).error());
      }
    }
    if (!def_.postprocess) return {};
    if (Result<void> result = VerifyPostprocess(); !result.ok())
      return At("postprocessing", std::move(result).error());
    return {};
  }

 private:
  enum Producer : uint8_t { kNothing, kConstant, kInput, kOp, kOutput };

  Result<void> Limits() const {
    const auto check = [](const char* what, size_t got,
                          size_t limit) -> Result<void> {
      if (got <= limit) return {};
      return InvalidArgument("model: got " + std::to_string(got) + " " + what +
                             ", expected at most " + std::to_string(limit));
    };
    BITTERN_TRY(check("tensors", def_.tensors.size(), kMaxTensors));
    return check("ops", def_.ops.size(), kMaxOps);
  }

  Result<void> Tensors() {
    std::unordered_map<std::string_view, size_t> names;
    names.reserve(def_.tensors.size());
    for (size_t i = 0; i < def_.tensors.size(); ++i) {
      const TensorDef& tensor = def_.tensors[i];
      const std::string where =
          "tensor " + std::to_string(i) + " " + Quoted(tensor.name);
      if (tensor.name.empty())
        return InvalidArgument(where + ": got no name, expected one");
      if (const auto [it, added] = names.emplace(tensor.name, i); !added) {
        return InvalidArgument(where + ": got the name of tensor " +
                               std::to_string(it->second) +
                               ", expected one of its own");
      }
      if (Result<void> result = VerifyType(tensor.type); !result.ok())
        return At(where, std::move(result).error());
      if (tensor.data == nullptr) continue;
      if (Result<void> result = VerifyConstant(tensor); !result.ok())
        return At(where, std::move(result).error());
      produced_[i] = kConstant;
    }
    return {};
  }

  Result<void> Index(int32_t tensor) const {
    if (tensor >= 0 && static_cast<size_t>(tensor) < def_.tensors.size())
      return {};
    return InvalidArgument("tensor index: got " + std::to_string(tensor) +
                           ", expected 0 to " +
                           std::to_string(def_.tensors.size()) + " exclusive");
  }

  const std::string& Name(int32_t tensor) const {
    return def_.tensors[static_cast<size_t>(tensor)].name;
  }
  Producer& ProducedBy(int32_t tensor) {
    return produced_[static_cast<size_t>(tensor)];
  }

  Result<void> Inputs() {
    for (size_t i = 0; i < def_.inputs.size(); ++i) {
      const std::string where = "model input " + std::to_string(i);
      const int32_t tensor = def_.inputs[i];
      if (Result<void> result = Index(tensor); !result.ok())
        return At(where, std::move(result).error());
      if (ProducedBy(tensor) != kNothing) {
        return InvalidArgument(where + ": tensor " + Quoted(Name(tensor)) +
                               " has a value already, expected none");
      }
      const TensorType& type = def_.tensors[static_cast<size_t>(tensor)].type;
      if (!IsPlain(type.dtype))
        return InvalidArgument(where + ": got " + ToString(type) +
                               ", expected numbers, not codes");
      ProducedBy(tensor) = kInput;
    }
    return {};
  }

  Result<void> Outputs() {
    if (def_.outputs.empty())
      return InvalidArgument("model: got 0 outputs, expected at least 1");
    for (size_t i = 0; i < def_.outputs.size(); ++i) {
      const std::string where = "model output " + std::to_string(i);
      const int32_t tensor = def_.outputs[i];
      if (Result<void> result = Index(tensor); !result.ok())
        return At(where, std::move(result).error());
      // A copy of an input or a constant needs an Identity op, so that every
      // output has a buffer of its own.
      if (ProducedBy(tensor) != kOp) {
        return InvalidArgument(where + ": tensor " + Quoted(Name(tensor)) +
                               (ProducedBy(tensor) == kOutput
                                    ? " is listed twice, expected once"
                                    : " is no op's result, expected one"));
      }
      if (!bodies_.IsOutside(tensor)) {
        return InvalidArgument(where + ": tensor " + Quoted(Name(tensor)) +
                               " is made in a body, expected one that is not");
      }
      const TensorType& type = def_.tensors[static_cast<size_t>(tensor)].type;
      if (!IsPlain(type.dtype))
        return InvalidArgument(where + ": got " + ToString(type) +
                               ", expected numbers, not codes");
      ProducedBy(tensor) = kOutput;
    }
    return {};
  }

  Result<void> VerifyOp(const OpDef& op) {
    const OpInfo* info = FindOp(op.op);
    if (info == nullptr)
      return Unsupported(
          "got an op that this version does not know, expected one of its "
          "list");
    const size_t max_inputs = std::min(info->max_inputs, kMaxOpOperands);
    const size_t max_outputs = std::min(info->max_outputs, kMaxOpOperands);
    BITTERN_TRY(
        Count("inputs", op.inputs.size(), info->min_inputs, max_inputs));
    BITTERN_TRY(
        Count("outputs", op.outputs.size(), info->min_outputs, max_outputs));
    BITTERN_TRY(bodies_.Begin(op, info->jump));
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      const int32_t tensor = op.inputs[i];
      if (tensor == -1) {
        if (i < info->min_inputs)
          return InvalidArgument("input " + std::to_string(i) +
                                 ": got none, expected a tensor");
        continue;
      }
      BITTERN_TRY(Index(tensor));
      if (ProducedBy(tensor) == kNothing) {
        return InvalidArgument(
            "input " + std::to_string(i) + ": tensor " + Quoted(Name(tensor)) +
            " has no value yet, expected one from a constant, a model input or "
            "an op before this one");
      }
      if (!bodies_.Sees(tensor, i)) {
        return InvalidArgument("input " + std::to_string(i) + ": tensor " +
                               Quoted(Name(tensor)) +
                               " is made in a body that has ended, expected "
                               "one that is still there");
      }
    }
    bodies_.Turn(info->jump);
    for (const int32_t tensor : op.outputs) {
      BITTERN_TRY(Index(tensor));
      if (ProducedBy(tensor) != kNothing) {
        return InvalidArgument("output: tensor " + Quoted(Name(tensor)) +
                               " has a value already, expected none");
      }
      ProducedBy(tensor) = kOp;
      bodies_.Make(tensor);
    }
    return Attributes(op, *info);
  }

  static Result<void> Count(const char* what, size_t got, size_t min,
                            size_t max) {
    if (got >= min && got <= max) return {};
    return InvalidArgument(std::string(what) + ": got " + std::to_string(got) +
                           ", expected " + std::to_string(min) + " to " +
                           std::to_string(max));
  }

  static Result<void> Attributes(const OpDef& op, const OpInfo& info) {
    size_t known = 0;
    for (const AttributeSpec& spec : info.attributes) {
      const auto it = op.attributes.find(std::string_view(spec.name));
      if (it == op.attributes.end()) {
        if (spec.required)
          return InvalidArgument("attribute " + Quoted(spec.name) +
                                 ": got none, expected " +
                                 KindName(static_cast<size_t>(spec.kind)));
        continue;
      }
      ++known;
      if (it->second.index() != static_cast<size_t>(spec.kind)) {
        return InvalidArgument("attribute " + Quoted(spec.name) + ": got " +
                               KindName(it->second.index()) + ", expected " +
                               KindName(static_cast<size_t>(spec.kind)));
      }
    }
    if (known == op.attributes.size()) return {};
    for (const auto& [name, value] : op.attributes) {
      bool declared = false;
      for (const AttributeSpec& spec : info.attributes)
        declared = declared || name == spec.name;
      if (!declared)
        return Unsupported(
            "attribute " + Quoted(name) +
            ": got one that this op does not have, expected only its own");
    }
    return {};
  }

  Result<void> VerifyPreprocess(size_t index) const {
    const Preprocess& p = def_.preprocess[index];
    if (p.input < 0 || static_cast<size_t>(p.input) >= def_.inputs.size()) {
      return InvalidArgument("input: got " + std::to_string(p.input) +
                             ", expected 0 to " +
                             std::to_string(def_.inputs.size()) + " exclusive");
    }
    for (size_t i = 0; i < index; ++i) {
      if (def_.preprocess[i].input == p.input)
        return InvalidArgument("input " + std::to_string(p.input) +
                               ": got a second one, expected one");
    }
    if (p.width < 1 || p.width > kMaxImageSide || p.height < 1 ||
        p.height > kMaxImageSide) {
      return InvalidArgument("size: got " + std::to_string(p.width) + " x " +
                             std::to_string(p.height) + ", expected 1 to " +
                             std::to_string(kMaxImageSide));
    }
    if (p.channels != 1 && p.channels != 3)
      return InvalidArgument("channels: got " + std::to_string(p.channels) +
                             ", expected 1 or 3");
    if (p.resize > Preprocess::Resize::kBicubic) {
      return InvalidArgument("resize: got " +
                             std::to_string(static_cast<int>(p.resize)) +
                             ", expected 0 to 2");
    }
    if (p.pad &&
        (p.resize == Preprocess::Resize::kNone || p.resize_shorter != 0)) {
      return InvalidArgument(
          "pad: got it without a filter or with resize_shorter, expected a "
          "filter alone");
    }
    BITTERN_TRY(VerifyShorter(p));
    BITTERN_TRY(VerifyNormalisation(p));
    const TensorType& type =
        def_.tensors[static_cast<size_t>(
                         def_.inputs[static_cast<size_t>(p.input)])]
            .type;
    const Shape image{1, p.channels, p.height, p.width};
    bool fits = type.dtype == DType::kF32 && type.shape.rank() == image.rank();
    for (size_t i = 0; fits && i < image.rank(); ++i)
      fits = type.shape[i] == -1 || type.shape[i] == image[i];
    if (!fits)
      return InvalidArgument("input: got " + ToString(type) + ", expected f32" +
                             ToString(image));
    return {};
  }

  Result<void> VerifyPostprocess() const {
    const Postprocess& p = *def_.postprocess;
    const auto within = [](const char* what, int32_t index,
                           size_t count) -> Result<void> {
      if (index >= 0 && static_cast<size_t>(index) < count) return {};
      return InvalidArgument(std::string(what) + ": got " +
                             std::to_string(index) + ", expected 0 to " +
                             std::to_string(count) + " exclusive");
    };
    BITTERN_TRY(within("input", p.input, def_.inputs.size()));
    BITTERN_TRY(within("scores", p.scores, def_.outputs.size()));
    BITTERN_TRY(within("boxes", p.boxes, def_.outputs.size()));
    if (p.score_kind > Postprocess::Scores::kSigmoid ||
        p.box_kind > Postprocess::Boxes::kCorners) {
      return InvalidArgument(
          "kinds: got " + std::to_string(static_cast<int>(p.score_kind)) +
          " and " + std::to_string(static_cast<int>(p.box_kind)) +
          ", expected 0 or 1 each");
    }
    return {};
  }

  static Result<void> VerifyShorter(const Preprocess& p) {
    if (p.resize_shorter == 0) return {};
    if (p.resize == Preprocess::Resize::kNone)
      return InvalidArgument(
          "resize_shorter: got a size without a filter, expected 0");
    if (p.resize_shorter < std::max(p.width, p.height) ||
        p.resize_shorter > kMaxImageSide) {
      return InvalidArgument(
          "resize_shorter: got " + std::to_string(p.resize_shorter) +
          ", expected 0 or " + std::to_string(std::max(p.width, p.height)) +
          " to " + std::to_string(kMaxImageSide));
    }
    return {};
  }

  static Result<void> VerifyNormalisation(const Preprocess& p) {
    const auto channels = static_cast<size_t>(p.channels);
    if (p.mean.size() != channels || p.std.size() != channels) {
      return InvalidArgument("mean and std: got " +
                             std::to_string(p.mean.size()) + " and " +
                             std::to_string(p.std.size()) +
                             " values, expected " + std::to_string(channels));
    }
    if (!std::isfinite(p.scale))
      return InvalidArgument(
          "scale: got a value that is not finite, expected a finite one");
    for (size_t c = 0; c < channels; ++c) {
      if (!std::isfinite(p.mean[c]) || !std::isfinite(p.std[c]) ||
          p.std[c] == 0) {
        return InvalidArgument("mean and std of channel " + std::to_string(c) +
                               ": expected finite values, std not 0");
      }
    }
    return {};
  }

  const ModelDef& def_;
  std::vector<Producer> produced_;
  BodyCheck bodies_;
};

}  // namespace

Result<void> VerifyModel(const ModelDef& def) { return Verifier(def).Run(); }

}  // namespace bittern::runtime
