#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../include/kernels.h"
#include "partition.h"
#include "queries.h"

namespace golddiff {

/*
 * |x - a y|^2 of one query and single rows, by differences in double: what is right where the terms of the expanded square cancel. D differences; reads the row
 * once. The rows must outlive it.
 */
class DirectDistance {
 public:
  DirectDistance(const gd_kernels &kernels, const RowSet &rows, const QueryValues &query, double alpha);
  double operator()(size_t row) const;

 private:
  const gd_kernels &kernels_;
  const RowSet &rows_;
  /* pixels: x + a, so that x - a (u / divisor - 1) is q - scale u */
  Doubles q_;
  double scale_;
};

}  // namespace golddiff
