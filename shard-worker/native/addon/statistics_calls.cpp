#include "statistics_calls.h"

#include <memory>
#include <vector>

#include "../engine/moments.h"
#include "../engine/statistics.h"
#include "call.h"
#include "handles.h"
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
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["rows"] = Napi::Number::New(env, static_cast<double>(reply->rows));
    out["sum"] = float64s(env, reply->sum);
    out["products"] = float64s(env, reply->products);
    return out;
  };
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
  auto matrix = std::make_shared<std::vector<double>>(doubles(in.Get("matrix")));
  auto rhs = std::make_shared<std::vector<double>>(doubles(in.Get("rhs")));
  if (matrix->size() != n * n || rhs->size() != n * m) throw Napi::Error::New(info.Env(), "The arrays of a solve do not have its shape");
  auto call = std::make_unique<Call>(info.Env());
  call->work = [matrix, rhs, n, m, engine = engine.get()] { golddiff::spd_solve(*matrix, *rhs, n, m, engine->kernels, engine->pool); };
  call->answer = [rhs](Napi::Env env) { return float64s(env, *rhs); };
  return start(info.Env(), engine, std::move(call));
}

}  // namespace golddiff
