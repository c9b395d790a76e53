/* Integer product kernels by instruction set; kernels.h says what they do. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace golddiff {

#define GD_DECLARE_DOT(isa)                                                       \
  size_t packed_bytes_##isa(size_t dim, size_t columns);                          \
  void pack_##isa(const int8_t *q, size_t dim, size_t columns, void *packed);     \
  void dot_u8s8_##isa(const uint8_t *rows, size_t stride, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);

GD_DECLARE_DOT(scalar)
GD_DECLARE_DOT(avx2)
GD_DECLARE_DOT(avx512)

}  // namespace golddiff
