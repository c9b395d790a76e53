/* Rows and queries of a test of the engine. */
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "../engine/partition.h"
#include "../engine/queries.h"
#include "check.h"

namespace golddiff_test {

using golddiff::Partition;
using golddiff::Queries;
using golddiff::ThreadPool;

struct Data {
  Data(const Partition::Shape &shape, bool pixels, uint64_t seed)
      : shape(shape), u(pixels ? shape.rows * shape.dim() : 0), f(pixels ? 0 : shape.rows * shape.dim()), labels(shape.rows), ids(shape.rows), pixels(pixels) {
    Random random(seed);
    for (size_t i = 0; i < u.size(); i++) u[i] = static_cast<uint8_t>(random.bits());
    for (size_t i = 0; i < f.size(); i++) f[i] = static_cast<float>(random.between(-1, 1));
    for (size_t i = 0; i < shape.rows; i++) labels[i] = static_cast<int32_t>(random.below(3)), ids[i] = static_cast<uint32_t>(1000 - i);
  }
  std::unique_ptr<Partition> partition(const gd_kernels *kernels, ThreadPool &pool) const {
    static const uint8_t none = 0;
    return std::make_unique<Partition>(shape, pixels ? (u.size() ? u.data() : &none) : nullptr, f.data(), labels.data(), ids.data(), *kernels, pool);
  }
  double y(size_t row, size_t p) const {
    return pixels ? u[row * shape.dim() + p] / 127.5 - 1 : static_cast<double>(f[row * shape.dim() + p]);
  }
  Partition::Shape shape;
  Buffer<uint8_t> u;
  Buffer<float> f;
  Buffer<int32_t> labels;
  Buffer<uint32_t> ids;
  bool pixels;
};

inline Queries queries_near(const Data &data, size_t batch, uint64_t seed) {
  Random random(seed);
  Queries queries;
  queries.batch = batch;
  queries.dim = data.shape.dim();
  for (size_t b = 0; b < batch; b++) {
    const double sigma = std::pow(10, random.between(-2, 1.5)), alpha = random.between(0.1, 1);
    queries.alpha.push_back(alpha);
    queries.sigma.push_back(sigma);
    const size_t row = data.shape.rows == 0 ? 0 : random.below(data.shape.rows);
    for (size_t p = 0; p < queries.dim; p++)
      queries.x.push_back((data.shape.rows == 0 ? 0 : alpha * data.y(row, p)) + sigma * random.between(-1.7, 1.7));
  }
  return queries;
}

inline Queries copy_of(const Queries &from) {
  Queries copy;
  copy.batch = from.batch, copy.dim = from.dim, copy.x = from.x, copy.alpha = from.alpha, copy.sigma = from.sigma, copy.temperature = from.temperature;
  return copy;
}

}  // namespace golddiff_test
