/*
 * The edge to JavaScript: arguments in, Promise out. backends/native/native-addon.ts types what is here. Nothing is computed on the JavaScript thread; a call
 * keeps its objects alive until its promise is settled, on the JavaScript thread.
 */
#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../engine/error.h"
#include "../engine/moments.h"
#include "../engine/partition.h"
#include "../engine/statistics.h"
#include "../engine/step.h"
#include "../include/kernels.h"

namespace golddiff {
namespace {

struct Engine {
  Engine(size_t threads, const gd_kernels &kernels) : kernels(kernels), pool(threads) {}
  const gd_kernels &kernels;
  ThreadPool pool;
};

struct HeldPartition {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Partition> partition;
  /* the arrays that the partition reads */
  std::vector<Napi::ObjectReference> arrays;
};

struct HeldStep {
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

const gd_kernels *kernels_of(const std::string &isa) {
#ifdef GOLDDIFF_X86_KERNELS
  if (isa == "avx512") return gd_kernels_avx512();
  if (isa == "avx2") return gd_kernels_avx2();
#endif
  return isa == "scalar" ? gd_kernels_scalar() : nullptr;
}

template <typename Array, typename T>
Array typed(Napi::Env env, const std::vector<T> &values) {
  Array out = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}

template <typename T, typename Array>
std::vector<T> copied(const Napi::Value &value) {
  const Array array = value.As<Array>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}
std::vector<double> doubles(const Napi::Value &value) { return copied<double, Napi::Float64Array>(value); }
std::vector<uint32_t> words(const Napi::Value &value) { return copied<uint32_t, Napi::Uint32Array>(value); }
bool given(const Napi::Value &value) { return !value.IsUndefined() && !value.IsNull(); }

/* One call under way. Made and destroyed on the JavaScript thread; `work` runs on a thread of the engine. */
struct Call {
  Call(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  std::function<void()> work;
  std::function<Napi::Value(Napi::Env)> answer;
  std::vector<std::shared_ptr<void>> keep;
  std::vector<Napi::ObjectReference> objects;
  std::string code, message;
};

Napi::Promise start(Napi::Env env, const std::shared_ptr<Engine> &engine, std::unique_ptr<Call> call) {
  const Napi::Promise promise = call->deferred.Promise();
  call->keep.push_back(engine);
  auto settle = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo &) {}), "golddiff", 0, 1);
  Call *raw = call.release();
  engine->pool.submit([raw, settle]() mutable {
    try {
      raw->work();
    } catch (const EngineError &error) {
      raw->code = error.code;
      raw->message = error.what();
    } catch (const std::bad_alloc &) {
      raw->code = "OUT_OF_MEMORY";
      raw->message = "The native engine could not allocate memory";
    } catch (const std::exception &error) {
      raw->code = "INTERNAL";
      raw->message = error.what();
    }
    settle.NonBlockingCall(raw, [](Napi::Env env, Napi::Function, Call *done) {
      const std::unique_ptr<Call> owned(done);
      Napi::HandleScope scope(env);
      if (owned->code.empty()) {
        owned->deferred.Resolve(owned->answer(env));
        return;
      }
      Napi::Error error = Napi::Error::New(env, owned->message);
      error.Set("code", owned->code);
      owned->deferred.Reject(error.Value());
    });
    settle.Release();
  });
  return promise;
}

Napi::Value detect(const Napi::CallbackInfo &info) {
  Napi::Array isas = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const char *isa : {"avx512", "avx2", "scalar"})
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
  const auto engine = std::make_shared<Engine>(settings.Get("threads").ToNumber().Uint32Value(), *kernels);
  return wrap(info.Env(), new std::shared_ptr<Engine>(engine));
}

Napi::Value close_engine(const Napi::CallbackInfo &info) {
  unwrap<std::shared_ptr<Engine>>(info[0]).reset();
  return info.Env().Undefined();
}

std::shared_ptr<Engine> engine_of(const Napi::CallbackInfo &info) {
  auto engine = unwrap<std::shared_ptr<Engine>>(info[0]);
  if (!engine) throw Napi::Error::New(info.Env(), "The engine is closed");
  return engine;
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
  auto held = std::make_shared<HeldPartition *>(new HeldPartition{engine, nullptr, {}});
  for (const char *name : {"values", "labels", "rowIds"}) (*held)->arrays.push_back(Napi::Persistent(rows.Get(name).As<Napi::Object>()));
  auto call = std::make_unique<Call>(env);
  const int32_t *label_data = labels.Data();
  const uint32_t *id_data = ids.Data();
  call->work = [held, engine = engine.get(), shape, pixels, floats, label_data, id_data] {
    (*held)->partition = std::make_shared<Partition>(shape, pixels, floats, label_data, id_data, engine->kernels, engine->pool);
  };
  call->answer = [held](Napi::Env answered) { return wrap(answered, *held); };
  return start(env, engine, std::move(call));
}

Napi::Value partition_bytes(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), static_cast<double>(unwrap<HeldPartition>(info[0]).partition->bytes()));
}

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
    else out.kinds.push_back(GroupKind::supports(shape.dim(), words(kind.Get("first")), words(kind.Get("runs"))));
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
  Queries queries;
  queries.batch = in.Get("batch").ToNumber().Uint32Value();
  queries.dim = in.Get("dim").ToNumber().Uint32Value();
  queries.x = doubles(in.Get("x"));
  queries.alpha = doubles(in.Get("alpha"));
  queries.sigma = doubles(in.Get("sigma"));
  queries.temperature = in.Get("temperature").ToNumber();
  StepSettings settings;
  settings.tolerance = in.Get("tolerance").ToNumber();
  settings.factor = in.Get("factor").ToNumber().Uint32Value();
  settings.presample_seed = static_cast<uint64_t>(in.Get("presampleSeed").ToNumber().DoubleValue());
  settings.presample_step = in.Get("presampleStep").ToNumber().Uint32Value();
  if (given(in.Get("labels"))) settings.labels = copied<int32_t, Napi::Int32Array>(in.Get("labels"));
  if (given(in.Get("queryIds"))) settings.query_ids = words(in.Get("queryIds"));
  const size_t B = queries.batch;
  if (queries.x.size() != B * queries.dim || queries.alpha.size() != B || queries.sigma.size() != B ||
      (!settings.labels.empty() && settings.labels.size() != B))
    throw Napi::Error::New(info.Env(), "The arrays of a step do not have its shape");
  if (settings.query_ids.empty()) settings.query_ids.assign(B, 0);
  if (given(in.Get("grouping"))) {
    const auto side = [&](const char *name) { return static_cast<size_t>(in.Get(name).ToNumber().Uint32Value()); };
    const Partition::Shape shape{0, side("channels"), side("height"), side("width")};
    if (shape.dim() != queries.dim) throw Napi::Error::New(info.Env(), "The shape of a step is not that of its queries");
    try {
      settings.grouping = grouping_of(in.Get("grouping").As<Napi::Object>(), B, shape);
    } catch (const EngineError &error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }
  return wrap(info.Env(), new HeldStep{engine, std::make_shared<Step>(std::move(queries), std::move(settings))});
}

Napi::Value close_step(const Napi::CallbackInfo &info) {
  unwrap<HeldStep>(info[0]).step->close();
  return info.Env().Undefined();
}

Cuts cuts_of(const Napi::Value &value) {
  Cuts cuts;
  const Napi::Array given_cuts = value.As<Napi::Array>();
  for (uint32_t stage = 0; stage < 3; stage++) {
    const Napi::Value cut = given_cuts[stage];
    if (!given(cut)) continue;
    cuts[stage].key = doubles(cut.As<Napi::Object>().Get("key"));
    cuts[stage].row_id = words(cut.As<Napi::Object>().Get("rowId"));
  }
  return cuts;
}

/* What every call on a step and a partition begins with. */
struct Target {
  explicit Target(const Napi::CallbackInfo &info)
      : engine(unwrap<HeldStep>(info[0]).engine), step(unwrap<HeldStep>(info[0]).step), partition(unwrap<HeldPartition>(info[1]).partition) {}
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Step> step;
  std::shared_ptr<Partition> partition;
  std::unique_ptr<Call> call(const Napi::CallbackInfo &info) const {
    auto made = std::make_unique<Call>(info.Env());
    made->keep = {step, partition};
    /* The partition reads JavaScript's arrays. */
    made->objects.push_back(Napi::Persistent(info[1].As<Napi::Object>()));
    return made;
  }
};

Napi::Value screen(const Napi::CallbackInfo &info) {
  const Target target(info);
  const auto stage = static_cast<Stage>(info[2].ToNumber().Uint32Value());
  const bool by_fraction = given(info[4]);
  auto fraction = by_fraction ? doubles(info[4]) : std::vector<double>();
  std::vector<RankWindow> windows;
  if (!by_fraction) {
    const auto flat = words(info[5]);
    for (size_t i = 0; i + 2 < flat.size(); i += 3) {
      if (flat[i] >= target.step->batch()) throw Napi::Error::New(info.Env(), "A window names a query that is not there");
      windows.push_back({flat[i], flat[i + 1], flat[i + 2]});
    }
  } else if (fraction.size() != target.step->batch()) {
    throw Napi::Error::New(info.Env(), "Expected one fraction for each query");
  }
  auto call = target.call(info);
  auto reply = std::make_shared<ScreenReply>();
  call->work = [reply, step = target.step.get(), partition = target.partition.get(), stage, cuts = cuts_of(info[3]), by_fraction, fraction, windows] {
    *reply = step->screen(*partition, stage, cuts, by_fraction ? &fraction : nullptr, windows);
  };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["queries"] = typed<Napi::Uint32Array>(env, reply->queries);
    out["eligible"] = typed<Napi::Uint32Array>(env, reply->eligible);
    out["firstRank"] = typed<Napi::Uint32Array>(env, reply->first_rank);
    out["count"] = typed<Napi::Uint32Array>(env, reply->count);
    out["keys"] = typed<Napi::Float64Array>(env, reply->keys);
    out["rowIds"] = typed<Napi::Uint32Array>(env, reply->row_ids);
    return out;
  };
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
  try {
    target.step->restrict(*target.partition, std::move(candidates));
  } catch (const EngineError &error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
  return info.Env().Undefined();
}

Napi::Value scalars(const Napi::CallbackInfo &info) {
  const Target target(info);
  auto call = target.call(info);
  auto reply = std::make_shared<Scalars>();
  call->work = [reply, step = target.step.get(), partition = target.partition.get(), cuts = cuts_of(info[2])] {
    *reply = step->scalars(*partition, cuts);
  };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["maxLogit"] = typed<Napi::Float64Array>(env, reply->max_logit);
    out["mass"] = typed<Napi::Float64Array>(env, reply->mass);
    out["massSq"] = typed<Napi::Float64Array>(env, reply->mass_sq);
    out["rows"] = typed<Napi::Float64Array>(env, reply->rows);
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
  call->work = [reply, step = target.step.get(), partition = target.partition.get(), cuts = cuts_of(info[2]), max_logit, mass, negligible_share,
                histogram] { *reply = step->sums(*partition, cuts, max_logit, mass, negligible_share, histogram); };
  call->answer = [reply, histogram](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["queries"] = typed<Napi::Uint32Array>(env, reply->queries);
    out["sums"] = typed<Napi::Float32Array>(env, reply->sums);
    out["skippedShare"] = typed<Napi::Float64Array>(env, reply->skipped_share);
    if (histogram) {
      out["histogramRows"] = typed<Napi::Uint32Array>(env, reply->histogram_rows);
      out["histogramMass"] = typed<Napi::Float64Array>(env, reply->histogram_mass);
    }
    return out;
  };
  return start(info.Env(), target.engine, std::move(call));
}

Napi::Value groups(const Napi::CallbackInfo &info) {
  const Target target(info);
  auto call = target.call(info);
  auto reply = std::make_shared<GroupsReply>();
  call->work = [reply, step = target.step.get(), partition = target.partition.get(), cuts = cuts_of(info[2])] { *reply = step->groups(*partition, cuts); };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["rows"] = typed<Napi::Float64Array>(env, reply->rows);
    out["maxLogit"] = typed<Napi::Float64Array>(env, reply->max_logit);
    out["mass"] = typed<Napi::Float64Array>(env, reply->mass);
    out["massSq"] = typed<Napi::Float64Array>(env, reply->mass_sq);
    out["minLogit"] = typed<Napi::Float64Array>(env, reply->min_logit);
    out["sums"] = typed<Napi::Float32Array>(env, reply->sums);
    return out;
  };
  return start(info.Env(), target.engine, std::move(call));
}

Napi::Value moments(const Napi::CallbackInfo &info) {
  const auto engine = engine_of(info);
  const auto partition = unwrap<HeldPartition>(info[1]).partition;
  auto call = std::make_unique<Call>(info.Env());
  call->keep.push_back(partition);
  call->objects.push_back(Napi::Persistent(info[1].As<Napi::Object>()));
  auto reply = std::make_shared<Moments>();
  call->work = [reply, partition = partition.get(), label = info[2].ToNumber().Int32Value(), engine = engine.get()] {
    *reply = row_moments(*partition, label, engine->pool);
  };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["rows"] = Napi::Number::New(env, static_cast<double>(reply->rows));
    out["sum"] = typed<Napi::Float64Array>(env, reply->sum);
    out["products"] = typed<Napi::Float64Array>(env, reply->products);
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
    const auto &held = unwrap<HeldPartition>(item);
    partitions.push_back(held.partition.get());
    call->keep.push_back(held.partition);
    call->objects.push_back(Napi::Persistent(item.As<Napi::Object>()));
  }
  auto reply = std::make_shared<Covariance>();
  call->work = [reply, engine = engine.get(), partitions] { *reply = sample_covariance(partitions, engine->kernels, engine->pool); };
  call->answer = [reply](Napi::Env env) {
    Napi::Object out = Napi::Object::New(env);
    out["mean"] = typed<Napi::Float64Array>(env, reply->mean);
    out["covariance"] = typed<Napi::Float64Array>(env, reply->covariance);
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
  call->answer = [rhs](Napi::Env env) { return typed<Napi::Float64Array>(env, *rhs); };
  return start(info.Env(), engine, std::move(call));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("detect", Napi::Function::New(env, detect));
  exports.Set("createEngine", Napi::Function::New(env, create_engine));
  exports.Set("closeEngine", Napi::Function::New(env, close_engine));
  exports.Set("loadPartition", Napi::Function::New(env, load_partition));
  exports.Set("partitionBytes", Napi::Function::New(env, partition_bytes));
  exports.Set("openStep", Napi::Function::New(env, open_step));
  exports.Set("closeStep", Napi::Function::New(env, close_step));
  exports.Set("restrict", Napi::Function::New(env, restrict_step));
  exports.Set("screen", Napi::Function::New(env, screen));
  exports.Set("scalars", Napi::Function::New(env, scalars));
  exports.Set("sums", Napi::Function::New(env, sums));
  exports.Set("groups", Napi::Function::New(env, groups));
  exports.Set("moments", Napi::Function::New(env, moments));
  exports.Set("covariance", Napi::Function::New(env, covariance));
  exports.Set("spdSolve", Napi::Function::New(env, spd_solve));
  return exports;
}

}  // namespace
}  // namespace golddiff

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return golddiff::init(env, exports); }
NODE_API_MODULE(golddiff_native, init_addon)
