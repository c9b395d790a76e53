/*
 * Integer weighted sums with AVX2. Two rows are interleaved and widened to 16 bits, and vpmaddwd with both weights in every lane gives exact 32-bit sums of
 * 8 values, two rows at a time. Unpacking works within halves of a register: sums come out in pairs of four, which is undone once, at the end.
 */
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "integer.h"

namespace golddiff {

namespace {

constexpr size_t COLUMNS_AT_ONCE = 2;
constexpr size_t TILE_ROWS = 64;

inline __m256i load32(const uint8_t *v, size_t count) {
  if (count >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(v));
  alignas(32) uint8_t some[32] = {0};
  std::memcpy(some, v, count);
  return _mm256_load_si256(reinterpret_cast<const __m256i *>(some));
}

/* out += over pairs of rows, 32 values from p on, C columns. */
template <int C>
inline void add_pairs(const uint8_t *const *rows, size_t n, size_t p, size_t count, const int8_t *w, size_t wstride, int32_t *out, size_t ostride) {
  __m256i acc[C][4];
  for (int c = 0; c < C; c++)
    for (int j = 0; j < 4; j++) acc[c][j] = _mm256_load_si256(reinterpret_cast<const __m256i *>(out + c * ostride + j * 8));
  const __m256i zero = _mm256_setzero_si256();
  for (size_t r = 0; r < n; r += 2) {
    const __m256i a = load32(rows[r] + p, count), b = load32(rows[r + 1] + p, count);
    const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
    const __m256i x[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero), _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
    for (int c = 0; c < C; c++) {
      const int32_t first = w[c * wstride + r], second = w[c * wstride + r + 1];
      const __m256i weights = _mm256_set1_epi32((first & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(second) << 16));
      for (int j = 0; j < 4; j++) acc[c][j] = _mm256_add_epi32(acc[c][j], _mm256_madd_epi16(x[j], weights));
    }
  }
  for (int c = 0; c < C; c++)
    for (int j = 0; j < 4; j++) _mm256_store_si256(reinterpret_cast<__m256i *>(out + c * ostride + j * 8), acc[c][j]);
}

void add_tile(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, int32_t *out, size_t ostride) {
  for (size_t p = 0; p < dim; p += 32)
    for (size_t c = 0; c < columns; c += COLUMNS_AT_ONCE) {
      if (columns - c >= 2) add_pairs<2>(rows, n, p, dim - p, w + c * wstride, wstride, out + c * ostride + p, ostride);
      else add_pairs<1>(rows, n, p, dim - p, w + c * wstride, wstride, out + c * ostride + p, ostride);
    }
}

/* Half H of sums j holds values 16 H + 4 j .. + 3. */
inline void in_order(int32_t *sums) {
  __m256i v[4];
  for (int j = 0; j < 4; j++) v[j] = _mm256_load_si256(reinterpret_cast<const __m256i *>(sums + j * 8));
  const __m256i ordered[4] = {_mm256_permute2x128_si256(v[0], v[1], 0x20), _mm256_permute2x128_si256(v[2], v[3], 0x20),
                              _mm256_permute2x128_si256(v[0], v[1], 0x31), _mm256_permute2x128_si256(v[2], v[3], 0x31)};
  for (int j = 0; j < 4; j++) _mm256_store_si256(reinterpret_cast<__m256i *>(sums + j * 8), ordered[j]);
}

}  // namespace

void sum_u8s8_avx2(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *, int32_t *out) {
  const size_t ostride = GD_SUM_STRIDE(dim);
  std::memset(out, 0, ostride * columns * sizeof(int32_t));
  const size_t whole = n / 2 * 2;
  for (size_t r = 0; r < whole; r += TILE_ROWS) add_tile(rows + r, std::min(TILE_ROWS, whole - r), dim, w + r, wstride, columns, out, ostride);
  if (whole < n) {
    const uint8_t *last[2] = {rows[whole], rows[whole]};
    add_tile(last, 2, dim, w + whole, wstride, columns, out, ostride);
  }
  for (size_t c = 0; c < columns; c++)
    for (size_t p = 0; p < dim; p += 32) in_order(out + c * ostride + p);
}

}  // namespace golddiff
