/*
 * Integer weighted sums with the NEON that every 64-bit ARM has. A row is widened to 16 bits once for all columns, and vmlal with a weight from a lane adds its
 * products in exact 32-bit sums of 4 values. Four columns by 16 values are 16 of the 32 registers. Tiles of rows stay in the first-level cache while the
 * columns pass.
 */
#include <arm_neon.h>

#include <algorithm>
#include <cstring>

#include "integer.h"

namespace golddiff {

namespace {

constexpr size_t COLUMNS_AT_ONCE = 4;
constexpr size_t TILE_ROWS = 64;

inline uint8x16_t load16(const uint8_t *v, size_t count) {
  if (count >= 16) return vld1q_u8(v);
  uint8_t some[16] = {0};
  std::memcpy(some, v, count);
  return vld1q_u8(some);
}

template <int Lane, int C>
inline void add_row(uint8x16_t bytes, const int16x4_t (&weights)[C], int32x4_t (&acc)[C][4]) {
  const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))), high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
#pragma GCC unroll 4
  for (int c = 0; c < C; c++) {
    acc[c][0] = vmlal_lane_s16(acc[c][0], vget_low_s16(low), weights[c], Lane);
    acc[c][1] = vmlal_high_lane_s16(acc[c][1], low, weights[c], Lane);
    acc[c][2] = vmlal_lane_s16(acc[c][2], vget_low_s16(high), weights[c], Lane);
    acc[c][3] = vmlal_high_lane_s16(acc[c][3], high, weights[c], Lane);
  }
}

/* out += over four rows at a time, 16 values from p on, C columns. */
template <int C>
inline void add_quads(const uint8_t *const *rows, size_t n, size_t p, size_t count, const int8_t *w, size_t wstride, int32_t *out, size_t ostride) {
  int32x4_t acc[C][4];
#pragma GCC unroll 4
  for (int c = 0; c < C; c++)
    for (int j = 0; j < 4; j++) acc[c][j] = vld1q_s32(out + c * ostride + j * 4);
  for (size_t r = 0; r < n; r += 4) {
    int16x4_t weights[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) {
      int32_t four;
      std::memcpy(&four, w + c * wstride + r, 4);
      weights[c] = vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))));
    }
    add_row<0>(load16(rows[r] + p, count), weights, acc);
    add_row<1>(load16(rows[r + 1] + p, count), weights, acc);
    add_row<2>(load16(rows[r + 2] + p, count), weights, acc);
    add_row<3>(load16(rows[r + 3] + p, count), weights, acc);
  }
#pragma GCC unroll 4
  for (int c = 0; c < C; c++)
    for (int j = 0; j < 4; j++) vst1q_s32(out + c * ostride + j * 4, acc[c][j]);
}

void add_tile(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, int32_t *out, size_t ostride) {
  for (size_t p = 0; p < dim; p += 16)
    for (size_t c = 0; c < columns; c += COLUMNS_AT_ONCE) {
      const int8_t *own = w + c * wstride;
      int32_t *o = out + c * ostride + p;
      switch (columns - c) {
        case 1: add_quads<1>(rows, n, p, dim - p, own, wstride, o, ostride); break;
        case 2: add_quads<2>(rows, n, p, dim - p, own, wstride, o, ostride); break;
        case 3: add_quads<3>(rows, n, p, dim - p, own, wstride, o, ostride); break;
        default: add_quads<4>(rows, n, p, dim - p, own, wstride, o, ostride);
      }
    }
}

}  // namespace

void sum_u8s8_neon(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *, int32_t *out) {
  const size_t ostride = GD_SUM_STRIDE(dim);
  std::memset(out, 0, ostride * columns * sizeof(int32_t));
  const size_t whole = n / 4 * 4;
  for (size_t r = 0; r < whole; r += TILE_ROWS) add_tile(rows + r, std::min(TILE_ROWS, whole - r), dim, w + r, wstride, columns, out, ostride);
  if (whole == n) return;
  const uint8_t *last[4];
  for (size_t i = 0; i < 4; i++) last[i] = rows[std::min(n - 1, whole + i)];
  add_tile(last, 4, dim, w + whole, wstride, columns, out, ostride);
}

}  // namespace golddiff
