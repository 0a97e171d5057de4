// Session: order of calls, bindings, images, profile, threads.
#include "runtime/exec/session.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

// y = relu(x + c), z = reshape(x), x f32[-1, 4].
std::shared_ptr<const Model> SmallModel() {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {-1, 4});
  const int32_t c = b.Constant<float>("c", b.F32({4}), {0, -1, -2, -3});
  const int32_t flat =
      b.Constant<int64_t>("flat", {DType::kI64, {1}, {}}, {-1});
  const int32_t sum = b.Op("Add", "sum", {x, c});
  b.Output(b.Op("Relu", "y", {sum}), {-1, 4});
  b.Output(b.Op("Reshape", "z", {x, flat}), {-1});
  return b.Make();
}

std::unique_ptr<Session> MakeSession(const SessionOptions& options = {},
                                     int64_t rows = 2) {
  auto session = Session::Create(SmallModel(), options);
  REQUIRE(session.ok());
  REQUIRE(session.value()->SetInputShape(0, {rows, 4}).ok());
  const Result<void> prepared = session.value()->Prepare();
  INFO(prepared.error().message);
  REQUIRE(prepared.ok());
  return std::move(session).value();
}

const std::vector<float> kX = {1, 1, 1, 1, 5, 6, 7, 8};
const std::vector<float> kY = {1, 0, 0, 0, 5, 5, 5, 5};

void Write(Session& session, const std::vector<float>& values) {
  std::memcpy(session.Input(0).value().data, values.data(),
              values.size() * sizeof(float));
}

std::vector<float> Read(const TensorView& view) {
  const auto* data = static_cast<const float*>(view.data);
  return {data, data + view.type->shape.Elements()};
}

TEST_CASE("inputs go in, outputs come out, again and again") {
  const auto session = MakeSession();
  CHECK(session->Input(0).value().type->shape == Shape{2, 4});
  Write(*session, kX);
  for (int i = 0; i < 3; ++i) {  // the input stays as it was written
    REQUIRE(session->Run().ok());
    CHECK(Read(session->Output(0).value()) == kY);
    CHECK(Read(session->Output(1).value()) == kX);
  }
}

TEST_CASE("inputs may be empty") {
  const auto session = MakeSession({}, 0);
  REQUIRE(session->Run().ok());
  CHECK(session->Output(0).value().type->shape == Shape{0, 4});
  CHECK(session->Output(1).value().type->shape == Shape{0});
  CHECK(session->profile()[0].kernel == "empty");
}

TEST_CASE("calls out of order are refused") {
  auto created = Session::Create(SmallModel(), {});
  REQUIRE(created.ok());
  Session& session = *created.value();
  float data[8] = {};
  const auto refused = [](const auto& result) {
    return !result.ok() && result.error().code == Code::kInvalidState;
  };
  const auto check_all = [&] {
    CHECK(refused(session.Input(0)));
    CHECK(refused(session.Output(0)));
    CHECK(refused(session.BindInput(0, data, 32)));
    CHECK(refused(session.BindOutput(0, data, 32)));
    CHECK(refused(session.SetImage(0, {})));
    CHECK(refused(session.Tensor("sum")));
    CHECK(refused(session.Run()));
    CHECK(session.plan() == nullptr);
  };
  check_all();
  CHECK_FALSE(session.Prepare().ok());  // the shape is still dynamic
  check_all();
  REQUIRE(session.SetInputShape(0, {2, 4}).ok());
  REQUIRE(session.Prepare().ok());
  CHECK(session.plan() != nullptr);
  REQUIRE(session.Run().ok());
  REQUIRE(session.SetInputShape(0, {1, 4}).ok());
  check_all();
}

TEST_CASE("shapes can change between runs") {
  const auto session = MakeSession();
  REQUIRE(session->SetInputShape(0, {1, 4}).ok());
  REQUIRE(session->Prepare().ok());
  Write(*session, {4, 4, 4, 4});
  REQUIRE(session->Run().ok());
  CHECK(Read(session->Output(0).value()) == std::vector<float>{4, 3, 2, 1});
}

TEST_CASE("bad indices and shapes are refused") {
  const auto session = MakeSession();
  CHECK(session->Input(1).error().message ==
        "input: got input 1, expected less than 1");
  CHECK(session->Output(2).error().message ==
        "output: got output 2, expected less than 2");
  CHECK(session->SetInputShape(1, {2, 4}).error().code ==
        Code::kInvalidArgument);
  CHECK(session->SetInputShape(0, {2, 5}).error().message ==
        "input 0 'x': got shape [2,5], expected [?,4]");
  CHECK_FALSE(session->SetInputShape(0, {-1, 4}).ok());
  CHECK_FALSE(session->SetInputShape(0, {8}).ok());
  CHECK(session->Run().ok());  // refused shapes leave the session as it was
}

TEST_CASE("bound buffers replace the session's, whatever their alignment") {
  for (const size_t offset :
       {size_t{0}, size_t{1}}) {  // in floats: aligned to 64 bytes, and not
    const auto session = MakeSession();
    const AlignedBuffer in = AlignedBuffer::Make(64).value();
    const AlignedBuffer out = AlignedBuffer::Make(64).value();
    auto* x = reinterpret_cast<float*>(in.data()) + offset;
    auto* y = reinterpret_cast<float*>(out.data()) + offset;
    std::copy(kX.begin(), kX.end(), x);
    REQUIRE(session->BindInput(0, x, 32).ok());
    REQUIRE(session->BindOutput(0, y, 32).ok());
    CHECK(session->Input(0).value().data == x);
    CHECK(session->Output(0).value().data == y);
    REQUIRE(session->Run().ok());
    CHECK(std::vector<float>(y, y + 8) == kY);
    CHECK(Read(session->Output(1).value()) == kX);
    x[4] = 50;
    REQUIRE(session->Run().ok());
    CHECK(y[4] == 50);
    REQUIRE(session->BindInput(0, nullptr, 0).ok());
    REQUIRE(session->BindOutput(0, nullptr, 0).ok());
    Write(*session, kX);
    REQUIRE(session->Run().ok());
    CHECK(Read(session->Output(0).value()) == kY);
    CHECK(y[4] == 50);
  }
}

TEST_CASE("a view of an input as output can be bound too") {
  const auto session = MakeSession();
  const AlignedBuffer in = AlignedBuffer::Make(32).value();
  const AlignedBuffer out = AlignedBuffer::Make(32).value();
  std::memcpy(in.data(), kX.data(), 32);
  REQUIRE(session->BindInput(0, in.data(), 32).ok());
  REQUIRE(session->BindOutput(1, out.data(), 32).ok());
  REQUIRE(session->Run().ok());
  CHECK(std::memcmp(out.data(), kX.data(), 32) == 0);
}

TEST_CASE("bindings must fit") {
  const auto session = MakeSession();
  alignas(64) float data[9] = {};
  CHECK(session->BindInput(0, data, 28).error().message ==
        "input 'x': got 28 bytes, expected 32 for f32[2,4]");
  CHECK_FALSE(session->BindInput(0, nullptr, 32).ok());
  CHECK_FALSE(
      session->BindInput(0, reinterpret_cast<const char*>(data) + 2, 32).ok());
  CHECK_FALSE(session->BindOutput(0, data, 33).ok());
  CHECK_FALSE(session->BindOutput(2, data, 32).ok());
  REQUIRE(session->BindOutput(0, data, 32).ok());
  REQUIRE(session->Prepare().ok());  // drops it
  CHECK(session->Output(0).value().data != data);
}

TEST_CASE("every tensor can be read when intermediates are kept") {
  SessionOptions options;
  options.keep_intermediates = true;
  const auto session = MakeSession(options);
  Write(*session, kX);
  REQUIRE(session->Run().ok());
  CHECK(Read(session->Tensor("sum").value()) ==
        std::vector<float>{1, 0, -1, -2, 5, 5, 5, 5});
  CHECK(Read(session->Tensor("c").value()) ==
        std::vector<float>{0, -1, -2, -3});
  CHECK(session->Tensor("nothing").error().code == Code::kNotFound);
  CHECK(MakeSession()->Tensor("sum").error().code == Code::kInvalidState);
}

TEST_CASE("the profile counts calls and time of every op") {
  SessionOptions options;
  options.profile = true;
  const auto session = MakeSession(options);
  REQUIRE(session->profile().size() == 3);
  CHECK(session->profile()[0].calls == 0);
  for (int i = 0; i < 5; ++i) REQUIRE(session->Run().ok());
  for (const ProfileEntry& entry : session->profile()) {
    CHECK(entry.calls == 5);
    CHECK(entry.total_ns >= 0);
    CHECK_FALSE(entry.kernel.empty());
  }
  CHECK(session->profile()[0].total_ns > 0);
  CHECK(session->profile()[0].def->name == "sum");
  const auto silent = MakeSession();
  REQUIRE(silent->Run().ok());
  CHECK(silent->profile()[0].calls == 0);
}

TEST_CASE(
    "images need stored preprocessing, one image and the session's buffer") {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {-1, 1, 2, 2});
  const int32_t other = b.Input("other", {1});
  b.Output(b.Op("Add", "y", {x, other}), {-1, 1, 2, 2});
  b.def.preprocess = {
      {0, 2, 2, 1, Preprocess::Resize::kNone, 0, 0.5f, {1}, {2}}};
  auto created = Session::Create(b.Make(), {});
  REQUIRE(created.ok());
  Session& session = *created.value();
  REQUIRE(session.SetInputShape(0, {1, 1, 2, 2}).ok());
  REQUIRE(session.Prepare().ok());
  const uint8_t pixels[] = {0, 2, 4, 6};
  REQUIRE(session.SetImage(0, {pixels, 2, 2, 1, 2}).ok());
  REQUIRE(session.Run().ok());
  CHECK(Read(session.Output(0).value()) ==
        std::vector<float>{-0.5f, 0, 0.5f, 1});
  CHECK(session.SetImage(0, {pixels, 2, 1, 1, 2}).error().code ==
        Code::kInvalidArgument);
  CHECK(session.SetImage(1, {pixels, 2, 2, 1, 2}).error().code ==
        Code::kUnsupported);
  CHECK(session.SetImage(2, {pixels, 2, 2, 1, 2}).error().code ==
        Code::kInvalidArgument);
  alignas(64) float bound[4] = {};
  REQUIRE(session.BindInput(0, bound, sizeof(bound)).ok());
  CHECK(session.SetImage(0, {pixels, 2, 2, 1, 2}).error().code ==
        Code::kInvalidState);
  REQUIRE(session.SetInputShape(0, {2, 1, 2, 2}).ok());
  REQUIRE(session.Prepare().ok());
  CHECK(session.SetImage(0, {pixels, 2, 2, 1, 2}).error().code ==
        Code::kInvalidState);
}

TEST_CASE("sessions of one model run at the same time") {
  const auto model = SmallModel();
  const auto work = [&](float value, bool* good) {
    auto session = Session::Create(model, {});
    *good = session.ok() && session.value()->SetInputShape(0, {64, 4}).ok() &&
            session.value()->Prepare().ok();
    for (int i = 0; *good && i < 50; ++i) {
      auto* x = static_cast<float*>(session.value()->Input(0).value().data);
      std::fill_n(x, 256, value);
      *good = session.value()->Run().ok() &&
              static_cast<float*>(
                  session.value()->Output(0).value().data)[253] == value - 1;
    }
  };
  bool first = false, second = false;
  std::thread thread(work, 10.0f, &first);
  work(20.0f, &second);
  thread.join();
  CHECK(first);
  CHECK(second);
}

TEST_CASE("more threads and the caller's loop give the same numbers") {
  size_t tasks = 0;
  SessionOptions own;
  own.threads = 2;
  SessionOptions callers = own;
  callers.parallel_context = &tasks;
  callers.parallel_for = [](void* context, void (*task)(void*, size_t),
                            void* task_context, size_t count) {
    *static_cast<size_t*>(context) += count;
    for (size_t i = 0; i < count; ++i) task(task_context, i);
  };
  std::vector<std::vector<float>> results;
  for (const SessionOptions& options : {SessionOptions{}, own, callers}) {
    const auto session = MakeSession(options, 65536);
    std::vector<float> x(65536 * 4);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(i % 1000) * 0.125f;
    Write(*session, x);
    REQUIRE(session->Run().ok());
    results.push_back(Read(session->Output(0).value()));
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
  CHECK(tasks > 0);
}

TEST_CASE("a session needs sane threads and memory within its limit") {
  SessionOptions options;
  options.threads = 0;
  CHECK_FALSE(Session::Create(SmallModel(), options).ok());
  options.threads = 1;
  options.arena_limit_bytes = 100;
  auto session = Session::Create(SmallModel(), options);
  REQUIRE(session.ok());
  REQUIRE(session.value()->SetInputShape(0, {2, 4}).ok());
  CHECK(session.value()->Prepare().error().code == Code::kOutOfMemory);
}

}  // namespace
}  // namespace bittern::runtime
