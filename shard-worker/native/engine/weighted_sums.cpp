#include "weighted_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "limits.h"
#include "queries.h"

namespace golddiff {

namespace {

/* Queries that go over the rows together: their digits are at most 48 columns, and the sums of all blocks stay within some ten megabytes. */
constexpr size_t QUERIES_AT_ONCE = 16;
/* A block of rows of which a smaller share has weight is gathered. */
constexpr double GATHER_SHARE = 0.25;
constexpr size_t LIMBS_FEW = 2, LIMBS_MANY = 3;
/* 127 (256^limbs - 1) / 255 */
constexpr double reach_of(size_t limbs) { return limbs == LIMBS_FEW ? 32639.0 : 8355711.0; }
/*
 * Standard deviation of a weighted mean, in units of the values, that rounding weights to two digits may cause: a rounding is off by 1 / sqrt(12) of a step, and by
 * the dither independent of the rows. A range of 2 and four deviations stay below half of the 1e-5 that is promised.
 */
constexpr double WEIGHT_ERROR_MAX = 5e-7;

size_t blocks_of(size_t rows) { return (rows + SUM_BLOCK - 1) / SUM_BLOCK; }

/*
 * Added before weights are rounded, in (-1/2, 1/2): multiples of the golden ratio, spread evenly however few rows there are, so that many small weights
 * of one size do not all vanish. Whole numbers stay what they are.
 */
const double *dither() {
  static const auto table = [] {
    std::array<double, SUM_BLOCK> out;
    for (size_t i = 0; i < out.size(); i++) out[i] = 0.998 * (std::fmod(static_cast<double>(i) * 0.6180339887498949 + 0.5, 1.0) - 0.5);
    return out;
  }();
  return table.data();
}

/* Of one block of rows and one query. */
struct BlockSum {
  std::unique_ptr<double[]> values;
  /* weight of all its rows */
  double weight = 0;
  size_t kept = 0;
};

size_t limbs_for(const WeightedQuery &query) {
  double variance = 0;
  for (size_t k = 0; k < query.block_nearest->size(); k++) {
    const double nearest = (*query.block_nearest)[k];
    if (nearest > query.farthest) continue;
    const double heaviest = std::exp((query.nearest - nearest) * query.scale);
    variance += heaviest * heaviest * static_cast<double>(std::min(SUM_BLOCK, query.distance->size() - k * SUM_BLOCK)) / 12;
  }
  return std::sqrt(variance) <= WEIGHT_ERROR_MAX * reach_of(LIMBS_FEW) * query.mass ? LIMBS_FEW : LIMBS_MANY;
}

/* Room for the digits of one task, and for its sums. */
struct Digits {
  Digits(size_t dim, size_t queries)
      : dim(dim), weights(queries * LIMBS_MANY * SUM_BLOCK), sums(queries * LIMBS_MANY * GD_SUM_STRIDE(dim) * sizeof(int32_t)) {}
  int8_t *column(size_t c) { return static_cast<int8_t *>(weights.data) + c * SUM_BLOCK; }
  int32_t *sum(size_t c) { return static_cast<int32_t *>(sums.data) + c * GD_SUM_STRIDE(dim); }
  size_t dim;
  AlignedBytes weights, sums;
};

/* Integer sums of one query back to weights times pixels. */
void scaled(Digits &digits, size_t column, size_t limbs, double unit, BlockSum &out) {
  out.values = std::make_unique<double[]>(digits.dim);
  const int32_t *low = digits.sum(column), *middle = digits.sum(column + 1), *high = digits.sum(column + limbs - 1);
  if (limbs == LIMBS_FEW)
    for (size_t p = 0; p < digits.dim; p++) out.values[p] = (static_cast<double>(middle[p]) * 256 + static_cast<double>(low[p])) / unit;
  else
    for (size_t p = 0; p < digits.dim; p++)
      out.values[p] = ((static_cast<double>(high[p]) * 256 + static_cast<double>(middle[p])) * 256 + static_cast<double>(low[p])) / unit;
}

void pixel_block(const gd_kernels &kernels, const PixelRows &pixels, const WeightedQuery *queries, const size_t *limbs, size_t count, size_t block, BlockSum *out) {
  Digits digits(pixels.dim(), count);
  const uint8_t *pointers[SUM_BLOCK];
  struct Shared {
    size_t query, column;
    double unit;
  };
  std::vector<Shared> shared;
  size_t columns = 0;
  for (size_t j = 0; j < count; j++) {
    const WeightedQuery &query = queries[j];
    if (block >= query.block_nearest->size() || (*query.block_nearest)[block] > query.farthest) continue;
    const size_t first = block * SUM_BLOCK, rows = std::min(SUM_BLOCK, query.distance->size() - first);
    const double unit = reach_of(limbs[j]) / std::exp((query.nearest - (*query.block_nearest)[block]) * query.scale);
    int8_t *w = digits.column(columns);
    const int64_t total = kernels.integer_weights(query.distance->data() + first, rows, query.nearest, query.farthest, query.scale, unit, dither(), limbs[j], w,
                                                  SUM_BLOCK, &out[j].kept);
    out[j].weight = static_cast<double>(total) / unit;
    if (query.rows == nullptr && static_cast<double>(out[j].kept) > GATHER_SHARE * static_cast<double>(rows)) {
      shared.push_back({j, columns, unit});
      for (size_t l = 0; l < limbs[j]; l++) std::fill_n(w + l * SUM_BLOCK + rows, (4 - rows % 4) % 4, static_cast<int8_t>(0));
      columns += limbs[j];
      continue;
    }
    size_t some = 0;
    for (size_t i = 0; i < rows; i++) {
      if (w[i] == 0 && w[SUM_BLOCK + i] == 0 && (limbs[j] == LIMBS_FEW || w[2 * SUM_BLOCK + i] == 0)) continue;
      pointers[some] = pixels.row(query.rows == nullptr ? first + i : query.rows[first + i]);
      for (size_t l = 0; l < limbs[j]; l++) w[l * SUM_BLOCK + some] = w[l * SUM_BLOCK + i];
      some++;
    }
    for (size_t l = 0; l < limbs[j]; l++) std::fill_n(w + l * SUM_BLOCK + some, (4 - some % 4) % 4, static_cast<int8_t>(0));
    kernels.sum_u8s8(pointers, some, pixels.dim(), w, SUM_BLOCK, limbs[j], digits.sum(columns));
    scaled(digits, columns, limbs[j], unit, out[j]);
  }
  if (shared.empty()) return;
  const size_t first = block * SUM_BLOCK, rows = std::min(SUM_BLOCK, pixels.n() - first);
  for (size_t i = 0; i < rows; i++) pointers[i] = pixels.row(first + i);
  kernels.sum_u8s8(pointers, rows, pixels.dim(), digits.column(0), SUM_BLOCK, columns, digits.sum(0));
  for (const auto &one : shared) scaled(digits, one.column, limbs[one.query], one.unit, out[one.query]);
}

void float_block(const gd_kernels &kernels, const FloatRows &floats, const WeightedQuery *queries, size_t count, size_t block, BlockSum *out) {
  const size_t dim = floats.dim;
  std::vector<float> gathered;
  std::vector<double> w(SUM_BLOCK);
  std::vector<float> weights(SUM_BLOCK);
  for (size_t j = 0; j < count; j++) {
    const WeightedQuery &query = queries[j];
    if (block >= query.block_nearest->size() || (*query.block_nearest)[block] > query.farthest) continue;
    const size_t first = block * SUM_BLOCK, rows = std::min(SUM_BLOCK, query.distance->size() - first);
    std::vector<uint32_t> near;
    for (size_t i = 0; i < rows; i++) {
      const double distance = (*query.distance)[first + i];
      if (distance > query.farthest) continue;
      w[near.size()] = std::min(0.0, (query.nearest - distance) * query.scale);
      near.push_back(static_cast<uint32_t>(query.rows == nullptr ? first + i : query.rows[first + i]));
    }
    kernels.exp_nonpositive(w.data(), w.data(), near.size());
    for (size_t i = 0; i < near.size(); i++) {
      weights[i] = static_cast<float>(w[i]);
      out[j].weight += static_cast<double>(weights[i]);
    }
    out[j].kept = near.size();
    out[j].values = std::make_unique<double[]>(dim);
    if (query.rows == nullptr && near.size() == rows) {
      kernels.weighted_f32(floats.row(first), dim, rows, weights.data(), rows, 1, out[j].values.get(), dim);
      continue;
    }
    gathered.resize(GD_SUM_ROWS * dim);
    for (size_t from = 0; from < near.size(); from += GD_SUM_ROWS) {
      const size_t some = std::min<size_t>(GD_SUM_ROWS, near.size() - from);
      for (size_t i = 0; i < some; i++) std::copy_n(floats.row(near[from + i]), dim, gathered.data() + i * dim);
      kernels.weighted_f32(gathered.data(), dim, some, weights.data() + from, some, 1, out[j].values.get(), dim);
    }
  }
}

}  // namespace

std::vector<WeightedSum> weighted_sums(const gd_kernels &kernels, const RowSet &rows, ThreadPool &pool, const std::vector<WeightedQuery> &queries,
                                       const std::function<void()> &check) {
  const size_t dim = rows.dim();
  std::vector<WeightedSum> out(queries.size());
  for (size_t first = 0; first < queries.size(); first += QUERIES_AT_ONCE) {
    const size_t count = std::min(QUERIES_AT_ONCE, queries.size() - first);
    const WeightedQuery *group = queries.data() + first;
    size_t limbs[QUERIES_AT_ONCE];
    size_t blocks = 0;
    for (size_t j = 0; j < count; j++) {
      limbs[j] = limbs_for(group[j]);
      blocks = std::max(blocks, blocks_of(group[j].distance->size()));
    }
    std::vector<BlockSum> sums(blocks * count);
    pool.parallel(blocks, [&](size_t block) {
      check();
      if (rows.pixels) pixel_block(kernels, *rows.pixels, group, limbs, count, block, sums.data() + block * count);
      else float_block(kernels, *rows.floats, group, count, block, sums.data() + block * count);
    });
    pool.parallel(count, [&](size_t j) {
      WeightedSum &own = out[first + j];
      own.values.assign(dim, 0);
      double weight = 0;
      for (size_t block = 0; block < blocks; block++) {
        const BlockSum &part = sums[block * count + j];
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
