/* What steps are asked and answer, to and from JavaScript: the same for every engine. */
#pragma once
#include <napi.h>

#include <vector>

#include "../engine/grouping.h"
#include "../engine/moments.h"
#include "../engine/queries.h"
#include "../engine/step.h"

namespace golddiff {

/* The arrays are copied, and have the shape that the numbers say. */
Queries queries_of(const Napi::Object &in);
StepWish step_wish_of(const Napi::Object &in, size_t batch);
/* Of one row: `dim` values. */
Partition::Shape step_shape_of(const Napi::Object &in, size_t dim);
Cuts cuts_of(const Napi::Value &value);

struct Ranks {
  bool by_fraction = false;
  std::vector<double> fraction;
  std::vector<RankWindow> windows;
};
/* One of the two is given. */
Ranks ranks_of(Napi::Env env, const Napi::Value &fraction, const Napi::Value &windows, size_t batch);

Napi::Object screen_object(Napi::Env env, const ScreenReply &reply);
Napi::Object scalars_object(Napi::Env env, const Scalars &reply);
Napi::Object proofs_object(Napi::Env env, const std::vector<PoolProof> &proofs);
Napi::Object sums_object(Napi::Env env, const SumsReply &reply, bool histogram);
Napi::Object groups_object(Napi::Env env, const GroupsReply &reply);
Napi::Object moments_object(Napi::Env env, const Moments &reply);

}  // namespace golddiff
