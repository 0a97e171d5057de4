// Model: the cache of packed weights and the release of mapped pages.
#include "runtime/model/model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

std::shared_ptr<const Model> SmallModel() {
  test::ModelBuilder b;
  const int32_t x = b.Input("x", {4});
  const int32_t c = b.Constant<float>("c", b.F32({4}), {1, 2, 3, 4});
  b.Output(b.Op("Add", "y", {x, c}), {4});
  return b.Make();
}

TEST_CASE("a bad definition makes no model") {
  const auto model = Model::Make({}, {});
  REQUIRE_FALSE(model.ok());
  CHECK(model.error().code == Code::kInvalidArgument);
}

TEST_CASE(
    "weights are packed once per layout, as long as somebody holds them") {
  const auto model = SmallModel();
  int calls = 0;
  const auto pack = [&](const char* layout) {
    return model->Packed(1, layout, 8, [&](void* to) {
      ++calls;
      std::memset(to, 7, 8);
    });
  };
  auto first = pack("a");
  auto again = pack("a");
  REQUIRE(first.ok());
  REQUIRE(again.ok());
  CHECK(first.value() == again.value());
  CHECK(first.value()->data()[7] == 7);
  CHECK(calls == 1);
  CHECK(pack("b").ok());
  CHECK(calls == 2);
  first = pack("a");  // both holders keep theirs
  CHECK(calls == 2);
  first.value().reset();
  again.value().reset();
  CHECK(pack("a").ok());
  CHECK(calls == 3);
}

TEST_CASE("one layout has one size") {
  const auto model = SmallModel();
  const auto nothing = [](void*) {};
  const auto first = model->Packed(1, "a", 8, nothing);
  REQUIRE(first.ok());
  const auto other = model->Packed(1, "a", 16, nothing);
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().code == Code::kInternal);
}

TEST_CASE("threads that ask together get the same packed weights") {
  const auto model = SmallModel();
  int calls = 0;
  std::vector<std::shared_ptr<const AlignedBuffer>> got(4);
  std::vector<std::thread> threads;
  for (auto& slot : got) {
    threads.emplace_back([&] {
      slot = model->Packed(1, "a", 64, [&](void*) { ++calls; }).value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(calls == 1);
  for (const auto& slot : got) CHECK(slot == got[0]);
}

TEST_CASE(
    "packing gives the whole pages of a mapped constant back and no others") {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char path[] = "/tmp/bittern_model_test_XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  const std::vector<char> bytes(4 * page, 'x');
  REQUIRE(write(fd, bytes.data(), bytes.size()) ==
          static_cast<ssize_t>(bytes.size()));
  void* map = mmap(nullptr, bytes.size(), PROT_READ, MAP_PRIVATE, fd, 0);
  REQUIRE(map != MAP_FAILED);
  close(fd);
  unlink(path);

  auto* base = static_cast<uint8_t*>(map);
  const auto count =
      static_cast<int64_t>(2 * page);  // from 64 bytes into page 0 to 64 bytes
                                       // into page 2: page 1 is whole
  ModelDef def;
  def.tensors = {{"x", {DType::kU8, {count}, {}}, nullptr},
                 {"c", {DType::kU8, {count}, {}}, base + 64},
                 {"y", {DType::kU8, {count}, {}}, nullptr}};
  def.inputs = {0};
  def.outputs = {2};
  def.ops = {{"Identity", "y", {0}, {2}, {}}};
  Storage storage;
  storage.mapping = base;
  storage.mapping_bytes = bytes.size();
  const auto model = Model::Make(def, storage);
  REQUIRE(model.ok());

  const auto resident = [&](size_t index) {  // of this process, unlike mincore,
                                             // which tells of the page cache
    const int pagemap = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry = 0;
    const auto at = static_cast<off_t>(
        (reinterpret_cast<uintptr_t>(base) / page + index) * sizeof(entry));
    const bool ok = pread(pagemap, &entry, sizeof(entry), at) ==
                    static_cast<ssize_t>(sizeof(entry));
    close(pagemap);
    REQUIRE(ok);
    return (entry >> 63) != 0;
  };
  uint64_t sum = 0;
  const auto touch = [&] {
    for (size_t i = 0; i < bytes.size(); i += 64) sum += base[i];
  };
  touch();
  REQUIRE(resident(1));
  const auto packed =
      model.value()->Packed(1, "a", 64, [&](void*) { touch(); });
  REQUIRE(packed.ok());
  CHECK(resident(0));
  CHECK_FALSE(resident(1));
  CHECK(resident(2));
  CHECK(base[page] == 'x');  // read again from the file
  CHECK(sum != 0);
  munmap(map, bytes.size());
}

}  // namespace
}  // namespace bittern::runtime
