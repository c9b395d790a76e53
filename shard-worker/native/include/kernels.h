/*
 * Kernels of the native engine: plain C, no exceptions, no allocation, no threads. One table of functions per instruction set, chosen at run time.
 *
 * Legend: n rows, D values in a row, C columns (a column is one 8-bit limb of one query), u 8-bit pixels, q signed 8-bit limbs.
 *
 * Numbers: dot_u8s8 is exact (int32; |sum| <= D * 255 * 128, so D <= GD_DOT_DIM_MAX), hence the same bits for every instruction set. The
 * floating-point kernels sum in an order fixed by the shapes alone, not by threads; instruction sets may differ in the last bits (fused or not).
 */
#ifndef GOLDDIFF_KERNELS_H
#define GOLDDIFF_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 65,793 * 255 * 128 < 2^31 */
#define GD_DOT_DIM_MAX 65793
/* Bytes that dot_u8s8 may read behind the last row; what they hold does not matter. */
#define GD_DOT_SLACK 64
/* Rows that one f32 accumulation spans before it is added in double. */
#define GD_SUM_ROWS 64

typedef struct gd_kernels {
  const char *isa;
  /* Bytes of C packed columns of D limbs. */
  size_t (*packed_bytes)(size_t dim, size_t columns);
  /* Packs q [C, D] for dot_u8s8. `packed` is 64-byte aligned. */
  void (*pack)(const int8_t *q, size_t dim, size_t columns, void *packed);
  /* out[r * C + c] = sum_p rows[r * stride + p] * q[c * D + p]. Exact. n * D * C multiply-adds; reads n * D bytes once if C limbs fit in cache. */
  void (*dot_u8s8)(const uint8_t *rows, size_t stride, size_t n, size_t dim, const void *packed, size_t columns, int32_t *out);
  /* out[i] = exp(x[i]) for x <= 0; below -708 exactly 0. Error at most 2 ulp (test/kernel_test.cpp measures it). In place allowed. */
  void (*exp_nonpositive)(const double *x, double *out, size_t n);
  /* sum_p (q[p] - scale * v[p])^2 in double, eight interleaved sums. */
  double (*distance_u8)(const double *q, const uint8_t *v, double scale, size_t dim);
  double (*distance_f32)(const double *q, const float *v, double scale, size_t dim);
  /* sums[k * D + p] += sum_r w[k * wstride + r] * v[r * stride + p]: in f32 over GD_SUM_ROWS rows at a time, those added in double, rows in order. */
  void (*weighted_u8)(const uint8_t *v, size_t stride, size_t n, const float *w, size_t wstride, size_t queries, double *sums, size_t dim);
  void (*weighted_f32)(const float *v, size_t stride, size_t n, const float *w, size_t wstride, size_t queries, double *sums, size_t dim);
  /* C [m, n] -= A [m, k] B [n, k]^T, row-major doubles with leading dimensions. */
  void (*gemm_nt_minus)(const double *a, size_t lda, const double *b, size_t ldb, double *c, size_t ldc, size_t m, size_t n, size_t k);
  /* Smallest of n >= 1 values, none of them NaN. */
  double (*smallest)(const double *x, size_t n);
  /* mass += sum exp((nearest - distance) * scale), mass_sq += sum exp(2 (nearest - distance) * scale); nearest <= every distance, scale > 0. */
  void (*softmax_mass)(const double *distance, size_t n, double nearest, double scale, double *mass, double *mass_sq);
} gd_kernels;

/* The table of one instruction set, or NULL where this build or this machine lacks it. */
const gd_kernels *gd_kernels_avx512(void);
const gd_kernels *gd_kernels_avx2(void);
const gd_kernels *gd_kernels_scalar(void);

#ifdef __cplusplus
}
#endif
#endif
