/* Threads of the engine: jobs in order of arrival, and loops that a job spreads over whatever threads are free. */
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace golddiff {

class ThreadPool {
 public:
  /* std::system_error where the machine gives fewer threads; none is left running then. */
  explicit ThreadPool(size_t threads);
  /* Finishes what was submitted, then joins. */
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  size_t threads() const { return workers_.size(); }
  /* `job` throws nothing. */
  void submit(std::function<void()> job);
  /* Runs body(0) .. body(chunks - 1) on this thread and the free ones; returns when all are done. The first exception is thrown again here. */
  void parallel(size_t chunks, const std::function<void(size_t)> &body);

 private:
  void work();
  void stop();
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace golddiff
