/* Squared distances of queries to rows: integer products where most rows are wanted, differences in double where few are. */
#include <algorithm>
#include <cmath>

#include "direct_distance.h"
#include "limits.h"
#include "step.h"

namespace golddiff {

namespace {
/* Products of one pass, that stay in the second-level cache until they have become distances. */
constexpr size_t PRODUCT_BYTES = 128 * 1024;
/* Products that distances_of_products may read behind the last. */
constexpr size_t PRODUCT_SLACK = 16;
/* Of the terms of a distance in double, each rounded a few times. */
constexpr double ROUNDING = 16 * 1.1102230246251565e-16;
constexpr double FLOAT_ROUNDING = 5.9604644775390625e-8;
}  // namespace

void Step::dense(Partition &partition, const PixelRows &pixels, const std::vector<LimbedQuery> &columns, std::vector<Doubles> &out) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &shape = partition.shape();
  const size_t n = pixels.n();
  const double d = static_cast<double>(pixels.dim());
  const auto packed = queries_.packed(partition.kernels(), columns, factor, shape);
  out.resize(columns.size());
  for (auto &distances : out) distances.resize(n);
  std::vector<std::vector<gd_distance_terms>> terms(packed->groups.size());
  for (size_t g = 0; g < terms.size(); g++)
    for (size_t k : packed->groups[g].members) {
      const auto &values = queries_.values(columns[k].query, factor, shape);
      const auto &limbs = queries_.limbs(columns[k].query, columns[k].limbs, factor, shape);
      const double a = queries_.alpha[columns[k].query];
      const double v = pixels.divisor();
      double error = 0;
      for (size_t p = 0; p < pixels.dim(); p++) error += static_cast<double>(limbs.error[p]) * pixels.mean()[p];
      /* |x|^2 - 2 a x.y + a^2 |y|^2 with y = u / v - 1, and what the rounding of x makes of the mean row */
      terms[g].push_back({a * a / (v * v), -2 * a * limbs.delta / v, -2 * a * a / v, values.square + 2 * a * values.sum + a * a * d - 2 * a * error / v});
    }
  const size_t total = packed->total, planes = pixels.planes();
  const size_t inner = std::max<size_t>(24, std::min<size_t>(ROWS_PER_TASK, PRODUCT_BYTES / (sizeof(int32_t) * std::max<size_t>(1, total) * planes)));
  partition.pool().parallel((n + ROWS_PER_TASK - 1) / ROWS_PER_TASK, [&](size_t task) {
    std::vector<int32_t> products(inner * total * planes + PRODUCT_SLACK);
    std::vector<double *> places;
    const size_t end = std::min(n, (task + 1) * ROWS_PER_TASK);
    for (size_t from = task * ROWS_PER_TASK; from < end; from += inner) {
      check();
      const size_t to = std::min(end, from + inner);
      for (size_t plane = 0; plane < planes; plane++)
        pixels.dot(partition.kernels(), plane, from, to, packed->bytes->data, total, products.data() + plane * inner * total);
      for (size_t g = 0; g < terms.size(); g++) {
        const LimbGroup &group = packed->groups[g];
        places.clear();
        for (size_t k : group.members) places.push_back(out[k].data() + from);
        partition.kernels().distances_of_products(products.data() + group.first, total, inner * total, planes, group.limbs, to - from, places.size(),
                                                  terms[g].data(), pixels.sum() + from, pixels.sum_sq() + from, places.data());
      }
    }
  });
}

std::vector<Doubles> Step::distances(Partition &partition, const RowSet &set, const std::vector<Rows> &rows, const std::vector<size_t> &wanted) {
  const size_t n = partition.n();
  const size_t factor = &set == &partition.full() ? 0 : settings_.factor;
  std::vector<Doubles> out(wanted.size());
  std::vector<LimbedQuery> columns;
  std::vector<size_t> columns_of;
  std::vector<std::pair<size_t, size_t>> direct;
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t size = rows[wanted[k]].size(n);
    if (set.pixels && set.pixels->has_products() && static_cast<double>(size) > DENSE_SHARE * static_cast<double>(n)) {
      columns.push_back({wanted[k], LIMBS_MAX});
      columns_of.push_back(k);
    } else {
      out[k].resize(size);
      for (size_t from = 0; from < size; from += ROWS_PER_TASK) direct.emplace_back(k, from);
    }
  }
  if (!columns.empty()) {
    std::vector<Doubles> all;
    dense(partition, *set.pixels, columns, all);
    partition.pool().parallel(columns.size(), [&](size_t c) {
      const size_t k = columns_of[c];
      const Rows &own = rows[wanted[k]];
      if (own.all) {
        out[k] = std::move(all[c]);
        return;
      }
      out[k].resize(own.list.size());
      for (size_t i = 0; i < own.list.size(); i++) out[k][i] = all[c][own.list[i]];
    });
  }
  partition.pool().parallel(direct.size(), [&](size_t task) {
    check();
    const auto [k, from] = direct[task];
    const size_t b = wanted[k];
    const DirectDistance distance(partition.kernels(), set, queries_.values(b, factor, partition.shape()), queries_.alpha[b]);
    const size_t to = std::min(out[k].size(), from + ROWS_PER_TASK);
    for (size_t i = from; i < to; i++) out[k][i] = distance(rows[b].at(i));
  });
  return out;
}

double Step::logit_error(const Partition &partition, size_t b, size_t limbs) {
  const PixelRows &pixels = *partition.full().pixels;
  const auto &q = queries_.limbs(b, limbs, 0, partition.shape());
  const double a = queries_.alpha[b] / pixels.divisor();
  const double row = a * pixels.norm_max();
  const double query = std::sqrt(queries_.values(b, 0, partition.shape()).square) + queries_.alpha[b] * std::sqrt(static_cast<double>(pixels.dim()));
  /* e is known to a float */
  const double known = FLOAT_ROUNDING * pixels.mean_norm();
  return (2 * a * (pixels.spread_max() + known) * q.error_norm + ROUNDING * (row + query) * (row + query)) / queries_.divisor(b);
}

}  // namespace golddiff
