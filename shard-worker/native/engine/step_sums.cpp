/* Weighted sums of the rows that matter to the posterior of all partitions. */
#include <algorithm>
#include <cmath>
#include <limits>

#include "limits.h"
#include "step.h"
#include "weighted_sums.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/* Rows further below the global mass than tolerance / 2^20 are left out of weighted sums; each is counted at that bound. */
constexpr double SKIP_SPREAD = 1048576.0;
constexpr size_t HISTOGRAM_BINS = 1280;
constexpr double HISTOGRAM_BINS_PER_NAT = 32;

double rescale(double from, double to) { return from == -INF ? 0 : std::exp(from - to); }
}  // namespace

SumsReply Step::sums(Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share, const std::vector<double> &max_logit,
                     const std::vector<double> &mass, double negligible_share, bool histogram) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  const Scalars &scalars = scalars_of(own, partition, cuts, pool_share);
  const size_t B = queries_.batch, D = partition.shape().dim();
  SumsReply reply;
  reply.skipped_share.assign(B, 0);
  std::vector<WeightedQuery> weighted;
  for (size_t b = 0; b < B; b++) {
    if (!(mass[b] > 0) || scalars.mass[b] == 0) continue;
    const Scored &scored = own.scored[b];
    const double scale = rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
    const double share = (scalars.mass[b] + scored.tail) * scale;
    if (share < negligible_share) {
      reply.skipped_share[b] = share;
      continue;
    }
    reply.queries.push_back(static_cast<uint32_t>(b));
    const double divisor = queries_.divisor(b);
    const double floor = max_logit[b] + std::log(mass[b] * settings_.tolerance / SKIP_SPREAD);
    const double farthest = -floor * divisor;
    /* Early sums are over all rows: where some are too far to count, they are made anew. */
    const bool early = !scored.early.empty() && *std::max_element(scored.distance.begin(), scored.distance.end()) <= farthest;
    weighted.push_back({&scored.distance, &scored.block_nearest, scored.rows.all ? nullptr : scored.rows.list.data(), -scalars.max_logit[b] * divisor, farthest,
                        1 / divisor, scalars.mass[b], scored.digits, early ? &scored.early : nullptr});
  }
  const auto sums = weighted_sums(partition.kernels(), partition.full(), partition.pool(), weighted, [this] { check(); });
  reply.sums.resize(sums.size() * D);
  for (size_t k = 0; k < sums.size(); k++) {
    const size_t b = reply.queries[k];
    std::copy(sums[k].values.begin(), sums[k].values.end(), reply.sums.begin() + static_cast<std::ptrdiff_t>(k * D));
    const double skipped = static_cast<double>(own.scored[b].distance.size() - sums[k].kept) * settings_.tolerance / SKIP_SPREAD;
    reply.skipped_share[b] = skipped + own.scored[b].tail * rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
  }

  if (histogram) {
    reply.histogram_rows.assign(B * HISTOGRAM_BINS, 0);
    reply.histogram_mass.assign(B * HISTOGRAM_BINS, 0);
    partition.pool().parallel(B, [&](size_t b) {
      check();
      if (max_logit[b] == -INF) return;
      const double divisor = queries_.divisor(b);
      for (double distance : own.scored[b].distance) {
        const double below = max_logit[b] + distance / divisor;
        const double bin = std::max(0.0, std::floor(below * HISTOGRAM_BINS_PER_NAT));
        if (bin >= static_cast<double>(HISTOGRAM_BINS)) continue;
        const size_t at = b * HISTOGRAM_BINS + static_cast<size_t>(bin);
        reply.histogram_rows[at]++;
        reply.histogram_mass[at] += std::exp(-below);
      }
    });
  }
  return reply;
}

}  // namespace golddiff
