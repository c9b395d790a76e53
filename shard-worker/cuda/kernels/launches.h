/*
 * The kernels, as functions that put them into a stream. Pointers are to device memory unless they say otherwise.
 *
 * Legend: B queries, n rows, D values in a row, u 8-bit pixels, `stride` bytes from row to row, a multiple of GD_ROW_BYTES, zero behind the D-th value.
 * Sums of integers are exact and sums of doubles have one order, so that an answer depends on the query and the rows alone.
 */
#pragma once
#include <cstddef>
#include <cstdint>

#include "../device/driver.h"

namespace golddiff::cuda {

/* Rows begin at multiples of it, and products go over so many bytes at a time. */
constexpr size_t ROW_BYTES = 64;
constexpr size_t padded(size_t bytes) { return (bytes + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES; }
/* Queries of one launch of products. */
constexpr size_t PRODUCT_QUERIES_MAX = 32;
/* Rows that are reduced by one block. */
constexpr size_t REDUCED_ROWS = 4096;
constexpr size_t reduced_blocks(size_t n) { return (n + REDUCED_ROWS - 1) / REDUCED_ROWS; }
constexpr unsigned blocks_of(size_t work, size_t each) { return static_cast<unsigned>((work + each - 1) / each); }

/* |x|^2 - 2 a x.y + a^2 |y|^2 = square * sum u^2 + cross * q.u + linear * sum u + constant */
struct DistanceTerms {
  double square, cross, linear, constant;
};

/* products.cu: squared distances of up to PRODUCT_QUERIES_MAX queries to all rows, by exact products of their limbs. */
struct Products {
  const uint8_t *rows;
  size_t n, stride;
  /* [limbs, columns, stride], columns = product_columns(queries): those beyond the queries are zero */
  const int8_t *q;
  size_t queries, limbs;
  const DistanceTerms *terms;
  /* Rows of several planes: 256^plane, whether it is the first and the last; `out` carries the sum in between. */
  double plane_factor;
  bool first, last;
  const double *sum, *sum_sq;
  /* [queries] places of [n] each */
  double *const *out;
};
size_t product_columns(size_t queries);
void launch_products(const Products &products, Stream stream);

/* Pairs of a query and a row by their place: out of query b's row i is keys[b * n + i]. */
struct Pairs {
  const uint32_t *query, *row;
  size_t count;
};
/* differences.cu: |x - a y|^2 by differences in double, 32 lanes of a warp in a fixed order. Of pixels in planes, q = x + a and scale = a / divisor; of floats q = x and scale = a. */
struct Differences {
  const uint8_t *planes[3];
  size_t plane_count;
  const float *floats;
  size_t n, dim, stride;
  /* [B, D], [B] */
  const double *q, *scale;
  double *keys;
};
void launch_differences(const Differences &rows, const Pairs &pairs, Stream stream);
/* Of some queries [count] to all rows. */
void launch_all_differences(const Differences &rows, const uint32_t *queries, size_t count, Stream stream);

/* rows.cu: what is measured of rows once. */
struct RowMeasures {
  /* of sum u^2: over all rows, and the largest; bits of the largest |u - mean|^2 */
  unsigned long long total_sq, max_sq, max_spread;
};
struct PlaneRows {
  const uint8_t *planes[3];
  size_t plane_count, n, dim, stride;
};
void launch_row_sums(const PlaneRows &rows, double *sum, double *sum_sq, RowMeasures *measures, unsigned long long *column_sums, Stream stream);
void launch_row_spread(const PlaneRows &rows, const double *mean, RowMeasures *measures, Stream stream);
/* measures->max_sq = bits of the largest |v| */
void launch_float_range(const float *values, size_t count, RowMeasures *measures, Stream stream);
struct PictureShape {
  size_t channels, height, width, factor;
};
/* Sums of factor x factor pixels in planes of 8 bits; or means of floats. */
void launch_pooled_pixels(const uint8_t *rows, size_t n, size_t stride, const PictureShape &shape, uint8_t *const planes[3], size_t plane_count, size_t pooled_stride, Stream stream);
void launch_pooled_floats(const float *rows, size_t n, const PictureShape &shape, float *pooled, Stream stream);
/* moments.cu: sums [D] and products [D (D + 1) / 2] of the rows of a label (-1 = all), as they are stored. */
void launch_moments(const uint8_t *pixels, const float *floats, size_t n, size_t dim, size_t stride, const int32_t *labels, int32_t label, double *sum, double *products, Stream stream);

/* selection.cu: which rows pass, and the keys of ranks among them. */
void launch_presample(const uint32_t *row_ids, size_t n, uint64_t seed, uint32_t step, const uint32_t *query_ids, size_t batch, double *keys, Stream stream);
struct StageCut {
  /* null = no cut */
  const double *keys;
  /* [B]; an infinite key lets every row pass */
  const double *cut_key;
  const uint32_t *cut_row_id;
};
struct Mask {
  size_t n, batch;
  const int32_t *row_labels;
  const uint32_t *row_ids;
  /* [B] or null */
  const int32_t *labels;
  StageCut cuts[3];
  /* [B, n], and how many pass [B] */
  uint8_t *mask;
  unsigned long long *passing;
};
void launch_mask(const Mask &mask, Stream stream);

/* Order-preserving bits of the key of a rank, how many keys are below it, and how many equal it. */
struct RankedBits {
  unsigned long long bits, below, equal;
};
struct RankTarget {
  uint32_t query, rank;
};
constexpr size_t RANK_BINS = 2048;
/* `work` [targets, RANK_BINS] counters. */
void launch_ranks(const double *keys, const uint8_t *mask, size_t n, const RankTarget *targets, size_t count, uint32_t *work, RankedBits *found, Stream stream);
struct KeyRange {
  uint32_t query, first;
  unsigned long long low, high;
};
/* Keys in [low, high] of each range, from place `first` of the outputs on, in no order; `counters` [ranges] begin as zeros. */
void launch_collect(const double *keys, const uint8_t *mask, const uint32_t *row_ids, size_t n, const KeyRange *ranges, size_t count, uint32_t *counters, double *out_keys, uint32_t *out_ids, Stream stream);
/* Rows that pass the mask, ascending, from place first[b] on. */
void launch_lists(const uint8_t *mask, size_t n, size_t batch, const unsigned long long *first, uint32_t *rows, Stream stream);

/* posterior.cu: softmax statistics of [B, n] distances; infinite ones have no weight. */
/* What is beyond limit[b], or masked, becomes infinite; those that are finite then are counted. In place allowed; mask may be null. */
void launch_limit(const double *from, double *distances, const uint8_t *mask, size_t n, size_t batch, const double *limit, unsigned long long *kept, Stream stream);
/* Pairs of the queries with pick[b] that are finite; `counter` begins as zero. */
void launch_pairs(const double *distances, size_t n, size_t batch, const uint8_t *pick, unsigned long long *counter, uint32_t *query, uint32_t *row, Stream stream);
/* partial [B, reduced_blocks(n)] */
void launch_nearest(const double *distances, size_t n, size_t batch, double *partial, double *nearest, Stream stream);
void launch_mass(const double *distances, size_t n, size_t batch, const double *nearest, const double *divisor, double *partial, double *mass, double *mass_sq, Stream stream);
constexpr size_t HISTOGRAM_BINS = 1280;
constexpr double HISTOGRAM_BINS_PER_NAT = 32;
/* Masses of bin k in units of exp(-k / 32) 2^-40. max_logit [B]. */
constexpr double HISTOGRAM_UNIT = 1.0 / (1ull << 40);
void launch_histogram(const double *distances, size_t n, size_t batch, const double *max_logit, const double *divisor, uint32_t *rows, unsigned long long *mass, Stream stream);

/* weighted_sums.cu: sums of pixels with weights of `digits` signed bytes. */
struct WeightedQuery {
  const double *distances;
  double nearest, farthest, scale;
  /* the largest integer of `digits` digits */
  double reach;
  uint32_t digits, column;
};
/* Rows that have weight for some query, in no order; `counter` begins as zero. */
void launch_weighted_rows(const WeightedQuery *queries, size_t count, size_t n, uint32_t *counter, uint32_t *rows, Stream stream);
/* digits [columns, rows_padded], zeros behind the last row; totals [count] of the integers, kept [count] rows not beyond farthest of all n. */
void launch_weights(const WeightedQuery *queries, size_t count, size_t n, const uint32_t *rows, size_t rows_count, size_t rows_padded, int8_t *digits, unsigned long long *totals,
                    unsigned long long *kept, Stream stream);
constexpr size_t SUM_ROWS_MULTIPLE = 32, SUM_COLUMNS_MULTIPLE = 8;
/* sums [columns, stride] 64-bit integers, which begin as zeros */
void launch_weighted_pixels(const uint8_t *pixels, size_t stride, const uint32_t *rows, size_t rows_padded, const int8_t *digits, size_t columns, unsigned long long *sums, unsigned multiprocessors,
                            Stream stream);
/* out[k] = (sum_l 256^l sums[column + l] / 127.5 - totals[k]) / reach, [count, D] */
void launch_combined(const WeightedQuery *queries, size_t count, const unsigned long long *sums, size_t stride, const unsigned long long *totals, size_t dim, float *out, Stream stream);
/* out [count, D] of floats, rows in their order. */
void launch_weighted_floats(const float *values, size_t n, size_t dim, const WeightedQuery *queries, size_t count, float *out, unsigned long long *kept, Stream stream);

/* groups.cu: statistics by groups of values. */
struct GroupKindView {
  /* Values p and p + places are added before runs are taken: channels of windows. Runs of places: those of group g are first[g] .. first[g + 1] - 1. */
  size_t places, groups;
  const uint32_t *first, *runs;
};
struct GroupChunk {
  /* rows list[from .. from + count) of the query, count >= 1 */
  unsigned long long from;
  uint32_t query, count;
};
struct Groups {
  const uint8_t *pixels;
  const float *floats;
  size_t dim, stride;
  const uint32_t *list;
  const GroupChunk *chunks;
  size_t chunk_count;
  /* [B] of all queries */
  const GroupKindView *kinds;
  const double *q, *scale;
  /* units of a distance for one of a value's square, and nats for one unit */
  const double *units, *nats;
  /* [chunks, 4, G] nearest, farthest, mass, mass_sq, and [chunks, D] sums */
  double *statistics, *sums;
  /* [chunks] tables where shared memory is too small for one row, or null */
  unsigned long long *tables;
};
/* Sums in 32 bits where no group's distance leaves them, else in 64. `shared_bytes` that a block may ask for, the same in each call. */
void launch_groups(const Groups &groups, bool wide, size_t shared_bytes, Stream stream);
size_t group_table_bytes(size_t places, bool wide);
/* Adds the statistics of each query's chunks, in their order, into its first. first [queries + 1] chunks. */
void launch_add_groups(const Groups &groups, const uint32_t *first, size_t queries, Stream stream);

}  // namespace golddiff::cuda
