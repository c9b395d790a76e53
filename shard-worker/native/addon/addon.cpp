/*
 * The edge to JavaScript: arguments in, Promise out. backends/native/native-addon.ts types what is here. Nothing is computed on the JavaScript thread.
 *
 * Engines, partitions and steps are freed when they are closed or released: JavaScript's handle lets go then, and calls under way hold what they work on until they
 * are settled. A handle that is merely forgotten frees its own when it is collected.
 */
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "../engine/error.h"
#include "../engine/partition.h"
#include "../engine/step.h"
#include "../include/kernels.h"
#include "call.h"
#include "handles.h"
#include "statistics_calls.h"
#include "step_values.h"
#include "values.h"

namespace golddiff {
namespace {

const gd_kernels *kernels_of(const std::string &isa) {
#ifdef GOLDDIFF_X86_KERNELS
  if (isa == "avx512") return gd_kernels_avx512();
  if (isa == "avx2") return gd_kernels_avx2();
#endif
#ifdef GOLDDIFF_ARM_KERNELS
  if (isa == "neon") return gd_kernels_neon();
#endif
  return isa == "scalar" ? gd_kernels_scalar() : nullptr;
}

/* Where no limit is set: more than any machine has. */
constexpr double STEP_BYTES_MAX = 0x1p62;

Napi::Value detect(const Napi::CallbackInfo &info) {
  Napi::Array isas = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const char *isa : {"avx512", "avx2", "neon", "scalar"})
    if (kernels_of(isa) != nullptr) isas[count++] = isa;
  Napi::Object out = Napi::Object::New(info.Env());
  out["isas"] = isas;
  return out;
}

Napi::Value create_engine(const Napi::CallbackInfo &info) {
  const Napi::Object settings = info[0].As<Napi::Object>();
  const std::string isa = settings.Get("isa").ToString();
  const gd_kernels *kernels = kernels_of(isa);
  if (kernels == nullptr) throw Napi::Error::New(info.Env(), "This machine has no instruction set " + isa);
  const double bytes = settings.Get("stepStateBytesMax").ToNumber();
  const size_t bytes_max = bytes < STEP_BYTES_MAX ? static_cast<size_t>(std::max(0.0, bytes)) : static_cast<size_t>(STEP_BYTES_MAX);
  auto engine = std::make_shared<Engine>(settings.Get("threads").ToNumber().Uint32Value(), bytes_max, *kernels);
  return wrap(info.Env(), new std::shared_ptr<Engine>(std::move(engine)));
}

Napi::Value close_engine(const Napi::CallbackInfo &info) {
  unwrap<std::shared_ptr<Engine>>(info[0]).reset();
  return info.Env().Undefined();
}

Napi::Value load_partition(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  const auto engine = engine_of(info);
  const Napi::Object rows = info[1].As<Napi::Object>();
  const auto count = [&](const char *name) { return static_cast<size_t>(rows.Get(name).ToNumber().Int64Value()); };
  const Partition::Shape shape{count("rows"), count("channels"), count("height"), count("width")};
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
  auto loaded = std::make_shared<LoadedPartition>();
  loaded->engine = engine;
  for (const char *name : {"values", "labels", "rowIds"}) loaded->arrays.push_back(Napi::Persistent(rows.Get(name).As<Napi::Object>()));
  auto call = std::make_unique<Call>(env);
  call->keep.push_back(loaded);
  const int32_t *label_data = labels.Data();
  const uint32_t *id_data = ids.Data();
  call->work = [loaded = loaded.get(), shape, pixels, floats, label_data, id_data] {
    Engine &own = *loaded->engine;
    loaded->partition = std::make_unique<Partition>(shape, pixels, floats, label_data, id_data, own.kernels, own.pool);
  };
  call->answer = [loaded](Napi::Env answered) { return wrap(answered, new PartitionHandle{loaded}); };
  return start(env, engine, std::move(call));
}

Napi::Value partition_bytes(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), static_cast<double>(partition_of(info[0])->partition->bytes()));
}

Napi::Value release_partition(const Napi::CallbackInfo &info) {
  unwrap<PartitionHandle>(info[0]).loaded.reset();
  return info.Env().Undefined();
}

Napi::Value step_state_bytes(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), static_cast<double>(engine_of(info)->memory.used())); }

StepVector<uint32_t> counted_words(const Napi::Value &value) { return copied<StepVector<uint32_t>, Napi::Uint32Array>(value); }

/* { groups, of [B], kinds: each { side } or { first, runs } } */
Grouping grouping_of(const Napi::Object &in, size_t batch, const Partition::Shape &shape) {
  Grouping out;
  out.groups = in.Get("groups").ToNumber().Uint32Value();
  out.of = words(in.Get("of"));
  const Napi::Array kinds = in.Get("kinds").As<Napi::Array>();
  for (uint32_t k = 0; k < kinds.Length(); k++) {
    const Napi::Value item = kinds[k];
    const Napi::Object kind = item.As<Napi::Object>();
    if (given(kind.Get("side"))) out.kinds.push_back(GroupKind::window(shape, kind.Get("side").ToNumber().Uint32Value()));
    else out.kinds.push_back(GroupKind::supports(shape, counted_words(kind.Get("first")), counted_words(kind.Get("runs"))));
    if (out.kinds.back().groups() != out.groups) throw EngineError("ARGUMENT_INVALID", "Expected kinds of as many groups as the step has");
  }
  if (out.of.size() != batch) throw EngineError("ARGUMENT_INVALID", "Expected a kind of groups for each query");
  for (const uint32_t of : out.of)
    if (of >= out.kinds.size()) throw EngineError("ARGUMENT_INVALID", "Expected a kind of groups that is there");
  return out;
}

Napi::Value open_step(const Napi::CallbackInfo &info) {
  const auto engine = engine_of(info);
  const Napi::Object in = info[1].As<Napi::Object>();
  const StepMemory::Scope scope(&engine->memory);
  Queries queries = queries_of(in);
  StepSettings settings{step_wish_of(in, queries.batch), {}};
  if (given(in.Get("grouping"))) settings.grouping = grouping_of(in.Get("grouping").As<Napi::Object>(), queries.batch, step_shape_of(in, queries.dim));
  auto step = std::make_shared<Step>(std::move(queries), std::move(settings));
  return wrap(info.Env(), new StepHandle{engine, std::move(step)});
}

Napi::Value close_step(const Napi::CallbackInfo &info) {
  StepHandle &handle = unwrap<StepHandle>(info[0]);
  const std::shared_ptr<Engine> engine = std::move(handle.engine);
  std::shared_ptr<Step> step = std::move(handle.step);
  if (!step) return info.Env().Undefined();
  step->close();
  try {
    /* Freed on a thread of the engine, behind the calls under way. */
    engine->pool.submit([step = std::move(step)] {});
  } catch (const std::bad_alloc &) {
    /* Freed here, or by the last call. */
  }
  return info.Env().Undefined();
}

/* What every call on a step and a partition begins with. */
struct Target {
  explicit Target(const Napi::CallbackInfo &info)
      : engine(unwrap<StepHandle>(info[0]).engine), step(unwrap<StepHandle>(info[0]).step), loaded(partition_of(info[1])), partition(loaded->partition.get()) {
    if (!step) throw cancelled();
  }
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Step> step;
  std::shared_ptr<LoadedPartition> loaded;
  Partition *partition;
  std::unique_ptr<Call> call(const Napi::CallbackInfo &info) const {
    auto made = std::make_unique<Call>(info.Env());
    made->keep.push_back(loaded);
    made->step = step;
    return made;
  }
};

Napi::Value screen(const Napi::CallbackInfo &info) {
  const Target target(info);
  const auto stage = static_cast<Stage>(info[2].ToNumber().Uint32Value());
  const Ranks ranks = ranks_of(info.Env(), info[4], info[5], target.step->batch());
  auto call = target.call(info);
  auto reply = std::make_shared<ScreenReply>();
  call->work = [reply, step = target.step.get(), partition = target.partition, stage, cuts = cuts_of(info[3]), ranks] {
    *reply = step->screen(*partition, stage, cuts, ranks.by_fraction ? &ranks.fraction : nullptr, ranks.windows);
  };
  call->answer = [reply](Napi::Env env) { return screen_object(env, *reply); };
  return start(info.Env(), target.engine, std::move(call));
}

Napi::Value restrict_step(const Napi::CallbackInfo &info) {
  const Target target(info);
  const Napi::Array lists = info[2].As<Napi::Array>();
  std::vector<Candidates> candidates(target.step->batch());
  if (lists.Length() != candidates.size()) throw Napi::Error::New(info.Env(), "Expected one list of candidates for each query");
  for (uint32_t b = 0; b < lists.Length(); b++) {
    const Napi::Value list = lists[b];
    if (given(list)) candidates[b] = {false, words(list)};
  }
  const StepMemory::Scope scope(&target.engine->memory);
  target.step->restrict(*target.partition, std::move(candidates));
  return info.Env().Undefined();
}

/* What follows the cuts: [B] or nothing. */
std::vector<double> pool_share_of(const Napi::Value &cuts, const Target &target) {
  const Napi::Value value = cuts.As<Napi::Array>()[3u];
  auto share = given(value) ? doubles(value) : std::vector<double>();
  if (!share.empty() && share.size() != target.step->batch()) throw Napi::Error::New(value.Env(), "Expected one share of the pool for each query");
  return share;
}

Napi::Value scalars(const Napi::CallbackInfo &info) {
  const Target target(info);
  auto call = target.call(info);
  auto reply = std::make_shared<Scalars>();
  auto proofs = std::make_shared<std::vector<PoolProof>>();
  call->work = [reply, proofs, step = target.step.get(), partition = target.partition, cuts = cuts_of(info[2]), share = pool_share_of(info[2], target)] {
    *reply = step->scalars(*partition, cuts, share);
    if (!share.empty()) *proofs = step->proofs(*partition);
  };
  call->answer = [reply, proofs](Napi::Env env) {
    Napi::Object out = scalars_object(env, *reply);
    if (!proofs->empty()) out["proofs"] = proofs_object(env, *proofs);
    return out;
  };
  return start(info.Env(), target.engine, std::move(call));
}

Napi::Value sums(const Napi::CallbackInfo &info) {
  const Target target(info);
  const auto max_logit = doubles(info[3]);
  const auto mass = doubles(info[4]);
  if (max_logit.size() != target.step->batch() || mass.size() != target.step->batch())
    throw Napi::Error::New(info.Env(), "Expected one maximum and one mass for each query");
  const double negligible_share = info[5].ToNumber();
  const bool histogram = info[6].ToBoolean();
  auto call = target.call(info);
  auto reply = std::make_shared<SumsReply>();
  call->work = [reply, step = target.step.get(), partition = target.partition, cuts = cuts_of(info[2]), share = pool_share_of(info[2], target), max_logit, mass,
                negligible_share, histogram] { *reply = step->sums(*partition, cuts, share, max_logit, mass, negligible_share, histogram); };
  call->answer = [reply, histogram](Napi::Env env) { return sums_object(env, *reply, histogram); };
  return start(info.Env(), target.engine, std::move(call));
}

Napi::Value groups(const Napi::CallbackInfo &info) {
  const Target target(info);
  auto call = target.call(info);
  auto reply = std::make_shared<GroupsReply>();
  call->work = [reply, step = target.step.get(), partition = target.partition, cuts = cuts_of(info[2])] { *reply = step->groups(*partition, cuts); };
  call->answer = [reply](Napi::Env env) { return groups_object(env, *reply); };
  return start(info.Env(), target.engine, std::move(call));
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
  exports.Set("restrict", Napi::Function::New(env, guarded<restrict_step>));
  exports.Set("screen", Napi::Function::New(env, guarded<screen>));
  exports.Set("scalars", Napi::Function::New(env, guarded<scalars>));
  exports.Set("sums", Napi::Function::New(env, guarded<sums>));
  exports.Set("groups", Napi::Function::New(env, guarded<groups>));
  exports.Set("moments", Napi::Function::New(env, guarded<moments>));
  exports.Set("covariance", Napi::Function::New(env, guarded<covariance>));
  exports.Set("spdSolve", Napi::Function::New(env, guarded<spd_solve>));
  return exports;
}

}  // namespace
}  // namespace golddiff

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return golddiff::init(env, exports); }
NODE_API_MODULE(golddiff_native, init_addon)
