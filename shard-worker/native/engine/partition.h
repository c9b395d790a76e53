/*
 * Rows of one partition as the kernels see them, and pooled proxies made of them.
 *
 * Legend: n rows, D values in a row, d values in a proxy row; u stored integers with y = u / divisor - 1.
 */
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../include/kernels.h"
#include "region_norms.h"
#include "thread_pool.h"
#include "word_products.h"

namespace golddiff {

/*
 * Integer rows: in planes of 8 bits (u = sum_k 256^k plane_k), so that one kernel serves pixels and pooled sums, or in one plane of signed words (u = offset + word).
 * Rows may be read GD_DOT_SLACK bytes beyond their end: the last rows of pixels live in a copy with room behind them.
 */
class PixelRows {
 public:
  /* Pixels owned by somebody else, kept by reference. */
  PixelRows(const uint8_t *values, size_t n, size_t dim, ThreadPool &pool);
  /* Sums of squares of pixels: planes are moved in, each with slack. */
  PixelRows(std::vector<std::vector<uint8_t>> planes, size_t n, size_t dim, double divisor, ThreadPool &pool);
  /* The same in words, less the offset of `products`. */
  PixelRows(std::vector<int16_t> words, const WordProducts &products, size_t n, size_t dim, double divisor, ThreadPool &pool);

  size_t n() const { return n_; }
  size_t dim() const { return dim_; }
  double divisor() const { return divisor_; }
  size_t planes() const { return in_words() ? 1 : planes_.size(); }
  bool in_words() const { return products_.fit(); }
  const WordProducts &word_products() const { return products_; }
  /* [n] sum and sum of squares of the integers of each row */
  const double *sum() const { return sum_.data(); }
  const double *sum_sq() const { return sum_sq_.data(); }
  /* [D] mean of the integer rows, its norm, and how far rows are from it: the largest distance, and the mean of squared distances */
  const std::vector<double> &mean() const { return mean_; }
  double mean_norm() const { return mean_norm_; }
  double spread_max() const { return spread_max_; }
  double variance() const { return variance_; }
  /* Whether dot_u8s8 takes rows of this length; longer ones are compared in double, value by value. */
  bool has_products() const { return dim_ <= GD_DOT_DIM_MAX; }
  /* Largest Euclidean norm of an integer row. */
  double norm_max() const { return norm_max_; }
  const uint8_t *row(size_t row, size_t plane = 0) const { return planes_[plane].rows + row * dim_; }
  /* The same values, with GD_DOT_SLACK bytes behind them that may be read. */
  const uint8_t *product_row(size_t row, size_t plane) const {
    const Plane &own = planes_[plane];
    return row < own.safe ? own.rows + row * dim_ : own.last.data() + (row - own.safe) * dim_;
  }
  const int16_t *word_row(size_t row) const { return words_.data() + row * dim_; }
  size_t bytes() const;
  /* The integer itself, of all planes. */
  int64_t value(size_t row, size_t p) const;
  /* sum_p (q_p - scale * u_p)^2 of one row over all planes, in double, one by one. */
  double distance(const double *q, size_t row, double scale) const;

 private:
  void measure(ThreadPool &pool);
  void measure_spread(ThreadPool &pool);
  struct Plane {
    const uint8_t *rows;
    std::vector<uint8_t> owned;
    /* copy of rows [safe, n) with slack behind */
    std::vector<uint8_t> last;
    size_t safe;
  };
  size_t n_;
  size_t dim_;
  double divisor_;
  std::vector<Plane> planes_;
  std::vector<int16_t> words_;
  WordProducts products_;
  std::vector<double> sum_;
  std::vector<double> sum_sq_;
  double norm_max_ = 0;
  std::vector<double> mean_;
  double mean_norm_ = 0;
  double spread_max_ = 0;
  double variance_ = 0;
};

/* Float rows: the values themselves, y = v. */
struct FloatRows {
  const float *values = nullptr;
  size_t n = 0;
  size_t dim = 0;
  std::vector<float> owned;
  const float *row(size_t i) const { return values + i * dim; }
};

/* Rows of one kind: pixels or floats. */
struct RowSet {
  std::unique_ptr<PixelRows> pixels;
  std::unique_ptr<FloatRows> floats;
  /* Of proxies of more than 8 bits: rounded to one plane, which is a fraction of the work, and the largest distance of a row from its rounded one, as y. */
  std::unique_ptr<PixelRows> coarse;
  double coarse_distance = 0;
  /* Of proxies of pixels: [n] norm of what pooling leaves of a row, as y. */
  std::vector<double> residual;
  /* The same by regions. */
  std::unique_ptr<RegionNorms> regions;
  size_t dim() const { return pixels ? pixels->dim() : floats->dim; }
  /* Bytes that are its own. */
  size_t bytes() const;
};

class Partition {
 public:
  struct Shape {
    size_t rows, channels, height, width;
    size_t dim() const { return channels * height * width; }
  };
  /* The arrays must outlive the partition. */
  Partition(const Shape &shape, const uint8_t *pixels, const float *floats, const int32_t *labels, const uint32_t *row_ids, const gd_kernels &kernels,
            ThreadPool &pool);

  /* Unlike any other partition's of this process. */
  uint64_t id() const { return id_; }
  const Shape &shape() const { return shape_; }
  size_t n() const { return shape_.rows; }
  const RowSet &full() const { return full_; }
  /* Average-pooled rows, made at first use. */
  const RowSet &proxies(size_t factor);
  const int32_t *labels() const { return labels_; }
  const uint32_t *row_ids() const { return row_ids_; }
  const gd_kernels &kernels() const { return kernels_; }
  ThreadPool &pool() { return pool_; }
  /* Bytes beside the rows. */
  size_t bytes() const { return bytes_; }

 private:
  RowSet make_proxies(size_t factor);
  void make_coarse(RowSet &proxies, size_t area);
  const uint64_t id_;
  Shape shape_;
  RowSet full_;
  const int32_t *labels_;
  const uint32_t *row_ids_;
  const gd_kernels &kernels_;
  ThreadPool &pool_;
  std::mutex mutex_;
  std::map<size_t, RowSet> proxies_;
  /* Read on the JavaScript thread, which never waits for proxies under way. */
  std::atomic<size_t> bytes_{0};
};

/* Mean of each factor x factor square of one row of doubles, [C, H, W] -> [C, H/f, W/f]. */
void pool_doubles(const double *row, const Partition::Shape &shape, size_t factor, double *out);

}  // namespace golddiff
