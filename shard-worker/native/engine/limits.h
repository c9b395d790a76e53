/* Sizes of the engine's work, each with its reason. */
#pragma once
#include <cstddef>

namespace golddiff {

/* Rows of one task: some hundred microseconds of work, so that threads end together and a closed step is noticed soon. */
constexpr size_t ROWS_PER_TASK = 1024;
/* A list longer than this share of the rows is cheaper as a product with all rows. */
constexpr double DENSE_SHARE = 0.5;
/* Rows of one task of a weighted sum: its weights share a scale, and its sums are added in order. */
constexpr size_t SUM_BLOCK = 2048;
/* Rows whose masses are added before they go to the next level: a fixed grouping, so that threads do not matter. */
constexpr size_t MASS_BLOCK = 1024;

}  // namespace golddiff
