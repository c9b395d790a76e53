/*
 * Norms of what pooling leaves, by regions: the product that they make is never below the product of what is left, and where that lies in few places it is far below
 * the product of the whole norms.
 */
#include <algorithm>
#include <cmath>
#include <vector>

#include "../engine/partition.h"
#include "../engine/queries.h"
#include "check.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::PixelRows;
using golddiff::PooledPicture;
using golddiff::RegionNorms;

namespace {

/* Of what this file computes itself: means of equal values are a little off. */
constexpr double ROUNDING = 1e-9;

/* What pooling leaves of values. */
std::vector<double> left_of(std::vector<double> values, const PooledPicture &picture) {
  const size_t f = picture.factor, w = picture.width;
  for (size_t c = 0; c < picture.channels; c++)
    for (size_t i = 0; i < picture.height; i += f)
      for (size_t j = 0; j < w; j += f) {
        double *corner = values.data() + (c * picture.height + i) * w + j, sum = 0;
        for (size_t a = 0; a < f; a++)
          for (size_t b = 0; b < f; b++) sum += corner[a * w + b];
        for (size_t a = 0; a < f; a++)
          for (size_t b = 0; b < f; b++) corner[a * w + b] -= sum / static_cast<double>(f * f);
      }
  return values;
}

double product(const std::vector<double> &a, const std::vector<double> &b) {
  double sum = 0;
  for (size_t p = 0; p < a.size(); p++) sum += a[p] * b[p];
  return sum;
}

/* Share of |x| |y| that is named, at most, of rows that differ from a plain picture at `drawn` values. */
double compared(const gd_kernels *kernels, ThreadPool &pool, const PooledPicture &picture, size_t n, size_t drawn) {
  const size_t D = picture.channels * picture.height * picture.width;
  Random random(n + D + drawn);
  std::vector<uint8_t> u(n * D, 7);
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < drawn; k++) u[i * D + random.below(D)] = static_cast<uint8_t>(random.bits());
  const PixelRows pixels(u.data(), n, D, pool);
  const RegionNorms regions(pixels, picture, pool);
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < n; i += 1 + random.below(3)) rows.push_back(static_cast<uint32_t>(i));
  std::vector<double> found(rows.size());
  double largest = 0;
  for (const double scale : {1e-3, 1.0, 50.0}) {
    std::vector<double> x(D);
    for (double &value : x) value = 3 + scale * random.between(-1, 1);
    regions.products(*kernels, regions.query(*kernels, x.data()), rows.data(), rows.size(), found.data());
    const std::vector<double> left_x = left_of(x, picture);
    for (size_t i = 0; i < rows.size(); i++) {
      std::vector<double> y(D), same(D);
      for (size_t p = 0; p < D; p++) y[p] = u[rows[i] * D + p] / 127.5 - 1;
      const std::vector<double> left_y = left_of(y, picture);
      const double norms = std::sqrt(product(left_x, left_x) * product(left_y, left_y));
      /* The worst that is possible: what is left of both lies in one direction in each square. */
      for (size_t p = 0; p < D; p++) same[p] = std::fabs(left_x[p] * left_y[p]);
      double worst = 0;
      for (double value : same) worst += value;
      CHECK(found[i] >= worst * (1 - 1e-12) - ROUNDING, "%s D=%zu row %u: %g below %g", kernels->isa, D, rows[i], found[i], worst);
      if (norms > 0) largest = std::max(largest, found[i] / norms);
    }
  }
  return largest;
}

}  // namespace

void region_tests(const gd_kernels *kernels) {
  ThreadPool pool(2);
  const PooledPicture pictures[] = {{1, 28, 28, 2}, {3, 32, 32, 2}, {1, 36, 20, 2}, {2, 9, 15, 3}, {1, 2, 2, 2}, {1, 64, 64, 4}};
  for (const auto &picture : pictures)
    for (const size_t n : {0, 1, 5, 300}) {
      const size_t D = picture.channels * picture.height * picture.width;
      const double dense = compared(kernels, pool, picture, n, D), sparse = compared(kernels, pool, picture, n, D / 50), plain = compared(kernels, pool, picture, n, 0);
      /* Norms of bytes are a step of 255 too large at most, of which there are as many as regions. */
      CHECK(dense <= 1.05, "%s D=%zu: %g of the product of norms", kernels->isa, D, dense);
      CHECK(plain == 0, "%s D=%zu: %g is left of a plain picture", kernels->isa, D, plain);
      if (n == 300 && D >= 720) CHECK(sparse <= 0.7, "%s D=%zu: %g of the product of norms, where little is drawn", kernels->isa, D, sparse);
      if (n == 300) std::printf("%s: what pooling leaves of %zu values, by regions: at most %.2f of the product of norms, %.2f where little is drawn\n", kernels->isa, D, dense, sparse);
    }
}

}  // namespace golddiff_test
