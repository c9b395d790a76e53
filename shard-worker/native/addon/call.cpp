#include "call.h"

#include <new>
#include <stdexcept>
#include <system_error>

#include "../engine/error.h"

namespace golddiff {

namespace {

Napi::Error coded(Napi::Env env, const char *code, const char *message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/* On the JavaScript thread. */
void settled(Napi::Env env, Napi::Function, void *, Call *done) {
  std::unique_ptr<Call> call(done);
  if (static_cast<napi_env>(env) == nullptr) {
    /* JavaScript has ended before the answer: its references went with it. */
    call.release();
    return;
  }
  const Napi::HandleScope scope(env);
  std::exception_ptr failure = call->failure;
  if (!failure) {
    try {
      call->deferred.Resolve(call->answer(env));
      return;
    } catch (...) {
      failure = std::current_exception();
    }
  }
  call->deferred.Reject(error_of(env, failure).Value());
}

/* Its calls allocate nothing, unlike those of Napi::ThreadSafeFunction. */
using Settle = Napi::TypedThreadSafeFunction<void, Call, settled>;

}  // namespace

Napi::Promise start(Napi::Env env, const std::shared_ptr<Engine> &engine, std::unique_ptr<Call> call) {
  const Napi::Promise promise = call->deferred.Promise();
  call->keep.push_back(engine);
  Settle settle = Settle::New(env, "golddiff", 0, 1);
  Call *raw = call.get();
  StepMemory *memory = raw->step ? &engine->memory : nullptr;
  try {
    engine->pool.submit([raw, settle, memory]() mutable {
      try {
        const StepMemory::Scope scope(memory);
        raw->work();
      } catch (...) {
        raw->failure = std::current_exception();
      }
      raw->work = nullptr;
      raw->step.reset();
      settle.NonBlockingCall(raw);
      settle.Release();
    });
  } catch (...) {
    settle.Release();
    throw;
  }
  call.release();
  return promise;
}

Napi::Error error_of(Napi::Env env, const std::exception_ptr &failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Napi::Error &error) {
    return error;
  } catch (const EngineError &error) {
    return coded(env, error.code, error.what());
  } catch (const std::bad_alloc &) {
    return coded(env, "OUT_OF_MEMORY", "The native engine could not allocate memory");
  } catch (const std::length_error &) {
    return coded(env, "OUT_OF_MEMORY", "The native engine was asked for more memory than an address reaches");
  } catch (const std::system_error &error) {
    return coded(env, "OUT_OF_MEMORY", "The native engine could not start its threads");
  } catch (const std::exception &error) {
    return coded(env, "INTERNAL", error.what());
  } catch (...) {
    return coded(env, "INTERNAL", "The native engine failed");
  }
}

}  // namespace golddiff
