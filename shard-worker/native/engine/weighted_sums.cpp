#include "weighted_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "limits.h"
#include "queries.h"

namespace golddiff {

namespace {

/* Queries that go over the rows together: their digits are at most 48 columns, and the sums of all blocks stay within some ten megabytes. */
constexpr size_t QUERIES_AT_ONCE = 16;
/* A block of rows of which a smaller share has weight is gathered. */
constexpr double GATHER_SHARE = 0.25;
constexpr size_t DIGITS_FEW = 2, DIGITS_MANY = 3;
/* 127 (256^digits - 1) / 255 */
constexpr double reach_of(size_t digits) { return digits == DIGITS_FEW ? 32639.0 : 8355711.0; }
/*
 * Standard deviation of a weighted mean, in units of the values, that rounding weights to two digits may cause: a rounding is off by 1 / sqrt(12) of a step, and by
 * the dither independent of the rows. A range of 2 and four deviations stay below half of the 1e-5 that is promised.
 */
constexpr double WEIGHT_ERROR_MAX = 5e-7;

/* Above this many deviations of logits a row is hardly ever the heaviest of a block. */
constexpr double SPREAD_DEVIATIONS = 5;

size_t parts_of(size_t rows, size_t of) { return (rows + of - 1) / of; }

/*
 * Added before weights are rounded, in (-1/2, 1/2): multiples of the golden ratio, spread evenly however few rows there are, so that many small weights
 * of one size do not all vanish. Whole numbers stay what they are.
 */
const double *dither() {
  static const auto table = [] {
    std::array<double, SUM_TASK_ROWS> out;
    for (size_t i = 0; i < out.size(); i++) out[i] = 0.998 * (std::fmod(static_cast<double>(i) * 0.6180339887498949 + 0.5, 1.0) - 0.5);
    return out;
  }();
  return table.data();
}

size_t digits_for(const WeightedQuery &query, size_t block_rows) {
  if (query.digits > 0) return query.digits;
  double variance = 0;
  for (size_t k = 0; k < query.block_nearest->size(); k++) {
    const double nearest = (*query.block_nearest)[k];
    if (nearest > query.farthest) continue;
    const double heaviest = std::exp((query.nearest - nearest) * query.scale);
    variance += heaviest * heaviest * static_cast<double>(std::min(block_rows, query.distance->size() - k * block_rows)) / 12;
  }
  return std::sqrt(variance) <= WEIGHT_ERROR_MAX * reach_of(DIGITS_FEW) * query.mass ? DIGITS_FEW : DIGITS_MANY;
}

/* Room for the digits of one task, and for their sums. */
struct Digits {
  Digits(size_t dim, size_t queries)
      : dim(dim),
        rows(sum_block_rows(dim)),
        weights(queries * DIGITS_MANY * rows),
        sums(queries * DIGITS_MANY * GD_SUM_STRIDE(dim) * sizeof(int32_t)),
        pointers(rows) {}
  int8_t *column(size_t c) { return static_cast<int8_t *>(weights.data) + c * rows; }
  int32_t *sum(size_t c) { return static_cast<int32_t *>(sums.data) + c * GD_SUM_STRIDE(dim); }
  void end(size_t column, size_t digits, size_t used) {
    for (size_t l = 0; l < digits; l++) std::fill_n(this->column(column + l) + used, (4 - used % 4) % 4, static_cast<int8_t>(0));
  }
  size_t dim, rows;
  AlignedBytes weights, sums;
  std::vector<const uint8_t *> pointers;
};

/* One query's part of a block. */
struct BlockQuery {
  const double *distance;
  /* nullptr = consecutive */
  const uint32_t *list;
  double nearest, farthest, scale;
  size_t digits;
  /* [D] for the values of `out` */
  double *room;
  BlockSum *out;
};

void combine(const gd_kernels &kernels, Digits &digits, size_t column, const BlockQuery &query) {
  kernels.combined_digits(digits.sum(column), GD_SUM_STRIDE(digits.dim), query.digits, 1 / reach_of(query.digits), digits.dim, query.room);
  query.out->values = query.room;
}

/* Sums of `rows` rows, of which queries without a list share those from `first` on; `soon` as of sum_u8s8. */
void pixel_block(const gd_kernels &kernels, const PixelRows &pixels, size_t first, size_t rows, const std::vector<BlockQuery> &queries, Digits &digits,
                 const uint8_t *const *soon = nullptr) {
  std::vector<std::pair<size_t, size_t>> shared;
  size_t columns = 0;
  for (size_t j = 0; j < queries.size(); j++) {
    const BlockQuery &query = queries[j];
    int8_t *w = digits.column(columns);
    const double reach = reach_of(query.digits);
    const int64_t total = kernels.integer_weights(query.distance, rows, query.nearest, query.farthest, query.scale, reach, dither(), query.digits, w,
                                                  digits.rows, &query.out->kept);
    query.out->weight = static_cast<double>(total) / reach;
    if (query.list == nullptr && static_cast<double>(query.out->kept) > GATHER_SHARE * static_cast<double>(rows)) {
      digits.end(columns, query.digits, rows);
      shared.emplace_back(j, columns);
      columns += query.digits;
      continue;
    }
    size_t some = 0;
    for (size_t i = 0; i < rows; i++) {
      if (w[i] == 0 && w[digits.rows + i] == 0 && (query.digits == DIGITS_FEW || w[2 * digits.rows + i] == 0)) continue;
      digits.pointers[some] = pixels.row(query.list == nullptr ? first + i : query.list[i]);
      for (size_t l = 0; l < query.digits; l++) w[l * digits.rows + some] = w[l * digits.rows + i];
      some++;
    }
    digits.end(columns, query.digits, some);
    kernels.sum_u8s8(digits.pointers.data(), some, pixels.dim(), w, digits.rows, query.digits, nullptr, digits.sum(columns));
    combine(kernels, digits, columns, query);
  }
  if (shared.empty()) return;
  for (size_t i = 0; i < rows; i++) digits.pointers[i] = pixels.row(first + i);
  kernels.sum_u8s8(digits.pointers.data(), rows, pixels.dim(), digits.column(0), digits.rows, columns, soon, digits.sum(0));
  for (const auto &[j, column] : shared) combine(kernels, digits, column, queries[j]);
}

void float_block(const gd_kernels &kernels, const FloatRows &floats, size_t first, size_t rows, const BlockQuery &query) {
  const size_t dim = floats.dim;
  std::vector<double> w(rows);
  std::vector<float> weights(rows);
  std::vector<uint32_t> near;
  for (size_t i = 0; i < rows; i++) {
    if (query.distance[i] > query.farthest) continue;
    w[near.size()] = std::min(0.0, (query.nearest - query.distance[i]) * query.scale);
    near.push_back(static_cast<uint32_t>(query.list == nullptr ? first + i : query.list[i]));
  }
  kernels.exp_nonpositive(w.data(), w.data(), near.size());
  for (size_t i = 0; i < near.size(); i++) {
    weights[i] = static_cast<float>(w[i]);
    query.out->weight += static_cast<double>(weights[i]);
  }
  query.out->kept = near.size();
  std::fill_n(query.room, dim, 0.0);
  query.out->values = query.room;
  if (query.list == nullptr && near.size() == rows) return kernels.weighted_f32(floats.row(first), dim, rows, weights.data(), rows, 1, query.room, dim);
  std::vector<float> gathered(GD_SUM_ROWS * dim);
  for (size_t from = 0; from < near.size(); from += GD_SUM_ROWS) {
    const size_t some = std::min<size_t>(GD_SUM_ROWS, near.size() - from);
    for (size_t i = 0; i < some; i++) std::copy_n(floats.row(near[from + i]), dim, gathered.data() + i * dim);
    kernels.weighted_f32(gathered.data(), dim, some, weights.data() + from, some, 1, query.room, dim);
  }
}

/* What the blocks of one task come to, relative to the query's nearest row. */
struct TaskSum {
  std::unique_ptr<double[]> values;
  double weight = 0;
  size_t kept = 0;

  void add(const BlockSum &block, double factor, size_t dim) {
    kept += block.kept;
    weight += factor * block.weight;
    if (!block.values) return;
    if (!values) values = std::make_unique<double[]>(dim);
    for (size_t p = 0; p < dim; p++) values[p] += factor * block.values[p];
  }
};
}  // namespace

size_t digits_for_spread(double spread, size_t n) {
  const double error = std::exp(SPREAD_DEVIATIONS * std::sqrt(spread)) / std::sqrt(12 * static_cast<double>(n)) / reach_of(DIGITS_FEW);
  return error <= WEIGHT_ERROR_MAX ? DIGITS_FEW : DIGITS_MANY;
}

BlockSum block_sum(const gd_kernels &kernels, const PixelRows &pixels, size_t first, const double *distance, size_t rows, double nearest, double scale,
                   size_t digits, size_t next_rows, double *room) {
  /* One of four, so that reading them next mixes what is fetched with what is not. */
  std::vector<const uint8_t *> soon;
  for (size_t i = 0; next_rows >= rows && i < rows / 4; i++) soon.push_back(pixels.row(first + rows + 4 * i));
  BlockSum out;
  Digits columns(pixels.dim(), 1);
  pixel_block(kernels, pixels, first, rows, {{distance, nullptr, nearest, std::numeric_limits<double>::infinity(), scale, digits, room, &out}}, columns,
              soon.empty() ? nullptr : soon.data());
  return out;
}

std::vector<WeightedSum> weighted_sums(const gd_kernels &kernels, const RowSet &rows, ThreadPool &pool, const std::vector<WeightedQuery> &queries,
                                       const std::function<void()> &check) {
  const size_t dim = rows.dim(), block_rows = sum_block_rows(dim), blocks_a_task = SUM_TASK_ROWS / block_rows;
  std::vector<WeightedSum> out(queries.size());
  for (size_t first = 0; first < queries.size(); first += QUERIES_AT_ONCE) {
    const size_t count = std::min(QUERIES_AT_ONCE, queries.size() - first);
    const WeightedQuery *group = queries.data() + first;
    size_t digits[QUERIES_AT_ONCE];
    size_t tasks = 0, computed = 0;
    for (size_t j = 0; j < count; j++) {
      digits[j] = digits_for(group[j], block_rows);
      tasks = std::max(tasks, parts_of(group[j].distance->size(), SUM_TASK_ROWS));
      computed += group[j].early == nullptr ? 1 : 0;
    }
    std::vector<TaskSum> sums(tasks * count);
    pool.parallel(tasks, [&](size_t task) {
      check();
      std::unique_ptr<Digits> room;
      Doubles values(computed > 0 ? count * dim : 0);
      if (rows.pixels && computed > 0) room = std::make_unique<Digits>(dim, computed);
      for (size_t block = task * blocks_a_task; block < (task + 1) * blocks_a_task; block++) {
        /* Blocks end where the rows of a query do: those of a list are its own. */
        std::map<size_t, std::vector<BlockQuery>> by_rows;
        BlockSum found[QUERIES_AT_ONCE];
        for (size_t j = 0; j < count; j++) {
          const WeightedQuery &query = group[j];
          if (block >= query.block_nearest->size() || query.early != nullptr || (*query.block_nearest)[block] > query.farthest) continue;
          const size_t at = block * block_rows;
          by_rows[std::min(block_rows, query.distance->size() - at)].push_back({query.distance->data() + at, query.rows == nullptr ? nullptr : query.rows + at,
                                                                               (*query.block_nearest)[block], query.farthest, query.scale, digits[j], values.data() + j * dim, &found[j]});
        }
        for (const auto &[some, together] : by_rows) {
          if (rows.pixels) pixel_block(kernels, *rows.pixels, block * block_rows, some, together, *room);
          else
            for (const auto &query : together) float_block(kernels, *rows.floats, block * block_rows, some, query);
        }
        for (size_t j = 0; j < count; j++) {
          const WeightedQuery &query = group[j];
          if (block >= query.block_nearest->size()) continue;
          const double factor = std::exp((query.nearest - (*query.block_nearest)[block]) * query.scale);
          sums[task * count + j].add(query.early != nullptr ? (*query.early)[block] : found[j], factor, dim);
        }
      }
    });
    pool.parallel(count, [&](size_t j) {
      WeightedSum &own = out[first + j];
      own.values.assign(dim, 0);
      double weight = 0;
      for (size_t task = 0; task < tasks; task++) {
        const TaskSum &part = sums[task * count + j];
        weight += part.weight;
        own.kept += part.kept;
        if (!part.values) continue;
        for (size_t p = 0; p < dim; p++) own.values[p] += part.values[p];
      }
      if (!rows.pixels) return;
      for (double &value : own.values) value = value / rows.pixels->divisor() - weight;
    });
  }
  return out;
}

}  // namespace golddiff
