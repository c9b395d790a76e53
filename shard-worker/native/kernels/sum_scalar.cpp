/* Integer weighted sums in plain C++: the definition that the other instruction sets agree with, bit for bit. */
#include <cstring>

#include "integer.h"

namespace golddiff {

void sum_u8s8_scalar(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *, int32_t *out) {
  const size_t ostride = GD_SUM_STRIDE(dim);
  std::memset(out, 0, ostride * columns * sizeof(int32_t));
  for (size_t r = 0; r < n; r++)
    for (size_t c = 0; c < columns; c++) {
      const int32_t weight = w[c * wstride + r];
      if (weight == 0) continue;
      for (size_t p = 0; p < dim; p++) out[c * ostride + p] += weight * rows[r][p];
    }
}

}  // namespace golddiff
