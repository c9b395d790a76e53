/* What JavaScript holds of the engine. */
#pragma once
#include <napi.h>

#include <memory>
#include <vector>

#include "../engine/error.h"
#include "../engine/partition.h"
#include "../engine/step.h"
#include "call.h"

namespace golddiff {

/* Destroyed on the JavaScript thread, as the references are. */
struct LoadedPartition {
  std::shared_ptr<Engine> engine;
  /* the arrays that the partition reads */
  std::vector<Napi::ObjectReference> arrays;
  std::unique_ptr<Partition> partition;
};

/* What JavaScript holds: empty once released or closed. */
struct PartitionHandle {
  std::shared_ptr<LoadedPartition> loaded;
};
struct StepHandle {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Step> step;
};

template <typename T>
Napi::Value wrap(Napi::Env env, T *held) {
  return Napi::External<T>::New(env, held, [](Napi::Env, T *gone) { delete gone; });
}
template <typename T>
T &unwrap(const Napi::Value &value) {
  return *value.As<Napi::External<T>>().Data();
}

inline std::shared_ptr<Engine> engine_of(const Napi::CallbackInfo &info) {
  auto engine = unwrap<std::shared_ptr<Engine>>(info[0]);
  if (!engine) throw Napi::Error::New(info.Env(), "The engine is closed");
  return engine;
}

inline std::shared_ptr<LoadedPartition> partition_of(const Napi::Value &value) {
  auto loaded = unwrap<PartitionHandle>(value).loaded;
  if (!loaded) throw EngineError("INTERNAL", "The partition is released");
  return loaded;
}

}  // namespace golddiff
