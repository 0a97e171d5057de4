// The C API: every function checks its arguments, calls the C++ runtime and
// translates the result. Nothing else happens here, and no exception leaves.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "bittern/bittern.h"
#include "kernels/base/cpu.h"
#include "runtime/exec/detections.h"
#include "runtime/exec/session.h"
#include "runtime/format/reader.h"
#include "runtime/format/writer.h"
#include "runtime/model/model.h"

namespace rt = bittern::runtime;
using rt::Error;
using rt::InvalidArgument;
using rt::NotFound;
using rt::Result;

struct bittern_model {
  std::shared_ptr<const rt::Model> model;
  std::atomic<uint32_t> references{1};
};

struct bittern_session {
  std::unique_ptr<rt::Session> session;
};

namespace {

// Sizes of the first released version of each struct. Frozen: smaller ones are
// refused, larger ones are newer callers.
constexpr size_t kCpuInfoSize = 32;
constexpr size_t kModelOptionsSize = 16;
constexpr size_t kSessionOptionsSize = 48;
constexpr size_t kTensorInfoSize = 96;
constexpr size_t kTensorViewSize = 96;
constexpr size_t kImageSize = 40;
constexpr size_t kProfileEntrySize = 64;
constexpr size_t kDetectionSize = 40;
static_assert(sizeof(void*) != 8 ||
              (sizeof(bittern_cpu_info) == kCpuInfoSize &&
               sizeof(bittern_model_options) == kModelOptionsSize &&
               sizeof(bittern_session_options) == kSessionOptionsSize &&
               sizeof(bittern_tensor_info) == kTensorInfoSize &&
               sizeof(bittern_tensor_view) == kTensorViewSize &&
               sizeof(bittern_image) == kImageSize &&
               sizeof(bittern_profile_entry) == kProfileEntrySize &&
               sizeof(bittern_detection) == kDetectionSize));
static_assert(static_cast<int32_t>(rt::Code::kInternal) ==
              BITTERN_STATUS_INTERNAL);
static_assert(static_cast<int32_t>(rt::DType::kCode) == BITTERN_DTYPE_CODE &&
              rt::kMaxRank == BITTERN_MAX_RANK);

// The last failure of this thread. A fixed size, so that reporting needs no
// memory; longer messages are cut.
thread_local char last_error[1024];

bittern_status Fail(rt::Code code, std::string_view message) noexcept {
  const size_t size = std::min(message.size(), sizeof(last_error) - 1);
  std::memcpy(last_error, message.data(), size);
  last_error[size] = '\0';
  return static_cast<bittern_status>(code);
}

// Runs the body of one API function: Result<void> and exceptions become a
// status.
template <class Body>
bittern_status Call(const Body& body) noexcept {
  try {
    const Result<void> result = body();
    return result.ok() ? BITTERN_STATUS_OK
                       : Fail(result.error().code, result.error().message);
  } catch (const std::bad_alloc&) {
    return Fail(rt::Code::kOutOfMemory, "memory: the system has no more");
  } catch (...) {
    return Fail(rt::Code::kInternal, "internal: got an unexpected exception");
  }
}

Result<void> NotNull(const void* pointer, const char* what) {
  if (pointer != nullptr) return {};
  return InvalidArgument(std::string(what) + ": got NULL, expected a pointer");
}

template <class Struct>
Result<void> CheckSize(const Struct* data, const char* what,
                       size_t first_size) {
  BITTERN_TRY(NotNull(data, what));
  if (data->struct_size >= first_size) return {};
  return InvalidArgument(std::string(what) + ": got struct_size " +
                         std::to_string(data->struct_size) +
                         ", expected at least " + std::to_string(first_size) +
                         " (set it with the INIT macro)");
}

// The caller's options: fields that an older caller does not have stay 0, those
// of a newer one are not read.
template <class Struct>
Struct Load(const Struct& from) {
  Struct to{};
  std::memcpy(&to, &from, std::min(from.struct_size, sizeof(Struct)));
  return to;
}

template <class Struct>
void Store(Struct from, Struct* to) {
  from.struct_size = to->struct_size;
  std::memcpy(to, &from, std::min(to->struct_size, sizeof(Struct)));
}

Result<void> CheckFlags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) == 0) return {};
  return InvalidArgument("flags: got " + std::to_string(flags) +
                         ", expected none but " + std::to_string(known));
}

Result<uint32_t> ModelFlags(const bittern_model_options* options) {
  if (options == nullptr) return 0u;
  BITTERN_TRY(CheckSize(options, "model options", kModelOptionsSize));
  const uint32_t flags = Load(*options).flags;
  BITTERN_TRY(CheckFlags(flags, BITTERN_MODEL_COPY_DATA));
  return flags;
}

Result<bittern::kernels::CpuFeatures> CappedCpu(const char* max_target) {
  bittern::kernels::CpuFeatures cpu = bittern::kernels::DetectCpu();
  if (max_target == nullptr || bittern::kernels::CapCpu(cpu, max_target, &cpu))
    return cpu;
  std::string names;
  bool known = false;
  for (const std::string_view name : bittern::kernels::TargetNames()) {
    names += ' ' + std::string(name);
    known = known || name == max_target;
  }
  const std::string got = "max_target: got '" + std::string(max_target) + "'";
  if (known)
    return rt::Unsupported(got + ", expected a target that this CPU has");
  return InvalidArgument(got + ", expected one of" + names);
}

Result<rt::SessionOptions> SessionOptionsOf(
    const bittern_session_options* options) {
  rt::SessionOptions result;
  if (options == nullptr) return result;
  BITTERN_TRY(CheckSize(options, "session options", kSessionOptionsSize));
  const bittern_session_options o = Load(*options);
  BITTERN_TRY(CheckFlags(o.flags, BITTERN_SESSION_PROFILE));
  result.threads = std::max(o.num_threads, 1u);
  result.parallel_for = o.parallel_for;
  result.parallel_context = o.parallel_context;
  result.arena_limit_bytes = o.arena_limit_bytes;
  result.profile = (o.flags & BITTERN_SESSION_PROFILE) != 0;
  BITTERN_TRY_ASSIGN(result.cpu, CappedCpu(o.max_target));
  return result;
}

// Either list of a model's tensors.
using Slots = std::vector<int32_t> rt::ModelDef::*;

Result<void> Describe(const bittern_model* model, Slots slots, uint32_t index,
                      bittern_tensor_info* info) {
  BITTERN_TRY(NotNull(model, "model"));
  BITTERN_TRY(CheckSize(info, "tensor info", kTensorInfoSize));
  const rt::ModelDef& def = model->model->def();
  const size_t count = (def.*slots).size();
  if (index >= count) {
    return InvalidArgument("index: got " + std::to_string(index) +
                           ", expected less than " + std::to_string(count));
  }
  const rt::TensorDef& tensor =
      def.tensors[static_cast<size_t>((def.*slots)[index])];
  bittern_tensor_info result{};
  result.name = tensor.name.c_str();
  result.dtype = static_cast<bittern_dtype>(tensor.type.dtype);
  result.rank = static_cast<uint32_t>(tensor.type.shape.rank());
  std::copy_n(tensor.type.shape.dims().data(), result.rank, result.dims);
  Store(result, info);
  return {};
}

Result<void> Find(const bittern_model* model, Slots slots, const char* name,
                  uint32_t* index) {
  BITTERN_TRY(NotNull(model, "model"));
  BITTERN_TRY(NotNull(name, "name"));
  BITTERN_TRY(NotNull(index, "index"));
  const rt::ModelDef& def = model->model->def();
  const std::vector<int32_t>& tensors = def.*slots;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (def.tensors[static_cast<size_t>(tensors[i])].name != name) continue;
    *index = static_cast<uint32_t>(i);
    return {};
  }
  return NotFound("name: got '" + std::string(name) +
                  "', expected one of the model's " +
                  std::to_string(tensors.size()));
}

const std::string* FindMetadata(const rt::ModelDef& def, std::string_view key) {
  if (const auto it = def.metadata.find(key); it != def.metadata.end())
    return &it->second;
  constexpr std::string_view kLabel = "label.";
  size_t index = 0;
  if (!key.starts_with(kLabel)) return nullptr;
  const std::string_view digits = key.substr(kLabel.size());
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      index >= def.labels.size())
    return nullptr;
  return &def.labels[index];
}

using ViewFn = Result<rt::TensorView> (rt::Session::*)(size_t index);

Result<void> View(bittern_session* session, ViewFn get, uint32_t index,
                  bittern_tensor_view* view) {
  BITTERN_TRY(NotNull(session, "session"));
  BITTERN_TRY(CheckSize(view, "tensor view", kTensorViewSize));
  BITTERN_TRY_ASSIGN(const rt::TensorView tensor,
                     (session->session.get()->*get)(index));
  bittern_tensor_view result{};
  result.data = tensor.data;
  result.bytes = rt::ByteSize(*tensor.type);
  result.dtype = static_cast<bittern_dtype>(tensor.type->dtype);
  result.rank = static_cast<uint32_t>(tensor.type->shape.rank());
  std::copy_n(tensor.type->shape.dims().data(), result.rank, result.dims);
  Store(result, view);
  return {};
}

Result<rt::ImageView> ImageOf(const bittern_image* image) {
  BITTERN_TRY(CheckSize(image, "image", kImageSize));
  const bittern_image i = Load(*image);
  if (i.stride > static_cast<size_t>(PTRDIFF_MAX))
    return InvalidArgument("image: got a stride that is too large");
  const ptrdiff_t packed = ptrdiff_t{i.width} * i.channels;
  return rt::ImageView{
      i.pixels, i.width, i.height, i.channels,
      i.stride == 0 ? packed : static_cast<ptrdiff_t>(i.stride)};
}

bittern_profile_entry ProfileEntryOf(const rt::ProfileEntry& from) {
  bittern_profile_entry entry{};
  entry.name = from.def->name.c_str();
  entry.op = from.def->op.c_str();
  entry.kernel = from.kernel.c_str();
  entry.calls = from.calls;
  entry.total_ns = from.total_ns;
  entry.macs = from.cost.macs;
  entry.weight_bits = from.cost.weight_bits;
  entry.activation_bits = from.cost.activation_bits;
  return entry;
}

bittern_detection DetectionOf(const rt::Detection& d) {
  return {0, d.left, d.top, d.right, d.bottom, d.score, d.label, d.query};
}

// Into the caller's array of structs of his size, as many as it holds.
template <class From, class To>
Result<void> StoreList(const std::vector<From>& from,
                       To (*convert)(const From&), const char* what,
                       size_t least, To* to, size_t* count) {
  const size_t capacity = std::exchange(*count, from.size());
  if (to == nullptr || capacity == 0) return {};
  BITTERN_TRY(CheckSize(to, what, least));
  const size_t size = to->struct_size;
  for (size_t i = 0; i < std::min(capacity, from.size()); ++i) {
    auto* entry = reinterpret_cast<To*>(reinterpret_cast<char*>(to) + i * size);
    entry->struct_size = size;
    Store(convert(from[i]), entry);
  }
  return {};
}

// Texts of bittern_cpu_features: made on the first call, never freed while the
// library is loaded.
struct CpuTexts {
  std::string detected, targets, chosen;
  CpuTexts() {
    namespace kernels = bittern::kernels;
    const kernels::CpuFeatures& cpu = kernels::DetectCpu();
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
      if (cpu.Has(bit))
        Add(kernels::CpuBitName(static_cast<kernels::CpuBit>(bit)), &detected);
    }
    for (const std::string_view name : kernels::TargetNames()) {
      kernels::CpuFeatures capped;
      if (kernels::CapCpu(cpu, name, &capped)) Add(name, &targets);
    }
    chosen = kernels::BestTarget(cpu);
  }
  static void Add(std::string_view word, std::string* text) {
    if (!text->empty()) *text += ' ';
    *text += word;
  }
};

}  // namespace

extern "C" {

uint32_t bittern_version(void) {
  return BITTERN_VERSION_MAJOR * 1000000 + BITTERN_VERSION_MINOR * 1000 +
         BITTERN_VERSION_PATCH;
}

#define BITTERN_TEXT_(x) #x
#define BITTERN_TEXT(x) BITTERN_TEXT_(x)
const char* bittern_version_string(void) {
  return BITTERN_TEXT(BITTERN_VERSION_MAJOR) "." BITTERN_TEXT(
      BITTERN_VERSION_MINOR) "." BITTERN_TEXT(BITTERN_VERSION_PATCH);
}

uint32_t bittern_format_version(void) { return rt::kFormatVersion; }

const char* bittern_status_string(bittern_status code) {
  constexpr const char* kTexts[] = {
      "ok",          "invalid argument",   "invalid state",
      "not found",   "input/output error", "corrupt file",
      "unsupported", "out of memory",      "internal error"};
  return code >= 0 && static_cast<size_t>(code) < std::size(kTexts)
             ? kTexts[code]
             : "unknown status";
}

const char* bittern_last_error(void) { return last_error; }

bittern_status bittern_cpu_features(bittern_cpu_info* info) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(CheckSize(info, "cpu info", kCpuInfoSize));
    static const CpuTexts texts;
    Store({0, texts.detected.c_str(), texts.targets.c_str(),
           texts.chosen.c_str()},
          info);
    return {};
  });
}

bittern_status bittern_model_load_file(const char* path,
                                       const bittern_model_options* options,
                                       bittern_model** model) {
  if (model != nullptr) *model = nullptr;
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(path, "path"));
    BITTERN_TRY(NotNull(model, "model"));
    BITTERN_TRY(ModelFlags(options));
    BITTERN_TRY_ASSIGN(auto loaded, rt::ReadModelFile(path));
    *model = new bittern_model{std::move(loaded)};
    return {};
  });
}

bittern_status bittern_model_load_memory(const void* data, size_t size,
                                         const bittern_model_options* options,
                                         bittern_model** model) {
  if (model != nullptr) *model = nullptr;
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(data, "data"));
    BITTERN_TRY(NotNull(model, "model"));
    BITTERN_TRY_ASSIGN(const uint32_t flags, ModelFlags(options));
    BITTERN_TRY_ASSIGN(auto loaded,
                       rt::ReadModelMemory(
                           data, size, (flags & BITTERN_MODEL_COPY_DATA) != 0));
    *model = new bittern_model{std::move(loaded)};
    return {};
  });
}

bittern_status bittern_model_retain(bittern_model* model) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(model, "model"));
    model->references.fetch_add(1, std::memory_order_relaxed);
    return {};
  });
}

void bittern_model_release(bittern_model* model) {
  if (model != nullptr &&
      model->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete model;
}

uint32_t bittern_model_input_count(const bittern_model* model) {
  return model == nullptr
             ? 0
             : static_cast<uint32_t>(model->model->def().inputs.size());
}

uint32_t bittern_model_output_count(const bittern_model* model) {
  return model == nullptr
             ? 0
             : static_cast<uint32_t>(model->model->def().outputs.size());
}

bittern_status bittern_model_input_info(const bittern_model* model,
                                        uint32_t index,
                                        bittern_tensor_info* info) {
  return Call(
      [&] { return Describe(model, &rt::ModelDef::inputs, index, info); });
}

bittern_status bittern_model_output_info(const bittern_model* model,
                                         uint32_t index,
                                         bittern_tensor_info* info) {
  return Call(
      [&] { return Describe(model, &rt::ModelDef::outputs, index, info); });
}

bittern_status bittern_model_find_input(const bittern_model* model,
                                        const char* name, uint32_t* index) {
  return Call([&] { return Find(model, &rt::ModelDef::inputs, name, index); });
}

bittern_status bittern_model_find_output(const bittern_model* model,
                                         const char* name, uint32_t* index) {
  return Call([&] { return Find(model, &rt::ModelDef::outputs, name, index); });
}

bittern_status bittern_model_metadata(const bittern_model* model,
                                      const char* key, const char** value) {
  if (value != nullptr) *value = nullptr;
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(model, "model"));
    BITTERN_TRY(NotNull(key, "key"));
    BITTERN_TRY(NotNull(value, "value"));
    const std::string* text = FindMetadata(model->model->def(), key);
    if (text == nullptr)
      return NotFound("metadata key: got '" + std::string(key) +
                      "', expected one that the model has");
    *value = text->c_str();
    return {};
  });
}

bittern_status bittern_session_create(bittern_model* model,
                                      const bittern_session_options* options,
                                      bittern_session** session) {
  if (session != nullptr) *session = nullptr;
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(model, "model"));
    BITTERN_TRY(NotNull(session, "session"));
    BITTERN_TRY_ASSIGN(const rt::SessionOptions session_options,
                       SessionOptionsOf(options));
    BITTERN_TRY_ASSIGN(auto created,
                       rt::Session::Create(model->model, session_options));
    *session = new bittern_session{std::move(created)};
    return {};
  });
}

void bittern_session_release(bittern_session* session) { delete session; }

bittern_status bittern_session_set_input_shape(bittern_session* session,
                                               uint32_t index,
                                               const int64_t* dims,
                                               uint32_t rank) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    if (rank != 0) BITTERN_TRY(NotNull(dims, "dims"));
    if (rank > rt::kMaxRank) {
      return InvalidArgument("rank: got " + std::to_string(rank) +
                             ", expected at most " +
                             std::to_string(rt::kMaxRank));
    }
    return session->session->SetInputShape(
        index, rt::Shape(std::span<const int64_t>(dims, rank)));
  });
}

bittern_status bittern_session_prepare(bittern_session* session) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    return session->session->Prepare();
  });
}

bittern_status bittern_session_input(bittern_session* session, uint32_t index,
                                     bittern_tensor_view* view) {
  return Call([&] { return View(session, &rt::Session::Input, index, view); });
}

bittern_status bittern_session_output(bittern_session* session, uint32_t index,
                                      bittern_tensor_view* view) {
  return Call([&] { return View(session, &rt::Session::Output, index, view); });
}

bittern_status bittern_session_bind_input(bittern_session* session,
                                          uint32_t index, const void* data,
                                          size_t bytes) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    return session->session->BindInput(index, data, bytes);
  });
}

bittern_status bittern_session_bind_output(bittern_session* session,
                                           uint32_t index, void* data,
                                           size_t bytes) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    return session->session->BindOutput(index, data, bytes);
  });
}

bittern_status bittern_session_set_image(bittern_session* session,
                                         uint32_t index,
                                         const bittern_image* image) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    BITTERN_TRY_ASSIGN(const rt::ImageView view, ImageOf(image));
    return session->session->SetImage(index, view);
  });
}

bittern_status bittern_session_run(bittern_session* session) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    return session->session->Run();
  });
}

bittern_status bittern_session_profile(const bittern_session* session,
                                       bittern_profile_entry* entries,
                                       size_t* count) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    BITTERN_TRY(NotNull(count, "count"));
    if (!session->session->prepared())
      return rt::InvalidState(
          "profile: got a session that is not prepared, expected prepare "
          "before it");
    const std::vector<rt::ProfileEntry>& profile = session->session->profile();
    return StoreList(profile, &ProfileEntryOf, "profile entry",
                     kProfileEntrySize, entries, count);
  });
}

bittern_status bittern_session_detections(bittern_session* session,
                                          uint32_t sample, float threshold,
                                          int32_t width, int32_t height,
                                          bittern_detection* detections,
                                          size_t* count) {
  return Call([&]() -> Result<void> {
    BITTERN_TRY(NotNull(session, "session"));
    BITTERN_TRY(NotNull(count, "count"));
    BITTERN_TRY_ASSIGN(const std::vector<rt::Detection> found,
                       rt::FindDetections(*session->session, sample, threshold,
                                          width, height));
    return StoreList(found, &DetectionOf, "detection", kDetectionSize,
                     detections, count);
  });
}

}  // extern "C"
