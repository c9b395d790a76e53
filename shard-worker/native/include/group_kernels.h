/*
 * Kernels for weights that belong to groups of values (pca, patch): one query over some rows, distances group by group, their softmax statistics and
 * weighted sums in one pass. Plain C like kernels.h, which holds the table.
 *
 * Legend: n rows, D values in a row, G groups; value p of the answer has the weights of group p mod G. A group's distance is a sum of differences of two
 * entries of a table of running sums, made for each row: along the row (supports, a run is one difference), or over the picture (windows, two differences).
 */
#ifndef GOLDDIFF_GROUP_KERNELS_H
#define GOLDDIFF_GROUP_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gd_group_kind {
  /* D, G */
  size_t dim, groups;
  /* Sums over the picture [height, width], channels together; height 0 = along the row. */
  size_t height, width;
  /* [G + 1] differences of group g are first[g] .. first[g + 1] - 1 */
  const uint32_t *first;
  /* [differences, 2] entries of the table: less, then more. Along the row entry p is the sum of values below p; over the picture i * (width + 1) + j that of rows
     below i and columns below j. */
  const uint32_t *ends;
} gd_group_kind;

typedef struct gd_group_query {
  /* [D] Of pixels: the query in steps of a pixel, in two floats whose sum it is to 48 bits. |query - u|^2 * unit, rounded, is summed in 32 bits: differences of running
     sums are exact, so that a distance is off by half a step for each of its values, and 6 * 2^-24 of itself. unit so small that a group's sum is below 2^31. */
  const float *high, *low;
  float unit;
  /* [D] Of the kernels in double: value - scale * v, squared. */
  const double *value;
  double scale;
  /* nats of one unit of a distance as it is summed */
  double nats;
} gd_group_query;

/* Of one query over some rows. Distances as they are summed. */
typedef struct gd_group_sums {
  /* [G] */
  double *nearest, *farthest;
  /* [G] sum w, sum w^2 with w = exp((nearest - distance) nats); of 2^-62 where that is less */
  double *mass, *mass_sq;
  /* [D] sum w v, values as they are stored */
  double *sums;
} gd_group_sums;

typedef struct gd_group_kernels {
  /* Bytes of `scratch`, 64-byte aligned, for pixels by integers and for the others. */
  size_t (*scratch_bytes)(const gd_group_kind *kind, int in_double);
  /*
   * n >= 1 rows. Weights in float32, their sums in float32 over the call (n up to GD_GROUP_ROWS_MAX) in lanes, lanes added in double. The order is that of the rows.
   * Cost for each row: D squared differences, two reads for each difference of sums, and G exp.
   */
  void (*pixels)(const gd_group_kind *kind, const gd_group_query *query, const uint8_t *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  /* The same with differences and running sums in double: off by D 2^-52 of the whole distance. For what 32 bits are too few for. */
  void (*pixels_in_double)(const gd_group_kind *kind, const gd_group_query *query, const uint8_t *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  void (*floats)(const gd_group_kind *kind, const gd_group_query *query, const float *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  /* out[i] = 2^x[i] for x <= 0, 2^-62 below that; within 2 ulp (test/group_test.cpp measures it). */
  void (*exp2_nonpositive)(const float *x, float *out, size_t n);
} gd_group_kernels;

/* 64 sums of 16 lanes: the rounding of their float32 additions stays below 1e-6, typically a tenth of that. */
#define GD_GROUP_ROWS_MAX 1024

#ifdef __cplusplus
}
#endif
#endif
