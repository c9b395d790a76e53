#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <new>

#include "step_memory.h"

namespace golddiff {

ThreadPool::ThreadPool(size_t threads) {
  const size_t count = std::max<size_t>(1, threads);
  workers_.reserve(count);
  try {
    while (workers_.size() < count) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (auto &worker : workers_) worker.join();
}

void ThreadPool::submit(std::function<void()> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  ready_.notify_one();
}

void ThreadPool::work() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

namespace {
/* Outlives the loop: a helper that starts late finds nothing left and goes. */
struct Loop {
  std::function<void(size_t)> body;
  /* What is allocated in the loop counts for what its beginner counts for. */
  StepMemory *memory = StepMemory::current();
  size_t chunks;
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::condition_variable done;
  size_t finished = 0;
  std::exception_ptr failure;

  void run() {
    const StepMemory::Scope scope(memory);
    for (;;) {
      const size_t chunk = next.fetch_add(1);
      if (chunk >= chunks) return;
      std::exception_ptr thrown;
      try {
        body(chunk);
      } catch (...) {
        thrown = std::current_exception();
      }
      std::lock_guard<std::mutex> lock(mutex);
      if (thrown && !failure) failure = thrown;
      if (++finished == chunks) done.notify_all();
    }
  }
};
}  // namespace

void ThreadPool::parallel(size_t chunks, const std::function<void(size_t)> &body) {
  if (chunks == 0) return;
  if (chunks == 1 || workers_.size() == 1) {
    for (size_t i = 0; i < chunks; i++) body(i);
    return;
  }
  auto loop = std::make_shared<Loop>();
  loop->body = body;
  loop->chunks = chunks;
  const size_t helpers = std::min(chunks, workers_.size()) - 1;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    /* Before other jobs: a job that has begun should end. Helpers that there is no memory for are done without: those that were asked for know this loop. */
    try {
      for (size_t i = 0; i < helpers; i++) jobs_.push_front([loop] { loop->run(); });
    } catch (const std::bad_alloc &) {
    }
  }
  ready_.notify_all();
  loop->run();
  std::unique_lock<std::mutex> lock(loop->mutex);
  loop->done.wait(lock, [&] { return loop->finished == loop->chunks; });
  if (loop->failure) std::rethrow_exception(loop->failure);
}

}  // namespace golddiff
