#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "../include/kernels.h"
#include "partition.h"
#include "step_memory.h"

namespace golddiff {

/* Weighted sum over one block of rows, relative to the block's own nearest row. */
struct BlockSum {
  /* [D] of u or v, in memory of the caller; null = no row has weight */
  const double *values = nullptr;
  /* weight of all its rows */
  double weight = 0;
  /* rows not beyond `farthest` */
  size_t kept = 0;
};

/* The rows of one query and what their weights are made of: w_i = exp((nearest - distance_i) * scale), 0 where distance_i > farthest. */
struct WeightedQuery {
  const Doubles *distance;
  /* least distance of each sum_block_rows(D) of them */
  const std::vector<double> *block_nearest;
  /* indices of the rows, ascending; nullptr = every row of the partition */
  const uint32_t *rows;
  double nearest, farthest, scale;
  /* sum of all weights */
  double mass;
  /* digits of a weight, or 0 = as many as the weights ask for */
  size_t digits;
  /* sums of all blocks where they are known already, or nullptr */
  const std::vector<BlockSum> *early;
};

struct WeightedSum {
  /* [D] sum of w_i y_i */
  std::vector<double> values;
  /* rows not beyond `farthest` */
  size_t kept = 0;
};

/* Digits that do for weights of n rows whose logits spread by this variance. Decides without having seen a weight, for sums that are made early. */
size_t digits_for_spread(double spread, size_t n);

/* Sum of one block of consecutive pixel rows, from `first` on, for one query: as weighted_sums makes it. The next_rows behind them are read after this; room: [D] for its values. */
BlockSum block_sum(const gd_kernels &kernels, const PixelRows &pixels, size_t first, const double *distance, size_t rows, double nearest, double scale,
                   size_t digits, size_t next_rows, double *room);

/*
 * Weighted sums of rows for some queries. n D multiply-adds a query over the rows that have weight, times two or three for pixels, whose weights are integers of
 * two or three 8-bit digits; each block of rows has its own scale, so that sums of a block are exact integers and do not depend on instruction set, batch or
 * thread. What the rounding of weights does to x0hat is at most 1e-6 or so: see WEIGHT_ERROR_MAX.
 * `check` is called now and then and may throw.
 */
std::vector<WeightedSum> weighted_sums(const gd_kernels &kernels, const RowSet &rows, ThreadPool &pool, const std::vector<WeightedQuery> &queries,
                                       const std::function<void()> &check);

}  // namespace golddiff
