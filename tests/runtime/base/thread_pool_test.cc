// ThreadPool: every index exactly once, bounds on the grain, the same parts
// whoever runs them.
#include "runtime/base/thread_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <tuple>
#include <vector>

namespace bittern::runtime {
namespace {

// Runs the parts in a fixed odd order on the calling thread.
void Backwards(void* context, void (*task)(void*, size_t), void* task_context,
               size_t count) {
  *static_cast<size_t*>(context) += count;
  for (size_t i = count; i-- > 0;) task(task_context, i);
}

using Part = std::tuple<size_t, size_t, size_t>;

std::vector<Part> PartsOf(const ThreadPool& pool, size_t count, size_t grain) {
  std::vector<Part> parts(pool.threads(), Part(99, 0, 0));
  pool.For(count, grain, [&](size_t part, size_t begin, size_t end) {
    parts[part] = {part, begin, end};
  });
  return parts;
}

TEST_CASE("every index is covered once, in parts that start on the grain") {
  for (const size_t threads : {size_t{1}, size_t{2}, size_t{3}}) {
    const auto pool = ThreadPool::Make(threads, nullptr, nullptr);
    REQUIRE(pool.ok());
    CHECK(pool.value()->threads() == threads);
    for (const size_t count :
         {size_t{0}, size_t{1}, size_t{7}, size_t{64}, size_t{1000}}) {
      for (const size_t grain : {size_t{1}, size_t{8}, size_t{2000}}) {
        std::vector<std::atomic<int>> hits(count);
        std::atomic<int> wrong{0};
        pool.value()->For(
            count, grain, [&](size_t part, size_t begin, size_t end) {
              if (part >= threads || begin % grain != 0 || begin >= end)
                ++wrong;
              for (size_t i = begin; i < end; ++i) ++hits[i];
            });
        CHECK(wrong == 0);
        for (const auto& hit : hits) CHECK(hit == 1);
      }
    }
  }
}

TEST_CASE("the caller's parallel_for gets the same parts") {
  size_t tasks = 0;
  const auto own = ThreadPool::Make(3, nullptr, nullptr);
  const auto callers = ThreadPool::Make(3, &Backwards, &tasks);
  REQUIRE(own.ok());
  REQUIRE(callers.ok());
  CHECK(PartsOf(*own.value(), 100, 8) == PartsOf(*callers.value(), 100, 8));
  CHECK(tasks == 3);
}

TEST_CASE("one part stays on the calling thread") {
  size_t tasks = 0;
  const auto pool = ThreadPool::Make(4, &Backwards, &tasks);
  REQUIRE(pool.ok());
  std::thread::id id;
  pool.value()->For(
      5, 8, [&](size_t, size_t, size_t) { id = std::this_thread::get_id(); });
  CHECK(id == std::this_thread::get_id());
  CHECK(tasks == 0);
}

TEST_CASE("thread counts have limits") {
  for (const size_t threads : {size_t{0}, size_t{1025}}) {
    const auto pool = ThreadPool::Make(threads, nullptr, nullptr);
    REQUIRE_FALSE(pool.ok());
    CHECK(pool.error().code == Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace bittern::runtime
