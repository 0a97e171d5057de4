#include "runtime/base/thread_pool.h"

#include <pthreadpool.h>

#include <algorithm>

namespace bittern::runtime {

struct ThreadPool::Impl {
  pthreadpool_t pool = nullptr;
  ~Impl() { pthreadpool_destroy(pool); }
};

ThreadPool::ThreadPool(size_t threads, ParallelForFn parallel_for,
                       void* parallel_context)
    : threads_(threads),
      parallel_for_(parallel_for),
      parallel_context_(parallel_context) {}

ThreadPool::~ThreadPool() = default;

Result<std::unique_ptr<ThreadPool>> ThreadPool::Make(size_t threads,
                                                     ParallelForFn parallel_for,
                                                     void* parallel_context) {
  constexpr size_t kMaxThreads = 1024;
  if (threads == 0 || threads > kMaxThreads) {
    return InvalidArgument("thread count: got " + std::to_string(threads) +
                           ", expected 1 to " + std::to_string(kMaxThreads));
  }
  std::unique_ptr<ThreadPool> pool(
      new ThreadPool(threads, parallel_for, parallel_context));
  if (threads > 1 && parallel_for == nullptr) {
    pool->impl_ = std::make_unique<Impl>();
    pool->impl_->pool = pthreadpool_create(threads);
    if (pool->impl_->pool == nullptr)
      return OutOfMemory("cannot start " + std::to_string(threads) +
                         " threads");
  }
  return pool;
}

void ThreadPool::Split(size_t count, size_t grain, PartFn part_fn,
                       void* fn) const noexcept {
  const size_t grains = (count + grain - 1) / grain;
  const size_t parts = std::min(threads_, grains);
  if (parts <= 1) {
    if (count != 0) part_fn(fn, 0, 0, count);
    return;
  }
  struct Task {
    size_t count, grain, grains, parts;
    PartFn part_fn;
    void* fn;
    static void Run(void* context, size_t part) {
      const Task& t = *static_cast<const Task*>(context);
      const size_t begin = part * t.grains / t.parts * t.grain;
      const size_t end =
          std::min(t.count, (part + 1) * t.grains / t.parts * t.grain);
      t.part_fn(t.fn, part, begin, end);
    }
  } task{count, grain, grains, parts, part_fn, fn};
  if (parallel_for_ != nullptr) {
    parallel_for_(parallel_context_, &Task::Run, &task, parts);
  } else {
    pthreadpool_parallelize_1d(impl_->pool, &Task::Run, &task, parts, 0);
  }
}

}  // namespace bittern::runtime
