/*
 * Kernels for weights that belong to groups of values (pca, patch): one query over some rows, distances group by group, their softmax statistics and
 * weighted sums in one pass. Plain C like kernels.h, which holds the table.
 *
 * Legend: n rows, D values in a row, G groups; value p of the answer has the weights of group p mod G. A group's distance adds and takes away places of a table that is
 * made for each row: sums of its squared differences, so that a run of neighbours is two places whatever its length, and the distances of groups before it.
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
  /*
   * Places of the table. Along the row: 0 .. D sums of the squares below a value, D + 1 .. 2D the squares, 2D + 1 .. 2D + G distances of groups. Over the picture:
   * i (width + 1) + j the sum of those in lines below i and columns below j, then distances of groups. Place 0 is 0.
   */
  const uint32_t *places;
  /* [2G + 1] Group g adds places[first[2g]] .. before first[2g + 1], and takes away from there to before first[2g + 2]; both are even numbers of places. */
  const uint32_t *first;
} gd_group_kind;

typedef struct gd_group_query {
  /*
   * [D] Of pixels u: (query - step u)^2, rounded, is summed in 32 bits; the query, in the same unit, is the sum of two floats. Differences of sums are exact, so that
   * a distance is off by half for each of its values, and 6 * 2^-24 of itself. step so small that a group's sum is below 2^31.
   */
  const float *high, *low;
  float step;
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
  /* [G] sum w, sum w^2 with w = exp((nearest - distance) nats); at most 2^-62 where that is less. 1 or more */
  double *mass, *mass_sq;
  /* [D] sum w v, values as they are stored */
  double *sums;
} gd_group_sums;

typedef struct gd_group_kernels {
  /* Bytes of `scratch`, 64-byte aligned, for pixels by integers and for the others. */
  size_t (*scratch_bytes)(const gd_group_kind *kind, int in_double);
  /*
   * n >= 1 rows. Weights in float32, their sums in float32 over the call (n up to GD_GROUP_ROWS_MAX) in lanes, lanes added in double. The order is that of the rows.
   * Cost for each row: D squared differences, a read for each place, and G exp.
   */
  void (*pixels)(const gd_group_kind *kind, const gd_group_query *query, const uint8_t *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  /* The same with differences and running sums in double: off by (D + 2^13) 2^-53 of the whole distance. For what 32 bits are too few for. */
  void (*pixels_in_double)(const gd_group_kind *kind, const gd_group_query *query, const uint8_t *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  void (*floats)(const gd_group_kind *kind, const gd_group_query *query, const float *const *rows, size_t n, void *scratch, const gd_group_sums *out);
  /* out[i] = 2^x[i] for x in [-62, 60], 2^-62 below; within 2.5 ulp (test/group_test.cpp measures it). */
  void (*exp2_floored)(const float *x, float *out, size_t n);
} gd_group_kernels;

/* 131 additions one after the other at most (128 blocks of 16 rows, four products of a lane in each): float32 loses 8e-6 of a sum at most; group_test.cpp prints how much. */
#define GD_GROUP_ROWS_MAX 2048

#ifdef __cplusplus
}
#endif
#endif
