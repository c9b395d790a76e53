/* Rows of one partition in device memory, what was measured of them, and pooled proxies. The CPU engine's partition.h is its twin. */
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../../native/engine/partition.h"
#include "../kernels/launches.h"
#include "device.h"

namespace golddiff::cuda {

using Shape = golddiff::Partition::Shape;

/* Integer rows in planes of 8 bits, y = u / divisor - 1. */
struct PixelRows {
  size_t n = 0, dim = 0, stride = 0;
  double divisor = 0;
  std::vector<DeviceArray<uint8_t>> planes;
  DeviceArray<double> sum, sum_sq;
  /* [D] mean row and its norm; largest norm of a row, largest distance from the mean, mean of squared distances */
  std::vector<double> mean;
  double mean_norm = 0, norm_max = 0, spread_max = 0, variance = 0;

  bool has_products() const { return dim <= GD_DOT_DIM_MAX; }
  PlaneRows view() const;
  size_t bytes() const;
  /* Norms and spread; the planes are there. */
  void measure(Work &work);
};

struct FloatRows {
  size_t n = 0, dim = 0;
  DeviceArray<float> values;
  /* largest |v| */
  double largest = 0;
};

struct RowSet {
  std::unique_ptr<PixelRows> pixels;
  std::unique_ptr<FloatRows> floats;
  size_t dim() const { return pixels ? pixels->dim : floats->dim; }
  size_t bytes() const { return pixels ? pixels->bytes() : floats->values.bytes(); }
  bool has_products() const { return pixels && pixels->has_products(); }
};

class Partition {
 public:
  /* Copies everything; pixels or floats. LIMIT_EXCEEDED before anything is copied where it does not fit. */
  Partition(Device &device, const Shape &shape, const uint8_t *pixels, const float *floats, const int32_t *labels, const uint32_t *row_ids);

  uint64_t id() const { return id_; }
  const Shape &shape() const { return shape_; }
  size_t n() const { return shape_.rows; }
  const RowSet &full() const { return full_; }
  /* Average-pooled rows, made at first use. */
  const RowSet &proxies(size_t factor);
  const int32_t *labels() const { return labels_.data(); }
  const uint32_t *row_ids() const { return row_ids_.data(); }
  /* All of them, in device memory. */
  size_t bytes() const { return bytes_; }
  /* How many rows have a label. */
  size_t rows_of(int32_t label) const;

 private:
  RowSet make_proxies(size_t factor);
  const uint64_t id_;
  Device &device_;
  const Shape shape_;
  RowSet full_;
  std::map<int32_t, size_t> label_rows_;
  DeviceArray<int32_t> labels_;
  DeviceArray<uint32_t> row_ids_;
  std::mutex mutex_;
  std::map<size_t, RowSet> proxies_;
  /* Read on the JavaScript thread, which never waits for proxies under way. */
  std::atomic<size_t> bytes_{0};
};

}  // namespace golddiff::cuda
