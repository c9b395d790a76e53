#include "statistics_calls.h"

#include <atomic>
#include <memory>
#include <vector>

#include "../engine/moments.h"
#include "../engine/statistics.h"
#include "call.h"
#include "handles.h"
#include "step_values.h"
#include "values.h"

namespace golddiff {

Napi::Value moments(const Napi::CallbackInfo &info) {
  const auto engine = engine_of(info);
  const auto loaded = partition_of(info[1]);
  auto call = std::make_unique<Call>(info.Env());
  call->keep.push_back(loaded);
  auto reply = std::make_shared<Moments>();
  call->work = [reply, partition = loaded->partition.get(), label = info[2].ToNumber().Int32Value(), engine = engine.get()] {
    *reply = row_moments(*partition, label, engine->pool);
  };
  call->answer = [reply](Napi::Env env) { return moments_object(env, *reply); };
  return start(info.Env(), engine, std::move(call));
}

Napi::Value covariance(const Napi::CallbackInfo &info) {
  const auto engine = engine_of(info);
  const Napi::Array list = info[1].As<Napi::Array>();
  auto call = std::make_unique<Call>(info.Env());
  std::vector<Partition *> partitions;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value item = list[i];
    auto loaded = partition_of(item);
    partitions.push_back(loaded->partition.get());
    call->keep.push_back(std::move(loaded));
  }
  auto reply = std::make_shared<Covariance>();
  call->work = [reply, engine = engine.get(), partitions] { *reply = sample_covariance(partitions, engine->kernels, engine->pool); };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["mean"] = float64s(env, reply->mean);
    out["covariance"] = float64s(env, reply->covariance);
    return out;
  };
  return start(info.Env(), engine, std::move(call));
}

Napi::Value spd_solve(const Napi::CallbackInfo &info) {
  const auto engine = engine_of(info);
  const Napi::Object in = info[1].As<Napi::Object>();
  const size_t n = in.Get("n").ToNumber().Uint32Value();
  const size_t m = in.Get("columns").ToNumber().Uint32Value();
  auto matrix = in.Get("matrix").As<Napi::Float64Array>(), rhs = in.Get("rhs").As<Napi::Float64Array>();
  if (matrix.ElementLength() != n * n || rhs.ElementLength() != n * m) throw Napi::Error::New(info.Env(), "The arrays of a solve do not have its shape");
  const Napi::Value flag = in.Get("stop");
  static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free);
  const auto *stop = given(flag) ? reinterpret_cast<const std::atomic<int32_t> *>(flag.As<Napi::Int32Array>().Data()) : nullptr;
  golddiff::spd_solve(matrix.Data(), rhs.Data(), n, m, engine->kernels, engine->pool, stop);
  /* Nothing is made here: a worker thread that was told to end meanwhile cannot make anything any more. */
  return Napi::Value();
}

}  // namespace golddiff
