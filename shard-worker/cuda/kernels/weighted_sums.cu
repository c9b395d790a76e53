/*
 * Weighted sums of rows that have weight for some query of the batch. Weights are integers of one to four signed 8-bit digits, so that tensor cores multiply them with
 * pixels exactly and sums can be added in any order. A warp has 64 pixels of 32 rows at a time: its words of four neighbouring pixels from four rows are turned into words
 * of one pixel from four rows, which is what a fragment holds; which pixel is which line of the product is ours to choose.
 */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned WARPS = 4, WARP_PIXELS = 64, SUM_BLOCK = WARPS * LANES;
/* Sums of products of a pixel and a digit stay below 2^31: 65,536 * 255 * 128 < 2^31. */
constexpr size_t ROWS_AT_ONCE_MAX = 65536;
constexpr size_t ROWS_AT_ONCE_MIN = 512;
/* Below reach * exp(-this) a weight is 0 whatever its dither. */
constexpr double ROUNDED_AWAY_NATS = 7;

/* Added before a weight is rounded, in (-1/2, 1/2): spread evenly, so that many small weights do not all vanish. Whole numbers stay what they are. */
__device__ double dither(uint32_t row) {
  const double turns = static_cast<double>(row) * 0.6180339887498949 + 0.5;
  return 0.998 * (turns - floor(turns) - 0.5);
}

__global__ void rows_kernel(const WeightedQuery *queries, size_t count, size_t n, uint32_t *counter, uint32_t *rows) {
  __shared__ uint32_t flags[BLOCK];
  __shared__ uint32_t first;
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  bool wanted = false;
  for (size_t k = 0; k < count && row < n && !wanted; k++) {
    const WeightedQuery &query = queries[k];
    const double distance = query.distances[row];
    wanted = distance <= query.farthest && (distance - query.nearest) * query.scale <= log(query.reach) + ROUNDED_AWAY_NATS;
  }
  flags[threadIdx.x] = wanted ? 1 : 0;
  __syncthreads();
  uint32_t before = 0, total = 0;
  for (unsigned k = 0; k < BLOCK; k++) {
    before += k < threadIdx.x ? flags[k] : 0;
    total += flags[k];
  }
  if (threadIdx.x == 0) first = total == 0 ? 0 : atomicAdd(counter, total);
  __syncthreads();
  if (wanted) rows[first + before] = static_cast<uint32_t>(row);
}

__global__ void weights_kernel(const WeightedQuery *queries, const uint32_t *rows, size_t rows_count, size_t rows_padded, int8_t *digits, unsigned long long *totals) {
  __shared__ unsigned long long room[BLOCK / LANES];
  const WeightedQuery &query = queries[blockIdx.y];
  const size_t k = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  int64_t integer = 0;
  if (k < rows_count) {
    const uint32_t row = rows[k];
    const double distance = query.distances[row];
    if (distance <= query.farthest) integer = static_cast<int64_t>(rint(exp((query.nearest - distance) * query.scale) * query.reach + dither(row)));
    if (integer < 0) integer = 0;
  }
  if (k < rows_padded) {
    int64_t rest = integer;
    for (uint32_t l = 0; l < query.digits; l++) {
      const int64_t digit = ((rest + 128) & 255) - 128;
      digits[(query.column + l) * rows_padded + k] = static_cast<int8_t>(digit);
      rest = (rest - digit) / 256;
    }
  }
  const unsigned long long total = over_block(static_cast<unsigned long long>(integer), Add(), room);
  if (threadIdx.x == 0) atomicAdd(totals + blockIdx.y, total);
}

__global__ void kept_kernel(const WeightedQuery *queries, size_t n, unsigned long long *kept) {
  __shared__ unsigned long long room[BLOCK / LANES];
  const WeightedQuery &query = queries[blockIdx.y];
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  const bool counts = row < n && query.distances[row] <= query.farthest;
  const unsigned long long total = over_block(static_cast<unsigned long long>(counts ? 1 : 0), Add(), room);
  if (threadIdx.x == 0) atomicAdd(kept + blockIdx.y, total);
}

/* At a multiple of four: of what is not known to be one, the compiler loads each byte. */
__device__ inline uint32_t word_at(const void *at) {
  uint32_t out;
  memcpy(&out, __builtin_assume_aligned(at, sizeof(out)), sizeof(out));
  return out;
}

/* out[j] = byte j of each of the four words. */
__device__ inline void turn(const uint32_t (&words)[4], uint32_t (&out)[4]) {
  const uint32_t a = __byte_perm(words[0], words[1], 0x5140), b = __byte_perm(words[2], words[3], 0x5140);
  const uint32_t c = __byte_perm(words[0], words[1], 0x7362), d = __byte_perm(words[2], words[3], 0x7362);
  out[0] = __byte_perm(a, b, 0x5410);
  out[1] = __byte_perm(a, b, 0x7632);
  out[2] = __byte_perm(c, d, 0x5410);
  out[3] = __byte_perm(c, d, 0x7632);
}

template <int TILES>
__global__ void __launch_bounds__(SUM_BLOCK) sums_kernel(const uint8_t *pixels, size_t stride, const uint32_t *rows, size_t rows_padded, size_t rows_each, const int8_t *digits,
                                                         unsigned long long *sums) {
  const unsigned lane = threadIdx.x % LANES, g = lane / 4, t = lane % 4;
  const size_t pixel = static_cast<size_t>(blockIdx.x) * (WARPS * WARP_PIXELS) + threadIdx.x / LANES * WARP_PIXELS;
  if (pixel >= stride) return;
  const size_t from = blockIdx.y * rows_each, end = from + rows_each < rows_padded ? from + rows_each : rows_padded;
  int32_t sum[4][TILES][4] = {};
  for (size_t k = from; k < end; k += SUM_ROWS_MULTIPLE) {
    /* [64 pixels in two halves][rows 0 .. 15, 16 .. 31] */
    uint32_t turned[2][2][4];
#pragma unroll
    for (unsigned upper = 0; upper < 2; upper++) {
      uint32_t words[2][4];
#pragma unroll
      for (unsigned j = 0; j < 4; j++) {
        const uint8_t *row = pixels + rows[k + upper * 16 + 4 * t + j] * stride + pixel + 4 * g;
        words[0][j] = word_at(row);
        words[1][j] = word_at(row + WARP_PIXELS / 2);
      }
      turn(words[0], turned[0][upper]);
      turn(words[1], turned[1][upper]);
    }
#pragma unroll
    for (unsigned tile = 0; tile < TILES; tile++) {
      const int8_t *column = digits + ((blockIdx.z * TILES + tile) * SUM_COLUMNS_MULTIPLE + g) * rows_padded + k + 4 * t;
      const uint32_t b[2] = {word_at(column), word_at(column + 16)};
#pragma unroll
      for (unsigned j = 0; j < 4; j++) {
        const uint32_t a[4] = {turned[0][0][j], turned[1][0][j], turned[0][1][j], turned[1][1][j]};
        mma_u8s8(sum[j][tile], a, b);
      }
    }
  }
#pragma unroll
  for (unsigned tile = 0; tile < TILES; tile++)
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
#pragma unroll
      for (unsigned e = 0; e < 4; e++) {
        if (sum[j][tile][e] == 0) continue;
        const size_t column = (blockIdx.z * TILES + tile) * SUM_COLUMNS_MULTIPLE + 2 * t + e % 2;
        atomicAdd(sums + column * stride + pixel + e / 2 * (WARP_PIXELS / 2) + 4 * g + j, static_cast<unsigned long long>(static_cast<int64_t>(sum[j][tile][e])));
      }
}

__global__ void floats_kernel(const float *values, size_t n, size_t dim, const WeightedQuery *queries, float *out, unsigned long long *kept) {
  /* Of BLOCK rows, made once for all values of the block; < 0 = none. */
  __shared__ double weights[BLOCK];
  const size_t p = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  const WeightedQuery &query = queries[blockIdx.y];
  double total = 0;
  unsigned long long rows = 0;
  for (size_t from = 0; from < n; from += BLOCK) {
    const size_t own = from + threadIdx.x, some = n - from < BLOCK ? n - from : BLOCK;
    const bool counts = own < n && query.distances[own] <= query.farthest;
    weights[threadIdx.x] = counts ? exp((query.nearest - query.distances[own]) * query.scale) : -1;
    __syncthreads();
    for (size_t k = 0; k < some && p < dim; k++) {
      if (weights[k] < 0) continue;
      rows++;
      total += weights[k] * static_cast<double>(values[(from + k) * dim + p]);
    }
    __syncthreads();
  }
  if (p >= dim) return;
  out[blockIdx.y * dim + p] = static_cast<float>(total);
  if (p == 0) kept[blockIdx.y] = rows;
}

__global__ void combined_kernel(const WeightedQuery *queries, const unsigned long long *sums, size_t stride, const unsigned long long *totals, size_t dim, float *out) {
  const size_t p = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  if (p >= dim) return;
  const WeightedQuery &query = queries[blockIdx.y];
  double total = 0;
  for (uint32_t l = query.digits; l-- > 0;) total = total * 256 + static_cast<double>(static_cast<int64_t>(sums[(query.column + l) * stride + p]));
  constexpr double PIXEL_STEPS = 127.5;
  out[blockIdx.y * dim + p] = static_cast<float>((total / PIXEL_STEPS - static_cast<double>(totals[blockIdx.y])) / query.reach);
}

template <int TILES>
void launch(const uint8_t *pixels, size_t stride, const uint32_t *rows, size_t rows_padded, const int8_t *digits, size_t tiles, unsigned long long *sums, unsigned multiprocessors, Stream stream) {
  const size_t strips = (stride + WARPS * WARP_PIXELS - 1) / (WARPS * WARP_PIXELS), groups = tiles / TILES;
  /* About eight blocks for each multiprocessor. */
  const size_t wanted = (8 * multiprocessors + strips * groups - 1) / (strips * groups);
  size_t each = (rows_padded + wanted - 1) / wanted;
  each = each < ROWS_AT_ONCE_MIN ? ROWS_AT_ONCE_MIN : each > ROWS_AT_ONCE_MAX ? ROWS_AT_ONCE_MAX : each;
  each = (each + SUM_ROWS_MULTIPLE - 1) / SUM_ROWS_MULTIPLE * SUM_ROWS_MULTIPLE;
  const auto kernel = sums_kernel<TILES>;
  GD_LAUNCH(kernel, dim3(static_cast<unsigned>(strips), blocks_of(rows_padded, each), static_cast<unsigned>(groups)), SUM_BLOCK, 0, stream, pixels, stride, rows, rows_padded, each, digits, sums);
}
}  // namespace

void launch_weighted_rows(const WeightedQuery *queries, size_t count, size_t n, uint32_t *counter, uint32_t *rows, Stream stream) {
  if (n > 0 && count > 0) GD_LAUNCH(rows_kernel, dim3(blocks_of(n, BLOCK)), BLOCK, 0, stream, queries, count, n, counter, rows);
}

void launch_weights(const WeightedQuery *queries, size_t count, size_t n, const uint32_t *rows, size_t rows_count, size_t rows_padded, int8_t *digits, unsigned long long *totals,
                    unsigned long long *kept, Stream stream) {
  const unsigned queries_count = static_cast<unsigned>(count);
  if (count > 0 && rows_padded > 0)
    GD_LAUNCH(weights_kernel, dim3(blocks_of(rows_padded, BLOCK), queries_count), BLOCK, 0, stream, queries, rows, rows_count, rows_padded, digits, totals);
  if (count > 0 && n > 0) GD_LAUNCH(kept_kernel, dim3(blocks_of(n, BLOCK), queries_count), BLOCK, 0, stream, queries, n, kept);
}

void launch_weighted_pixels(const uint8_t *pixels, size_t stride, const uint32_t *rows, size_t rows_padded, const int8_t *digits, size_t columns, unsigned long long *sums, unsigned multiprocessors,
                            Stream stream) {
  if (rows_padded == 0 || columns == 0) return;
  const size_t tiles = columns / SUM_COLUMNS_MULTIPLE;
  /* Eight tiles are 128 registers of sums; fewer where they do not come out even. */
  if (tiles % 8 == 0) launch<8>(pixels, stride, rows, rows_padded, digits, tiles, sums, multiprocessors, stream);
  else if (tiles % 4 == 0) launch<4>(pixels, stride, rows, rows_padded, digits, tiles, sums, multiprocessors, stream);
  else if (tiles % 3 == 0) launch<3>(pixels, stride, rows, rows_padded, digits, tiles, sums, multiprocessors, stream);
  else if (tiles % 2 == 0) launch<2>(pixels, stride, rows, rows_padded, digits, tiles, sums, multiprocessors, stream);
  else launch<1>(pixels, stride, rows, rows_padded, digits, tiles, sums, multiprocessors, stream);
}

void launch_combined(const WeightedQuery *queries, size_t count, const unsigned long long *sums, size_t stride, const unsigned long long *totals, size_t dim, float *out, Stream stream) {
  if (count > 0) GD_LAUNCH(combined_kernel, dim3(blocks_of(dim, BLOCK), static_cast<unsigned>(count)), BLOCK, 0, stream, queries, sums, stride, totals, dim, out);
}

void launch_weighted_floats(const float *values, size_t n, size_t dim, const WeightedQuery *queries, size_t count, float *out, unsigned long long *kept, Stream stream) {
  if (count > 0) GD_LAUNCH(floats_kernel, dim3(blocks_of(dim, BLOCK), static_cast<unsigned>(count)), BLOCK, 0, stream, values, n, dim, queries, out, kept);
}

}  // namespace golddiff::cuda
