#include "precision.h"

#include <algorithm>
#include <cmath>

namespace golddiff::cuda {

namespace {
constexpr double ROUNDING = 16 * 1.1102230246251565e-16, FLOAT_ROUNDING = 5.9604644775390625e-8;
constexpr double LOGIT_ERROR_NATS_MAX = 1.6e-4, LOGIT_ERROR_NATS_TYPICAL = 3.5e-6, LOGIT_ERROR_NATS_SHARED = 6e-4;
constexpr size_t SHARED_DIM_MIN = 256;
/* More than the CPU engine asks for: a limb more costs a device little. */
constexpr size_t SHARED_ROWS_MIN = 4096;
constexpr double SPREAD_SHARED = 1;
constexpr size_t LIMBS_PRECISE_MAX = 3, LIMBS_COARSE = 2;
}  // namespace

double distance_error(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t factor, size_t b, size_t limbs) {
  const auto &q = queries.limbs(b, limbs, factor, shape);
  const double a = queries.alpha[b] / pixels.divisor, row = a * pixels.norm_max;
  const double query = std::sqrt(queries.values(b, factor, shape).square) + queries.alpha[b] * std::sqrt(static_cast<double>(pixels.dim));
  return 2 * a * (pixels.spread_max + FLOAT_ROUNDING * pixels.mean_norm) * q.error_norm + ROUNDING * (row + query) * (row + query);
}

Precision precision(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t b, bool ranked) {
  const double divisor = queries.divisor(b), a = queries.alpha[b] / pixels.divisor;
  const bool shared = 2 * a * a * pixels.variance / divisor <= SPREAD_SHARED && pixels.dim >= SHARED_DIM_MIN && pixels.n >= SHARED_ROWS_MIN;
  const double allowed = shared ? LOGIT_ERROR_NATS_SHARED : std::min(LOGIT_ERROR_NATS_MAX, LOGIT_ERROR_NATS_TYPICAL * std::sqrt(static_cast<double>(pixels.dim)));
  const auto error = [&](size_t limbs) { return distance_error(queries, shape, pixels, 0, b, limbs) / divisor; };
  if (ranked) return {LIMBS_RANKING, error(LIMBS_RANKING), error(LIMBS_RANKING) > allowed};
  /* What will surely not do is not even tried. */
  const double expected_unit = 2 * a * pixels.spread_max / divisor;
  size_t limbs = 1;
  while (limbs < LIMBS_PRECISE_MAX && expected_unit * queries.error_expected(b, limbs, 0, shape) > 2 * allowed) limbs++;
  while (limbs < LIMBS_PRECISE_MAX && error(limbs) > allowed) limbs++;
  if (error(limbs) <= allowed) return {limbs, error(limbs), false};
  return {LIMBS_COARSE, error(LIMBS_COARSE), true};
}

DistanceTerms distance_terms(Queries &queries, const Shape &shape, const PixelRows &pixels, size_t factor, size_t b, size_t limbs) {
  const auto &values = queries.values(b, factor, shape);
  const auto &own = queries.limbs(b, limbs, factor, shape);
  const double a = queries.alpha[b], v = pixels.divisor;
  double error = 0;
  for (size_t p = 0; p < pixels.dim; p++) error += static_cast<double>(own.error[p]) * pixels.mean[p];
  return {a * a / (v * v), -2 * a * own.delta / v, -2 * a * a / v, values.square + 2 * a * values.sum + a * a * static_cast<double>(pixels.dim) - 2 * a * error / v};
}

}  // namespace golddiff::cuda
