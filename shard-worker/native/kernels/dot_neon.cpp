/*
 * Integer products with the NEON that every 64-bit ARM has. Both sides are widened to 16 bits and vmlal adds their products in exact 32-bit sums: 4
 * multiply-adds an instruction. Rows of words need no widening.
 *
 * Lanes run along the row; 4 rows by 4 columns are 16 of the 32 registers, so that two halves of one row and of four columns fit beside them. Columns are
 * packed as [C][D padded to 16] int16, padding zero, so that bytes behind a row count for nothing.
 */
#include "integer.h"

#include <arm_neon.h>

#include <cstring>

namespace golddiff {

static size_t padded(size_t dim) { return (dim + 15) / 16 * 16; }

size_t packed_bytes_neon(size_t dim, size_t columns) { return padded(dim) * columns * sizeof(int16_t); }

void pack_neon(const int8_t *q, size_t dim, size_t columns, void *packed) {
  int16_t *out = static_cast<int16_t *>(packed);
  const size_t width = padded(dim);
  std::memset(out, 0, width * columns * sizeof(int16_t));
  for (size_t c = 0; c < columns; c++)
    for (size_t p = 0; p < dim; p++) out[c * width + p] = q[c * dim + p];
}

size_t packed_words_bytes_neon(size_t dim, size_t columns) { return packed_bytes_neon(dim, columns); }

void pack_words_neon(const int16_t *q, size_t dim, size_t columns, void *packed) {
  int16_t *out = static_cast<int16_t *>(packed);
  const size_t width = padded(dim);
  std::memset(out, 0, width * columns * sizeof(int16_t));
  for (size_t c = 0; c < columns; c++) std::memcpy(out + c * width, q + c * dim, dim * sizeof(int16_t));
}

struct Words {
  int16x8_t first, second;
};

static inline Words words(const uint8_t *v) {
  const uint8x16_t bytes = vld1q_u8(v);
  return {vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))), vreinterpretq_s16_u16(vmovl_high_u8(bytes))};
}
static inline Words words(const int16_t *v) { return {vld1q_s16(v), vld1q_s16(v + 8)}; }

template <int R, int C, typename Value>
static inline void block(const Value *const *rows, const int16_t *q, size_t width, size_t columns, int32_t *out) {
  int32x4_t acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = vdupq_n_s32(0);
  for (size_t p = 0; p < width; p += 16) {
    int16x8_t low[C], high[C];
    for (int c = 0; c < C; c++) {
      low[c] = vld1q_s16(q + c * width + p);
      high[c] = vld1q_s16(q + c * width + p + 8);
    }
    for (int r = 0; r < R; r++) {
      const auto [first, second] = words(rows[r] + p);
      for (int c = 0; c < C; c++) {
        acc[r][c] = vmlal_s16(acc[r][c], vget_low_s16(first), vget_low_s16(low[c]));
        acc[r][c] = vmlal_high_s16(acc[r][c], first, low[c]);
        acc[r][c] = vmlal_s16(acc[r][c], vget_low_s16(second), vget_low_s16(high[c]));
        acc[r][c] = vmlal_high_s16(acc[r][c], second, high[c]);
      }
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) out[r * columns + c] = vaddvq_s32(acc[r][c]);
}

template <int R, typename Value>
static void strip(const Value *const *rows, const int16_t *q, size_t width, size_t columns, int32_t *out) {
  size_t c = 0;
  for (; c + 4 <= columns; c += 4) block<R, 4>(rows, q + c * width, width, columns, out + c);
  if (c + 2 <= columns) {
    block<R, 2>(rows, q + c * width, width, columns, out + c);
    c += 2;
  }
  if (c < columns) block<R, 1>(rows, q + c * width, width, columns, out + c);
}

template <typename Value>
static void dot(const Value *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  const int16_t *q = static_cast<const int16_t *>(packed);
  const size_t width = padded(dim);
  size_t r = 0;
  for (; r + 4 <= n; r += 4) strip<4>(rows + r, q, width, columns, out + r * columns);
  for (; r < n; r++) strip<1>(rows + r, q, width, columns, out + r * columns);
}

void dot_u8s8_neon(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) { dot(rows, n, dim, packed, columns, out); }

void dot_s16s16_neon(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim, packed, columns, out);
}

}  // namespace golddiff
