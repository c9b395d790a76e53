/* Weighted sums of the rows that matter to the posterior of all partitions. */
#include <algorithm>
#include <cmath>
#include <limits>

#include "step.h"

namespace golddiff::cuda {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/* Rows further below the global mass than tolerance / 2^20 are left out of weighted sums; each is counted at that bound. */
constexpr double SKIP_SPREAD = 1048576.0;
/*
 * Standard deviation of a weighted mean, in units of the values, that rounding weights may cause: a rounding is off by 1 / sqrt(12) of a step, and by the dither
 * independent of the rows.
 */
constexpr double WEIGHT_ERROR_MAX = 5e-7;
constexpr uint32_t DIGITS_MIN = 2, DIGITS_MAX = 4;

uint32_t digits_for(double rows, double mass) {
  uint32_t digits = DIGITS_MIN;
  while (digits < DIGITS_MAX && std::sqrt(rows / 12) > WEIGHT_ERROR_MAX * limbs_reach(digits) * mass) digits++;
  return digits;
}

double rescale(double from, double to) { return from == -INF ? 0 : std::exp(from - to); }
}  // namespace

void Step::weighted(Work &work, Partition &partition, const std::vector<WeightedQuery> &queries, SumsReply &reply, std::vector<unsigned long long> &kept) {
  const size_t n = partition.n(), D = partition.shape().dim(), count = queries.size();
  if (count == 0) return;
  const auto device_queries = work.upload(queries);
  const auto device_kept = work.zeros<unsigned long long>(count);
  const auto out = work.array<float>(count * D);
  const RowSet &full = partition.full();
  if (full.floats) {
    launch_weighted_floats(full.floats->values.data(), n, D, device_queries.data(), count, out.data(), device_kept.data(), work.stream());
  } else {
    const PixelRows &pixels = *full.pixels;
    const auto counter = work.zeros<uint32_t>(1);
    /* Those behind the last have no weight, and must be rows. */
    const auto rows = work.zeros<uint32_t>(n + SUM_ROWS_MULTIPLE);
    launch_weighted_rows(device_queries.data(), count, n, counter.data(), rows.data(), work.stream());
    const size_t found = work.download(counter)[0], rows_padded = (found + SUM_ROWS_MULTIPLE - 1) / SUM_ROWS_MULTIPLE * SUM_ROWS_MULTIPLE;
    check(work);
    size_t columns = queries.back().column + queries.back().digits;
    columns = (columns + SUM_COLUMNS_MULTIPLE - 1) / SUM_COLUMNS_MULTIPLE * SUM_COLUMNS_MULTIPLE;
    const auto digits = work.zeros<int8_t>(columns * rows_padded);
    const auto totals = work.zeros<unsigned long long>(count);
    const auto sums = work.zeros<unsigned long long>(columns * pixels.stride);
    launch_weights(device_queries.data(), count, n, rows.data(), found, rows_padded, digits.data(), totals.data(), device_kept.data(), work.stream());
    launch_weighted_pixels(pixels.planes[0].data(), pixels.stride, rows.data(), rows_padded, digits.data(), columns, sums.data(), device_.facts().multiprocessors, work.stream());
    launch_combined(device_queries.data(), count, sums.data(), pixels.stride, totals.data(), D, out.data(), work.stream());
    work.wait();
  }
  reply.sums = work.download(out);
  kept = work.download(device_kept);
}

SumsReply Step::sums(Partition &partition, const Cuts &cuts, const std::vector<double> &max_logit, const std::vector<double> &mass, double negligible_share, bool histogram) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  Work work(device_);
  const Scored &scored = score(work, own, partition, cuts);
  const Scalars &scalars = scored.scalars;
  const size_t B = queries_.batch, n = partition.n();
  SumsReply reply;
  reply.skipped_share.assign(B, 0);
  std::vector<WeightedQuery> queries;
  uint32_t column = 0;
  for (size_t b = 0; b < B; b++) {
    if (!(mass[b] > 0) || scalars.mass[b] == 0) continue;
    const double share = (scalars.mass[b] + scored.tail[b]) * rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
    if (share < negligible_share) {
      reply.skipped_share[b] = share;
      continue;
    }
    reply.queries.push_back(static_cast<uint32_t>(b));
    const double divisor = queries_.divisor(b), floor = max_logit[b] + std::log(mass[b] * settings_.tolerance / SKIP_SPREAD);
    const uint32_t digits = digits_for(scored.kept[b], scalars.mass[b]);
    queries.push_back({scored.distances.data() + b * n, scored.nearest[b], -floor * divisor, 1 / divisor, limbs_reach(digits), digits, column});
    column += digits;
  }
  std::vector<unsigned long long> kept;
  weighted(work, partition, queries, reply, kept);
  for (size_t k = 0; k < queries.size(); k++) {
    const size_t b = reply.queries[k];
    const double skipped = (scored.kept[b] - static_cast<double>(kept[k])) * settings_.tolerance / SKIP_SPREAD;
    reply.skipped_share[b] = skipped + scored.tail[b] * rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
  }
  if (!histogram) return reply;

  std::vector<double> divisors(B);
  for (size_t b = 0; b < B; b++) divisors[b] = queries_.divisor(b);
  const auto divisor = work.upload(std::move(divisors));
  const auto most = work.upload(max_logit);
  const auto rows = work.zeros<uint32_t>(B * HISTOGRAM_BINS);
  const auto masses = work.zeros<unsigned long long>(B * HISTOGRAM_BINS);
  launch_histogram(scored.distances.data(), n, B, most.data(), divisor.data(), rows.data(), masses.data(), work.stream());
  reply.histogram_rows = work.download(rows);
  const auto units = work.download(masses);
  reply.histogram_mass.resize(units.size());
  for (size_t k = 0; k < units.size(); k++)
    reply.histogram_mass[k] = static_cast<double>(units[k]) * HISTOGRAM_UNIT * std::exp(-static_cast<double>(k % HISTOGRAM_BINS) / HISTOGRAM_BINS_PER_NAT);
  return reply;
}

}  // namespace golddiff::cuda
