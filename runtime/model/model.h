// Model: what a packed file says, in memory, verified and immutable. Shared by
// all plans and sessions; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"

namespace bittern::runtime {

using AttributeValue = std::variant<int64_t, float, std::string,
                                    std::vector<int64_t>, std::vector<float>>;
using AttributeMap = std::map<std::string, AttributeValue, std::less<>>;

struct TensorDef {
  std::string name;
  TensorType type;
  const void* data =
      nullptr;  // constants: ByteSize(type) bytes, 64-byte aligned, owned by
                // the Model's storage; else null
};

struct OpDef {
  std::string op;               // an entry of ops.inc
  std::string name;             // the ONNX node(s) it came from
  std::vector<int32_t> inputs;  // tensor indices; -1 = absent optional input
  std::vector<int32_t> outputs;
  AttributeMap attributes;
};

// Preprocessing of one image input, applied by bittern_session_set_image:
// resize, crop, scale, normalise, lay out as NCHW.
struct Preprocess {
  enum class Resize : uint8_t {
    kNone = 0,
    kBilinear = 1,
    kBicubic = 2
  };                              // filters with antialiasing, as PIL
  int32_t input = 0;              // index into ModelDef::inputs
  int32_t width = 0, height = 0;  // of the network input
  int32_t channels = 3;           // 1 or 3
  Resize resize = Resize::kNone;
  int32_t resize_shorter =
      0;  // > 0: shorter side to this, then centre crop to width x height; 0:
          // resize straight to width x height
  float scale = 1.0f / 255;      // y = (x * scale - mean[c]) / std[c]
  std::vector<float> mean, std;  // [channels]
  bool pad = false;  // resize to fit into width x height, aspect kept, at the
                     // top left; the rest is 0 in the input
  friend bool operator==(const Preprocess&, const Preprocess&) = default;
};

// What two outputs of a detector mean, applied by bittern_session_detections.
struct Postprocess {
  enum class Scores : uint8_t {
    kSoftmax = 0,  // the last class means that there is no object
    kSigmoid = 1
  };
  enum class Boxes : uint8_t {
    kCentre = 0,  // centre x, centre y, width, height
    kCorners = 1  // left, top, right, bottom
  };
  int32_t input = 0;   // index into ModelDef::inputs: boxes are relative to its
                       // width and height, 0 to 1
  int32_t scores = 0;  // index into ModelDef::outputs: f32 [N,Q,C] before
                       // softmax or sigmoid
  int32_t boxes = 1;   // f32 [N,Q,4]
  Scores score_kind = Scores::kSoftmax;
  Boxes box_kind = Boxes::kCentre;
  friend bool operator==(const Postprocess&, const Postprocess&) = default;
};

struct ModelDef {
  std::vector<TensorDef> tensors;
  std::vector<OpDef> ops;                // in execution order
  std::vector<int32_t> inputs, outputs;  // tensor indices
  std::vector<Preprocess> preprocess;
  std::optional<Postprocess> postprocess;
  std::vector<std::string> labels;
  std::map<std::string, std::string, std::less<>>
      metadata;  // "source_sha256"..., "converter_version", "report" (JSON)
};

// Of the input at that position in ModelDef::inputs; null if it has none.
const Preprocess* FindPreprocess(const ModelDef& def, size_t input);

// What keeps the constant data of a model alive: buffers, or a mapping.
struct Storage {
  Storage() = default;
  Storage(std::shared_ptr<const void> keeps_alive)
      : owner(std::move(keeps_alive)) {}  // NOLINT: implicit by design

  std::shared_ptr<const void> owner;
  // Bounds of a read-only mapping of a file: its pages may be given back, the
  // system reads them again when they are touched. Null if the data is ordinary
  // memory.
  const uint8_t* mapping = nullptr;
  size_t mapping_bytes = 0;
};

class Model {
 public:
  // Takes a definition and whatever keeps its constant data alive. Checks it:
  // see VerifyModel.
  static Result<std::shared_ptr<const Model>> Make(ModelDef def,
                                                   Storage storage);

  const ModelDef& def() const { return def_; }

  // Weights in the layout of one kernel, made once per model and shared by all
  // plans. `layout` names kernel and parameters; `fill` writes `bytes` bytes.
  // Thread-safe. After packing, the canonical pages of `tensor` are released if
  // they are a file mapping.
  Result<std::shared_ptr<const AlignedBuffer>> Packed(
      int32_t tensor, std::string_view layout, size_t bytes,
      const std::function<void(void*)>& fill) const;

 private:
  Model(ModelDef def, Storage storage)
      : def_(std::move(def)), storage_(std::move(storage)) {}
  void ReleaseCanonical(const TensorDef& tensor) const;

  ModelDef def_;
  Storage storage_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<int32_t, std::string>,
                   std::weak_ptr<const AlignedBuffer>>
      packed_;
};

// Structure checks shared by files and in-memory models (verify.cc): indices in
// range, every op known with its attributes typed as declared, inputs produced
// before use, each tensor produced once, outputs produced by an op, shapes
// within limits, constants well formed. Types of op inputs are checked by
// planning.
Result<void> VerifyModel(const ModelDef& def);

}  // namespace bittern::runtime
