/*
 * Integer products with AVX-512 VNNI: vpdpbusd multiplies 64 unsigned by 64 signed bytes and adds them by fours into 16 exact 32-bit sums.
 *
 * Two layouts, by the number of columns, both padded with zero limbs so that bytes behind a row count for nothing:
 *  - up to 8 columns: lanes run along the row, one sum per (row, column), added up at the end. One query is bound by memory, and this reads each
 *    row once with full-width loads.
 *  - more: lanes are 16 columns; four bytes of a row are broadcast. Panels of 32 columns, 12 rows at a time: 24 sums in registers, 14 loads for
 *    24 products. Rows are taken in strips that stay in the second-level cache while the panels pass.
 * Sums of 12 x 2 take 24 of the 32 registers and leave room for both vectors of columns and the broadcast.
 */
#include "dot.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace golddiff {

static constexpr size_t NARROW_COLUMNS = 8;
static constexpr size_t PANEL = 32;
static constexpr size_t STRIP_ROWS = 192;

static bool narrow(size_t columns) { return columns <= NARROW_COLUMNS; }
static size_t padded64(size_t dim) { return (dim + 63) / 64 * 64; }
static size_t quads(size_t dim) { return (dim + 3) / 4; }
static size_t padded_columns(size_t columns) { return (columns + 15) / 16 * 16; }

size_t packed_bytes_avx512(size_t dim, size_t columns) {
  return narrow(columns) ? padded64(dim) * columns : quads(dim) * 4 * padded_columns(columns);
}

void pack_avx512(const int8_t *q, size_t dim, size_t columns, void *packed) {
  int8_t *out = static_cast<int8_t *>(packed);
  std::memset(out, 0, packed_bytes_avx512(dim, columns));
  if (narrow(columns)) {
    for (size_t c = 0; c < columns; c++) std::memcpy(out + c * padded64(dim), q + c * dim, dim);
    return;
  }
  /* Panel by panel: [quad][column of the panel][4]. */
  const size_t all = padded_columns(columns);
  for (size_t first = 0; first < all; first += PANEL) {
    const size_t width = std::min(PANEL, all - first);
    int8_t *panel = out + first * quads(dim) * 4;
    for (size_t c = 0; c < width && first + c < columns; c++)
      for (size_t p = 0; p < dim; p++) panel[(p / 4 * width + c) * 4 + p % 4] = q[(first + c) * dim + p];
  }
}

template <int R, int C>
static inline void narrow_block(const uint8_t *rows, size_t stride, const int8_t *q, size_t width, size_t columns, int32_t *out) {
  __m512i acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = _mm512_setzero_si512();
  for (size_t p = 0; p < width; p += 64) {
    __m512i limb[C];
    for (int c = 0; c < C; c++) limb[c] = _mm512_load_si512(q + c * width + p);
    for (int r = 0; r < R; r++) {
      const __m512i u = _mm512_loadu_si512(rows + r * stride + p);
      for (int c = 0; c < C; c++) acc[r][c] = _mm512_dpbusd_epi32(acc[r][c], u, limb[c]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) out[r * columns + c] = _mm512_reduce_add_epi32(acc[r][c]);
}

template <int C>
static void narrow_rows(const uint8_t *rows, size_t stride, size_t n, const int8_t *q, size_t width, size_t columns, int32_t *out) {
  size_t r = 0;
  for (; r + 4 <= n; r += 4) {
    /* The next rows come from memory while these are in registers. */
    for (size_t line = 0; line < 4 * stride; line += 64) _mm_prefetch(reinterpret_cast<const char *>(rows + (r + 8) * stride + line), _MM_HINT_T0);
    narrow_block<4, C>(rows + r * stride, stride, q, width, columns, out + r * columns);
  }
  for (; r < n; r++) narrow_block<1, C>(rows + r * stride, stride, q, width, columns, out + r * columns);
}

template <int R, int V>
static inline void wide_block(const uint8_t *rows, size_t stride, size_t steps, const int8_t *panel, int32_t *out, size_t columns, const __mmask16 *masks) {
  __m512i acc[R][V];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) acc[r][v] = _mm512_setzero_si512();
  for (size_t k = 0; k < steps; k++) {
    __m512i limb[V];
    for (int v = 0; v < V; v++) limb[v] = _mm512_loadu_si512(panel + (k * V + v) * 64);
    for (int r = 0; r < R; r++) {
      int32_t four;
      std::memcpy(&four, rows + r * stride + k * 4, 4);
      const __m512i u = _mm512_set1_epi32(four);
      for (int v = 0; v < V; v++) acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], u, limb[v]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) _mm512_mask_storeu_epi32(out + r * columns + v * 16, masks[v], acc[r][v]);
}

template <int V>
static void wide_strip(const uint8_t *rows, size_t stride, size_t n, size_t steps, const int8_t *panel, int32_t *out, size_t columns,
                       const __mmask16 *masks) {
  size_t r = 0;
  for (; r + 12 <= n; r += 12) wide_block<12, V>(rows + r * stride, stride, steps, panel, out + r * columns, columns, masks);
  for (; r + 4 <= n; r += 4) wide_block<4, V>(rows + r * stride, stride, steps, panel, out + r * columns, columns, masks);
  for (; r < n; r++) wide_block<1, V>(rows + r * stride, stride, steps, panel, out + r * columns, columns, masks);
}

static __mmask16 mask_of(size_t lanes) { return lanes >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << lanes) - 1); }

void dot_u8s8_avx512(const uint8_t *rows, size_t stride, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  const int8_t *q = static_cast<const int8_t *>(packed);
  if (narrow(columns)) {
    const size_t width = padded64(dim);
    /* Four columns at a time over rows that are then in the first-level cache. */
    static constexpr size_t CHUNK = 16;
    for (size_t r = 0; r < n; r += CHUNK) {
      const size_t m = std::min(CHUNK, n - r);
      for (size_t c = 0; c < columns; c += 4) {
        const uint8_t *u = rows + r * stride;
        int32_t *o = out + r * columns + c;
        const int8_t *limb = q + c * width;
        switch (std::min<size_t>(4, columns - c)) {
          case 1: narrow_rows<1>(u, stride, m, limb, width, columns, o); break;
          case 2: narrow_rows<2>(u, stride, m, limb, width, columns, o); break;
          case 3: narrow_rows<3>(u, stride, m, limb, width, columns, o); break;
          default: narrow_rows<4>(u, stride, m, limb, width, columns, o);
        }
      }
    }
    return;
  }
  const size_t steps = quads(dim);
  const size_t all = padded_columns(columns);
  for (size_t r = 0; r < n; r += STRIP_ROWS) {
    const size_t m = std::min(STRIP_ROWS, n - r);
    for (size_t first = 0; first < all; first += PANEL) {
      const size_t width = std::min(PANEL, all - first);
      const size_t real = std::min(width, columns - first);
      const __mmask16 masks[2] = {mask_of(std::min<size_t>(16, real)), mask_of(real > 16 ? real - 16 : 0)};
      const int8_t *panel = q + first * steps * 4;
      int32_t *o = out + r * columns + first;
      if (width > 16) wide_strip<2>(rows + r * stride, stride, m, steps, panel, o, columns, masks);
      else wide_strip<1>(rows + r * stride, stride, m, steps, panel, o, columns, masks);
    }
  }
}

}  // namespace golddiff
