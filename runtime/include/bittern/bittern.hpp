// bittern.hpp: C++17 over bittern.h. Handles that release themselves, errors as
// values; nothing throws but std::bad_alloc of the strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "bittern/bittern.h"

namespace bittern {

// What a call returned. On failure, `message` says what, where, got, expected.
class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(bittern_status code)
      : code_(code),
        message_(code == BITTERN_STATUS_OK ? "" : bittern_last_error()) {}
  bool ok() const { return code_ == BITTERN_STATUS_OK; }
  explicit operator bool() const { return ok(); }
  bittern_status code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  bittern_status code_ = BITTERN_STATUS_OK;
  std::string message_;
};

// A shared reference to an immutable model. Copies share it; any thread may use
// it.
class Model {
 public:
  Model() = default;
  Model(const Model& other) : handle_(other.handle_) {
    if (handle_ != nullptr) static_cast<void>(bittern_model_retain(handle_));
  }
  Model(Model&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  Model& operator=(Model other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Model() { bittern_model_release(handle_); }

  static Status LoadFile(const std::string& path, Model* model) {
    Model loaded;
    const bittern_status status =
        bittern_model_load_file(path.c_str(), nullptr, &loaded.handle_);
    if (status == BITTERN_STATUS_OK) *model = std::move(loaded);
    return Status(status);
  }
  // Borrows `data` until the last reference is gone, unless `flags` has
  // BITTERN_MODEL_COPY_DATA.
  static Status LoadMemory(const void* data, std::size_t size,
                           std::uint32_t flags, Model* model) {
    bittern_model_options options = BITTERN_MODEL_OPTIONS_INIT;
    options.flags = flags;
    Model loaded;
    const bittern_status status =
        bittern_model_load_memory(data, size, &options, &loaded.handle_);
    if (status == BITTERN_STATUS_OK) *model = std::move(loaded);
    return Status(status);
  }

  std::uint32_t input_count() const {
    return bittern_model_input_count(handle_);
  }
  std::uint32_t output_count() const {
    return bittern_model_output_count(handle_);
  }
  Status InputInfo(std::uint32_t index, bittern_tensor_info* info) const {
    *info = BITTERN_TENSOR_INFO_INIT;
    return Status(bittern_model_input_info(handle_, index, info));
  }
  Status OutputInfo(std::uint32_t index, bittern_tensor_info* info) const {
    *info = BITTERN_TENSOR_INFO_INIT;
    return Status(bittern_model_output_info(handle_, index, info));
  }
  Status FindInput(const std::string& name, std::uint32_t* index) const {
    return Status(bittern_model_find_input(handle_, name.c_str(), index));
  }
  Status FindOutput(const std::string& name, std::uint32_t* index) const {
    return Status(bittern_model_find_output(handle_, name.c_str(), index));
  }
  // Null if the model does not have the key; else borrowed from the model.
  const char* Metadata(const std::string& key) const {
    const char* value = nullptr;
    return bittern_model_metadata(handle_, key.c_str(), &value) ==
                   BITTERN_STATUS_OK
               ? value
               : nullptr;
  }

  bittern_model* handle() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  bittern_model* handle_ = nullptr;
};

// One run context of a model; keeps the model alive. Used from one thread at a
// time; only movable.
class Session {
 public:
  Session() = default;
  Session(Session&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Session(const Session&) = delete;
  ~Session() { bittern_session_release(handle_); }

  static bittern_session_options DefaultOptions() {
    return BITTERN_SESSION_OPTIONS_INIT;
  }
  static Status Create(const Model& model,
                       const bittern_session_options& options,
                       Session* session) {
    Session created;
    const bittern_status status =
        bittern_session_create(model.handle(), &options, &created.handle_);
    if (status == BITTERN_STATUS_OK) *session = std::move(created);
    return Status(status);
  }

  Status SetInputShape(std::uint32_t index, const std::int64_t* dims,
                       std::uint32_t rank) {
    return Status(bittern_session_set_input_shape(handle_, index, dims, rank));
  }
  Status Prepare() { return Status(bittern_session_prepare(handle_)); }
  Status Input(std::uint32_t index, bittern_tensor_view* view) {
    *view = BITTERN_TENSOR_VIEW_INIT;
    return Status(bittern_session_input(handle_, index, view));
  }
  Status Output(std::uint32_t index, bittern_tensor_view* view) {
    *view = BITTERN_TENSOR_VIEW_INIT;
    return Status(bittern_session_output(handle_, index, view));
  }
  Status BindInput(std::uint32_t index, const void* data, std::size_t bytes) {
    return Status(bittern_session_bind_input(handle_, index, data, bytes));
  }
  Status BindOutput(std::uint32_t index, void* data, std::size_t bytes) {
    return Status(bittern_session_bind_output(handle_, index, data, bytes));
  }
  Status SetImage(std::uint32_t index, const bittern_image& image) {
    return Status(bittern_session_set_image(handle_, index, &image));
  }
  Status Run() { return Status(bittern_session_run(handle_)); }
  Status Detections(std::uint32_t sample, float threshold, std::int32_t width,
                    std::int32_t height, bittern_detection* detections,
                    std::size_t* count) {
    return Status(bittern_session_detections(handle_, sample, threshold, width,
                                             height, detections, count));
  }
  Status Profile(bittern_profile_entry* entries, std::size_t* count) const {
    return Status(bittern_session_profile(handle_, entries, count));
  }

  bittern_session* handle() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  bittern_session* handle_ = nullptr;
};

}  // namespace bittern
