#pragma once
#include <cstdint>
#include <vector>

#include "partition.h"
#include "thread_pool.h"

namespace golddiff {

struct Moments {
  /* n */
  size_t rows = 0;
  /* [D] sum v_p, and sum v_p v_q at p (p + 1) / 2 + q, q <= p; values as they are stored, so that those of pixels are exact integers */
  std::vector<double> sum, products;
};

/* Over the rows of one label, -1 = all. Sums in double in the order of the rows, whatever the threads. n D (D + 1) multiply-adds; D^2 doubles of memory. */
Moments row_moments(const Partition &partition, int32_t label, ThreadPool &pool);

}  // namespace golddiff
