/*
 * Golden steps without cuts: the rows that are scored, and what is said of those that are not, against plain loops over all rows. Whatever a proof claims must be
 * true of the keys in double.
 */
#include <algorithm>
#include <cmath>
#include <vector>

#include "../engine/step.h"
#include "check.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::PoolProof;
using golddiff::Step;
using golddiff::StepSettings;

namespace {

/* A key of a proof may be off by what its products in double are rounded by. */
constexpr double KEY_ROUNDING = 1e-9;

struct Plain {
  bool eligible;
  double distance, key;
};

std::vector<Plain> plain_rows(const Data &data, const Queries &queries, size_t b, size_t factor, int32_t label) {
  const size_t D = queries.dim, h = data.shape.height, w = data.shape.width;
  std::vector<Plain> rows(data.shape.rows);
  for (size_t i = 0; i < rows.size(); i++) {
    std::vector<double> apart(D);
    double distance = 0, key = 0;
    for (size_t p = 0; p < D; p++) {
      apart[p] = queries.x[b * D + p] - queries.alpha[b] * data.y(i, p);
      distance += apart[p] * apart[p];
    }
    for (size_t c = 0; c < data.shape.channels; c++)
      for (size_t y = 0; y < h / factor; y++)
        for (size_t x = 0; x < w / factor; x++) {
          double sum = 0;
          for (size_t dy = 0; dy < factor; dy++)
            for (size_t dx = 0; dx < factor; dx++) sum += apart[(c * h + y * factor + dy) * w + x * factor + dx];
          key += sum * sum / static_cast<double>(factor * factor * factor * factor);
        }
    rows[i] = {label < 0 || data.labels[i] == label, distance, key};
  }
  return rows;
}

void proofs_hold(const gd_kernels *kernels, ThreadPool &pool, const Partition::Shape &shape, size_t factor, bool labelled, double share) {
  const Data data(shape, true, shape.rows + factor);
  const size_t batch = 9, n = shape.rows;
  Queries queries = queries_near(data, batch, 77);
  StepSettings settings;
  settings.query_ids.assign(batch, 0);
  settings.factor = factor;
  for (size_t b = 0; labelled && b < batch; b++) settings.labels.push_back(static_cast<int32_t>(b % 4) - 1);
  const double tolerance = settings.tolerance;
  const std::vector<int32_t> labels = settings.labels;
  std::vector<double> shares(batch, share);
  shares[4] = 0;
  const auto partition = data.partition(kernels, pool);
  Step step(copy_of(queries), settings);
  const auto scalars = step.scalars(*partition, {}, shares);
  const auto proofs = step.proofs(*partition);
  const auto sums = step.sums(*partition, {}, shares, scalars.max_logit, scalars.mass, 0x1p-40, false);
  Step plain_step(copy_of(queries), settings);
  const auto every = plain_step.scalars(*partition, {});
  CHECK(scalars.mass[4] == every.mass[4] && scalars.max_logit[4] == every.max_logit[4], "%s a query without a share is not as alone", kernels->isa);
  for (size_t b = 0; b < batch; b++) {
    if (b == 4) continue;
    const PoolProof &proof = proofs[b];
    const auto rows = plain_rows(data, queries, b, factor, labels.empty() ? -1 : labels[b]);
    size_t eligible = 0;
    double largest = 0;
    for (const auto &row : rows) eligible += row.eligible ? 1 : 0, largest = std::max(largest, row.key);
    CHECK(proof.eligible == eligible, "%s %u rows eligible for %zu", kernels->isa, proof.eligible, eligible);
    const double slack = KEY_ROUNDING * largest;
    for (size_t j = 0; j < PoolProof::POINTS; j++) {
      size_t below = 0, up_to = 0;
      for (const auto &row : rows) below += row.eligible && row.key < proof.least[j] - slack ? 1 : 0, up_to += row.eligible && row.key <= proof.most[j] + slack ? 1 : 0;
      CHECK(below <= proof.rank[j] && up_to >= proof.rank[j], "%s query %zu point %zu: %zu below, %zu up to, rank %u", kernels->isa, b, j, below, up_to, proof.rank[j]);
    }
    const double divisor = queries.divisor(b);
    double nearest = INFINITY, mass_seen = 0, mass_all = 0;
    /* Rows of keys just beyond may have been seen: what matters is measured from the nearest of all. */
    for (const auto &row : rows)
      if (row.eligible && row.key < std::max(proof.unseen_key, proof.relevant_key) + slack) nearest = std::min(nearest, row.distance);
    const double beyond = divisor * std::log(static_cast<double>(n) / tolerance);
    size_t relevant = 0;
    for (const auto &row : rows) {
      if (!row.eligible) continue;
      mass_all += std::exp((nearest - row.distance) / divisor);
      if (row.key >= proof.unseen_key - slack) continue;
      mass_seen += std::exp((nearest - row.distance) / divisor);
      if (row.distance > nearest + beyond) continue;
      relevant++;
      CHECK(row.key <= proof.relevant_key + slack, "%s query %zu: a row that matters has the key %g beyond %g", kernels->isa, b, row.key, proof.relevant_key);
    }
    CHECK(relevant <= proof.relevant, "%s query %zu: %u rows matter for %zu", kernels->isa, b, proof.relevant, relevant);
    if (relevant == 0) continue;
    const double log_z = scalars.max_logit[b] + std::log(scalars.mass[b]) + nearest / divisor;
    CHECK(log_z >= std::log(mass_seen) - 1e-3 && log_z <= std::log(mass_all) + 1e-3, "%s query %zu: log Z %g between %g and %g", kernels->isa, b, log_z,
          std::log(mass_seen), std::log(mass_all));
    CHECK(std::find(sums.queries.begin(), sums.queries.end(), b) != sums.queries.end(), "%s query %zu has no sums", kernels->isa, b);
  }
}

}  // namespace

void relevance_tests(const gd_kernels *kernels) {
  ThreadPool pool(2);
  for (const Partition::Shape &shape : {Partition::Shape{1, 1, 4, 4}, {40, 3, 6, 6}, {700, 1, 12, 12}, {2100, 1, 8, 8}, {300, 1, 36, 20}})
    for (const bool labelled : {false, true})
      for (const double share : {0.02, 0.4, 0.9, 1.0}) proofs_hold(kernels, pool, shape, 2, labelled, share);
  /* Floats, and pixels that are not pooled, prove nothing. */
  for (const bool pixels : {true, false}) {
    const Data data({30, 1, 6, 6}, pixels, 9);
    StepSettings settings;
    settings.query_ids.assign(1, 0);
    settings.factor = pixels ? 1 : 3;
    const auto partition = data.partition(kernels, pool);
    Step step(queries_near(data, 1, 4), settings);
    const auto scalars = step.scalars(*partition, {}, {0.5});
    CHECK(scalars.mass[0] == 0 && step.proofs(*partition)[0].relevant == UINT32_MAX, "%s a proof of rows that have none", kernels->isa);
  }
}

}  // namespace golddiff_test
