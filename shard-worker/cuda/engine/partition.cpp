#include "partition.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>

#include "../../native/engine/error.h"
#include "upload.h"

namespace golddiff::cuda {

namespace {
std::atomic<uint64_t> next_id{1};

double double_of(unsigned long long bits) {
  double out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}
}  // namespace

PlaneRows PixelRows::view() const {
  PlaneRows out{{nullptr, nullptr, nullptr}, planes.size(), n, dim, stride};
  for (size_t k = 0; k < planes.size(); k++) out.planes[k] = planes[k].data();
  return out;
}

size_t PixelRows::bytes() const {
  size_t total = sum.bytes() + sum_sq.bytes();
  for (const auto &plane : planes) total += plane.bytes();
  return total;
}

void PixelRows::measure(Work &work) {
  sum = work.array<double>(n);
  sum_sq = work.array<double>(n);
  auto measures = work.zeros<RowMeasures>(1);
  auto columns = work.zeros<unsigned long long>(dim);
  launch_row_sums(view(), sum.data(), sum_sq.data(), measures.data(), columns.data(), work.stream());
  const auto column_sums = work.download(columns);
  mean.assign(dim, 0);
  double mean_square = 0;
  for (size_t p = 0; p < dim && n > 0; p++) {
    mean[p] = static_cast<double>(column_sums[p]) / static_cast<double>(n);
    mean_square += mean[p] * mean[p];
  }
  mean_norm = std::sqrt(mean_square);
  const auto device_mean = work.upload(mean);
  launch_row_spread(view(), device_mean.data(), measures.data(), work.stream());
  const RowMeasures found = work.download(measures)[0];
  norm_max = std::sqrt(static_cast<double>(found.max_sq));
  spread_max = std::sqrt(double_of(found.max_spread));
  variance = n == 0 ? 0 : std::max(0.0, static_cast<double>(found.total_sq) / static_cast<double>(n) - mean_square);
}

Partition::Partition(Device &device, const Shape &shape, const uint8_t *pixels, const float *floats, const int32_t *labels, const uint32_t *row_ids)
    : id_(next_id++), device_(device), shape_(shape) {
  const size_t n = shape.rows, dim = shape.dim(), line = pixels != nullptr ? padded(dim) + 2 * sizeof(double) : dim * sizeof(float);
  const size_t needed = n * (line + sizeof(int32_t) + sizeof(uint32_t));
  device.let_go();
  const size_t free = device.driver().free_bytes();
  if (needed > free)
    throw EngineError("LIMIT_EXCEEDED", "needs " + std::to_string(needed) + " bytes of device memory but " + std::to_string(free) + " are free");
  for (size_t i = 0; i < n; i++) label_rows_[labels[i]]++;
  Work work(device);
  labels_ = work.array<int32_t>(n);
  row_ids_ = work.array<uint32_t>(n);
  upload_lines(device, labels_.data(), sizeof(int32_t), labels, sizeof(int32_t), n);
  upload_lines(device, row_ids_.data(), sizeof(uint32_t), row_ids, sizeof(uint32_t), n);
  if (pixels != nullptr) {
    full_.pixels = std::make_unique<PixelRows>();
    PixelRows &own = *full_.pixels;
    own.n = n;
    own.dim = dim;
    own.stride = padded(dim);
    own.divisor = 127.5;
    own.planes.push_back(work.array<uint8_t>(n * own.stride));
    upload_lines(device, own.planes[0].data(), own.stride, pixels, dim, n);
    own.measure(work);
  } else {
    full_.floats = std::make_unique<FloatRows>();
    FloatRows &own = *full_.floats;
    own.n = n;
    own.dim = dim;
    own.values = work.array<float>(n * dim);
    upload_lines(device, own.values.data(), dim * sizeof(float), floats, dim * sizeof(float), n);
    auto measures = work.zeros<RowMeasures>(1);
    launch_float_range(own.values.data(), n * dim, measures.data(), work.stream());
    own.largest = double_of(work.download(measures)[0].max_sq);
  }
  work.wait();
  bytes_ = full_.bytes() + labels_.bytes() + row_ids_.bytes();
}

size_t Partition::rows_of(int32_t label) const {
  const auto found = label_rows_.find(label);
  return found == label_rows_.end() ? 0 : found->second;
}

const RowSet &Partition::proxies(size_t factor) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto known = proxies_.find(factor);
  if (known == proxies_.end()) {
    /* They outlive the step that asked for them. */
    const StepMemory::Scope none(nullptr);
    known = proxies_.emplace(factor, make_proxies(factor)).first;
    bytes_ += known->second.bytes();
  }
  return known->second;
}

RowSet Partition::make_proxies(size_t factor) {
  Work work(device_);
  const size_t n = shape_.rows, d = shape_.channels * (shape_.height / factor) * (shape_.width / factor);
  const PictureShape picture{shape_.channels, shape_.height, shape_.width, factor};
  RowSet out;
  if (full_.floats) {
    out.floats = std::make_unique<FloatRows>();
    out.floats->n = n;
    out.floats->dim = d;
    out.floats->values = work.array<float>(n * d);
    launch_pooled_floats(full_.floats->values.data(), n, picture, out.floats->values.data(), work.stream());
  } else {
    out.pixels = std::make_unique<PixelRows>();
    PixelRows &own = *out.pixels;
    own.n = n;
    own.dim = d;
    own.stride = padded(d);
    own.divisor = 127.5 * static_cast<double>(factor * factor);
    uint8_t *planes[3] = {};
    for (size_t k = 0; k < (factor <= 16 ? 2u : 3u); k++) {
      own.planes.push_back(work.zeros<uint8_t>(n * own.stride));
      planes[k] = own.planes[k].data();
    }
    launch_pooled_pixels(full_.pixels->planes[0].data(), n, full_.pixels->stride, picture, planes, own.planes.size(), own.stride, work.stream());
    own.measure(work);
  }
  work.wait();
  return out;
}

}  // namespace golddiff::cuda
