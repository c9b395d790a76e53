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
/* A sieve lets this many nats more pass than there are between rows that matter and rows that do not. */
constexpr double SIEVE_NATS = 120;
/* Rows of a list whose products with one query are made at once. */
constexpr size_t LISTED_ROWS = 256;
/* What two limbs leave open is a few rows beside each cut. */
constexpr size_t LIMBS_RANKING = 2;
/* Products that distances_of_products may read behind the last. */
constexpr size_t PRODUCT_SLACK = 16;
/* Of the terms of a distance in double, each rounded a few times. */
constexpr double ROUNDING = 16 * 1.1102230246251565e-16;
constexpr double FLOAT_ROUNDING = 5.9604644775390625e-8;

template <typename T>
using Scratch = std::vector<T, Uninitialised<T>>;

/* Products of some rows with packed limbs, one plane of them after the other: the arithmetic of bytes, or of words. */
class RowProducts {
 public:
  RowProducts(const gd_kernels &kernels, const PixelRows &pixels, const PackedQueries &packed, size_t rows_max)
      : kernels_(kernels), pixels_(pixels), packed_(packed), plane_stride_(rows_max * packed.total), products_(plane_stride_ * pixels.planes() + PRODUCT_SLACK) {
    if (pixels.in_words()) words_.resize(rows_max);
    else bytes_.resize(rows_max);
  }
  /* Rows row(0), row(1), .. of the partition. */
  template <typename Row>
  void make(size_t count, Row row) {
    if (pixels_.in_words()) {
      for (size_t i = 0; i < count; i++) words_[i] = pixels_.word_row(row(i));
      kernels_.dot_s16s16(words_.data(), count, pixels_.dim(), packed_.bytes->data, packed_.total, products_.data());
      return;
    }
    for (size_t plane = 0; plane < pixels_.planes(); plane++) {
      for (size_t i = 0; i < count; i++) bytes_[i] = pixels_.product_row(row(i), plane);
      kernels_.dot_u8s8(bytes_.data(), count, pixels_.dim(), packed_.bytes->data, packed_.total, products_.data() + plane * plane_stride_);
    }
  }
  /* Distances of the queries of a group. */
  void distances(const LimbGroup &group, size_t count, const gd_distance_terms *terms, const double *sum, const double *sum_sq, double *const *out) const {
    kernels_.distances_of_products(products_.data() + group.first, packed_.total, plane_stride_, pixels_.planes(), group.limbs, packed_.base, count, group.members.size(),
                                   terms, sum, sum_sq, out);
  }

 private:
  const gd_kernels &kernels_;
  const PixelRows &pixels_;
  const PackedQueries &packed_;
  const size_t plane_stride_;
  Scratch<int32_t> products_;
  Scratch<const uint8_t *> bytes_;
  Scratch<const int16_t *> words_;
};
}  // namespace

void Step::dense(Partition &partition, const PixelRows &pixels, const std::vector<LimbedQuery> &columns, std::vector<Doubles> &out, size_t block_rows,
                 const std::function<void(size_t from, size_t to, size_t end)> &block_done) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const size_t n = pixels.n();
  const auto packed = queries_.packed(partition.kernels(), columns, factor, partition.shape(), pixels.in_words());
  out.resize(columns.size());
  for (auto &distances : out) distances.resize(n);
  std::vector<std::vector<gd_distance_terms>> terms_of(packed->groups.size());
  for (size_t g = 0; g < terms_of.size(); g++)
    for (size_t k : packed->groups[g].members) terms_of[g].push_back(terms(partition, pixels, columns[k]));
  const size_t total = packed->total, planes = pixels.planes();
  const size_t fitting = std::max<size_t>(24, std::min<size_t>(ROWS_PER_TASK, PRODUCT_BYTES / (sizeof(int32_t) * std::max<size_t>(1, total) * planes)));
  const size_t inner = block_rows > 0 ? block_rows : fitting, task_rows = std::max(ROWS_PER_TASK, block_rows);
  partition.pool().parallel((n + task_rows - 1) / task_rows, [&](size_t task) {
    RowProducts products(partition.kernels(), pixels, *packed, inner);
    std::vector<double *> places;
    const size_t end = std::min(n, (task + 1) * task_rows);
    for (size_t from = task * task_rows; from < end; from += inner) {
      check();
      const size_t to = std::min(end, from + inner);
      products.make(to - from, [&](size_t i) { return from + i; });
      for (size_t g = 0; g < terms_of.size(); g++) {
        const LimbGroup &group = packed->groups[g];
        places.clear();
        for (size_t k : group.members) places.push_back(out[k].data() + from);
        products.distances(group, to - from, terms_of[g].data(), pixels.sum() + from, pixels.sum_sq() + from, places.data());
      }
      if (block_rows > 0) block_done(from, to, end);
    }
  });
}

std::vector<bool> Step::compared_with_all(const std::vector<double> &share, Purpose purpose) {
  double total = 0;
  for (double own : share) total += own;
  std::vector<bool> out(share.size());
  const bool sieve = purpose == SIEVING, many = total > (sieve ? SIEVE_TOTAL : DENSE_TOTAL);
  for (size_t k = 0; k < share.size(); k++) out[k] = share[k] > (!many ? DENSE_SHARE : sieve ? SIEVE_SHARE_OF_MANY : DENSE_SHARE_OF_MANY);
  return out;
}

gd_distance_terms Step::terms(Partition &partition, const PixelRows &pixels, const LimbedQuery &query) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &values = queries_.values(query.query, factor, partition.shape());
  const auto &limbs = queries_.limbs(query.query, query.limbs, factor, partition.shape(), pixels.in_words());
  const double a = queries_.alpha[query.query], v = pixels.divisor(), d = static_cast<double>(pixels.dim());
  double error = 0;
  for (size_t p = 0; p < pixels.dim(); p++) error += static_cast<double>(limbs.error[p]) * pixels.mean()[p];
  /* |x|^2 - 2 a x.y + a^2 |y|^2 with y = u / v - 1, and what the rounding of x makes of the mean row */
  return {a * a / (v * v), -2 * a * limbs.delta / v, -2 * a * a / v, values.square + 2 * a * values.sum + a * a * d - 2 * a * error / v,
          pixels.word_products().offset * limbs.total};
}

Step::ListedQuery Step::listed_query(Partition &partition, const PixelRows &pixels, const LimbedQuery &query) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  return {queries_.packed(partition.kernels(), {query}, factor, partition.shape(), pixels.in_words()), terms(partition, pixels, query)};
}

void Step::listed(Partition &partition, const PixelRows &pixels, const ListedQuery &query, const uint32_t *rows, size_t count, double *out) {
  RowProducts products(partition.kernels(), pixels, *query.packed, LISTED_ROWS);
  double sum[LISTED_ROWS], sum_sq[LISTED_ROWS];
  for (size_t from = 0; from < count; from += LISTED_ROWS) {
    const size_t some = std::min(LISTED_ROWS, count - from);
    products.make(some, [&](size_t i) { return rows[from + i]; });
    for (size_t i = 0; i < some; i++) {
      sum[i] = pixels.sum()[rows[from + i]];
      sum_sq[i] = pixels.sum_sq()[rows[from + i]];
    }
    double *place = out + from;
    products.distances(query.packed->groups[0], some, &query.terms, sum, sum_sq, &place);
  }
}

const RowSet &Step::set_of(Partition &partition, Stage stage) {
  return stage == PROXY && settings_.factor > 1 ? partition.proxies(settings_.factor) : partition.full();
}

size_t Step::limbs_for(Purpose purpose, const Partition &partition, const PixelRows &pixels, size_t b) {
  const bool full = &pixels == partition.full().pixels.get();
  if (purpose == SIEVING && (!full || 2 * distance_error(partition, *partition.full().pixels, b, 1) <= SIEVE_NATS * queries_.divisor(b))) return 1;
  if (pixels.in_words()) return purpose == WEIGHING ? exact_limbs(pixels) : 1;
  const size_t precise = full ? precision(partition, b).limbs : LIMBS_MAX;
  return purpose == WEIGHING ? precise : std::min(precise, LIMBS_RANKING);
}

std::vector<Step::Keys> Step::distances(Partition &partition, const RowSet &set, const std::vector<Rows> &rows, const std::vector<size_t> &wanted,
                                        Purpose purpose) {
  const size_t n = partition.n();
  const bool products = set.pixels && set.pixels->has_products();
  /* Words rank rows better than what is rounded to bytes, for about the same work; to sieve, a single limb of bytes will do. */
  const bool coarse = products && set.coarse && (purpose == SIEVING || (purpose == RANKING && !set.pixels->in_words()));
  const PixelRows *pixels = coarse ? set.coarse.get() : set.pixels.get();
  std::vector<Keys> out(wanted.size());
  if (products)
    partition.pool().parallel(wanted.size(), [&](size_t k) {
      const size_t b = wanted[k];
      out[k].purpose = purpose;
      out[k].limbs = limbs_for(purpose, partition, *pixels, b);
      out[k].error.absolute = distance_error(partition, *pixels, b, out[k].limbs) + distance_error(partition, *set.pixels, b, exact_limbs(*set.pixels));
      out[k].error.root = coarse ? queries_.alpha[b] * set.coarse_distance : 0;
    });
  std::vector<LimbedQuery> columns;
  std::vector<size_t> columns_of, lists;
  std::vector<ListedQuery> listed_queries;
  std::vector<double> share(wanted.size());
  for (size_t k = 0; k < wanted.size(); k++) share[k] = static_cast<double>(rows[wanted[k]].size(n)) / static_cast<double>(std::max<size_t>(1, n));
  const std::vector<bool> with_all = compared_with_all(share, purpose);
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t b = wanted[k];
    if (products && with_all[k]) {
      columns.push_back({b, out[k].limbs});
      columns_of.push_back(k);
    } else {
      out[k].values.resize(rows[b].size(n));
      lists.push_back(k);
      if (products) listed_queries.push_back(listed_query(partition, *pixels, {b, out[k].limbs}));
    }
  }
  if (!columns.empty()) {
    std::vector<Doubles> all;
    dense(partition, *pixels, columns, all);
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
  if (lists.empty()) return out;
  /* Block by block of rows, so that a row comes from memory once for all queries that want it. Lists name a part of a block, which may be the larger for it. */
  const size_t block_rows = 2 * sum_block_rows(set.dim());
  partition.pool().parallel((n + block_rows - 1) / block_rows, [&](size_t task) {
    check();
    const uint32_t first = static_cast<uint32_t>(task * block_rows), end = static_cast<uint32_t>(std::min(n, (task + 1) * block_rows));
    for (size_t c = 0; c < lists.size(); c++) {
      const size_t k = lists[c], b = wanted[k];
      const Rows &own = rows[b];
      size_t from = first, to = end;
      if (!own.all) {
        from = static_cast<size_t>(std::lower_bound(own.list.begin(), own.list.end(), first) - own.list.begin());
        to = static_cast<size_t>(std::lower_bound(own.list.begin() + static_cast<std::ptrdiff_t>(from), own.list.end(), end) - own.list.begin());
      }
      if (from == to) continue;
      double *place = out[k].values.data() + from;
      if (products) {
        listed(partition, *pixels, listed_queries[c], own.list.data() + from, to - from, place);
        continue;
      }
      const DirectDistance distance(partition.kernels(), set, queries_.values(b, factor_of(partition, set), partition.shape()), queries_.alpha[b]);
      for (size_t i = from; i < to; i++) place[i - from] = distance(own.at(i));
    }
  });
  return out;
}

void Step::refined(Partition &partition, Stage stage, size_t b, const uint32_t *rows, size_t count, double *out) {
  const RowSet &set = set_of(partition, stage);
  if (set.pixels && set.pixels->has_products()) return listed(partition, *set.pixels, listed_query(partition, *set.pixels, {b, exact_limbs(*set.pixels)}), rows, count, out);
  const DirectDistance distance(partition.kernels(), set, queries_.values(b, factor_of(partition, set), partition.shape()), queries_.alpha[b]);
  for (size_t i = 0; i < count; i++) out[i] = distance(rows[i]);
}

double Step::distance_error(const Partition &partition, const PixelRows &pixels, size_t b, size_t limbs) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &q = queries_.limbs(b, limbs, factor, partition.shape(), pixels.in_words());
  const double a = queries_.alpha[b] / pixels.divisor();
  const double row = a * pixels.norm_max();
  const double query = std::sqrt(queries_.values(b, factor, partition.shape()).square) + queries_.alpha[b] * std::sqrt(static_cast<double>(pixels.dim()));
  /* e is known to a float */
  const double known = FLOAT_ROUNDING * pixels.mean_norm();
  return 2 * a * (pixels.spread_max() + known) * q.error_norm + ROUNDING * (row + query) * (row + query);
}

}  // namespace golddiff
