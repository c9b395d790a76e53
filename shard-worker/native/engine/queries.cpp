#include "queries.h"

#include <cmath>
#include <cstdlib>
#include <new>

namespace golddiff {

AlignedBytes::AlignedBytes(size_t bytes) : data(std::aligned_alloc(64, (bytes + 127) / 64 * 64)) {
  if (data == nullptr) throw std::bad_alloc();
}
AlignedBytes::~AlignedBytes() { std::free(data); }

Queries::Queries(Queries &&other) noexcept
    : batch(other.batch),
      dim(other.dim),
      x(std::move(other.x)),
      alpha(std::move(other.alpha)),
      sigma(std::move(other.sigma)),
      temperature(other.temperature) {}

const QueryValues &Queries::values(size_t b, size_t factor, const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  return values_locked(b, factor, shape);
}

const QueryValues &Queries::values_locked(size_t b, size_t factor, const Partition::Shape &shape) {
  const auto key = std::make_pair(b, factor);
  auto known = values_.find(key);
  if (known != values_.end()) return known->second;
  QueryValues v;
  const double *row = x.data() + b * dim;
  if (factor == 0) {
    v.x.assign(row, row + dim);
  } else {
    v.x.resize(shape.channels * (shape.height / factor) * (shape.width / factor));
    pool_doubles(row, shape, factor, v.x.data());
  }
  for (double value : v.x) {
    v.square += value * value;
    v.sum += value;
  }
  return values_.emplace(key, std::move(v)).first->second;
}

const QueryLimbs &Queries::limbs(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  return limbs_locked(b, count, factor, shape);
}

const QueryLimbs &Queries::limbs_locked(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  const std::array<size_t, 3> key = {b, count, factor};
  auto known = limbs_.find(key);
  if (known != limbs_.end()) return known->second;
  const QueryValues &v = values_locked(b, factor, shape);
  const size_t d = v.x.size();
  double largest = 0;
  for (double value : v.x) largest = std::max(largest, std::fabs(value));
  QueryLimbs out;
  out.limbs = count;
  out.q.assign(count * d, 0);
  /* Balanced digits reach 127 (256^L - 1) / 255 on the positive side. */
  double reach = 0;
  for (size_t l = 0; l < count; l++) reach = reach * 256 + 127;
  out.delta = largest > 0 ? largest / reach : 1;
  double error = 0;
  for (size_t p = 0; p < d; p++) {
    int64_t rounded = std::llround(v.x[p] / out.delta);
    const double e = v.x[p] - static_cast<double>(rounded) * out.delta;
    error += e * e;
    for (size_t l = 0; l < count; l++) {
      int64_t digit = ((rounded % 256) + 256) % 256;
      if (digit > 127) digit -= 256;
      out.q[l * d + p] = static_cast<int8_t>(digit);
      rounded = (rounded - digit) / 256;
    }
  }
  out.error_norm = std::sqrt(error);
  return limbs_.emplace(key, std::move(out)).first->second;
}

std::shared_ptr<AlignedBytes> Queries::packed(const gd_kernels &kernels, const std::vector<LimbedQuery> &columns, size_t factor,
                                              const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto &known : packed_)
    if (known.factor == factor && known.columns == columns) return known.bytes;
  std::vector<int8_t> all;
  size_t total = 0;
  for (const auto &column : columns) {
    const QueryLimbs &limbs = limbs_locked(column.query, column.limbs, factor, shape);
    all.insert(all.end(), limbs.q.begin(), limbs.q.end());
    total += column.limbs;
  }
  const size_t d = total == 0 ? 0 : all.size() / total;
  auto bytes = std::make_shared<AlignedBytes>(kernels.packed_bytes(d, total));
  kernels.pack(all.data(), d, total, bytes->data);
  packed_.push_back({columns, factor, bytes});
  return bytes;
}

}  // namespace golddiff
