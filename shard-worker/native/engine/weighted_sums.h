#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "../include/kernels.h"
#include "doubles.h"
#include "partition.h"

namespace golddiff {

/* The rows of one query and what their weights are made of: w_i = exp((nearest - distance_i) * scale), 0 where distance_i > farthest. */
struct WeightedQuery {
  const Doubles *distance;
  /* least distance of each SUM_BLOCK of them */
  const std::vector<double> *block_nearest;
  /* indices of the rows, ascending; nullptr = every row of the partition */
  const uint32_t *rows;
  double nearest, farthest, scale;
  /* sum of all weights */
  double mass;
};

struct WeightedSum {
  /* [D] sum of w_i y_i */
  std::vector<double> values;
  /* rows not beyond `farthest` */
  size_t kept = 0;
};

/*
 * Weighted sums of rows for some queries. n D multiply-adds a query over the rows that have weight, times two or three for pixels, whose weights are integers of
 * two or three 8-bit digits; each block of rows has its own scale, so that sums of a block are exact integers and do not depend on instruction set, batch or
 * thread. What the rounding of weights does to x0hat is at most 1e-6 or so: see WEIGHT_ERROR_MAX.
 * `check` is called now and then and may throw.
 */
std::vector<WeightedSum> weighted_sums(const gd_kernels &kernels, const RowSet &rows, ThreadPool &pool, const std::vector<WeightedQuery> &queries,
                                       const std::function<void()> &check);

}  // namespace golddiff
