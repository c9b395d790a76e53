/* Sizes of the engine's work, each with its reason. */
#pragma once
#include <cstddef>

namespace golddiff {

/* Rows of one task: some hundred microseconds of work, so that threads end together and a closed step is noticed soon. */
constexpr size_t ROWS_PER_TASK = 1024;
/*
 * A list longer than this share of the rows is cheaper as a product with all rows; where lists are together longer than the rows some times, shorter ones are too, and
 * those of a sieve, whose products are of one limb, before others.
 */
constexpr double DENSE_SHARE = 0.5;
constexpr double DENSE_TOTAL = 1.5, DENSE_SHARE_OF_MANY = 0.15;
constexpr double SIEVE_TOTAL = 0.8, SIEVE_SHARE_OF_MANY = 0.1;
/* Rows of one task of a weighted sum; tasks are added in order. */
constexpr size_t SUM_TASK_ROWS = 2048;
/*
 * Rows that share the scale of their weights: a power of two that divides a task, and so few that they are still in the second-level cache once their distances
 * are known.
 */
constexpr size_t SUM_BLOCK_BYTES = 448 * 1024, SUM_BLOCK_ROWS_MIN = 64;
constexpr size_t sum_block_rows(size_t dim) {
  size_t rows = SUM_TASK_ROWS;
  while (rows > SUM_BLOCK_ROWS_MIN && rows * dim > SUM_BLOCK_BYTES) rows /= 2;
  return rows;
}
/* Rows whose masses are added before they go to the next level: a fixed grouping, so that threads do not matter. */
constexpr size_t MASS_BLOCK = 1024;

}  // namespace golddiff
