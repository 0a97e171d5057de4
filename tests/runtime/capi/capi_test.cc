// Every function of the C API: what it does, and what it says to wrong
// arguments and calls out of order.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "bittern/bittern.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/fixture.h"

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

bittern_model* LoadFixture(const std::vector<uint8_t>& bytes = FixtureBytes()) {
  bittern_model_options options = BITTERN_MODEL_OPTIONS_INIT;
  options.flags = BITTERN_MODEL_COPY_DATA;
  bittern_model* model = nullptr;
  REQUIRE(bittern_model_load_memory(bytes.data(), bytes.size(), &options,
                                    &model) == BITTERN_STATUS_OK);
  REQUIRE(model != nullptr);
  return model;
}

// A prepared session of the fixture; its model is released already.
bittern_session* Prepared(
    bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT) {
  bittern_model* model = LoadFixture();
  bittern_session* session = nullptr;
  REQUIRE(bittern_session_create(model, &options, &session) ==
          BITTERN_STATUS_OK);
  bittern_model_release(model);
  INFO(bittern_last_error());
  REQUIRE(bittern_session_prepare(session) == BITTERN_STATUS_OK);
  return session;
}

std::vector<float> RunOn(bittern_session* session, uint8_t first_pixel) {
  uint8_t pixels[16] = {};
  for (uint8_t i = 0; i < 16; ++i)
    pixels[i] = static_cast<uint8_t>(first_pixel + i * 13);
  bittern_image image = BITTERN_IMAGE_INIT;
  image.pixels = pixels;
  image.width = image.height = 4;
  image.channels = 1;
  bittern_tensor_view y = BITTERN_TENSOR_VIEW_INIT;
  if (bittern_session_set_image(session, 0, &image) != BITTERN_STATUS_OK ||
      bittern_session_run(session) != BITTERN_STATUS_OK ||
      bittern_session_output(session, 0, &y) != BITTERN_STATUS_OK) {
    return {};
  }
  const auto* data = static_cast<const float*>(y.data);
  return {data, data + y.bytes / sizeof(float)};
}

bool Says(const char* part) {
  return std::strstr(bittern_last_error(), part) != nullptr;
}

constexpr bittern_status kBad = BITTERN_STATUS_INVALID_ARGUMENT;

TEST_CASE("versions and texts") {
  CHECK(std::string(bittern_version_string()) == "0.1.0");
  CHECK(bittern_format_version() == 1);
  for (bittern_status code = 0; code <= BITTERN_STATUS_INTERNAL; ++code) {
    CHECK(std::string(bittern_status_string(code)) != "unknown status");
  }
  CHECK(std::string(bittern_status_string(-1)) == "unknown status");
  CHECK(std::string(bittern_status_string(BITTERN_STATUS_INTERNAL + 1)) ==
        "unknown status");
}

TEST_CASE("the CPU describes itself") {
  bittern_cpu_info info = BITTERN_CPU_INFO_INIT;
  REQUIRE(bittern_cpu_features(&info) == BITTERN_STATUS_OK);
  CHECK((" " + std::string(info.targets) + " ")
            .find(" " + std::string(info.chosen) + " ") != std::string::npos);
  CHECK((" " + std::string(info.targets)).find(" scalar") == 0);
  REQUIRE(info.detected != nullptr);
}

TEST_CASE("models describe themselves") {
  bittern_model* model = LoadFixture();
  CHECK(bittern_model_input_count(model) == 1);
  CHECK(bittern_model_output_count(model) == 1);
  bittern_tensor_info info = BITTERN_TENSOR_INFO_INIT;
  REQUIRE(bittern_model_input_info(model, 0, &info) == BITTERN_STATUS_OK);
  CHECK(std::string(info.name) == "x");
  CHECK(info.dtype == BITTERN_DTYPE_F32);
  CHECK(std::vector<int64_t>(info.dims, info.dims + info.rank) ==
        std::vector<int64_t>{1, 1, 4, 4});
  CHECK(info.scale == 0);
  REQUIRE(bittern_model_output_info(model, 0, &info) == BITTERN_STATUS_OK);
  CHECK(std::string(info.name) == "y");
  CHECK(std::vector<int64_t>(info.dims, info.dims + info.rank) ==
        std::vector<int64_t>{-1, 3});
  uint32_t index = 99;
  CHECK(bittern_model_find_input(model, "x", &index) == BITTERN_STATUS_OK);
  CHECK(index == 0);
  CHECK(bittern_model_find_output(model, "y", &index) == BITTERN_STATUS_OK);
  CHECK(bittern_model_find_output(model, "x", &index) ==
        BITTERN_STATUS_NOT_FOUND);
  CHECK(Says("got 'x'"));
  bittern_model_release(model);
}

TEST_CASE("metadata and labels are texts by key") {
  bittern_model* model = LoadFixture();
  const auto value = [&](const char* key) -> std::string {
    const char* text = "left over";
    const bittern_status status = bittern_model_metadata(model, key, &text);
    if (status == BITTERN_STATUS_OK) return text;
    CHECK(status == BITTERN_STATUS_NOT_FOUND);
    CHECK(text == nullptr);
    return "(none)";
  };
  CHECK(value("converter_version") == "test");
  CHECK(value("label.0") == "cat");
  CHECK(value("label.2") == "owl");
  for (const char* key : {"label.3", "label.", "label.-1", "label.1x",
                          "label.99999999999999999999", "nothing", ""}) {
    CHECK(value(key) == "(none)");
  }
  bittern_model_release(model);
}

TEST_CASE("files that do not load leave a NULL model and a message") {
  auto* model = reinterpret_cast<bittern_model*>(1);
  CHECK(bittern_model_load_file("/nothing/here", nullptr, &model) ==
        BITTERN_STATUS_NOT_FOUND);
  CHECK(model == nullptr);
  CHECK(Says("'/nothing/here'"));
  std::vector<uint8_t> bytes = FixtureBytes();
  bytes[100] ^= 1;
  model = reinterpret_cast<bittern_model*>(1);
  CHECK(bittern_model_load_memory(bytes.data(), bytes.size(), nullptr,
                                  &model) == BITTERN_STATUS_CORRUPT_FILE);
  CHECK(model == nullptr);
  bytes = FixtureBytes();
  bytes[8] = 2;
  CHECK(bittern_model_load_memory(bytes.data(), bytes.size(), nullptr,
                                  &model) == BITTERN_STATUS_UNSUPPORTED);
}

TEST_CASE("a file loads and runs") {
  const std::string path =
      std::string(BITTERN_SOURCE_DIR) + "/tests/data/golden_v1.bittern";
  bittern_model* model = nullptr;
  REQUIRE(bittern_model_load_file(path.c_str(), nullptr, &model) ==
          BITTERN_STATUS_OK);
  bittern_session* session = nullptr;
  REQUIRE(bittern_session_create(model, nullptr, &session) ==
          BITTERN_STATUS_OK);
  REQUIRE(bittern_session_prepare(session) == BITTERN_STATUS_OK);
  bittern_session* other = Prepared();
  CHECK(RunOn(session, 7).size() == 3);
  CHECK(RunOn(session, 7) == RunOn(other, 7));
  bittern_model_release(model);  // before the sessions: order is free
  CHECK(RunOn(session, 90) == RunOn(other, 90));
  bittern_session_release(session);
  bittern_session_release(other);
}

TEST_CASE("a retained model needs two releases") {
  bittern_model* model = LoadFixture();
  REQUIRE(bittern_model_retain(model) == BITTERN_STATUS_OK);
  bittern_model_release(model);
  CHECK(bittern_model_input_count(model) == 1);
  bittern_model_release(model);
}

TEST_CASE("NULL is refused everywhere and released without harm") {
  bittern_model_release(nullptr);
  bittern_session_release(nullptr);
  bittern_model* model = LoadFixture();
  bittern_session* session = Prepared();
  bittern_tensor_info info = BITTERN_TENSOR_INFO_INIT;
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  bittern_image image = BITTERN_IMAGE_INIT;
  bittern_model* made_model = nullptr;
  bittern_session* made_session = nullptr;
  const char* text = nullptr;
  uint32_t index = 0;
  size_t count = 0;
  int64_t dim = 1;
  CHECK(bittern_cpu_features(nullptr) == kBad);
  CHECK(bittern_model_load_file(nullptr, nullptr, &made_model) == kBad);
  CHECK(bittern_model_load_file("x", nullptr, nullptr) == kBad);
  CHECK(bittern_model_load_memory(nullptr, 5, nullptr, &made_model) == kBad);
  CHECK(bittern_model_load_memory("x", 1, nullptr, nullptr) == kBad);
  CHECK(bittern_model_retain(nullptr) == kBad);
  CHECK(bittern_model_input_count(nullptr) == 0);
  CHECK(bittern_model_output_count(nullptr) == 0);
  CHECK(bittern_model_input_info(nullptr, 0, &info) == kBad);
  CHECK(bittern_model_input_info(model, 0, nullptr) == kBad);
  CHECK(bittern_model_output_info(nullptr, 0, &info) == kBad);
  CHECK(bittern_model_output_info(model, 0, nullptr) == kBad);
  CHECK(bittern_model_find_input(nullptr, "x", &index) == kBad);
  CHECK(bittern_model_find_input(model, nullptr, &index) == kBad);
  CHECK(bittern_model_find_input(model, "x", nullptr) == kBad);
  CHECK(bittern_model_find_output(nullptr, "y", &index) == kBad);
  CHECK(bittern_model_find_output(model, nullptr, &index) == kBad);
  CHECK(bittern_model_find_output(model, "y", nullptr) == kBad);
  CHECK(bittern_model_metadata(nullptr, "k", &text) == kBad);
  CHECK(bittern_model_metadata(model, nullptr, &text) == kBad);
  CHECK(bittern_model_metadata(model, "k", nullptr) == kBad);
  CHECK(bittern_session_create(nullptr, nullptr, &made_session) == kBad);
  CHECK(bittern_session_create(model, nullptr, nullptr) == kBad);
  CHECK(bittern_session_set_input_shape(nullptr, 0, &dim, 1) == kBad);
  CHECK(bittern_session_set_input_shape(session, 0, nullptr, 1) == kBad);
  CHECK(bittern_session_prepare(nullptr) == kBad);
  CHECK(bittern_session_input(nullptr, 0, &view) == kBad);
  CHECK(bittern_session_input(session, 0, nullptr) == kBad);
  CHECK(bittern_session_output(nullptr, 0, &view) == kBad);
  CHECK(bittern_session_output(session, 0, nullptr) == kBad);
  CHECK(bittern_session_bind_input(nullptr, 0, &dim, 8) == kBad);
  CHECK(bittern_session_bind_input(session, 0, nullptr, 64) == kBad);
  CHECK(bittern_session_bind_output(nullptr, 0, &dim, 8) == kBad);
  CHECK(bittern_session_bind_output(session, 0, nullptr, 12) == kBad);
  CHECK(bittern_session_set_image(nullptr, 0, &image) == kBad);
  CHECK(bittern_session_set_image(session, 0, nullptr) == kBad);
  CHECK(bittern_session_set_image(session, 0, &image) == kBad);  // no pixels
  CHECK(bittern_session_run(nullptr) == kBad);
  CHECK(bittern_session_profile(nullptr, nullptr, &count) == kBad);
  CHECK(bittern_session_profile(session, nullptr, nullptr) == kBad);
  CHECK(Says("count: got NULL, expected a pointer"));
  CHECK(RunOn(session, 1).size() == 3);
  bittern_session_release(session);
  bittern_model_release(model);
}

TEST_CASE(
    "structs of older callers are refused below the first version, those of "
    "newer ones accepted") {
  bittern_model* model = LoadFixture();
  bittern_session* session = Prepared();
  bittern_cpu_info cpu = BITTERN_CPU_INFO_INIT;
  bittern_model_options model_options = BITTERN_MODEL_OPTIONS_INIT;
  bittern_session_options session_options = BITTERN_SESSION_OPTIONS_INIT;
  bittern_tensor_info info = BITTERN_TENSOR_INFO_INIT;
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  bittern_image image = BITTERN_IMAGE_INIT;
  bittern_profile_entry entry = BITTERN_PROFILE_ENTRY_INIT;
  bittern_model* made_model = nullptr;
  bittern_session* made_session = nullptr;
  size_t count = 1;
  for (const size_t less : {size_t{1}, size_t{8}}) {
    cpu.struct_size = sizeof(cpu) - less;
    model_options.struct_size = sizeof(model_options) - less;
    session_options.struct_size = sizeof(session_options) - less;
    info.struct_size = sizeof(info) - less;
    view.struct_size = sizeof(view) - less;
    image.struct_size = sizeof(image) - less;
    entry.struct_size = sizeof(entry) - less;
    CHECK(bittern_cpu_features(&cpu) == kBad);
    CHECK(bittern_model_load_file("x", &model_options, &made_model) == kBad);
    CHECK(Says("struct_size"));
    CHECK(bittern_session_create(model, &session_options, &made_session) ==
          kBad);
    CHECK(bittern_model_input_info(model, 0, &info) == kBad);
    CHECK(bittern_session_input(session, 0, &view) == kBad);
    CHECK(bittern_session_set_image(session, 0, &image) == kBad);
    count = 1;
    CHECK(bittern_session_profile(session, &entry, &count) == kBad);
  }
  struct Newer {
    bittern_tensor_info info;
    char added[24];
  } newer = {BITTERN_TENSOR_INFO_INIT, "not touched"};
  newer.info.struct_size = sizeof(newer);
  REQUIRE(bittern_model_input_info(model, 0, &newer.info) == BITTERN_STATUS_OK);
  CHECK(newer.info.struct_size == sizeof(newer));
  CHECK(newer.info.rank == 4);
  CHECK(std::string(newer.added) == "not touched");
  bittern_session_release(session);
  bittern_model_release(model);
}

TEST_CASE("options are checked") {
  bittern_model* model = LoadFixture();
  bittern_session* session = nullptr;
  const auto create = [&](void (*change)(bittern_session_options&)) {
    bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
    change(options);
    return bittern_session_create(model, &options, &session);
  };
  CHECK(create([](bittern_session_options& o) { o.flags = 2; }) == kBad);
  CHECK(create([](bittern_session_options& o) { o.num_threads = 100000; }) ==
        kBad);
  CHECK(create([](bittern_session_options& o) { o.max_target = "pdp11"; }) ==
        kBad);
  CHECK(Says("'pdp11', expected one of scalar"));
  bittern_model_options options = BITTERN_MODEL_OPTIONS_INIT;
  options.flags = 4;
  bittern_model* other = nullptr;
  CHECK(bittern_model_load_memory(FixtureBytes().data(), FixtureBytes().size(),
                                  &options, &other) == kBad);
  REQUIRE(create([](bittern_session_options& o) {
            o.arena_limit_bytes = 64;
          }) == BITTERN_STATUS_OK);
  CHECK(bittern_session_prepare(session) == BITTERN_STATUS_OUT_OF_MEMORY);
  bittern_session_release(session);
  REQUIRE(create([](bittern_session_options& o) { o.max_target = "scalar"; }) ==
          BITTERN_STATUS_OK);
  CHECK(bittern_session_prepare(session) == BITTERN_STATUS_OK);
  bittern_session_release(session);
  bittern_model_release(model);
}

TEST_CASE("indices and ranks are checked") {
  bittern_model* model = LoadFixture();
  bittern_session* session = Prepared();
  bittern_tensor_info info = BITTERN_TENSOR_INFO_INIT;
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  const int64_t dims[9] = {1, 1, 4, 4, 1, 1, 1, 1, 1};
  CHECK(bittern_model_input_info(model, 1, &info) == kBad);
  CHECK(bittern_model_output_info(model, UINT32_MAX, &info) == kBad);
  CHECK(bittern_session_input(session, 1, &view) == kBad);
  CHECK(bittern_session_output(session, 1, &view) == kBad);
  CHECK(bittern_session_set_input_shape(session, 1, dims, 4) == kBad);
  CHECK(bittern_session_set_input_shape(session, 0, dims, 9) == kBad);
  CHECK(bittern_session_set_input_shape(session, 0, dims, 3) == kBad);
  CHECK(bittern_session_set_input_shape(session, 0, nullptr, 0) == kBad);
  CHECK(bittern_session_run(session) == BITTERN_STATUS_OK);
  CHECK(bittern_session_set_input_shape(session, 0, dims, 4) ==
        BITTERN_STATUS_OK);
  bittern_session_release(session);
  bittern_model_release(model);
}

TEST_CASE("calls out of order are refused") {
  bittern_model* model = LoadFixture();
  bittern_session* session = nullptr;
  REQUIRE(bittern_session_create(model, nullptr, &session) ==
          BITTERN_STATUS_OK);
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  uint8_t pixels[16] = {};
  bittern_image image = {sizeof(image), pixels, 4, 4, 1, 0};
  float data[16] = {};
  size_t count = 0;
  CHECK(bittern_session_input(session, 0, &view) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_output(session, 0, &view) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_bind_input(session, 0, data, sizeof(data)) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_bind_output(session, 0, data, 12) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_set_image(session, 0, &image) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_run(session) == BITTERN_STATUS_INVALID_STATE);
  CHECK(bittern_session_profile(session, nullptr, &count) ==
        BITTERN_STATUS_INVALID_STATE);
  CHECK(Says("expected prepare before it"));
  bittern_session_release(session);
  bittern_model_release(model);
}

TEST_CASE("views and bindings") {
  bittern_session* session = Prepared();
  const std::vector<float> expected = RunOn(session, 50);
  bittern_tensor_view x = BITTERN_TENSOR_VIEW_INIT;
  bittern_tensor_view y = BITTERN_TENSOR_VIEW_INIT;
  REQUIRE(bittern_session_input(session, 0, &x) == BITTERN_STATUS_OK);
  REQUIRE(bittern_session_output(session, 0, &y) == BITTERN_STATUS_OK);
  CHECK(x.bytes == 64);
  CHECK(y.bytes == 12);
  CHECK(y.rank == 2);
  CHECK(y.dims[1] == 3);
  CHECK(y.dtype == BITTERN_DTYPE_F32);
  std::vector<float> in(16), out(3);
  std::memcpy(in.data(), x.data, x.bytes);
  REQUIRE(bittern_session_bind_input(session, 0, in.data(), 64) ==
          BITTERN_STATUS_OK);
  REQUIRE(bittern_session_bind_output(session, 0, out.data(), 12) ==
          BITTERN_STATUS_OK);
  std::memset(x.data, 0, x.bytes);
  REQUIRE(bittern_session_run(session) == BITTERN_STATUS_OK);
  CHECK(out == expected);
  CHECK(bittern_session_bind_input(session, 0, in.data(), 60) == kBad);
  CHECK(Says("got 60 bytes, expected 64"));
  CHECK(bittern_session_bind_output(session, 0, nullptr, 0) ==
        BITTERN_STATUS_OK);
  bittern_session_release(session);
}

// Sizes and turns of this model are the run's: its outputs have types after it.
TEST_CASE("a model whose sizes only the run knows") {
  bittern::test::ModelBuilder builder;
  bittern_model* model = LoadFixture(
      bittern::runtime::SerializeModel(bittern::test::Bodies(builder)).value());
  bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
  bittern_session* session = nullptr;
  REQUIRE(bittern_session_create(model, &options, &session) ==
          BITTERN_STATUS_OK);
  bittern_model_release(model);
  REQUIRE(bittern_session_prepare(session) == BITTERN_STATUS_OK);
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  CHECK(bittern_session_output(session, 0, &view) ==
        BITTERN_STATUS_INVALID_STATE);
  float x[4] = {1, -1, 0, 1};
  REQUIRE(bittern_session_bind_input(session, 0, x, sizeof(x)) ==
          BITTERN_STATUS_OK);
  float y[4] = {};
  CHECK(bittern_session_bind_output(session, 0, y, sizeof(y)) ==
        BITTERN_STATUS_UNSUPPORTED);
  const auto run = [&] {
    REQUIRE(bittern_session_run(session) == BITTERN_STATUS_OK);
    REQUIRE(bittern_session_output(session, 0, &view) == BITTERN_STATUS_OK);
    const auto* data = static_cast<const float*>(view.data);
    return std::vector<float>(data, data + view.bytes / sizeof(float));
  };
  CHECK(run() == std::vector<float>{3, 6});  // 1 2 0 4, and x two times
  x[1] = 0;
  CHECK(run() == std::vector<float>{3, 2, 6});
  CHECK(view.rank == 1);
  CHECK(view.dims[0] == 3);
  bittern_session_release(session);
}

TEST_CASE("images may have strides") {
  bittern_session* session = Prepared();
  const std::vector<float> expected = RunOn(session, 3);
  uint8_t padded[32] = {};
  for (size_t i = 0; i < 16; ++i)
    padded[i / 4 * 8 + i % 4] = static_cast<uint8_t>(3 + i * 13);
  const bittern_image image = {sizeof(image), padded, 4, 4, 1, 8};
  REQUIRE(bittern_session_set_image(session, 0, &image) == BITTERN_STATUS_OK);
  REQUIRE(bittern_session_run(session) == BITTERN_STATUS_OK);
  bittern_tensor_view y = BITTERN_TENSOR_VIEW_INIT;
  REQUIRE(bittern_session_output(session, 0, &y) == BITTERN_STATUS_OK);
  CHECK(std::memcmp(y.data, expected.data(), 12) == 0);
  const bittern_image huge = {sizeof(huge), padded, 4, 4, 1, SIZE_MAX};
  CHECK(bittern_session_set_image(session, 0, &huge) == kBad);
  const bittern_image narrow = {sizeof(narrow), padded, 4, 4, 1, 3};
  CHECK(bittern_session_set_image(session, 0, &narrow) == kBad);
  bittern_session_release(session);
}

TEST_CASE("boxes of a detector, in structs of the caller's size") {
  bittern::test::ModelBuilder b;
  const int32_t x = b.Input("x", {1, 2, 4});
  const int32_t zero = b.Constant<float>("zero", b.F32({1}), {0});
  b.Output(b.Op("Add", "scores", {x, zero}), {1, 2, 4});
  b.Output(b.Op("Mul", "boxes",
                {x, b.Constant<float>("eighth", b.F32({1}), {0.125f})}),
           {1, 2, 4});
  b.def.postprocess = {.score_kind =
                           bittern::runtime::Postprocess::Scores::kSigmoid};
  const std::vector<uint8_t> bytes =
      bittern::runtime::SerializeModel(b.def).value();
  bittern_model_options copy = BITTERN_MODEL_OPTIONS_INIT;
  copy.flags = BITTERN_MODEL_COPY_DATA;
  bittern_model* model = nullptr;
  REQUIRE(bittern_model_load_memory(bytes.data(), bytes.size(), &copy,
                                    &model) == BITTERN_STATUS_OK);
  bittern_session* session = nullptr;
  REQUIRE(bittern_session_create(model, nullptr, &session) ==
          BITTERN_STATUS_OK);
  const auto find = [&](bittern_detection* to, size_t* count) {
    return bittern_session_detections(session, 0, 0.5f, 80, 16, to, count);
  };
  size_t count = 0;
  CHECK(find(nullptr, &count) == BITTERN_STATUS_INVALID_STATE);
  REQUIRE(bittern_session_prepare(session) == BITTERN_STATUS_OK);
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  REQUIRE(bittern_session_input(session, 0, &view) == BITTERN_STATUS_OK);
  const float values[] = {4, 3, 2, 1, 2, 4, 2, 5};
  std::memcpy(view.data, values, sizeof(values));
  REQUIRE(bittern_session_run(session) == BITTERN_STATUS_OK);
  REQUIRE(find(nullptr, &count) == BITTERN_STATUS_OK);
  REQUIRE(count == 2);
  bittern_detection found[2] = {BITTERN_DETECTION_INIT, BITTERN_DETECTION_INIT};
  count = 1;
  REQUIRE(find(found, &count) == BITTERN_STATUS_OK);
  CHECK(count == 2);
  CHECK(found[0].query == 1);
  CHECK(found[0].label == 3);
  CHECK(found[0].score == Approx(1 / (1 + std::exp(-5.0))));
  CHECK(found[0].left == Approx(80 * (0.25 - 0.125)));
  CHECK(found[0].right == Approx(80 * (0.25 + 0.125)));
  CHECK(found[0].bottom == Approx(16 * (0.5 + 0.3125)));
  CHECK(found[1].score == 0);  // beyond the capacity
  found[0].struct_size = 8;
  CHECK(find(found, &count) == kBad);
  CHECK(Says("detection"));
  CHECK(find(found, nullptr) == kBad);
  CHECK(bittern_session_detections(nullptr, 0, 0, 0, 0, found, &count) == kBad);
  bittern_session_release(session);
  bittern_model_release(model);
  session = Prepared();
  CHECK(find(nullptr, &count) == BITTERN_STATUS_UNSUPPORTED);
  bittern_session_release(session);
}

TEST_CASE("the profile lists every op") {
  bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
  options.flags = BITTERN_SESSION_PROFILE;
  bittern_session* session = Prepared(options);
  for (uint8_t i = 0; i < 3; ++i) RunOn(session, i);
  size_t count = 0;
  REQUIRE(bittern_session_profile(session, nullptr, &count) ==
          BITTERN_STATUS_OK);
  REQUIRE(count == 9);
  std::vector<bittern_profile_entry> entries(
      count, bittern_profile_entry BITTERN_PROFILE_ENTRY_INIT);
  REQUIRE(bittern_session_profile(session, entries.data(), &count) ==
          BITTERN_STATUS_OK);
  CHECK(std::string(entries[3].op) == "LowBitLinear");
  CHECK(std::string(entries[3].name) == "qkv");
  CHECK(std::string(entries[3].kernel).find(" + ") != std::string::npos);
  CHECK(entries[3].macs == 4 * 8 * 4);
  CHECK(entries[3].weight_bits == 1);
  for (const bittern_profile_entry& entry : entries) CHECK(entry.calls == 3);
  entries[2].op = "untouched";
  count = 2;
  REQUIRE(bittern_session_profile(session, entries.data(), &count) ==
          BITTERN_STATUS_OK);
  CHECK(count == 9);
  CHECK(std::string(entries[2].op) == "untouched");
  bittern_session_release(session);
}

TEST_CASE("errors belong to their thread") {
  CHECK(bittern_model_retain(nullptr) == kBad);
  const std::string mine = bittern_last_error();
  std::string fresh = "unset", other;
  std::thread thread([&] {
    fresh = bittern_last_error();
    static_cast<void>(bittern_session_run(nullptr));
    other = bittern_last_error();
  });
  thread.join();
  CHECK(fresh.empty());
  CHECK(other != mine);
  CHECK(bittern_last_error() == mine);
}

TEST_CASE("long messages are cut, not lost") {
  const std::string path(5000, 'p');
  bittern_model* model = nullptr;
  CHECK(bittern_model_load_file(path.c_str(), nullptr, &model) !=
        BITTERN_STATUS_OK);
  CHECK(std::strlen(bittern_last_error()) == 1023);
}

TEST_CASE("two sessions of one model in two threads") {
  bittern_model* model = LoadFixture();
  std::vector<std::vector<float>> answers[2];
  const auto work = [&](size_t who) {
    bittern_session* session = nullptr;
    if (bittern_session_create(model, nullptr, &session) != BITTERN_STATUS_OK)
      return;
    if (bittern_session_prepare(session) == BITTERN_STATUS_OK) {
      for (uint8_t i = 0; i < 20; ++i)
        answers[who].push_back(RunOn(session, i));
    }
    bittern_session_release(session);
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  REQUIRE(answers[0].size() == 20);
  CHECK(answers[0][5].size() == 3);
  CHECK(answers[0] == answers[1]);
  bittern_model_release(model);
}

TEST_CASE("the caller's threads give the library's numbers") {
  bittern_session* alone = Prepared();
  std::vector<size_t> calls;
  bittern_session_options options = BITTERN_SESSION_OPTIONS_INIT;
  options.num_threads = 3;
  options.parallel_context = &calls;
  options.parallel_for = [](void* context, void (*task)(void*, size_t),
                            void* task_context, size_t count) {
    static_cast<std::vector<size_t>*>(context)->push_back(count);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; ++i)
      threads.emplace_back(task, task_context, i);
    for (std::thread& thread : threads) thread.join();
  };
  bittern_session* session = Prepared(options);
  CHECK(RunOn(session, 42) == RunOn(alone, 42));
  CHECK_FALSE(calls.empty());
  for (const size_t count : calls) CHECK((count >= 2 && count <= 3));
  bittern_session_release(session);
  bittern_session_release(alone);
}

}  // namespace
