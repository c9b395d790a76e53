#include "moments.h"

#include <algorithm>

namespace golddiff {

namespace {
/* Rows in one transposed block: D columns of it are 12 MB at D = 3072. */
constexpr size_t BLOCK_ROWS = 512;
/* Values of one task. */
constexpr size_t BLOCK_DIM = 64;
}  // namespace

Moments row_moments(const Partition &partition, int32_t label, ThreadPool &pool) {
  const size_t D = partition.shape().dim(), tasks = (D + BLOCK_DIM - 1) / BLOCK_DIM;
  const RowSet &full = partition.full();
  std::vector<size_t> rows;
  for (size_t i = 0; i < partition.n(); i++)
    if (label == -1 || partition.labels()[i] == label) rows.push_back(i);
  Moments out;
  out.rows = rows.size();
  out.sum.assign(D, 0);
  out.products.assign(D * (D + 1) / 2, 0);
  std::vector<double> across(D * std::min(BLOCK_ROWS, rows.size())), less(D * D, 0);
  for (size_t first = 0; first < rows.size(); first += BLOCK_ROWS) {
    const size_t count = std::min(BLOCK_ROWS, rows.size() - first);
    pool.parallel(tasks, [&](size_t task) {
      const size_t to = std::min(D, (task + 1) * BLOCK_DIM);
      for (size_t r = 0; r < count; r++)
        for (size_t p = task * BLOCK_DIM; p < to; p++) {
          const size_t row = rows[first + r];
          const double value = full.pixels ? static_cast<double>(full.pixels->row(row)[p]) : static_cast<double>(full.floats->row(row)[p]);
          across[p * count + r] = value;
          out.sum[p] += value;
        }
    });
    /* The kernel subtracts. */
    pool.parallel(tasks, [&](size_t task) {
      const size_t from = task * BLOCK_DIM, to = std::min(D, from + BLOCK_DIM);
      partition.kernels().gemm_nt_minus(across.data() + from * count, count, across.data(), count, less.data() + from * D, D, to - from, to, count);
    });
  }
  for (size_t p = 0; p < D; p++)
    for (size_t q = 0; q <= p; q++) out.products[p * (p + 1) / 2 + q] = 0 - less[p * D + q];
  return out;
}

}  // namespace golddiff
