// Every truncation and every flipped bit of a small file gives an error or a
// model that can be planned and run, never a crash or a hang. With the
// checksums left wrong the reader must refuse; with the checksums made right
// again, its other checks and those of the ops are what stands. Meant to run
// under AddressSanitizer and UndefinedBehaviorSanitizer too.
#include "tests/runtime/format/damage.h"

#include <catch2/catch.hpp>

#include "runtime/format/header.h"
#include "runtime/format/reader.h"
#include "runtime/format/writer.h"
#include "tests/runtime/format/fixture.h"

namespace bittern::runtime {
namespace {

constexpr size_t kMaxFixture = 8192;
constexpr size_t kArenaBytes = size_t{1} << 20;

// Outcomes of many damaged files: a test that never gets far proves nothing.
struct Tally {
  size_t refused = 0, loaded = 0, run = 0;
};

FileHeader HeaderOf(const uint8_t* file) {
  FileHeader header;
  std::memcpy(&header, file, sizeof(header));
  return header;
}

void Try(const AlignedBuffer& file, size_t size, Tally* tally) {
  const auto model = ReadModelMemory(file.data(), size, false);
  if (!model.ok()) {
    REQUIRE_FALSE(model.error().message.empty());
    ++tally->refused;
    return;
  }
  ++tally->loaded;
  const test::Use use = test::RunOnce(model.value(), kArenaBytes);
  REQUIRE(use != test::Use::kFailed);
  if (use == test::Use::kRefused) return;
  ++tally->run;
}

class Fixture {
 public:
  explicit Fixture(
      ModelDef (*make)(test::ModelBuilder&) = &test::TinyClassifier) {
    test::ModelBuilder builder;
    good_ = SerializeModel(make(builder)).value();
    REQUIRE(good_.size() <= kMaxFixture);
    file_ = AlignedBuffer::Make(good_.size()).value();
    Restore();
  }
  void Restore() { std::memcpy(file_.data(), good_.data(), good_.size()); }
  const AlignedBuffer& file() const { return file_; }
  size_t size() const { return good_.size(); }
  size_t blobs() const { return HeaderOf(good_.data()).blobs_offset; }

  // Flips each bit of [begin, end) in turn.
  Tally Flip(size_t begin, size_t end, bool reseal) {
    Tally tally;
    for (size_t bit = begin * 8; bit < end * 8; ++bit) {
      Restore();
      file_.data()[bit / 8] =
          static_cast<uint8_t>(file_.data()[bit / 8] ^ 1u << bit % 8);
      if (reseal) test::Reseal(file_.data(), size());
      Try(file_, size(), &tally);
    }
    return tally;
  }

 private:
  std::vector<uint8_t> good_;
  AlignedBuffer file_;
};

TEST_CASE("the undamaged file loads, plans and runs") {
  Fixture fixture;
  Tally tally;
  test::Reseal(fixture.file().data(), fixture.size());
  Try(fixture.file(), fixture.size(), &tally);
  CHECK(tally.run == 1);
}

TEST_CASE("a file cut off anywhere is refused") {
  Fixture fixture;
  Tally tally;
  for (size_t size = 0; size < fixture.size(); ++size) {
    // A copy of exactly this size, so that AddressSanitizer sees any read past
    // its end.
    const std::vector<uint8_t> cut(fixture.file().data(),
                                   fixture.file().data() + size);
    const auto model = ReadModelMemory(cut.data(), cut.size(), false);
    REQUIRE_FALSE(model.ok());
    ++tally.refused;
  }
  CHECK(tally.refused == fixture.size());
}

TEST_CASE(
    "a file cut off anywhere is refused even if header and checksums agree "
    "with the cut") {
  Fixture fixture;
  for (size_t size = sizeof(FileHeader); size < fixture.size(); ++size) {
    fixture.Restore();
    FileHeader header = HeaderOf(fixture.file().data());
    header.file_size = size;
    std::memcpy(fixture.file().data(), &header, sizeof(header));
    test::Reseal(fixture.file().data(), size);
    REQUIRE_FALSE(ReadModelMemory(fixture.file().data(), size, true).ok());
  }
}

TEST_CASE("any flipped bit is noticed") {
  Fixture fixture;
  const Tally tally = fixture.Flip(0, fixture.size(), false);
  CHECK(tally.loaded == 0);
  CHECK(tally.refused == fixture.size() * 8);
}

TEST_CASE("flipped bits of the header with right checksums") {
  Fixture fixture;
  const Tally tally = fixture.Flip(0, sizeof(FileHeader), true);
  CHECK(tally.refused > 300);
  CHECK(tally.loaded >=
        2 * 64);  // the checksums themselves, which were made right again
  CHECK(tally.loaded <=
        2 * 64 + 6);  // and metadata sizes that only take in padding
}

TEST_CASE("flipped bits of the metadata with right checksums") {
  Fixture fixture;
  const Tally tally = fixture.Flip(sizeof(FileHeader), fixture.blobs(), true);
  CHECK(tally.refused > 1000);
  CHECK(tally.loaded > tally.run);
  CHECK(tally.run > 100);
}

TEST_CASE("flipped bits of a file with bodies") {
  Fixture fixture(&test::Bodies);
  Tally undamaged;
  Try(fixture.file(), fixture.size(), &undamaged);
  CHECK(undamaged.run == 1);
  const Tally tally =
      fixture.Flip(sizeof(FileHeader), fixture.size(), /*reseal=*/true);
  CHECK(tally.refused > 1000);
  CHECK(tally.loaded > tally.run);
  CHECK(tally.run > 100);
}

TEST_CASE("flipped bits of the constants with right checksums") {
  Fixture fixture;
  const Tally tally = fixture.Flip(fixture.blobs(), fixture.size(), true);
  CHECK(tally.refused == 0);
  CHECK(tally.loaded > tally.run);
  CHECK(tally.run > 1000);
}

}  // namespace
}  // namespace bittern::runtime
