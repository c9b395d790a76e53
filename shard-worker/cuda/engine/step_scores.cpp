/* Distances as good as weights need them, and the softmax statistics made of them. */
#include <algorithm>
#include <cmath>
#include <limits>

#include "step.h"

namespace golddiff::cuda {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
}  // namespace

void Step::look_again(Work &work, Partition &partition, const std::vector<Precision> &precisions, Scored &scored) {
  const size_t B = queries_.batch, n = partition.n();
  std::vector<uint8_t> pick(B, 0);
  for (size_t b = 0; b < B; b++) pick[b] = precisions[b].second_look ? 1 : 0;
  if (std::find(pick.begin(), pick.end(), 1) == pick.end()) return;
  std::vector<double> limit(B, INF);
  /* Rows beyond this are below tolerance / n of the heaviest, whichever way both were rounded. */
  for (size_t b = 0; b < B; b++)
    if (pick[b] != 0) limit[b] = scored.nearest[b] + queries_.divisor(b) * (2 * precisions[b].error + std::log(static_cast<double>(n) / settings_.tolerance));
  const auto device_limit = work.upload(std::move(limit));
  const auto device_kept = work.zeros<unsigned long long>(B);
  const auto device_pick = work.upload(pick);
  launch_limit(scored.distances.data(), scored.distances.data(), nullptr, n, B, device_limit.data(), device_kept.data(), work.stream());
  const auto kept = work.download(device_kept);
  size_t count = 0;
  for (size_t b = 0; b < B; b++) {
    if (pick[b] == 0) continue;
    count += kept[b];
    scored.kept[b] = static_cast<double>(kept[b]);
    scored.tail[b] = (scored.rows[b] - scored.kept[b]) * settings_.tolerance / static_cast<double>(n);
  }
  const auto own = difference_queries(work, partition.shape(), 0, partition.full());
  const auto counter = work.zeros<unsigned long long>(1);
  const auto query = work.array<uint32_t>(count);
  const auto row = work.array<uint32_t>(count);
  launch_pairs(scored.distances.data(), n, B, device_pick.data(), counter.data(), query.data(), row.data(), work.stream());
  launch_differences(differences(partition.full(), own, scored.distances), {query.data(), row.data(), count}, work.stream());
  work.wait();
}

Step::Scored &Step::score(Work &work, Part &part, Partition &partition, const Cuts &cuts) {
  if (part.scored && part.cuts == cuts) return *part.scored;
  part.scored.reset();
  const size_t B = queries_.batch, n = partition.n();
  const bool cut = std::any_of(cuts.begin(), cuts.end(), [](const Cut &own) { return own.present(); });
  const RowSet &full = partition.full();
  auto scored = std::make_unique<Scored>();
  scored->distances = work.array<double>(B * n);
  scored->tail.assign(B, 0);

  std::vector<Precision> precisions(B, {LIMBS_RANKING, 0, false});
  if (full.has_products()) pool_.parallel(B, [&](size_t b) { precisions[b] = precision(queries_, partition.shape(), *full.pixels, b, cut); });
  const double *from = scored->distances.data();
  Masked rows;
  if (cut || !settings_.labels.empty()) {
    rows = masked(work, part, partition, cuts);
    scored->rows.assign(rows.passing.begin(), rows.passing.end());
  } else {
    scored->rows.assign(B, static_cast<double>(n));
  }
  if (cut) {
    from = keys(work, part, partition, FULL).data();
  } else {
    std::vector<size_t> all(B), limbs(B);
    for (size_t b = 0; b < B; b++) {
      all[b] = b;
      limbs[b] = precisions[b].limbs;
    }
    distances(work, partition, full, all, limbs, scored->distances);
  }
  check(work);
  if (!rows.mask.empty()) {
    const auto no_limit = work.upload(std::vector<double>(B, INF));
    const auto kept = work.zeros<unsigned long long>(B);
    launch_limit(from, scored->distances.data(), rows.mask.data(), n, B, no_limit.data(), kept.data(), work.stream());
    work.wait();
  }
  scored->kept = scored->rows;

  const size_t parts = reduced_blocks(n);
  const auto partial = work.array<double>(B * 2 * parts);
  const auto nearest = work.array<double>(B);
  const auto find_nearest = [&] {
    launch_nearest(scored->distances.data(), n, B, partial.data(), nearest.data(), work.stream());
    scored->nearest = work.download(nearest);
    check(work);
  };
  find_nearest();
  if (std::any_of(precisions.begin(), precisions.end(), [](const Precision &own) { return own.second_look; })) {
    look_again(work, partition, precisions, *scored);
    find_nearest();
  }
  std::vector<double> divisors(B);
  for (size_t b = 0; b < B; b++) divisors[b] = queries_.divisor(b);
  const auto divisor = work.upload(divisors);
  const auto mass = work.array<double>(B);
  const auto mass_sq = work.array<double>(B);
  launch_mass(scored->distances.data(), n, B, nearest.data(), divisor.data(), partial.data(), mass.data(), mass_sq.data(), work.stream());
  Scalars &out = scored->scalars;
  out.mass = work.download(mass);
  out.mass_sq = work.download(mass_sq);
  out.rows = scored->rows;
  out.max_logit.assign(B, -INF);
  for (size_t b = 0; b < B; b++)
    if (scored->nearest[b] < INF) out.max_logit[b] = 0 - scored->nearest[b] / divisors[b];
  check(work);
  part.cuts = cuts;
  part.scored = std::move(scored);
  return *part.scored;
}

Scalars Step::scalars(Partition &partition, const Cuts &cuts) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  Work work(device_);
  return score(work, own, partition, cuts).scalars;
}

}  // namespace golddiff::cuda
