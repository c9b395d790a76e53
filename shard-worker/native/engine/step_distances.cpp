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
/* Rows that are copied side by side for products with one query. */
constexpr size_t GATHER_ROWS = 64;
/* Proxies only rank: what two limbs leave open is a few rows beside each cut. */
constexpr size_t LIMBS_PROXY = 2;
/* Products that distances_of_products may read behind the last. */
constexpr size_t PRODUCT_SLACK = 16;
/* Of the terms of a distance in double, each rounded a few times. */
constexpr double ROUNDING = 16 * 1.1102230246251565e-16;
constexpr double FLOAT_ROUNDING = 5.9604644775390625e-8;
}  // namespace

void Step::dense(Partition &partition, const PixelRows &pixels, const std::vector<LimbedQuery> &columns, std::vector<Doubles> &out, size_t block_rows,
                 const std::function<void(size_t from, size_t to)> &block_done) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const size_t n = pixels.n();
  const auto packed = queries_.packed(partition.kernels(), columns, factor, partition.shape());
  out.resize(columns.size());
  for (auto &distances : out) distances.resize(n);
  std::vector<std::vector<gd_distance_terms>> terms_of(packed->groups.size());
  for (size_t g = 0; g < terms_of.size(); g++)
    for (size_t k : packed->groups[g].members) terms_of[g].push_back(terms(partition, pixels, columns[k]));
  const size_t total = packed->total, planes = pixels.planes();
  const size_t fitting = std::max<size_t>(24, std::min<size_t>(ROWS_PER_TASK, PRODUCT_BYTES / (sizeof(int32_t) * std::max<size_t>(1, total) * planes)));
  const size_t inner = block_rows > 0 ? block_rows : fitting, task_rows = std::max(ROWS_PER_TASK, block_rows);
  partition.pool().parallel((n + task_rows - 1) / task_rows, [&](size_t task) {
    std::vector<int32_t> products(inner * total * planes + PRODUCT_SLACK);
    std::vector<double *> places;
    const size_t end = std::min(n, (task + 1) * task_rows);
    for (size_t from = task * task_rows; from < end; from += inner) {
      check();
      const size_t to = std::min(end, from + inner);
      for (size_t plane = 0; plane < planes; plane++)
        pixels.dot(partition.kernels(), plane, from, to, packed->bytes->data, total, products.data() + plane * inner * total);
      for (size_t g = 0; g < terms_of.size(); g++) {
        const LimbGroup &group = packed->groups[g];
        places.clear();
        for (size_t k : group.members) places.push_back(out[k].data() + from);
        partition.kernels().distances_of_products(products.data() + group.first, total, inner * total, planes, group.limbs, to - from, places.size(),
                                                  terms_of[g].data(), pixels.sum() + from, pixels.sum_sq() + from, places.data());
      }
      if (block_rows > 0) block_done(from, to);
    }
  });
}

gd_distance_terms Step::terms(Partition &partition, const PixelRows &pixels, const LimbedQuery &query) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &values = queries_.values(query.query, factor, partition.shape());
  const auto &limbs = queries_.limbs(query.query, query.limbs, factor, partition.shape());
  const double a = queries_.alpha[query.query], v = pixels.divisor(), d = static_cast<double>(pixels.dim());
  double error = 0;
  for (size_t p = 0; p < pixels.dim(); p++) error += static_cast<double>(limbs.error[p]) * pixels.mean()[p];
  /* |x|^2 - 2 a x.y + a^2 |y|^2 with y = u / v - 1, and what the rounding of x makes of the mean row */
  return {a * a / (v * v), -2 * a * limbs.delta / v, -2 * a * a / v, values.square + 2 * a * values.sum + a * a * d - 2 * a * error / v};
}

void Step::listed(Partition &partition, const PixelRows &pixels, const LimbedQuery &query, const uint32_t *rows, size_t count, double *out) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto packed = queries_.packed(partition.kernels(), {query}, factor, partition.shape());
  const gd_distance_terms own = terms(partition, pixels, query);
  const size_t dim = pixels.dim(), planes = pixels.planes(), limbs = query.limbs;
  std::vector<uint8_t> gathered(GATHER_ROWS * dim + GD_DOT_SLACK);
  std::vector<int32_t> products(planes * GATHER_ROWS * limbs + PRODUCT_SLACK);
  double sum[GATHER_ROWS], sum_sq[GATHER_ROWS];
  for (size_t from = 0; from < count; from += GATHER_ROWS) {
    const size_t some = std::min(GATHER_ROWS, count - from);
    for (size_t plane = 0; plane < planes; plane++) {
      for (size_t i = 0; i < some; i++) std::copy_n(pixels.row(rows[from + i], plane), dim, gathered.data() + i * dim);
      partition.kernels().dot_u8s8(gathered.data(), dim, some, dim, packed->bytes->data, limbs, products.data() + plane * GATHER_ROWS * limbs);
    }
    for (size_t i = 0; i < some; i++) {
      sum[i] = pixels.sum()[rows[from + i]];
      sum_sq[i] = pixels.sum_sq()[rows[from + i]];
    }
    double *place = out + from;
    partition.kernels().distances_of_products(products.data(), limbs, GATHER_ROWS * limbs, planes, limbs, some, 1, &own, sum, sum_sq, &place);
  }
}

const RowSet &Step::set_of(Partition &partition, Stage stage) {
  return stage == PROXY && settings_.factor > 1 ? partition.proxies(settings_.factor) : partition.full();
}

size_t Step::key_limbs(const Partition &partition, const RowSet &set, size_t b) {
  return &set == &partition.full() ? precision(partition, b).limbs : LIMBS_PROXY;
}

std::vector<Step::Keys> Step::distances(Partition &partition, const RowSet &set, const std::vector<Rows> &rows, const std::vector<size_t> &wanted) {
  const size_t n = partition.n();
  const bool products = set.pixels && set.pixels->has_products();
  std::vector<Keys> out(wanted.size());
  std::vector<LimbedQuery> columns;
  std::vector<size_t> columns_of, limbs_of(wanted.size(), 0);
  std::vector<std::pair<size_t, size_t>> tasks;
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t b = wanted[k], size = rows[b].size(n);
    if (products) {
      limbs_of[k] = key_limbs(partition, set, b);
      out[k].error = distance_error(partition, *set.pixels, b, limbs_of[k]) + distance_error(partition, *set.pixels, b, LIMBS_MAX);
    }
    if (products && static_cast<double>(size) > DENSE_SHARE * static_cast<double>(n)) {
      columns.push_back({b, limbs_of[k]});
      columns_of.push_back(k);
    } else {
      out[k].values.resize(size);
      for (size_t from = 0; from < size; from += ROWS_PER_TASK) tasks.emplace_back(k, from);
    }
  }
  if (!columns.empty()) {
    std::vector<Doubles> all;
    dense(partition, *set.pixels, columns, all);
    partition.pool().parallel(columns.size(), [&](size_t c) {
      const size_t k = columns_of[c];
      const Rows &own = rows[wanted[k]];
      if (own.all) {
        out[k].values = std::move(all[c]);
        return;
      }
      out[k].values.resize(own.list.size());
      for (size_t i = 0; i < own.list.size(); i++) out[k].values[i] = all[c][own.list[i]];
    });
  }
  partition.pool().parallel(tasks.size(), [&](size_t task) {
    check();
    const auto [k, from] = tasks[task];
    const size_t b = wanted[k], count = std::min(out[k].values.size() - from, ROWS_PER_TASK);
    if (products) {
      std::vector<uint32_t> some(count);
      for (size_t i = 0; i < count; i++) some[i] = rows[b].at(from + i);
      listed(partition, *set.pixels, {b, limbs_of[k]}, some.data(), count, out[k].values.data() + from);
      return;
    }
    const DirectDistance distance(partition.kernels(), set, queries_.values(b, factor_of(partition, set), partition.shape()), queries_.alpha[b]);
    for (size_t i = 0; i < count; i++) out[k].values[from + i] = distance(rows[b].at(from + i));
  });
  return out;
}

void Step::refined(Partition &partition, Stage stage, size_t b, const uint32_t *rows, size_t count, double *out) {
  const RowSet &set = set_of(partition, stage);
  if (set.pixels && set.pixels->has_products()) return listed(partition, *set.pixels, {b, LIMBS_MAX}, rows, count, out);
  const DirectDistance distance(partition.kernels(), set, queries_.values(b, factor_of(partition, set), partition.shape()), queries_.alpha[b]);
  for (size_t i = 0; i < count; i++) out[i] = distance(rows[i]);
}

double Step::distance_error(const Partition &partition, const PixelRows &pixels, size_t b, size_t limbs) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &q = queries_.limbs(b, limbs, factor, partition.shape());
  const double a = queries_.alpha[b] / pixels.divisor();
  const double row = a * pixels.norm_max();
  const double query = std::sqrt(queries_.values(b, factor, partition.shape()).square) + queries_.alpha[b] * std::sqrt(static_cast<double>(pixels.dim()));
  /* e is known to a float */
  const double known = FLOAT_ROUNDING * pixels.mean_norm();
  return 2 * a * (pixels.spread_max() + known) * q.error_norm + ROUNDING * (row + query) * (row + query);
}

}  // namespace golddiff
