/*
 * The edge to JavaScript: the calls of native/addon/addon.cpp for rows in a device's memory, minus those of an index and of proofs. A call runs on a host thread of the
 * engine, which waits for the device; several are under way at once, each in a stream of its own.
 */
#include <napi.h>

#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "../../native/addon/call.h"
#include "../../native/addon/handles.h"
#include "../../native/addon/step_values.h"
#include "../../native/addon/values.h"
#include "../engine/device.h"
#include "../engine/moments.h"
#include "../engine/partition.h"
#include "../engine/step.h"

namespace golddiff::cuda {
namespace {

/* Partitions that are asked no more. Whoever frees memory may wait for the device: threads of the engine, never JavaScript's. */
class Released {
 public:
  explicit Released(Device &device) : device_(device) {}
  void add(std::unique_ptr<Partition> partition) {
    std::lock_guard<std::mutex> lock(list_mutex_);
    partitions_.push_back(std::move(partition));
  }
  /* Their memory is free when this returns, also of those that another thread has begun with. */
  void free() noexcept {
    std::lock_guard<std::mutex> freeing(freeing_mutex_);
    std::vector<std::unique_ptr<Partition>> own;
    {
      std::lock_guard<std::mutex> lock(list_mutex_);
      own.swap(partitions_);
    }
    own.clear();
    /* What a partition had is not kept for steps. */
    device_.let_go();
  }

 private:
  Device &device_;
  std::mutex freeing_mutex_, list_mutex_;
  std::vector<std::unique_ptr<Partition>> partitions_;
};

struct DeviceEngine {
  DeviceEngine(std::unique_ptr<Driver> driver, size_t threads, size_t step_bytes_max) : device(std::move(driver)), released(device), host(threads, step_bytes_max, *gd_kernels_scalar()) {}
  Device device;
  Released released;
  /* Destroyed first: its last jobs use the device. */
  Engine host;
};
using EnginePointer = std::shared_ptr<DeviceEngine>;

/* Destroyed on the JavaScript thread, as references and calls are. */
struct Loaded {
  explicit Loaded(EnginePointer of) : engine(std::move(of)) {}
  Loaded(const Loaded &) = delete;
  Loaded &operator=(const Loaded &) = delete;
  ~Loaded() {
    try {
      if (partition) engine->released.add(std::move(partition));
      /* The engine is not held by a job of its own: it ends its threads when it goes, after their last job. */
      engine->host.pool.submit([own = engine.get()] { own->released.free(); });
    } catch (const std::bad_alloc &) {
      /* Freed with the next, or with the engine. */
    }
  }
  const EnginePointer engine;
  std::unique_ptr<Partition> partition;
};
struct PartitionReference {
  std::shared_ptr<Loaded> loaded;
};
struct StepReference {
  EnginePointer engine;
  std::shared_ptr<Step> step;
};

EnginePointer engine_at(const Napi::CallbackInfo &info) {
  auto engine = unwrap<EnginePointer>(info[0]);
  if (!engine) throw Napi::Error::New(info.Env(), "The engine is closed");
  return engine;
}

std::shared_ptr<Engine> host_of(const EnginePointer &engine) { return {engine, &engine->host}; }

std::shared_ptr<Loaded> loaded_at(const Napi::Value &value) {
  auto loaded = unwrap<PartitionReference>(value).loaded;
  if (!loaded) throw EngineError("INTERNAL", "The partition is released");
  return loaded;
}

Napi::Object facts_object(Napi::Env env, const DeviceFacts &facts) {
  Napi::Object out = Napi::Object::New(env);
  out["device"] = Napi::String::New(env, facts.name);
  out["architecture"] = Napi::Number::New(env, facts.architecture);
  out["memoryBytes"] = Napi::Number::New(env, static_cast<double>(facts.memory_bytes));
  out["freeBytes"] = Napi::Number::New(env, static_cast<double>(facts.free_bytes));
  out["multiprocessors"] = Napi::Number::New(env, facts.multiprocessors);
  return out;
}

/* { missing } or the device's facts. */
Napi::Value detect(const Napi::CallbackInfo &info) {
  const Detected found = detect_device();
  if (found.found) return facts_object(info.Env(), found.facts);
  Napi::Object out = Napi::Object::New(info.Env());
  out["missing"] = Napi::String::New(info.Env(), found.missing);
  return out;
}

constexpr double BYTES_MAX = 0x1p62;
size_t bytes_of(const Napi::Value &value) {
  if (!given(value)) return 0;
  const double bytes = value.ToNumber();
  return static_cast<size_t>(std::min(BYTES_MAX, std::max(0.0, bytes)));
}

Napi::Value create_engine(const Napi::CallbackInfo &info) {
  const Napi::Object settings = info[0].As<Napi::Object>();
  const EmulatedLimits limits{bytes_of(settings.Get("emulatedMemoryBytes")), bytes_of(settings.Get("failingAllocation"))};
  const size_t threads = settings.Get("threads").ToNumber().Uint32Value();
  return wrap(info.Env(), new EnginePointer(std::make_shared<DeviceEngine>(open_driver(limits), threads, bytes_of(settings.Get("stepStateBytesMax")))));
}

Napi::Value close_engine(const Napi::CallbackInfo &info) {
  unwrap<EnginePointer>(info[0]).reset();
  return info.Env().Undefined();
}

Napi::Value load_partition(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const auto engine = engine_at(info);
  const Napi::Object rows = info[1].As<Napi::Object>();
  const auto count = [&](const char *name) { return static_cast<size_t>(rows.Get(name).ToNumber().Int64Value()); };
  const Shape shape{count("rows"), count("channels"), count("height"), count("width")};
  const Napi::TypedArray values = rows.Get("values").As<Napi::TypedArray>();
  const Napi::Int32Array labels = rows.Get("labels").As<Napi::Int32Array>();
  const Napi::Uint32Array ids = rows.Get("rowIds").As<Napi::Uint32Array>();
  if (values.ElementLength() != shape.rows * shape.dim() || labels.ElementLength() != shape.rows || ids.ElementLength() != shape.rows)
    throw Napi::Error::New(env, "The arrays of a partition do not have its shape");
  /* An empty array has no address; its kind still counts. */
  static const uint8_t none = 0;
  const uint8_t *pixels = nullptr;
  if (values.TypedArrayType() == napi_uint8_array) pixels = values.ElementLength() == 0 ? &none : values.As<Napi::Uint8Array>().Data();
  const float *floats = pixels == nullptr ? values.As<Napi::Float32Array>().Data() : nullptr;
  auto call = std::make_unique<Call>(env);
  /* Until they are copied. */
  for (const char *name : {"values", "labels", "rowIds"}) call->keep.push_back(std::make_shared<Napi::ObjectReference>(Napi::Persistent(rows.Get(name).As<Napi::Object>())));
  auto loaded = std::make_shared<Loaded>(engine);
  call->keep.push_back(loaded);
  const int32_t *label_data = labels.Data();
  const uint32_t *id_data = ids.Data();
  call->work = [loaded = loaded.get(), shape, pixels, floats, label_data, id_data] {
    /* What was released before is there to be used. */
    loaded->engine->released.free();
    loaded->partition = std::make_unique<Partition>(loaded->engine->device, shape, pixels, floats, label_data, id_data);
  };
  call->answer = [loaded](Napi::Env answered) { return wrap(answered, new PartitionReference{loaded}); };
  return start(env, host_of(engine), std::move(call));
}

Napi::Value partition_bytes(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), static_cast<double>(loaded_at(info[0])->partition->bytes())); }

Napi::Value release_partition(const Napi::CallbackInfo &info) {
  unwrap<PartitionReference>(info[0]).loaded.reset();
  return info.Env().Undefined();
}

Napi::Value step_state_bytes(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), static_cast<double>(engine_at(info)->host.memory.used())); }

/* { groups, of [B], kinds: each { side } or { first, runs } } */
void groups_into(Settings &settings, const Napi::Object &in, size_t batch, const Shape &shape) {
  settings.groups = in.Get("groups").ToNumber().Uint32Value();
  settings.of = words(in.Get("of"));
  const Napi::Array kinds = in.Get("kinds").As<Napi::Array>();
  for (uint32_t k = 0; k < kinds.Length(); k++) {
    const Napi::Value item = kinds[k];
    const Napi::Object kind = item.As<Napi::Object>();
    if (given(kind.Get("side"))) settings.kinds.push_back(GroupRuns::window(shape, kind.Get("side").ToNumber().Uint32Value()));
    else settings.kinds.push_back(GroupRuns::supports(shape, words(kind.Get("first")), words(kind.Get("runs"))));
    if (settings.kinds.back().groups != settings.groups) throw EngineError("ARGUMENT_INVALID", "Expected kinds of as many groups as the step has");
  }
  if (settings.of.size() != batch) throw EngineError("ARGUMENT_INVALID", "Expected a kind of groups for each query");
  for (const uint32_t of : settings.of)
    if (of >= settings.kinds.size()) throw EngineError("ARGUMENT_INVALID", "Expected a kind of groups that is there");
}

Napi::Value open_step(const Napi::CallbackInfo &info) {
  const auto engine = engine_at(info);
  const Napi::Object in = info[1].As<Napi::Object>();
  const StepMemory::Scope scope(&engine->host.memory);
  Queries queries = queries_of(in);
  Settings settings{step_wish_of(in, queries.batch), 0, {}, {}};
  if (given(in.Get("grouping"))) groups_into(settings, in.Get("grouping").As<Napi::Object>(), queries.batch, step_shape_of(in, queries.dim));
  return wrap(info.Env(), new StepReference{engine, std::make_shared<Step>(engine->device, engine->host.pool, std::move(queries), std::move(settings))});
}

Napi::Value close_step(const Napi::CallbackInfo &info) {
  StepReference &reference = unwrap<StepReference>(info[0]);
  const EnginePointer engine = std::move(reference.engine);
  std::shared_ptr<Step> step = std::move(reference.step);
  if (!step) return info.Env().Undefined();
  step->close();
  /* Freed on a thread of the engine, behind the calls under way. */
  engine->host.pool.submit([step = std::move(step)] {});
  return info.Env().Undefined();
}

/* A call on a step and a partition: `work` makes a reply, `object` JavaScript's. */
template <typename Reply, typename Object>
Napi::Value run(const Napi::CallbackInfo &info, std::function<Reply(Step &, Partition &)> work, Object object) {
  const StepReference &reference = unwrap<StepReference>(info[0]);
  const auto loaded = loaded_at(info[1]);
  if (!reference.step) throw cancelled();
  auto call = std::make_unique<Call>(info.Env());
  call->keep.push_back(loaded);
  call->step = reference.step;
  auto reply = std::make_shared<Reply>();
  call->work = [reply, work = std::move(work), step = reference.step.get(), partition = loaded->partition.get()] { *reply = work(*step, *partition); };
  call->answer = [reply, object](Napi::Env env) { return object(env, *reply); };
  return start(info.Env(), host_of(reference.engine), std::move(call));
}

size_t batch_of(const Napi::CallbackInfo &info) {
  const auto &step = unwrap<StepReference>(info[0]).step;
  if (!step) throw cancelled();
  return step->batch();
}

Napi::Value screen(const Napi::CallbackInfo &info) {
  const auto stage = static_cast<Stage>(info[2].ToNumber().Uint32Value());
  const auto work = [stage, cuts = cuts_of(info[3]), ranks = ranks_of(info.Env(), info[4], info[5], batch_of(info))](Step &step, Partition &partition) {
    return step.screen(partition, stage, cuts, ranks.by_fraction ? &ranks.fraction : nullptr, ranks.windows);
  };
  return run<ScreenReply>(info, work, screen_object);
}

Napi::Value scalars(const Napi::CallbackInfo &info) {
  return run<Scalars>(info, [cuts = cuts_of(info[2])](Step &step, Partition &partition) { return step.scalars(partition, cuts); }, scalars_object);
}

Napi::Value sums(const Napi::CallbackInfo &info) {
  const auto max_logit = doubles(info[3]), mass = doubles(info[4]);
  if (max_logit.size() != batch_of(info) || mass.size() != max_logit.size()) throw Napi::Error::New(info.Env(), "Expected one maximum and one mass for each query");
  const double negligible_share = info[5].ToNumber();
  const bool histogram = info[6].ToBoolean();
  const auto work = [cuts = cuts_of(info[2]), max_logit, mass, negligible_share, histogram](Step &step, Partition &partition) {
    return step.sums(partition, cuts, max_logit, mass, negligible_share, histogram);
  };
  return run<SumsReply>(info, work, [histogram](Napi::Env env, const SumsReply &reply) { return sums_object(env, reply, histogram); });
}

Napi::Value groups(const Napi::CallbackInfo &info) {
  return run<GroupsReply>(info, [cuts = cuts_of(info[2])](Step &step, Partition &partition) { return step.groups(partition, cuts); }, groups_object);
}

Napi::Value moments(const Napi::CallbackInfo &info) {
  const auto engine = engine_at(info);
  const auto loaded = loaded_at(info[1]);
  auto call = std::make_unique<Call>(info.Env());
  call->keep.push_back(loaded);
  auto reply = std::make_shared<Moments>();
  call->work = [reply, loaded = loaded.get(), label = info[2].ToNumber().Int32Value()] { *reply = row_moments(loaded->engine->device, *loaded->partition, label); };
  call->answer = [reply](Napi::Env env) { return moments_object(env, *reply); };
  return start(info.Env(), host_of(engine), std::move(call));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("detect", Napi::Function::New(env, guarded<detect>));
  exports.Set("createEngine", Napi::Function::New(env, guarded<create_engine>));
  exports.Set("closeEngine", Napi::Function::New(env, guarded<close_engine>));
  exports.Set("loadPartition", Napi::Function::New(env, guarded<load_partition>));
  exports.Set("partitionBytes", Napi::Function::New(env, guarded<partition_bytes>));
  exports.Set("releasePartition", Napi::Function::New(env, guarded<release_partition>));
  exports.Set("stepStateBytes", Napi::Function::New(env, guarded<step_state_bytes>));
  exports.Set("openStep", Napi::Function::New(env, guarded<open_step>));
  exports.Set("closeStep", Napi::Function::New(env, guarded<close_step>));
  exports.Set("screen", Napi::Function::New(env, guarded<screen>));
  exports.Set("scalars", Napi::Function::New(env, guarded<scalars>));
  exports.Set("sums", Napi::Function::New(env, guarded<sums>));
  exports.Set("groups", Napi::Function::New(env, guarded<groups>));
  exports.Set("moments", Napi::Function::New(env, guarded<moments>));
  return exports;
}

}  // namespace
}  // namespace golddiff::cuda

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return golddiff::cuda::init(env, exports); }
NODE_API_MODULE(golddiff_cuda, init_addon)
