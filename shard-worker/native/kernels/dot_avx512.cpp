/*
 * Integer products with AVX-512 VNNI: vpdpbusd multiplies 64 unsigned by 64 signed bytes and adds them by fours into 16 exact 32-bit sums; vpdpwssd takes 32 signed
 * words on either side, and adds by twos.
 *
 * Lanes run along the row, so that rows and columns are both read with full-width loads and every row comes from memory once: 4 rows by 4 columns are 16
 * registers of sums, and 8 loads feed 16 products. In the end one tree of shuffles adds up all 16 registers. Rows are taken in strips that stay in the
 * first-level cache while the columns pass; where the columns are many and long, in strips that stay in the second-level cache while four columns are in the
 * first. Columns are padded with zero limbs, so that bytes behind a row count for nothing.
 */
#include "integer.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace golddiff {

static constexpr size_t ROWS = 4;
static constexpr size_t COLUMNS = 4;
static constexpr size_t STRIP_BYTES = 16 * 1024, LONG_STRIP_BYTES = 128 * 1024;
static constexpr size_t COLUMN_BYTES_MAX = 64 * 1024;
static constexpr size_t AHEAD_BYTES = 8 * 1024;

static size_t padded(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Columns of so many bytes each, every one padded to whole vectors. */
static void pack_columns(const void *q, size_t bytes, size_t columns, void *packed) {
  char *out = static_cast<char *>(packed);
  std::memset(out, 0, padded(bytes) * columns);
  for (size_t c = 0; c < columns; c++) std::memcpy(out + c * padded(bytes), static_cast<const char *>(q) + c * bytes, bytes);
}

size_t packed_bytes_avx512(size_t dim, size_t columns) { return padded(dim) * columns; }
size_t packed_words_bytes_avx512(size_t dim, size_t columns) { return padded(dim * sizeof(int16_t)) * columns; }

void pack_avx512(const int8_t *q, size_t dim, size_t columns, void *packed) { pack_columns(q, dim, columns, packed); }
void pack_words_avx512(const int16_t *q, size_t dim, size_t columns, void *packed) { pack_columns(q, dim * sizeof(int16_t), columns, packed); }

static inline __m512i multiplied(__m512i sums, __m512i row, __m512i limb, const uint8_t *) { return _mm512_dpbusd_epi32(sums, row, limb); }
static inline __m512i multiplied(__m512i sums, __m512i row, __m512i limb, const int16_t *) { return _mm512_dpwssd_epi32(sums, row, limb); }

/* Lane 4 r + c of the result is the sum of the lanes of acc[r][c]. */
static inline __m512i totals(const __m512i (&acc)[ROWS][COLUMNS]) {
  __m512i row[ROWS];
#pragma GCC unroll 4
  for (size_t r = 0; r < ROWS; r++) {
    const __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(acc[r][0], acc[r][1]), _mm512_unpackhi_epi32(acc[r][0], acc[r][1]));
    const __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(acc[r][2], acc[r][3]), _mm512_unpackhi_epi32(acc[r][2], acc[r][3]));
    row[r] = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
  }
  const __m512i low = _mm512_add_epi32(_mm512_shuffle_i32x4(row[0], row[1], 0x88), _mm512_shuffle_i32x4(row[0], row[1], 0xdd));
  const __m512i high = _mm512_add_epi32(_mm512_shuffle_i32x4(row[2], row[3], 0x88), _mm512_shuffle_i32x4(row[2], row[3], 0xdd));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(low, high, 0x88), _mm512_shuffle_i32x4(low, high, 0xdd));
}

/* out[r * columns + c] for R rows and C columns. With AHEAD, the rows so many places on are fetched: into the second-level cache, the first is full of these. */
template <size_t R, size_t C, bool AHEAD, typename Value>
static inline void block(const Value *const *rows, size_t ahead, const int8_t *q, size_t width, size_t columns, int32_t *out) {
  __m512i acc[ROWS][COLUMNS];
#pragma GCC unroll 4
  for (size_t r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (size_t c = 0; c < COLUMNS; c++) acc[r][c] = _mm512_setzero_si512();
  for (size_t p = 0; p < width; p += 64) {
    __m512i limb[C];
#pragma GCC unroll 4
    for (size_t c = 0; c < C; c++) limb[c] = _mm512_load_si512(q + c * width + p);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
      const __m512i u = _mm512_loadu_si512(reinterpret_cast<const char *>(rows[r]) + p);
      if (AHEAD) _mm_prefetch(reinterpret_cast<const char *>(rows[ahead + r]) + p, _MM_HINT_T1);
#pragma GCC unroll 4
      for (size_t c = 0; c < C; c++) acc[r][c] = multiplied(acc[r][c], u, limb[c], rows[r]);
    }
  }
  const __m512i all = totals(acc);
  const __mmask8 mask = (1u << C) - 1;
  _mm_mask_storeu_epi32(out, mask, _mm512_castsi512_si128(all));
  if (R > 1) _mm_mask_storeu_epi32(out + columns, mask, _mm512_extracti32x4_epi32(all, 1));
  if (R > 2) _mm_mask_storeu_epi32(out + 2 * columns, mask, _mm512_extracti32x4_epi32(all, 2));
  if (R > 3) _mm_mask_storeu_epi32(out + 3 * columns, mask, _mm512_extracti32x4_epi32(all, 3));
}

template <size_t C, typename Value>
static void strip(const Value *const *rows, size_t n, size_t ahead, const int8_t *q, size_t width, size_t columns, int32_t *out) {
  size_t r = 0;
  if (ahead > 0)
    for (; r + ROWS <= n; r += ROWS) block<ROWS, C, true>(rows + r, ahead, q, width, columns, out + r * columns);
  for (; r + ROWS <= n; r += ROWS) block<ROWS, C, false>(rows + r, 0, q, width, columns, out + r * columns);
  for (; r < n; r++) block<1, C, false>(rows + r, 0, q, width, columns, out + r * columns);
}

/* Rows against the first four of so many columns, or all there are. */
template <typename Value>
static void passed(const Value *const *rows, size_t n, size_t ahead, const int8_t *q, size_t width, size_t left, size_t columns, int32_t *out) {
  switch (left) {
    case 1: return strip<1>(rows, n, ahead, q, width, columns, out);
    case 2: return strip<2>(rows, n, ahead, q, width, columns, out);
    case 3: return strip<3>(rows, n, ahead, q, width, columns, out);
    default: return strip<4>(rows, n, ahead, q, width, columns, out);
  }
}

/* Rows and columns of so many bytes. */
template <typename Value>
static void dot(const Value *const *rows, size_t n, size_t bytes, const int8_t *q, size_t columns, int32_t *out) {
  const size_t width = padded(bytes);
  if (columns <= COLUMNS) {
    /* The columns pass once: no strips, and rows are fetched shortly before. */
    const size_t ahead = std::max(ROWS, AHEAD_BYTES / std::max<size_t>(1, bytes) / ROWS * ROWS), fetching = n > ahead ? n - ahead : 0;
    passed(rows, fetching / ROWS * ROWS, ahead, q, width, columns, columns, out);
    const size_t done = fetching / ROWS * ROWS;
    passed(rows + done, n - done, 0, q, width, columns, columns, out + done * columns);
    return;
  }
  const size_t strip_bytes = width * columns <= COLUMN_BYTES_MAX ? STRIP_BYTES : LONG_STRIP_BYTES;
  const size_t many = std::max(ROWS, strip_bytes / std::max<size_t>(1, bytes) / ROWS * ROWS);
  for (size_t r = 0; r < n; r += many) {
    const size_t m = std::min(many, n - r);
    for (size_t c = 0; c < columns; c += COLUMNS)
      passed(rows + r, m, c == 0 && r + 2 * many <= n ? many : 0, q + c * width, width, columns - c, columns, out + r * columns + c);
  }
}

void dot_u8s8_avx512(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim, static_cast<const int8_t *>(packed), columns, out);
}

void dot_s16s16_avx512(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim * sizeof(int16_t), static_cast<const int8_t *>(packed), columns, out);
}

}  // namespace golddiff
