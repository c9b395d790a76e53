#include "step_values.h"

#include "values.h"

namespace golddiff {

Queries queries_of(const Napi::Object &in) {
  Queries queries;
  queries.batch = in.Get("batch").ToNumber().Uint32Value();
  queries.dim = in.Get("dim").ToNumber().Uint32Value();
  queries.x = copied<Doubles, Napi::Float64Array>(in.Get("x"));
  queries.alpha = doubles(in.Get("alpha"));
  queries.sigma = doubles(in.Get("sigma"));
  queries.temperature = in.Get("temperature").ToNumber();
  const size_t B = queries.batch;
  if (queries.x.size() != B * queries.dim || queries.alpha.size() != B || queries.sigma.size() != B)
    throw Napi::Error::New(in.Env(), "The arrays of a step do not have its shape");
  return queries;
}

StepWish step_wish_of(const Napi::Object &in, size_t batch) {
  StepWish wish;
  wish.tolerance = in.Get("tolerance").ToNumber();
  wish.factor = in.Get("factor").ToNumber().Uint32Value();
  wish.presample_seed = static_cast<uint64_t>(in.Get("presampleSeed").ToNumber().DoubleValue());
  wish.presample_step = in.Get("presampleStep").ToNumber().Uint32Value();
  if (given(in.Get("labels"))) wish.labels = copied<std::vector<int32_t>, Napi::Int32Array>(in.Get("labels"));
  if (given(in.Get("queryIds"))) wish.query_ids = words(in.Get("queryIds"));
  if (wish.query_ids.empty()) wish.query_ids.assign(batch, 0);
  if ((!wish.labels.empty() && wish.labels.size() != batch) || wish.query_ids.size() != batch) throw Napi::Error::New(in.Env(), "The arrays of a step do not have its shape");
  return wish;
}

Partition::Shape step_shape_of(const Napi::Object &in, size_t dim) {
  const auto side = [&](const char *name) { return static_cast<size_t>(in.Get(name).ToNumber().Uint32Value()); };
  const Partition::Shape shape{0, side("channels"), side("height"), side("width")};
  if (shape.dim() != dim) throw Napi::Error::New(in.Env(), "The shape of a step is not that of its queries");
  return shape;
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

Ranks ranks_of(Napi::Env env, const Napi::Value &fraction, const Napi::Value &windows, size_t batch) {
  Ranks out;
  out.by_fraction = given(fraction);
  if (out.by_fraction) {
    out.fraction = doubles(fraction);
    if (out.fraction.size() != batch) throw Napi::Error::New(env, "Expected one fraction for each query");
    return out;
  }
  const auto flat = words(windows);
  for (size_t i = 0; i + 2 < flat.size(); i += 3) {
    if (flat[i] >= batch) throw Napi::Error::New(env, "A window names a query that is not there");
    out.windows.push_back({flat[i], flat[i + 1], flat[i + 2]});
  }
  return out;
}

Napi::Object screen_object(Napi::Env env, const ScreenReply &reply) {
  Napi::Object out = Napi::Object::New(env);
  out["queries"] = uint32s(env, reply.queries);
  out["eligible"] = uint32s(env, reply.eligible);
  out["firstRank"] = uint32s(env, reply.first_rank);
  out["count"] = uint32s(env, reply.count);
  out["keys"] = float64s(env, reply.keys);
  out["rowIds"] = uint32s(env, reply.row_ids);
  return out;
}

Napi::Object scalars_object(Napi::Env env, const Scalars &reply) {
  Napi::Object out = Napi::Object::New(env);
  out["maxLogit"] = float64s(env, reply.max_logit);
  out["mass"] = float64s(env, reply.mass);
  out["massSq"] = float64s(env, reply.mass_sq);
  out["rows"] = float64s(env, reply.rows);
  return out;
}

Napi::Object proofs_object(Napi::Env env, const std::vector<PoolProof> &proofs) {
  std::vector<uint32_t> eligible, relevant, rank;
  std::vector<double> relevant_key, unseen_key, least, most;
  for (const auto &proof : proofs) {
    eligible.push_back(proof.eligible);
    relevant.push_back(proof.relevant);
    relevant_key.push_back(proof.relevant_key);
    unseen_key.push_back(proof.unseen_key);
    rank.insert(rank.end(), proof.rank.begin(), proof.rank.end());
    least.insert(least.end(), proof.least.begin(), proof.least.end());
    most.insert(most.end(), proof.most.begin(), proof.most.end());
  }
  Napi::Object out = Napi::Object::New(env);
  out["eligible"] = uint32s(env, eligible);
  out["relevant"] = uint32s(env, relevant);
  out["relevantKey"] = float64s(env, relevant_key);
  out["unseenKey"] = float64s(env, unseen_key);
  out["rank"] = uint32s(env, rank);
  out["least"] = float64s(env, least);
  out["most"] = float64s(env, most);
  return out;
}

Napi::Object sums_object(Napi::Env env, const SumsReply &reply, bool histogram) {
  Napi::Object out = Napi::Object::New(env);
  out["queries"] = uint32s(env, reply.queries);
  out["sums"] = float32s(env, reply.sums);
  out["skippedShare"] = float64s(env, reply.skipped_share);
  if (histogram) {
    out["histogramRows"] = uint32s(env, reply.histogram_rows);
    out["histogramMass"] = float64s(env, reply.histogram_mass);
  }
  return out;
}

Napi::Object groups_object(Napi::Env env, const GroupsReply &reply) {
  Napi::Object out = Napi::Object::New(env);
  out["rows"] = float64s(env, reply.rows);
  out["maxLogit"] = float64s(env, reply.max_logit);
  out["mass"] = float64s(env, reply.mass);
  out["massSq"] = float64s(env, reply.mass_sq);
  out["minLogit"] = float64s(env, reply.min_logit);
  out["sums"] = float32s(env, reply.sums);
  return out;
}

Napi::Object moments_object(Napi::Env env, const Moments &reply) {
  Napi::Object out = Napi::Object::New(env);
  out["rows"] = Napi::Number::New(env, static_cast<double>(reply.rows));
  out["sum"] = float64s(env, reply.sum);
  out["products"] = float64s(env, reply.products);
  return out;
}

}  // namespace golddiff
