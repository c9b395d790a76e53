/* Calls from JavaScript that a thread of the engine answers, and what becomes of exceptions: a rejection or a JavaScript error with a code, never the process's end. */
#pragma once
#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "../engine/step.h"
#include "../engine/step_memory.h"
#include "../engine/thread_pool.h"
#include "../include/kernels.h"

namespace golddiff {

struct Engine {
  Engine(size_t threads, size_t step_bytes_max, const gd_kernels &kernels) : kernels(kernels), memory(step_bytes_max), pool(threads) {}
  const gd_kernels &kernels;
  StepMemory memory;
  /* Destroyed first: its last jobs give memory back. */
  ThreadPool pool;
};

/* One call under way. Made and destroyed on the JavaScript thread; `work` runs on a thread of the engine. */
struct Call {
  explicit Call(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  std::function<void()> work;
  std::function<Napi::Value(Napi::Env)> answer;
  std::vector<std::shared_ptr<void>> keep;
  /* Let go of right after `work`, on its thread: where it is the last reference, freeing gigabytes must not hold up JavaScript. */
  std::shared_ptr<void> step;
  std::exception_ptr failure;
};

/* The promise of the call's answer. */
Napi::Promise start(Napi::Env env, const std::shared_ptr<Engine> &engine, std::unique_ptr<Call> call);

/* With a code: that of an EngineError, OUT_OF_MEMORY or INTERNAL. */
Napi::Error error_of(Napi::Env env, const std::exception_ptr &failure);

/* A function for JavaScript, out of which nothing but Napi::Error comes: node-addon-api lets everything else end the process. */
template <Napi::Value (*function)(const Napi::CallbackInfo &)>
Napi::Value guarded(const Napi::CallbackInfo &info) {
  try {
    return function(info);
  } catch (...) {
    throw error_of(info.Env(), std::current_exception());
  }
}

}  // namespace golddiff
