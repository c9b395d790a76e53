/*
 * What pooling leaves of pictures, by regions: its norm in each, channels together. The product of what is left of two pictures is sum_g |x_g| |y_g| at most
 * (Cauchy-Schwarz in each region), which is far less than |x| |y| where it lies in different places: the edges of a drawing, and noise all over. Regions are rectangles
 * with about as much of what is left of the rows in each. Norms are rounded up to bytes, so that the sum is a product of two lines of the cache.
 */
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../include/kernels.h"

namespace golddiff {

class PixelRows;
class ThreadPool;
struct AlignedBytes;

/* Pictures [channels, height, width] that are pooled by `factor`, which divides both. */
struct PooledPicture {
  size_t channels, height, width, factor;
};

class RegionNorms {
 public:
  static constexpr size_t REGIONS = 128;

  RegionNorms(const PixelRows &pixels, const PooledPicture &picture, ThreadPool &pool);
  RegionNorms(const RegionNorms &) = delete;
  RegionNorms &operator=(const RegionNorms &) = delete;

  /* The norms of one query, packed for the kernels. */
  struct Query {
    std::shared_ptr<const AlignedBytes> packed;
    double unit = 0;
  };
  /* x [D] */
  Query query(const gd_kernels &kernels, const double *x) const;
  /* out[i] >= sum_g |x_g| |y_g| for the rows that are named, as y. */
  void products(const gd_kernels &kernels, const Query &query, const uint32_t *rows, size_t count, double *out) const;

  size_t bytes() const { return bytes_.size() + region_.size(); }

 private:
  using Norms = std::array<double, REGIONS>;
  /* Of values scale * v. */
  template <typename Value>
  Norms norms_of(const Value *row, double scale) const;

  PooledPicture picture_;
  /* [h, w] the region of each square that is pooled */
  std::vector<uint8_t> region_;
  /* [n, REGIONS], and what one step of a byte is as y */
  std::vector<uint8_t> bytes_;
  const uint8_t *first_ = nullptr;
  double unit_ = 0;
};

}  // namespace golddiff
