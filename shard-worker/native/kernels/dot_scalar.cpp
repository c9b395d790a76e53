/* Integer products in plain C++: the definition that the other instruction sets agree with, bit for bit. */
#include "integer.h"

#include <cstring>

namespace golddiff {

size_t packed_bytes_scalar(size_t dim, size_t columns) { return dim * columns; }

void pack_scalar(const int8_t *q, size_t dim, size_t columns, void *packed) { std::memcpy(packed, q, dim * columns); }

size_t packed_words_bytes_scalar(size_t dim, size_t columns) { return dim * columns * sizeof(int16_t); }

void pack_words_scalar(const int16_t *q, size_t dim, size_t columns, void *packed) { std::memcpy(packed, q, dim * columns * sizeof(int16_t)); }

template <typename Value, typename Limb>
static void dot(const Value *const *rows, size_t n, size_t dim, const Limb *q, size_t columns, int32_t *out) {
  for (size_t r = 0; r < n; r++) {
    const Value *u = rows[r];
    for (size_t c = 0; c < columns; c++) {
      const Limb *limb = q + c * dim;
      int32_t sum = 0;
      for (size_t p = 0; p < dim; p++) sum += static_cast<int32_t>(u[p]) * limb[p];
      out[r * columns + c] = sum;
    }
  }
}

void dot_u8s8_scalar(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim, static_cast<const int8_t *>(packed), columns, out);
}

void dot_s16s16_scalar(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim, static_cast<const int16_t *>(packed), columns, out);
}

}  // namespace golddiff
