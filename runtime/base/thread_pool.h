// Parallel loops of a session: pthreadpool, or the caller's parallel_for. Work
// is split statically into contiguous parts, so that results and scratch use
// never depend on timing. One pool serves one session at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "runtime/base/result.h"

namespace bittern::runtime {

// Calls task(task_context, i) for i in [0, count), in any order and on any
// threads, and returns when all are done.
using ParallelForFn = void (*)(void* parallel_context,
                               void (*task)(void* task_context, size_t index),
                               void* task_context, size_t count);

class ThreadPool {
 public:
  // threads >= 1. With `parallel_for`, no thread is created: the caller's
  // function runs the parts.
  static Result<std::unique_ptr<ThreadPool>> Make(size_t threads,
                                                  ParallelForFn parallel_for,
                                                  void* parallel_context);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return threads_; }

  // Splits [0, count) into at most threads() parts whose bounds are multiples
  // of `grain`, and calls fn(part, begin, end) for each; part < threads() names
  // the scratch block that the part may use. One part runs on the calling
  // thread without any synchronisation.
  template <class Fn>
  void For(size_t count, size_t grain, const Fn& fn) const noexcept {
    Split(
        count, grain,
        [](void* f, size_t part, size_t begin, size_t end) {
          (*static_cast<const Fn*>(f))(part, begin, end);
        },
        const_cast<std::remove_const_t<Fn>*>(&fn));
  }

 private:
  using PartFn = void (*)(void* fn, size_t part, size_t begin, size_t end);
  struct Impl;
  ThreadPool(size_t threads, ParallelForFn parallel_for,
             void* parallel_context);
  void Split(size_t count, size_t grain, PartFn part_fn,
             void* fn) const noexcept;

  size_t threads_;
  ParallelForFn parallel_for_;
  void* parallel_context_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bittern::runtime
