#include "moments.h"

#include <algorithm>

namespace golddiff::cuda {

Moments row_moments(Device &device, const Partition &partition, int32_t label) {
  Work work(device);
  const size_t n = partition.n(), D = partition.shape().dim();
  const RowSet &full = partition.full();
  const auto sum = work.zeros<double>(D), products = work.zeros<double>(D * (D + 1) / 2);
  launch_moments(full.pixels ? full.pixels->planes[0].data() : nullptr, full.pixels ? nullptr : full.floats->values.data(), n, D, full.pixels ? full.pixels->stride : D, partition.labels(), label,
                 sum.data(), products.data(), work.stream());
  Moments out;
  out.sum = work.download(sum);
  out.products = work.download(products);
  out.rows = n;
  if (label >= 0) out.rows = partition.rows_of(label);
  return out;
}

}  // namespace golddiff::cuda
