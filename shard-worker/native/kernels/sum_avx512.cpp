/*
 * Integer weighted sums with AVX-512 VNNI. Four rows are interleaved byte by byte, so that a 32-bit lane holds one value of four rows, and vpdpbusd with
 * the four weights in every lane adds 64 products in 16 sums. Interleaving leaves the sums of 64 values in the order of the unpack instructions; it is undone
 * once, at the end.
 *
 * Six columns by 64 values are 24 registers of sums. The first six go over few rows at a time, which reads them nearly in order, while the next ones are
 * fetched; the other columns go over a tile that is then in the second-level cache.
 */
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "integer.h"

namespace golddiff {

namespace {

constexpr size_t COLUMNS_AT_ONCE = 6;
constexpr size_t STREAM_ROWS = 16;
constexpr size_t CACHE_BYTES = 256 * 1024;

/* out += over quads of rows, 64 values from p on, C columns. */
template <int C>
inline void add_quads(const uint8_t *const *rows, size_t n, size_t p, __mmask64 mask, const int8_t *w, size_t wstride, int32_t *out, size_t ostride,
                      size_t ahead, const uint8_t *const *soon) {
  __m512i acc[C][4];
#pragma GCC unroll 8
  for (int c = 0; c < C; c++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) acc[c][j] = _mm512_load_si512(out + c * ostride + j * 16);
  for (size_t r = 0; r < n; r += 4) {
    __m512i v[4];
    for (size_t i = 0; i < 4; i++) {
      v[i] = _mm512_maskz_loadu_epi8(mask, rows[r + i] + p);
      if (ahead != 0) _mm_prefetch(reinterpret_cast<const char *>(rows[r + i + ahead] + p), _MM_HINT_T1);
    }
    if (soon != nullptr) _mm_prefetch(reinterpret_cast<const char *>(soon[r / 4] + p), _MM_HINT_T1);
    const __m512i ab_low = _mm512_unpacklo_epi8(v[0], v[1]), ab_high = _mm512_unpackhi_epi8(v[0], v[1]);
    const __m512i cd_low = _mm512_unpacklo_epi8(v[2], v[3]), cd_high = _mm512_unpackhi_epi8(v[2], v[3]);
    const __m512i x[4] = {_mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low), _mm512_unpacklo_epi16(ab_high, cd_high),
                          _mm512_unpackhi_epi16(ab_high, cd_high)};
#pragma GCC unroll 8
    for (int c = 0; c < C; c++) {
      int32_t four;
      std::memcpy(&four, w + c * wstride + r, 4);
      const __m512i weights = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) acc[c][j] = _mm512_dpbusd_epi32(acc[c][j], x[j], weights);
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < C; c++)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) _mm512_store_si512(out + c * ostride + j * 16, acc[c][j]);
}

void add_tile(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, int32_t *out, size_t ostride, size_t ahead,
              const uint8_t *const *soon) {
  for (size_t p = 0; p < dim; p += 64) {
    const __mmask64 mask = dim - p >= 64 ? ~__mmask64{0} : (__mmask64{1} << (dim - p)) - 1;
    int32_t *o = out + p;
    switch (columns) {
      case 1: add_quads<1>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon); break;
      case 2: add_quads<2>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon); break;
      case 3: add_quads<3>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon); break;
      case 4: add_quads<4>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon); break;
      case 5: add_quads<5>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon); break;
      default: add_quads<6>(rows, n, p, mask, w, wstride, o, ostride, ahead, soon);
    }
  }
}

/* Lane L of sums j holds values 16 L + 4 j .. + 3. */
inline void in_order(int32_t *sums) {
  __m512i v[4];
  for (int j = 0; j < 4; j++) v[j] = _mm512_load_si512(sums + j * 16);
  const __m512i a = _mm512_shuffle_i32x4(v[0], v[1], 0x44), b = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
  const __m512i c = _mm512_shuffle_i32x4(v[0], v[1], 0xee), d = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
  _mm512_store_si512(sums, _mm512_shuffle_i32x4(a, b, 0x88));
  _mm512_store_si512(sums + 16, _mm512_shuffle_i32x4(a, b, 0xdd));
  _mm512_store_si512(sums + 32, _mm512_shuffle_i32x4(c, d, 0x88));
  _mm512_store_si512(sums + 48, _mm512_shuffle_i32x4(c, d, 0xdd));
}

}  // namespace

void sum_u8s8_avx512(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *soon,
                     int32_t *out) {
  const size_t ostride = GD_SUM_STRIDE(dim);
  std::memset(out, 0, ostride * columns * sizeof(int32_t));
  const size_t tile = std::max<size_t>(STREAM_ROWS, CACHE_BYTES / std::max<size_t>(1, dim) / STREAM_ROWS * STREAM_ROWS);
  const size_t whole = n / 4 * 4;
  for (size_t from = 0; from < whole; from += tile) {
    const size_t to = std::min(whole, from + tile);
    /* The first columns bring the tile in, a few rows ahead; the others find it there. */
    const size_t some = soon == nullptr ? STREAM_ROWS : tile;
    for (size_t r = from; r < to; r += some)
      add_tile(rows + r, std::min(some, to - r), dim, w + r, wstride, std::min(COLUMNS_AT_ONCE, columns), out, ostride,
               soon == nullptr && r + 2 * STREAM_ROWS <= whole ? STREAM_ROWS : 0, soon == nullptr ? nullptr : soon + r / 4);
    for (size_t c = COLUMNS_AT_ONCE; c < columns; c += COLUMNS_AT_ONCE)
      add_tile(rows + from, to - from, dim, w + c * wstride + from, wstride, std::min(COLUMNS_AT_ONCE, columns - c), out + c * ostride, ostride, 0, nullptr);
  }
  if (whole < n) {
    const uint8_t *last[4];
    for (size_t i = 0; i < 4; i++) last[i] = rows[std::min(n - 1, whole + i)];
    for (size_t c = 0; c < columns; c += COLUMNS_AT_ONCE)
      add_tile(last, 4, dim, w + c * wstride + whole, wstride, std::min(COLUMNS_AT_ONCE, columns - c), out + c * ostride, ostride, 0, nullptr);
  }
  for (size_t c = 0; c < columns; c++)
    for (size_t p = 0; p < dim; p += 64) in_order(out + c * ostride + p);
}

}  // namespace golddiff
