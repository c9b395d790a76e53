/*
 * Golden steps without cuts. Near the data the rows that can matter are few, and they are in the candidate pool and in the golden subset: where that is proven, nobody
 * needs to know where the cuts lie. A partition looks at the rows that its own share of the pool could hold, leaves out those whose pooled distance shows that they are
 * too far to matter, and tells what a coordinator needs for the proof.
 */
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "direct_distance.h"
#include "limits.h"
#include "step.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
constexpr uint32_t UNPROVEN = std::numeric_limits<uint32_t>::max();
/* Rows nearest by proxy that are looked at first, for a bound on the least distance: about so many. */
constexpr size_t FIRST_ROWS = 16;
/* Where a partition counts its keys, relative to the rank that its share of the pool ends at: those of shuffled rows scatter by a sigma, those of MNIST's partitions by up to five. */
constexpr std::array<double, PoolProof::POINTS> SIGMAS = {-24, -12, -6, -2, 0, 3, 6, 9, 12};
/* No logit that is looked at again is off by more. */
constexpr double LOGIT_ERROR_NATS_MAX = 1e-3;
constexpr double ROUNDING = 64 * 1.1102230246251565e-16;
constexpr size_t SAMPLE_ROWS = 512;
/* Rows that regions are compared for at once. */
constexpr size_t REGION_ROWS = 256;

/* Rows whose pooled distance, and what pooling left of them, allow that they are near. */
struct Near {
  double highest, weight, norm, scale, limit;
  RegionNorms::Query regions;
  /* key <= highest and weight key + (norm - scale residual)^2 <= limit */
  size_t named(const gd_kernels &kernels, const double *key, const double *residual, size_t n, uint32_t *places) const {
    return kernels.possibly_near(key, residual, n, highest, weight, norm, scale, limit, places);
  }
  /* Of `places` of a list of rows, those that what is left by regions allows too: they stay, in their order. Returns how many. */
  template <typename Rows>
  size_t by_regions(const gd_kernels &kernels, const RowSet &proxies, const Doubles &keys, const Rows &rows, uint32_t *places, size_t count) const {
    std::array<uint32_t, REGION_ROWS> row;
    std::array<double, REGION_ROWS> product;
    const double most = limit - norm * norm;
    size_t kept = 0;
    for (size_t from = 0; from < count; from += REGION_ROWS) {
      const size_t some = std::min(REGION_ROWS, count - from);
      for (size_t i = 0; i < some; i++) row[i] = rows.at(places[from + i]);
      proxies.regions->products(kernels, regions, row.data(), some, product.data());
      for (size_t i = 0; i < some; i++) {
        const uint32_t place = places[from + i];
        const double left = scale * proxies.residual[row[i]];
        places[kept] = place;
        kept += weight * keys[place] + left * left - 2 * scale * product[i] <= most ? 1 : 0;
      }
    }
    return kept;
  }
};

/* Share of them in a sample of all rows. */
template <typename Rows>
double share_near(const gd_kernels &kernels, const RowSet &proxies, const Doubles &keys, const Rows &all, const Near &near) {
  std::array<double, 2 * SAMPLE_ROWS> key, left;
  std::array<uint32_t, 2 * SAMPLE_ROWS + 1> places;
  const size_t stride = std::max<size_t>(1, keys.size() / SAMPLE_ROWS);
  size_t count = 0;
  for (size_t i = 0; i < keys.size() && count < key.size(); i += stride, count++) key[count] = keys[i], left[count] = proxies.residual[i];
  const size_t named = near.named(kernels, key.data(), left.data(), count, places.data());
  for (size_t i = 0; i < named; i++) places[i] *= static_cast<uint32_t>(stride);
  return static_cast<double>(near.by_regions(kernels, proxies, keys, all, places.data(), named)) / static_cast<double>(count);
}
}  // namespace

void Step::score_relevant(Part &part, Partition &partition, const std::vector<size_t> &asked) {
  const size_t B = queries_.batch, n = partition.n();
  part.proofs.assign(asked.empty() ? 0 : B, {});
  if (asked.empty()) return;
  const RowSet &proxies = set_of(partition, PROXY), &full = partition.full();
  /* A bound on distances by what pooling leaves is known for pixels only. */
  const bool provable = full.pixels && full.pixels->has_products() && &proxies != &full;
  Selection &root = part.chain.front();
  std::vector<size_t> wanted;
  for (size_t b : asked) {
    part.proofs[b].eligible = static_cast<uint32_t>(root.rows[b].size(n));
    part.proofs[b].relevant_key = -INF;
    part.proofs[b].unseen_key = INF;
    if (part.proofs[b].eligible == 0) continue;
    if (provable) wanted.push_back(b);
    else part.proofs[b].relevant = UNPROVEN;
  }
  ensure_keys(partition, root, PROXY, wanted, SIEVING);

  const gd_kernels &kernels = partition.kernels();
  const double factor = static_cast<double>(settings_.factor), weight = factor * factor, D = static_cast<double>(queries_.dim);
  const double relevant_nats = std::log(static_cast<double>(n) / settings_.tolerance);
  std::vector<Near> nears(wanted.size());
  std::vector<double> share(wanted.size());
  partition.pool().parallel(wanted.size(), [&](size_t k) {
    check();
    const size_t b = wanted[k];
    const Keys &keys = root.keys[PROXY][b];
    PoolProof &proof = part.proofs[b];
    const size_t count = keys.values.size();
    const KeyCounts counts(kernels, keys.values);
    const double pool = part.pool_share[b] * static_cast<double>(count), sigma = std::sqrt(pool * std::max(0.0, 1 - part.pool_share[b]));
    for (size_t j = 0; j < PoolProof::POINTS; j++) {
      const double rank = std::clamp(pool + SIGMAS[j] * sigma, 0.0, static_cast<double>(count));
      const auto [rows_below, bound] = counts.of_at_least(static_cast<size_t>(rank));
      proof.rank[j] = bound == INF ? proof.eligible : rows_below;
      proof.least[j] = keys.error.least(bound * (1 - KeyCounts::ROUNDING));
      proof.most[j] = keys.error.most(bound * (1 + KeyCounts::ROUNDING));
    }
    const double highest = keys.error.most(proof.most.back());
    proof.unseen_key = keys.error.least(highest);
    /*
     * x and y in what pooling keeps and what it leaves: |x - a y|^2 >= f^2 |pool(x) - a pool(y)|^2 + (|left(x)| - a |left(y)|)^2, and what is left is at least
     * |left(x)|^2 + a^2 |left(y)|^2 - 2 a sum_g |left(x)_g| |left(y)_g| apart.
     */
    const double square = queries_.values(b, 0, partition.shape()).square, pooled = queries_.values(b, settings_.factor, partition.shape()).square;
    Near &near = nears[k] = {highest, weight, std::sqrt(std::max(0.0, square - weight * pooled)), queries_.alpha[b], 0, proxies.regions->query(kernels, queries_.x.data() + b * queries_.dim)};
    /* The nearest by proxy tell how far rows may be and still matter. */
    const Rows &from = root.rows[b];
    StepVector<uint32_t> places(count + 1);
    size_t below = 0;
    const size_t first = kernels.within(keys.values.data(), count, -INF, std::min(counts.of_at_least(FIRST_ROWS).second, highest), places.data(), &below);
    const DirectDistance direct(kernels, full, queries_.values(b, 0, partition.shape()), queries_.alpha[b]);
    double nearest = INF;
    for (size_t i = 0; i < first; i++) nearest = std::min(nearest, direct(from.at(places[i])));
    const double far = nearest + queries_.divisor(b) * relevant_nats;
    const double row = near.scale * (full.pixels->norm_max() / full.pixels->divisor() + std::sqrt(D)) + std::sqrt(square);
    const double root_max = std::sqrt(std::max(0.0, (far + row * row * ROUNDING) / weight + keys.error.absolute));
    /* A key is above the pooled distance by that much at most. */
    near.limit = far + weight * (2 * keys.error.root * root_max + keys.error.root * keys.error.root + keys.error.absolute) + row * row * ROUNDING;
    if (from.all) share[k] = share_near(kernels, proxies, keys.values, from, near);
  });

  /* What would be compared with all rows in any case is not named first. */
  const std::vector<bool> with_all = compared_with_all(share, SIEVING);
  std::vector<Rows> rows(B);
  partition.pool().parallel(wanted.size(), [&](size_t k) {
    check();
    const size_t b = wanted[k];
    const Keys &keys = root.keys[PROXY][b];
    const Rows &from = root.rows[b];
    if (with_all[k]) {
      part.proofs[b].unseen_key = INF;
      rows[b] = from;
      return;
    }
    const Near &near = nears[k];
    const size_t count = keys.values.size();
    StepVector<uint32_t> places(count + 1);
    if (from.all) {
      places.resize(near.named(kernels, keys.values.data(), proxies.residual.data(), count, places.data()));
    } else {
      size_t found = 0;
      for (size_t i = 0; i < count; i++) {
        const double apart = near.norm - near.scale * proxies.residual[from.at(i)];
        places[found] = static_cast<uint32_t>(i);
        found += keys.values[i] <= near.highest && weight * keys.values[i] + apart * apart <= near.limit ? 1 : 0;
      }
      places.resize(found);
    }
    places.resize(near.by_regions(kernels, proxies, keys.values, from, places.data(), places.size()));
    rows[b].all = false;
    rows[b].list.resize(places.size());
    for (size_t i = 0; i < places.size(); i++) rows[b].list[i] = from.at(places[i]);
  });

  auto found = distances(partition, full, rows, wanted, SIEVING);
  partition.pool().parallel(wanted.size(), [&](size_t k) {
    check();
    const size_t b = wanted[k];
    Scored &scored = part.scored[b];
    PoolProof &proof = part.proofs[b];
    if (found[k].values.empty()) return;
    const StepVector<uint32_t> near = look_again(partition, b, found[k], rows[b], found[k].values);
    scored.rows.all = false;
    const double beyond = queries_.divisor(b) * (relevant_nats + 2 * LOGIT_ERROR_NATS_MAX);
    double nearest = INF;
    for (uint32_t place : near) nearest = std::min(nearest, found[k].values[place]);
    for (uint32_t place : near) {
      const double distance = found[k].values[place];
      if (distance > nearest + beyond) continue;
      scored.rows.list.push_back(rows[b].at(place));
      scored.distance.push_back(distance);
    }
    /* The keys that count, of rows that are few where a proof is at hand. */
    Doubles exact(scored.distance.size());
    refined(partition, PROXY, b, scored.rows.list.data(), exact.size(), exact.data());
    for (double key : exact) proof.relevant_key = std::max(proof.relevant_key, key);
    proof.relevant = static_cast<uint32_t>(scored.distance.size());
    scored.rows_total = scored.distance.size();
    scored.tail = static_cast<double>(proof.eligible - proof.relevant) * settings_.tolerance / static_cast<double>(n);
  });
}

}  // namespace golddiff
