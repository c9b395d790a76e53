/* Distances as good as weights need them, and the softmax statistics made of them. */
#include <algorithm>
#include <cmath>
#include <limits>

#include "direct_distance.h"
#include "limits.h"
#include "step.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/*
 * Proven error of a logit that needs no second look, in nats; the conformance suite allows 1e-3. The proof is Cauchy-Schwarz; what happens is some sqrt(D) times
 * smaller, and for pictures smaller again, as errors of the query are diffused. The error of x0hat is at most about the root mean square of what
 * happens to logits: so TYPICAL * sqrt(D) where two rows may share the weight. At high noise, where all of many rows do, long rows are allowed a bound of their
 * own: x0hat was off by 2e-6 on MNIST then, and with a limb more the products take half as long again.
 */
constexpr double LOGIT_ERROR_NATS_MAX = 1.6e-4;
constexpr double LOGIT_ERROR_NATS_TYPICAL = 3.5e-6;
constexpr double LOGIT_ERROR_NATS_SHARED = 6e-4;
constexpr size_t SHARED_DIM_MIN = 256, SHARED_ROWS_MIN = 256;
/* Where logits spread by no more than this variance, exp(-1) of the rows or more share the mass. */
constexpr double SPREAD_SHARED = 1;
/* Beyond three limbs (24 bits) rows that matter are few, and looking at them in double is cheaper than a fourth limb for all. */
constexpr size_t LIMBS_PRECISE_MAX = 3;
constexpr size_t LIMBS_COARSE = 2;
constexpr double FAR_NATS = 60;
/*
 * Few queries are bound by memory, and where all rows matter the weighted sums that come next would read them all again: so they are made while a block of rows is in
 * the cache. Many queries are bound by products and have nothing to gain.
 */
constexpr size_t EARLY_QUERIES_MAX = 4;
/* exp_nonpositive is 0 from here on. */
constexpr double EXP_ZERO_NATS = 709;
}  // namespace

double Step::spread(const Partition &partition, size_t b) const {
  const PixelRows &pixels = *partition.full().pixels;
  const double a = queries_.alpha[b] / pixels.divisor();
  return 2 * a * a * pixels.variance() / queries_.divisor(b);
}

double Step::logit_error_allowed(const Partition &partition, size_t b) const {
  const PixelRows &pixels = *partition.full().pixels;
  if (spread(partition, b) <= SPREAD_SHARED && pixels.dim() >= SHARED_DIM_MIN && pixels.n() >= SHARED_ROWS_MIN) return LOGIT_ERROR_NATS_SHARED;
  return std::min(LOGIT_ERROR_NATS_MAX, LOGIT_ERROR_NATS_TYPICAL * std::sqrt(static_cast<double>(pixels.dim())));
}

Step::Precision Step::precision(const Partition &partition, size_t b) {
  const PixelRows &pixels = *partition.full().pixels;
  const double allowed = logit_error_allowed(partition, b);
  const auto error = [&](size_t limbs) { return distance_error(partition, pixels, b, limbs) / queries_.divisor(b); };
  /* What will surely not do is not even tried. */
  const double expected_unit = 2 * queries_.alpha[b] / pixels.divisor() * pixels.spread_max() / queries_.divisor(b);
  size_t limbs = 1;
  while (limbs < LIMBS_PRECISE_MAX && expected_unit * queries_.error_expected(b, limbs, 0, partition.shape()) > 2 * allowed) limbs++;
  while (limbs < LIMBS_PRECISE_MAX && error(limbs) > allowed) limbs++;
  if (error(limbs) <= allowed) return {limbs, error(limbs), false};
  return {LIMBS_COARSE, error(LIMBS_COARSE), true};
}

/*
 * Every row of the partition for the queries wanted, as few limbs as the noise level allows. Where three limbs leave an error, two find the rows that can matter,
 * and those are looked at again in double: the rest has a proven bound.
 */
void Step::score_exact(Partition &partition, const std::vector<size_t> &wanted, std::vector<Scored> &scored) {
  const size_t n = partition.n();
  const PixelRows &pixels = *partition.full().pixels;
  std::vector<LimbedQuery> columns;
  std::vector<Precision> precisions;
  precisions.resize(wanted.size());
  partition.pool().parallel(wanted.size(), [&](size_t k) { precisions[k] = precision(partition, wanted[k]); });
  for (size_t k = 0; k < wanted.size(); k++) columns.push_back({wanted[k], precisions[k].limbs});
  const gd_kernels &kernels = partition.kernels();
  const size_t block_rows = sum_block_rows(pixels.dim());
  std::vector<size_t> early;
  for (size_t k = 0; k < wanted.size() && wanted.size() <= EARLY_QUERIES_MAX; k++)
    if (!precisions[k].second_look && spread(partition, wanted[k]) <= SPREAD_SHARED) early.push_back(k);
  for (size_t k : early) {
    scored[wanted[k]].early.resize((n + block_rows - 1) / block_rows);
    scored[wanted[k]].early_values.resize(scored[wanted[k]].early.size() * pixels.dim());
  }
  std::vector<Doubles> found;
  dense(partition, pixels, columns, found, early.empty() ? 0 : block_rows, [&](size_t from, size_t to, size_t end) {
    for (size_t k : early) {
      const size_t b = wanted[k];
      const double *distance = found[k].data() + from;
      scored[b].early[from / block_rows] = block_sum(kernels, pixels, from, distance, to - from, kernels.smallest(distance, to - from), 1 / queries_.divisor(b),
                                                     digits_for_spread(spread(partition, b), n), k == early.back() ? std::min(to - from, end - to) : 0,
                                                     scored[b].early_values.data() + from / block_rows * pixels.dim());
    }
  });
  partition.pool().parallel(wanted.size(), [&](size_t k) {
    check();
    const size_t b = wanted[k];
    Scored &own = scored[b];
    own.rows_total = n;
    own.digits = !precisions[k].second_look && spread(partition, b) <= SPREAD_SHARED ? digits_for_spread(spread(partition, b), n) : 0;
    if (!precisions[k].second_look) {
      own.distance = std::move(found[k]);
      return;
    }
    const double divisor = queries_.divisor(b), error = precisions[k].error;
    const auto &distance = found[k];
    const double nearest = kernels.smallest(distance.data(), n);
    /* Rows beyond this are below tolerance / n of the heaviest, whichever way both were rounded. */
    const double beyond = nearest + divisor * (2 * error + std::log(static_cast<double>(n) / settings_.tolerance));
    own.rows.all = false;
    for (size_t i = 0; i < n; i++)
      if (distance[i] <= beyond) own.rows.list.push_back(static_cast<uint32_t>(i));
    const DirectDistance direct(kernels, partition.full(), queries_.values(b, 0, partition.shape()), queries_.alpha[b]);
    own.distance.resize(own.rows.list.size());
    for (size_t i = 0; i < own.distance.size(); i++) {
      if (i % ROWS_PER_TASK == 0) check();
      own.distance[i] = direct(own.rows.list[i]);
    }
    const double exact = *std::min_element(own.distance.begin(), own.distance.end());
    /* Nearly all are so far that one bound for each will do. */
    const double far = exact + divisor * (error + FAR_NATS);
    double tail = static_cast<double>(n - own.rows.list.size()) * std::exp(-FAR_NATS);
    for (size_t i = 0; i < n; i++)
      if (distance[i] > beyond && distance[i] < far) tail += std::exp(std::min(0.0, (exact - distance[i]) / divisor + error));
    own.tail = tail;
  });
}

void Step::score(Part &part, Partition &partition, const Cuts &cuts) {
  Selection &selection = after(part, partition, cuts);
  const size_t n = partition.n();
  part.scored.clear();
  part.scored.resize(queries_.batch);
  /* By the query's own rows alone, whatever its neighbours ask for and whatever has been computed before. */
  const bool products = n > 0 && partition.full().pixels != nullptr && partition.full().pixels->has_products();
  std::vector<size_t> everything, some, shares;
  for (size_t b = 0; b < queries_.batch; b++)
    (!part.pool_share.empty() && part.pool_share[b] > 0 ? shares : products && selection.rows[b].all ? everything : some).push_back(b);
  score_relevant(part, partition, shares);
  if (!everything.empty()) score_exact(partition, everything, part.scored);
  if (some.empty()) return;
  std::vector<size_t> ranked, weighed;
  for (size_t b : some) (cuts[FULL].present() && cuts[FULL].key[b] != INF ? ranked : weighed).push_back(b);
  ensure_keys(partition, selection, FULL, ranked, RANKING);
  ensure_keys(partition, selection, FULL, weighed, WEIGHING);
  partition.pool().parallel(some.size(), [&](size_t k) {
    check();
    const size_t b = some[k];
    Scored &own = part.scored[b];
    own.rows = selection.rows[b];
    own.distance = selection.keys[FULL][b].values;
    own.rows_total = own.distance.size();
    /* Keys that ranked rows may be too coarse for weights, and near the data products are. */
    if (!products || own.distance.empty()) return;
    const Keys &keys = selection.keys[FULL][b];
    const Precision wanted = precision(partition, b);
    if (wanted.second_look || keys.limbs < wanted.limbs) look_again(partition, b, keys, own.rows, own.distance);
  });
}

StepVector<uint32_t> Step::look_again(Partition &partition, size_t b, const Keys &keys, const Rows &rows, Doubles &distance) {
  const gd_kernels &kernels = partition.kernels();
  const double nearest = kernels.smallest(distance.data(), distance.size());
  const double beyond = nearest + 2 * keys.error.absolute + queries_.divisor(b) * std::log(static_cast<double>(partition.n()) / settings_.tolerance);
  size_t below = 0;
  StepVector<uint32_t> places(distance.size() + 1), near;
  places.resize(kernels.within(distance.data(), distance.size(), -INF, beyond, places.data(), &below));
  near.resize(places.size());
  for (size_t i = 0; i < places.size(); i++) near[i] = rows.at(places[i]);
  Doubles found(places.size());
  const Precision wanted = precision(partition, b);
  if (wanted.second_look) {
    const DirectDistance direct(kernels, partition.full(), queries_.values(b, 0, partition.shape()), queries_.alpha[b]);
    for (size_t i = 0; i < near.size(); i++) {
      if (i % ROWS_PER_TASK == 0) check();
      found[i] = direct(near[i]);
    }
  } else if (keys.limbs < wanted.limbs) {
    const PixelRows &pixels = *partition.full().pixels;
    listed(partition, pixels, listed_query(partition, pixels, {b, wanted.limbs}), near.data(), near.size(), found.data());
  } else {
    return places;
  }
  for (size_t i = 0; i < places.size(); i++) distance[places[i]] = found[i];
  return places;
}

const Scalars &Step::scalars_of(Part &part, Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share) {
  after(part, partition, cuts);
  if (part.has_scalars && part.pool_share == pool_share) return part.scalars;
  part.pool_share = pool_share;
  score(part, partition, cuts);
  const size_t B = queries_.batch;
  Scalars &out = part.scalars;
  out.max_logit.assign(B, -INF);
  out.mass.assign(B, 0);
  out.mass_sq.assign(B, 0);
  out.rows.assign(B, 0);
  const gd_kernels &kernels = partition.kernels();
  /* One query's rows may go to all threads: (query, task) by number. */
  const size_t block_rows = sum_block_rows(queries_.dim), blocks_a_task = SUM_TASK_ROWS / block_rows;
  std::vector<std::pair<size_t, size_t>> tasks;
  for (size_t b = 0; b < B; b++) {
    Scored &own = part.scored[b];
    own.block_nearest.resize((own.distance.size() + block_rows - 1) / block_rows);
    for (size_t k = 0; k < own.block_nearest.size(); k += blocks_a_task) tasks.emplace_back(b, k);
  }
  partition.pool().parallel(tasks.size(), [&](size_t task) {
    check();
    const auto [b, first] = tasks[task];
    Scored &own = part.scored[b];
    for (size_t k = first; k < std::min(first + blocks_a_task, own.block_nearest.size()); k++)
      own.block_nearest[k] = kernels.smallest(own.distance.data() + k * block_rows, std::min(block_rows, own.distance.size() - k * block_rows));
  });
  std::vector<double> nearest(B, INF);
  for (size_t b = 0; b < B; b++)
    for (double of_block : part.scored[b].block_nearest) nearest[b] = std::min(nearest[b], of_block);
  std::vector<std::pair<double, double>> masses(tasks.size());
  partition.pool().parallel(tasks.size(), [&](size_t task) {
    check();
    const auto [b, first] = tasks[task];
    const Scored &own = part.scored[b];
    const double divisor = queries_.divisor(b);
    for (size_t k = first; k < std::min(first + blocks_a_task, own.block_nearest.size()); k++) {
      /* What exp makes 0 of is not looked at. */
      if ((own.block_nearest[k] - nearest[b]) / divisor > EXP_ZERO_NATS) continue;
      const size_t end = std::min(own.distance.size(), (k + 1) * block_rows);
      for (size_t from = k * block_rows; from < end; from += MASS_BLOCK)
        kernels.softmax_mass(own.distance.data() + from, std::min(MASS_BLOCK, end - from), nearest[b], 1 / divisor, &masses[task].first, &masses[task].second);
    }
  });
  for (size_t task = 0; task < tasks.size(); task++) {
    const size_t b = tasks[task].first;
    out.max_logit[b] = 0 - nearest[b] / queries_.divisor(b);
    out.mass[b] += masses[task].first;
    out.mass_sq[b] += masses[task].second;
    out.rows[b] = static_cast<double>(part.scored[b].rows_total);
  }
  part.has_scalars = true;
  return out;
}

}  // namespace golddiff
