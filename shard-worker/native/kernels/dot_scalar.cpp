/* Integer products in plain C++: the definition that the other instruction sets agree with, bit for bit. */
#include "integer.h"

#include <cstring>

namespace golddiff {

size_t packed_bytes_scalar(size_t dim, size_t columns) { return dim * columns; }

void pack_scalar(const int8_t *q, size_t dim, size_t columns, void *packed) { std::memcpy(packed, q, dim * columns); }

void dot_u8s8_scalar(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  const int8_t *q = static_cast<const int8_t *>(packed);
  for (size_t r = 0; r < n; r++) {
    const uint8_t *u = rows[r];
    for (size_t c = 0; c < columns; c++) {
      const int8_t *limb = q + c * dim;
      int32_t sum = 0;
      for (size_t p = 0; p < dim; p++) sum += static_cast<int32_t>(u[p]) * limb[p];
      out[r * columns + c] = sum;
    }
  }
}

}  // namespace golddiff
