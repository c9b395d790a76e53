#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.h"
#include "queries.h"

namespace golddiff {

namespace {
/* Rows in one transposed block: int32 sums of 255 * 128 * 4096 fit, and D columns of it are 12 MB at D = 3072. */
constexpr size_t BLOCK_ROWS = 4096;
constexpr size_t BLOCK_DIM = 64;
constexpr size_t BLOCK_FACTOR = 64;

size_t chunks(size_t n, size_t size) { return (n + size - 1) / size; }

/* products[p * D + q] += sum over rows of u_p (u_q - 128), for pixels. */
void add_pixel_products(const PixelRows &pixels, const gd_kernels &kernels, ThreadPool &pool, std::vector<double> &products) {
  const size_t n = pixels.n(), D = pixels.dim();
  for (size_t first = 0; first < n; first += BLOCK_ROWS) {
    const size_t count = std::min(BLOCK_ROWS, n - first);
    std::vector<uint8_t> across(D * count + GD_DOT_SLACK, 0);
    std::vector<int8_t> centred(D * count);
    pool.parallel(chunks(D, BLOCK_DIM), [&](size_t task) {
      const size_t to = std::min(D, (task + 1) * BLOCK_DIM);
      for (size_t r = 0; r < count; r++) {
        const uint8_t *row = pixels.row(first + r);
        for (size_t p = task * BLOCK_DIM; p < to; p++) {
          across[p * count + r] = row[p];
          centred[p * count + r] = static_cast<int8_t>(static_cast<int>(row[p]) - 128);
        }
      }
    });
    AlignedBytes packed(kernels.packed_bytes(count, D));
    kernels.pack(centred.data(), count, D, packed.data);
    pool.parallel(chunks(D, BLOCK_DIM), [&](size_t task) {
      const size_t from = task * BLOCK_DIM, to = std::min(D, from + BLOCK_DIM);
      std::vector<int32_t> out((to - from) * D);
      std::vector<const uint8_t *> rows(to - from);
      for (size_t p = from; p < to; p++) rows[p - from] = across.data() + p * count;
      kernels.dot_u8s8(rows.data(), to - from, count, packed.data, D, out.data());
      /* Integers below 2^53 are exact in double. */
      for (size_t i = 0; i < out.size(); i++) products[from * D + i] += out[i];
    });
  }
}
}  // namespace

Covariance sample_covariance(const std::vector<Partition *> &partitions, const gd_kernels &kernels, ThreadPool &pool) {
  if (partitions.empty()) throw EngineError("ARGUMENT_INVALID", "Expected at least one partition for a covariance but received none");
  const size_t D = partitions[0]->shape().dim();
  double N = 0;
  for (const auto *partition : partitions) N += static_cast<double>(partition->n());
  if (N < 2) throw EngineError("ARGUMENT_INVALID", "Expected at least 2 rows for a covariance but received " + std::to_string(static_cast<size_t>(N)));
  const bool pixels = partitions[0]->full().pixels != nullptr;
  for (const auto *partition : partitions)
    if (partition->shape().dim() != D || (partition->full().pixels != nullptr) != pixels)
      throw EngineError("ARGUMENT_INVALID", "Expected partitions of one kind of rows for a covariance");
  Covariance out;
  out.mean.assign(D, 0);
  out.covariance.assign(D * D, 0);
  std::vector<double> sum(D, 0);
  pool.parallel(chunks(D, BLOCK_DIM), [&](size_t task) {
    const size_t from = task * BLOCK_DIM, to = std::min(D, from + BLOCK_DIM);
    for (const auto *partition : partitions)
      for (size_t i = 0; i < partition->n(); i++)
        for (size_t p = from; p < to; p++)
          sum[p] += pixels ? static_cast<double>(partition->full().pixels->row(i)[p]) : static_cast<double>(partition->full().floats->row(i)[p]);
  });
  if (pixels) {
    std::vector<double> products(D * D, 0);
    for (const auto *partition : partitions) add_pixel_products(*partition->full().pixels, kernels, pool, products);
    for (size_t p = 0; p < D; p++) {
      out.mean[p] = sum[p] / N / 127.5 - 1;
      for (size_t q = 0; q < D; q++) {
        /* sum u_p u_q = products + 128 sum u_p, an exact integer; N sum u_p u_q - sum u_p sum u_q cancels, so in long double. */
        const long double square = static_cast<long double>(products[p * D + q]) + 128.0L * sum[p];
        const long double centred = square - static_cast<long double>(sum[p]) * sum[q] / N;
        out.covariance[p * D + q] = static_cast<double>(centred / (N - 1) / (127.5L * 127.5L));
      }
    }
    return out;
  }
  for (size_t p = 0; p < D; p++) out.mean[p] = sum[p] / N;
  /* covariance = -(0 - sum of c c^T): the kernel subtracts. */
  std::vector<double> across(D * BLOCK_ROWS);
  for (const auto *partition : partitions) {
    const FloatRows &rows = *partition->full().floats;
    for (size_t first = 0; first < rows.n; first += BLOCK_ROWS) {
      const size_t count = std::min(BLOCK_ROWS, rows.n - first);
      pool.parallel(chunks(D, BLOCK_DIM), [&](size_t task) {
        const size_t to = std::min(D, (task + 1) * BLOCK_DIM);
        for (size_t r = 0; r < count; r++)
          for (size_t p = task * BLOCK_DIM; p < to; p++) across[p * count + r] = static_cast<double>(rows.row(first + r)[p]) - out.mean[p];
      });
      pool.parallel(chunks(D, BLOCK_DIM), [&](size_t task) {
        const size_t from = task * BLOCK_DIM, to = std::min(D, from + BLOCK_DIM);
        kernels.gemm_nt_minus(across.data() + from * count, count, across.data(), count, out.covariance.data() + from * D, D, to - from, D, count);
      });
    }
  }
  for (auto &value : out.covariance) value = -value / (N - 1);
  return out;
}

void spd_solve(double *a, double *rhs, size_t n, size_t m, const gd_kernels &kernels, ThreadPool &pool, const std::atomic<int32_t> *stop) {
  const auto stopped = [stop] { return stop != nullptr && stop->load(std::memory_order_relaxed) != 0; };
  /* Right-looking: factor a block column, then subtract its products from what is below and to the right. */
  for (size_t k = 0; k < n; k += BLOCK_FACTOR) {
    if (stopped()) return;
    const size_t end = std::min(n, k + BLOCK_FACTOR);
    for (size_t j = k; j < end; j++) {
      double diagonal = a[j * n + j];
      for (size_t p = k; p < j; p++) diagonal -= a[j * n + p] * a[j * n + p];
      if (!(diagonal > 0))
        throw EngineError("ARGUMENT_INVALID", "Expected a positive definite matrix but the pivot of row " + std::to_string(j) + " is " + std::to_string(diagonal));
      const double root = std::sqrt(diagonal);
      a[j * n + j] = root;
      for (size_t i = j + 1; i < end; i++) {
        double value = a[i * n + j];
        for (size_t p = k; p < j; p++) value -= a[i * n + p] * a[j * n + p];
        a[i * n + j] = value / root;
      }
    }
    pool.parallel(chunks(n - end, BLOCK_FACTOR), [&](size_t task) {
      const size_t from = end + task * BLOCK_FACTOR, to = std::min(n, from + BLOCK_FACTOR);
      for (size_t i = from; i < to; i++)
        for (size_t j = k; j < end; j++) {
          double value = a[i * n + j];
          for (size_t p = k; p < j; p++) value -= a[i * n + p] * a[j * n + p];
          a[i * n + j] = value / a[j * n + j];
        }
    });
    pool.parallel(chunks(n - end, BLOCK_FACTOR), [&](size_t task) {
      const size_t from = end + task * BLOCK_FACTOR, to = std::min(n, from + BLOCK_FACTOR);
      kernels.gemm_nt_minus(&a[from * n + k], n, &a[end * n + k], n, &a[from * n + end], n, to - from, to - end, end - k);
    });
  }
  /* Columns of rhs as rows, so that both triangles run along memory: X = rhs^T [m, n], then L Z = rhs and L^T X = Z block by block. */
  std::vector<double> upper(n * n);
  pool.parallel(chunks(n, BLOCK_FACTOR), [&](size_t task) {
    const size_t to = std::min(n, (task + 1) * BLOCK_FACTOR);
    for (size_t i = 0; i < n; i++)
      for (size_t j = task * BLOCK_FACTOR; j < std::min(to, i + 1); j++) upper[j * n + i] = a[i * n + j];
  });
  pool.parallel(chunks(m, BLOCK_FACTOR), [&](size_t task) {
    if (stopped()) return;
    const size_t from = task * BLOCK_FACTOR, count = std::min(m, from + BLOCK_FACTOR) - from;
    std::vector<double> x(count * n);
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < count; c++) x[c * n + i] = rhs[i * m + from + c];
    for (size_t k = 0; k < n; k += BLOCK_FACTOR) {
      const size_t end = std::min(n, k + BLOCK_FACTOR);
      if (k > 0) kernels.gemm_nt_minus(x.data(), n, &a[k * n], n, x.data() + k, n, count, end - k, k);
      for (size_t c = 0; c < count; c++)
        for (size_t i = k; i < end; i++) {
          double value = x[c * n + i];
          for (size_t p = k; p < i; p++) value -= a[i * n + p] * x[c * n + p];
          x[c * n + i] = value / a[i * n + i];
        }
    }
    for (size_t block = chunks(n, BLOCK_FACTOR); block-- > 0;) {
      const size_t k = block * BLOCK_FACTOR, end = std::min(n, k + BLOCK_FACTOR);
      if (end < n) kernels.gemm_nt_minus(x.data() + end, n, &upper[k * n + end], n, x.data() + k, n, count, end - k, n - end);
      for (size_t c = 0; c < count; c++)
        for (size_t i = end; i-- > k;) {
          double value = x[c * n + i];
          for (size_t p = i + 1; p < end; p++) value -= upper[i * n + p] * x[c * n + p];
          x[c * n + i] = value / upper[i * n + i];
        }
    }
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < count; c++) rhs[i * m + from + c] = x[c * n + i];
  });
}

}  // namespace golddiff
