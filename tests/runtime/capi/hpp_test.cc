// bittern.hpp: handles release themselves, moves and copies keep counts right,
// errors carry their message.
#include <catch2/catch.hpp>
#include <vector>

#include "bittern/bittern.hpp"

namespace {

const std::string kGolden =
    std::string(BITTERN_SOURCE_DIR) + "/tests/data/golden_v1.bittern";

bittern::Model Load() {
  bittern::Model model;
  const bittern::Status status = bittern::Model::LoadFile(kGolden, &model);
  INFO(status.message());
  REQUIRE(status.ok());
  return model;
}

bittern::Session Open(const bittern::Model& model) {
  bittern::Session session;
  REQUIRE(bittern::Session::Create(model, bittern::Session::DefaultOptions(),
                                   &session)
              .ok());
  REQUIRE(session.Prepare().ok());
  return session;
}

TEST_CASE("a model runs from C++") {
  bittern::Session session;
  {
    const bittern::Model model = Load();
    CHECK(model.input_count() == 1);
    CHECK(model.output_count() == 1);
    session = Open(model);  // keeps the model alive
  }
  bittern_tensor_view x, y;
  REQUIRE(session.Input(0, &x).ok());
  std::vector<float> zeros(x.bytes / sizeof(float)), scores(3);
  REQUIRE(session.BindInput(0, zeros.data(), x.bytes).ok());
  REQUIRE(session.BindOutput(0, scores.data(), 12).ok());
  REQUIRE(session.Run().ok());
  REQUIRE(session.Output(0, &y).ok());
  CHECK(y.data == scores.data());
  CHECK(scores[0] + scores[1] + scores[2] == Approx(1));
  std::size_t count = 0;
  CHECK(session.Profile(nullptr, &count).ok());
  CHECK(count == 9);
}

TEST_CASE("a model describes itself") {
  const bittern::Model model = Load();
  bittern_tensor_info info;
  REQUIRE(model.InputInfo(0, &info).ok());
  CHECK(std::string(info.name) == "x");
  REQUIRE(model.OutputInfo(0, &info).ok());
  CHECK(std::string(info.name) == "y");
  std::uint32_t index = 9;
  CHECK(model.FindInput("x", &index).ok());
  CHECK(model.FindOutput("y", &index).ok());
  CHECK(index == 0);
  CHECK(std::string(model.Metadata("label.1")) == "dog");
  CHECK(model.Metadata("nothing") == nullptr);
}

TEST_CASE("copies share, moves hand over") {
  bittern::Model first = Load();
  const bittern::Model second = first;
  CHECK(second.handle() == first.handle());
  const bittern::Model third = std::move(first);
  CHECK_FALSE(first);  // NOLINT: the state after a move is what is tested
  CHECK(third.handle() == second.handle());
  first = third;
  CHECK(first.input_count() == 1);
  bittern::Session session = Open(third);
  const bittern::Session moved = std::move(session);
  CHECK(moved);
  CHECK_FALSE(session);  // NOLINT: as above
}

TEST_CASE("failures are values with a message and leave the target alone") {
  bittern::Model model = Load();
  const bittern_model* before = model.handle();
  const bittern::Status missing =
      bittern::Model::LoadFile("/nothing/here", &model);
  CHECK_FALSE(missing);
  CHECK(missing.code() == BITTERN_STATUS_NOT_FOUND);
  CHECK(missing.message().find("/nothing/here") != std::string::npos);
  CHECK(model.handle() == before);
  CHECK(bittern::Model::LoadMemory("abc", 3, BITTERN_MODEL_COPY_DATA, &model)
            .code() == BITTERN_STATUS_CORRUPT_FILE);
  bittern::Session session = Open(model);
  const std::int64_t dims[] = {2, 1, 4, 4};
  CHECK(session.SetInputShape(0, dims, 4).code() ==
        BITTERN_STATUS_INVALID_ARGUMENT);
  bittern_image image = BITTERN_IMAGE_INIT;
  CHECK(session.SetImage(0, image).code() == BITTERN_STATUS_INVALID_ARGUMENT);
  CHECK(bittern::Session().Run().code() == BITTERN_STATUS_INVALID_ARGUMENT);
}

}  // namespace
