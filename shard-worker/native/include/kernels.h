/*
 * Kernels of the native engine: plain C, no exceptions, no allocation, no threads. One table of functions per instruction set, chosen at run time.
 *
 * Legend: n rows, D values in a row, C columns (a column is one limb of one query), u 8-bit pixels, q signed 8-bit limbs; words: signed 16-bit values.
 *
 * Numbers: dot_u8s8 is exact (int32; |sum| <= D * 255 * 128, so D <= GD_DOT_DIM_MAX), hence the same bits for every instruction set. So is dot_s16s16 wherever
 * D * max |row| * max |q| <= GD_DOT_WORDS_MAX, which who calls it sees to (engine/word_products.h). The
 * floating-point kernels sum in an order fixed by the shapes alone, not by threads; instruction sets may differ in the last bits (fused or not).
 */
#ifndef GOLDDIFF_KERNELS_H
#define GOLDDIFF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "group_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 65,793 * 255 * 128 < 2^31 */
#define GD_DOT_DIM_MAX 65793
/* Sums of dot_s16s16 are 32 bits, and so are sums of magnitudes on the way. */
#define GD_DOT_WORDS_MAX 2147483647
/* Bytes that dot_u8s8 and dot_s16s16 may read behind a row; what they hold does not matter. */
#define GD_DOT_SLACK 64
/* Rows that one f32 accumulation spans before it is added in double. */
#define GD_SUM_ROWS 64
/* Rows of one call of sum_u8s8: 66,000 * 255 * 127 < 2^31 */
#define GD_SUM_U8_ROWS_MAX 65536
/* Distance of columns of integer sums, in values. */
#define GD_SUM_STRIDE(dim) (((dim) + 63) / 64 * 64)

typedef struct gd_distance_terms {
  double square, cross, linear, constant, shift;
} gd_distance_terms;

typedef struct gd_kernels {
  const char *isa;
  /* Bytes of C packed columns of D limbs. */
  size_t (*packed_bytes)(size_t dim, size_t columns);
  /* Packs q [C, D] for dot_u8s8. `packed` is 64-byte aligned. */
  void (*pack)(const int8_t *q, size_t dim, size_t columns, void *packed);
  /* out[r * C + c] = sum_p rows[r][p] * q[c * D + p]. Exact. n * D * C multiply-adds; reads n * D bytes once if C limbs fit in cache, and fetches rows in their order. */
  void (*dot_u8s8)(const uint8_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);
  /* The same for words: bytes of C packed columns, packing of q [C, D], products of rows. */
  size_t (*packed_words_bytes)(size_t dim, size_t columns);
  void (*pack_words)(const int16_t *q, size_t dim, size_t columns, void *packed);
  void (*dot_s16s16)(const int16_t *const *rows, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);
  /*
   * out[c * GD_SUM_STRIDE(D) + p] = sum_r w[c * wstride + r] * rows[r][p]. Exact; 64-byte aligned; what lies beyond D is not told. w is readable and 0 up to the
   * next multiple of 4 of n. n * D * C multiply-adds; reads n * D bytes once for few columns, out of the caches for more.
   * soon: n / 4 rows that are read after this and may be fetched meanwhile, where the rows of this are in the cache already; or nullptr.
   */
  void (*sum_u8s8)(const uint8_t *const *rows, size_t n, size_t dim, const int8_t *w, size_t wstride, size_t columns, const uint8_t *const *soon, int32_t *out);
  /*
   * out[k][r] = max(0, square sum_sq[r] + cross v + (linear sum[r] + constant)) by the terms of query k, with the integer
   * v = shift + sum over planes and limbs l of 256^plane base^l products[plane * plane_stride + r * total + l * queries + k]. The small terms come first: the large
   * ones cancel. base is a power of two, shift an integer, and v is exact where it is below 2^53. Reads 15 products behind the last one.
   */
  void (*distances_of_products)(const int32_t *products, size_t total, size_t plane_stride, size_t planes, size_t limbs, double base, size_t n, size_t queries,
                                const gd_distance_terms *terms, const double *sum, const double *sum_sq, double *const *out);
  /* out[p] = scale * sum_l 256^l sums[l * stride + p], p < n. */
  void (*combined_digits)(const int32_t *sums, size_t stride, size_t limbs, double scale, size_t n, double *out);
  /*
   * Weights for sum_u8s8: round(exp((nearest - distance) * scale) * unit + dither) as `limbs` signed digits of 8 bits, lowest first, out[l * ostride + i]; 0 where
   * distance > farthest. unit <= 127 (256^limbs - 1) / 255, limbs <= 3, |dither| < 1/2 and readable up to the next multiple of 8. Returns the sum of the integers,
   * and in *kept the rows not beyond farthest.
   */
  int64_t (*integer_weights)(const double *distance, size_t n, double nearest, double farthest, double scale, double unit, const double *dither, size_t limbs,
                             int8_t *out, size_t ostride, size_t *kept);
  /* out[i] = exp(x[i]) for x <= 0; below -708 exactly 0. Error at most 2 ulp (test/kernel_test.cpp measures it). In place allowed. */
  void (*exp_nonpositive)(const double *x, double *out, size_t n);
  /* sum_p (q[p] - scale * v[p])^2 in double, eight interleaved sums. */
  double (*distance_u8)(const double *q, const uint8_t *v, double scale, size_t dim);
  double (*distance_f32)(const double *q, const float *v, double scale, size_t dim);
  /* sums[k * D + p] += sum_r w[k * wstride + r] * v[r * stride + p]: in f32 over GD_SUM_ROWS rows at a time, those added in double, rows in order. */
  void (*weighted_f32)(const float *v, size_t stride, size_t n, const float *w, size_t wstride, size_t queries, double *sums, size_t dim);
  /* C [m, n] -= A [m, k] B [n, k]^T, row-major doubles with leading dimensions. */
  void (*gemm_nt_minus)(const double *a, size_t lda, const double *b, size_t ldb, double *c, size_t ldc, size_t m, size_t n, size_t k);
  /* Smallest of n >= 1 values, none of them NaN. */
  double (*smallest)(const double *x, size_t n);
  /* Places of the values in [low, high], ascending; returns how many. *below counts the values under low. `places` has room for n + 1. */
  size_t (*within)(const double *x, size_t n, double low, double high, uint32_t *places, size_t *below);
  /* Places with key <= highest and weight key + (norm - scale residual)^2 <= limit, ascending; returns how many. `places` has room for n + 1. */
  size_t (*possibly_near)(const double *key, const double *residual, size_t n, double highest, double weight, double norm, double scale, double limit, uint32_t *places);
  /* counts[k] + counts[bins + 1 + k] += values with floor((x - low) * scale) = k, or >= bins for k = bins; no value is under low. Two tables, so that neighbours do not wait. */
  void (*count_bins)(const double *x, size_t n, double low, double scale, size_t bins, uint32_t *counts);
  /* mass += sum exp((nearest - distance) * scale), mass_sq += sum exp(2 (nearest - distance) * scale); nearest <= every distance, scale > 0. */
  void (*softmax_mass)(const double *distance, size_t n, double nearest, double scale, double *mass, double *mass_sq);
  /* For weights by groups of values. */
  const gd_group_kernels *groups;
} gd_kernels;

/* The table of one instruction set, or NULL where this build or this machine lacks it. */
const gd_kernels *gd_kernels_avx512(void);
const gd_kernels *gd_kernels_avx2(void);
const gd_kernels *gd_kernels_neon(void);
const gd_kernels *gd_kernels_scalar(void);

#ifdef __cplusplus
}
#endif
#endif
