/* Integer kernels by instruction set; kernels.h says what they do. */
#pragma once
#include <cstddef>
#include <cstdint>

#include "../include/kernels.h"

namespace golddiff {

#define GD_DECLARE_INTEGER(isa)                                                                                                      \
  size_t packed_bytes_##isa(size_t dim, size_t columns);                                                                             \
  void pack_##isa(const int8_t *q, size_t dim, size_t columns, void *packed);                                                        \
  void dot_u8s8_##isa(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);          \
  size_t packed_words_bytes_##isa(size_t dim, size_t columns);                                                                       \
  void pack_words_##isa(const int16_t *q, size_t dim, size_t columns, void *packed);                                                 \
  void dot_s16s16_##isa(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);         \
  void sum_u8s8_##isa(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *soon, \
                      int32_t *out);

GD_DECLARE_INTEGER(scalar)
GD_DECLARE_INTEGER(avx2)
GD_DECLARE_INTEGER(avx512)
GD_DECLARE_INTEGER(neon)

}  // namespace golddiff
