// Memory: bittern_session_run allocates nothing, and every allocation that any
// other call makes may fail without harm. This program's malloc and calloc
// stand before the C library's for the shared library too; operator new goes
// through them.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

#include "bittern/bittern.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/fixture.h"

extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_calloc(size_t count, size_t size);
extern "C" void* __libc_realloc(void* block, size_t size);
extern "C" void* __libc_memalign(size_t alignment, size_t size);

namespace {

std::atomic<bool> watching{false};
std::atomic<long> allocations{0};
std::atomic<long> fail_at{-1};  // this allocation, counted from 0, and all
                                // after it get no memory; -1: none

bool Refused() {
  if (!watching.load(std::memory_order_relaxed)) return false;
  const long index = allocations.fetch_add(1, std::memory_order_relaxed);
  const long limit = fail_at.load(std::memory_order_relaxed);
  return limit >= 0 && index >= limit;
}

// Counts while it lives.
struct Watch {
  explicit Watch(long fail_from = -1) {
    allocations = 0;
    fail_at = fail_from;
    watching = true;
  }
  ~Watch() { watching = false; }
};

}  // namespace

// Visible to the shared libraries, whose calls are the ones of interest.
#define HOOK extern "C" __attribute__((visibility("default")))
HOOK void* malloc(size_t size) {
  return Refused() ? nullptr : __libc_malloc(size);
}
HOOK void* calloc(size_t count, size_t size) {
  return Refused() ? nullptr : __libc_calloc(count, size);
}
HOOK void* realloc(void* block, size_t size) {
  return Refused() ? nullptr : __libc_realloc(block, size);
}
HOOK void* aligned_alloc(size_t alignment, size_t size) {
  return Refused() ? nullptr : __libc_memalign(alignment, size);
}
HOOK int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = Refused() ? nullptr : __libc_memalign(alignment, size);
  return *block == nullptr ? 12 : 0;  // ENOMEM
}
#undef HOOK

namespace {

const std::vector<uint8_t>& FixtureBytes() {
  static const std::vector<uint8_t> bytes = [] {
    bittern::test::ModelBuilder builder;
    return bittern::runtime::SerializeModel(
               bittern::test::TinyClassifier(builder))
        .value();
  }();
  return bytes;
}

const uint8_t kPixels[16] = {1, 2, 3, 4, 50,  60,  70,  80,
                             9, 8, 7, 6, 200, 210, 220, 230};

struct Outcome {
  bittern_status status = BITTERN_STATUS_OK;
  bool clean = true;  // handles are NULL after a failure
  long allocations = 0;
};

// Load, create, prepare, set an image, run, read, profile: all that an app
// does, without an allocation of its own.
Outcome UseEverything(uint32_t threads, long fail_from) {
  Outcome outcome;
  bittern_model_options model_options = BITTERN_MODEL_OPTIONS_INIT;
  model_options.flags = BITTERN_MODEL_COPY_DATA;
  bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
  options.num_threads = threads;
  const bittern_image image = {sizeof(image), kPixels, 4, 4, 1, 0};
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  auto* model = reinterpret_cast<bittern_model*>(1);
  auto* session = reinterpret_cast<bittern_session*>(1);
  const std::vector<uint8_t>& bytes = FixtureBytes();
  {
    const Watch watch(fail_from);
    bittern_status& status = outcome.status;
    status = bittern_model_load_memory(bytes.data(), bytes.size(),
                                       &model_options, &model);
    if (status != BITTERN_STATUS_OK) outcome.clean = model == nullptr;
    if (status != BITTERN_STATUS_OK) session = nullptr;
    if (status == BITTERN_STATUS_OK) {
      status = bittern_session_create(model, &options, &session);
      if (status != BITTERN_STATUS_OK) outcome.clean = session == nullptr;
    }
    if (status == BITTERN_STATUS_OK) status = bittern_session_prepare(session);
    if (status == BITTERN_STATUS_OK)
      status = bittern_session_set_image(session, 0, &image);
    if (status == BITTERN_STATUS_OK) status = bittern_session_run(session);
    if (status == BITTERN_STATUS_OK)
      status = bittern_session_output(session, 0, &view);
    outcome.allocations = allocations;
  }
  bittern_session_release(session);
  bittern_model_release(model);
  return outcome;
}

TEST_CASE("the hooks see the library's allocations") {
  const Outcome outcome = UseEverything(1, -1);
  CHECK(outcome.status == BITTERN_STATUS_OK);
  CHECK(outcome.allocations > 50);
}

TEST_CASE("run allocates nothing, with one thread, two, and bound buffers") {
  for (const uint32_t threads : {1u, 2u}) {
    bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
    options.num_threads = threads;
    options.flags = BITTERN_SESSION_PROFILE;
    bittern_model* model = nullptr;
    bittern_session* session = nullptr;
    REQUIRE(bittern_model_load_memory(FixtureBytes().data(),
                                      FixtureBytes().size(), nullptr,
                                      &model) == BITTERN_STATUS_OK);
    REQUIRE(bittern_session_create(model, &options, &session) ==
            BITTERN_STATUS_OK);
    REQUIRE(bittern_session_prepare(session) == BITTERN_STATUS_OK);
    long seen = 0;
    {
      const Watch watch;
      for (int i = 0; i < 3; ++i)
        static_cast<void>(bittern_session_run(session));
      seen = allocations;
    }
    CHECK(seen == 0);
    std::vector<float> x(17), y(4);
    REQUIRE(bittern_session_bind_input(session, 0, x.data() + 1, 64) ==
            BITTERN_STATUS_OK);
    REQUIRE(bittern_session_bind_output(session, 0, y.data() + 1, 12) ==
            BITTERN_STATUS_OK);
    bittern_status status = BITTERN_STATUS_INTERNAL;
    {
      const Watch watch;
      status = bittern_session_run(session);
      seen = allocations;
    }
    CHECK(status == BITTERN_STATUS_OK);
    CHECK(seen == 0);
    bittern_session_release(session);
    bittern_model_release(model);
  }
}

TEST_CASE("any allocation may fail") {
  const long total = UseEverything(1, -1).allocations;
  for (long n = 0; n < total; ++n) {
    const Outcome outcome = UseEverything(1, n);
    INFO("allocation " << n << " of " << total << ": " << bittern_last_error());
    REQUIRE(outcome.status == BITTERN_STATUS_OUT_OF_MEMORY);
    REQUIRE(outcome.clean);
  }
  CHECK(UseEverything(1, total).status == BITTERN_STATUS_OK);
}

TEST_CASE("threads that cannot be made are an error") {
  const long total = UseEverything(2, -1).allocations;
  size_t failures = 0;
  for (long n = 0; n < total; ++n)
    failures += UseEverything(2, n).status == BITTERN_STATUS_OUT_OF_MEMORY;
  CHECK(failures > 50);
}

TEST_CASE("a session survives a failed prepare") {
  bittern_model* model = nullptr;
  bittern_session* session = nullptr;
  REQUIRE(bittern_model_load_memory(FixtureBytes().data(),
                                    FixtureBytes().size(), nullptr,
                                    &model) == BITTERN_STATUS_OK);
  REQUIRE(bittern_session_create(model, nullptr, &session) ==
          BITTERN_STATUS_OK);
  for (long n = 0;; ++n) {
    bittern_status status = BITTERN_STATUS_OK;
    {
      const Watch watch(n);
      status = bittern_session_prepare(session);
    }
    if (status == BITTERN_STATUS_OK) break;
    REQUIRE(status == BITTERN_STATUS_OUT_OF_MEMORY);
    REQUIRE(bittern_session_run(session) == BITTERN_STATUS_INVALID_STATE);
  }
  CHECK(bittern_session_run(session) == BITTERN_STATUS_OK);
  bittern_session_release(session);
  bittern_model_release(model);
}

}  // namespace
