/*
 * How many limbs of a query the products of a step need, and what is proven of their error. Formulas and bounds are those of the CPU engine (step_distances.cpp,
 * step_scores.cpp), which tell their reasons.
 */
#pragma once
#include <cstddef>

#include "../../native/engine/queries.h"
#include "../kernels/launches.h"
#include "partition.h"

namespace golddiff::cuda {

/* Ranks are made of all limbs: a device affords it, and no key is looked at again. */
constexpr size_t LIMBS_RANKING = LIMBS_MAX;

struct Precision {
  size_t limbs;
  /* proven error of a logit, in nats; with `second_look` too much for a row that matters */
  double error;
  bool second_look;
};

/* Proven error of a squared distance by products with so many limbs; `factor` 0 = the rows themselves. */
double distance_error(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t factor, size_t b, size_t limbs);
/* For weights. With `ranked` the products with all limbs are there already. */
Precision precision(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t b, bool ranked);
DistanceTerms distance_terms(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t factor, size_t b, size_t limbs);

}  // namespace golddiff::cuda
