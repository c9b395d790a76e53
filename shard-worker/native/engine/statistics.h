/* Mean and covariance of a data set, and linear systems with symmetric positive definite matrices. In double, blocked, on all threads. */
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "partition.h"

namespace golddiff {

struct Covariance {
  std::vector<double> mean;       /* [D] of y */
  std::vector<double> covariance; /* [D, D] sample covariance, divided by N - 1 */
};

/*
 * Pixels: sums of products are exact integers, u_p (u_q - 128) by the 8-bit product kernel on transposed blocks of rows, so that the only rounding is that of the
 * last few operations. Floats: products of centred values in double. n D^2 multiply-adds; D^2 * 8 bytes of sums.
 */
Covariance sample_covariance(const std::vector<Partition *> &partitions, const gd_kernels &kernels, ThreadPool &pool);

/*
 * rhs [n, m] row-major becomes matrix^-1 rhs by a blocked Cholesky factorisation; the lower triangle of matrix [n, n] is overwritten.
 * n^3 / 3 + 2 n^2 m multiply-adds. Throws ARGUMENT_INVALID where the matrix is not positive definite.
 * Returns soon, with rhs half done, once *stop is not 0.
 */
void spd_solve(double *matrix, double *rhs, size_t n, size_t m, const gd_kernels &kernels, ThreadPool &pool, const std::atomic<int32_t> *stop = nullptr);

}  // namespace golddiff
