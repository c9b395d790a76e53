/*
 * Integer products with AVX2. The 8-bit multiply-add of AVX2 (vpmaddubsw) saturates at 16 bits, 255 * 127 * 2 does not fit; so both sides are widened to
 * 16 bits and vpmaddwd gives exact 32-bit sums: 16 multiply-adds an instruction. Rows of words are what it takes in any case.
 * Columns are packed as [C][D padded to 32] int16, padding zero, so that bytes behind a row count for nothing.
 */
#include "integer.h"

#include <immintrin.h>

#include <cstring>

namespace golddiff {

static size_t padded(size_t dim) { return (dim + 31) / 32 * 32; }

size_t packed_bytes_avx2(size_t dim, size_t columns) { return padded(dim) * columns * sizeof(int16_t); }

void pack_avx2(const int8_t *q, size_t dim, size_t columns, void *packed) {
  int16_t *out = static_cast<int16_t *>(packed);
  const size_t width = padded(dim);
  std::memset(out, 0, width * columns * sizeof(int16_t));
  for (size_t c = 0; c < columns; c++)
    for (size_t p = 0; p < dim; p++) out[c * width + p] = q[c * dim + p];
}

size_t packed_words_bytes_avx2(size_t dim, size_t columns) { return packed_bytes_avx2(dim, columns); }

void pack_words_avx2(const int16_t *q, size_t dim, size_t columns, void *packed) {
  int16_t *out = static_cast<int16_t *>(packed);
  const size_t width = padded(dim);
  std::memset(out, 0, width * columns * sizeof(int16_t));
  for (size_t c = 0; c < columns; c++) std::memcpy(out + c * width, q + c * dim, dim * sizeof(int16_t));
}

static inline __m256i words(const uint8_t *v) { return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(v))); }
static inline __m256i words(const int16_t *v) { return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(v)); }

static inline int32_t total_of(__m256i v) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1));
  return _mm_cvtsi128_si32(x);
}

template <int R, int C, typename Value>
static inline void block(const Value *const *rows, const int16_t *q, size_t width, size_t columns, int32_t *out) {
  __m256i acc[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) acc[r][c] = _mm256_setzero_si256();
  for (size_t p = 0; p < width; p += 16) {
    __m256i limb[C];
    for (int c = 0; c < C; c++) limb[c] = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(q + c * width + p));
    for (int r = 0; r < R; r++) {
      const __m256i u = words(rows[r] + p);
      for (int c = 0; c < C; c++) acc[r][c] = _mm256_add_epi32(acc[r][c], _mm256_madd_epi16(u, limb[c]));
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) out[r * columns + c] = total_of(acc[r][c]);
}

template <int R, typename Value>
static void strip(const Value *const *rows, const int16_t *q, size_t width, size_t columns, int32_t *out) {
  size_t c = 0;
  for (; c + 2 <= columns; c += 2) block<R, 2>(rows, q + c * width, width, columns, out + c);
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

void dot_u8s8_avx2(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) { dot(rows, n, dim, packed, columns, out); }

void dot_s16s16_avx2(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out) {
  dot(rows, n, dim, packed, columns, out);
}

}  // namespace golddiff
