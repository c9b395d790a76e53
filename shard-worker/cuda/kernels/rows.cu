/* What is measured of rows once, when they are loaded, and proxies made of them. */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned WARPS = BLOCK / LANES;
/* Rows whose columns one block adds. */
constexpr size_t COLUMN_ROWS = 1024;

__device__ inline unsigned long long value_of(const PlaneRows &rows, size_t row, size_t p) {
  unsigned long long value = 0;
  for (size_t k = rows.plane_count; k-- > 0;) value = value * 256 + rows.planes[k][row * rows.stride + p];
  return value;
}

__global__ void sums_kernel(PlaneRows rows, double *sum, double *sum_sq, RowMeasures *measures) {
  const size_t row = static_cast<size_t>(blockIdx.x) * WARPS + threadIdx.x / LANES;
  if (row >= rows.n) return;
  unsigned long long total = 0, square = 0;
  for (size_t p = threadIdx.x % LANES; p < rows.dim; p += LANES) {
    const unsigned long long value = value_of(rows, row, p);
    total += value;
    square += value * value;
  }
  total = over_warp(total, Add());
  square = over_warp(square, Add());
  if (threadIdx.x % LANES != 0) return;
  sum[row] = static_cast<double>(total);
  sum_sq[row] = static_cast<double>(square);
  atomicAdd(&measures->total_sq, square);
  atomicMax(&measures->max_sq, square);
}

__global__ void columns_kernel(PlaneRows rows, unsigned long long *column_sums) {
  const size_t p = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, from = blockIdx.y * COLUMN_ROWS;
  if (p >= rows.dim) return;
  unsigned long long total = 0;
  for (size_t row = from; row < rows.n && row < from + COLUMN_ROWS; row++) total += value_of(rows, row, p);
  atomicAdd(column_sums + p, total);
}

__global__ void spread_kernel(PlaneRows rows, const double *mean, RowMeasures *measures) {
  const size_t row = static_cast<size_t>(blockIdx.x) * WARPS + threadIdx.x / LANES;
  if (row >= rows.n) return;
  double square = 0;
  for (size_t p = threadIdx.x % LANES; p < rows.dim; p += LANES) {
    const double d = static_cast<double>(value_of(rows, row, p)) - mean[p];
    square += d * d;
  }
  square = over_warp(square, Add());
  if (threadIdx.x % LANES == 0) atomicMax(&measures->max_spread, bits_of(square));
}

__global__ void range_kernel(const float *values, size_t count, RowMeasures *measures) {
  double largest = 0;
  for (size_t k = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x; k < count; k += static_cast<size_t>(gridDim.x) * BLOCK) {
    const double value = values[k] < 0 ? -static_cast<double>(values[k]) : static_cast<double>(values[k]);
    largest = largest < value ? value : largest;
  }
  atomicMax(&measures->max_sq, bits_of(largest));
}

__global__ void pooled_kernel(const uint8_t *pixels, const float *floats, size_t n, size_t stride, PictureShape shape, uint8_t *low, uint8_t *middle, uint8_t *high, size_t pooled_stride,
                              float *means) {
  const size_t h = shape.height / shape.factor, w = shape.width / shape.factor, d = shape.channels * h * w;
  const size_t k = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  if (k >= n * d) return;
  const size_t row = k / d, p = k % d, x = p % w, y = p / w % h, c = p / (w * h);
  const size_t corner = row * stride + (c * shape.height + y * shape.factor) * shape.width + x * shape.factor;
  uint32_t sum = 0;
  double total = 0;
  for (size_t a = 0; a < shape.factor; a++)
    for (size_t b = 0; b < shape.factor; b++) {
      if (pixels != nullptr) sum += pixels[corner + a * shape.width + b];
      else total += static_cast<double>(floats[corner + a * shape.width + b]);
    }
  if (pixels == nullptr) {
    means[row * d + p] = static_cast<float>(total / static_cast<double>(shape.factor * shape.factor));
    return;
  }
  low[row * pooled_stride + p] = static_cast<uint8_t>(sum);
  if (middle != nullptr) middle[row * pooled_stride + p] = static_cast<uint8_t>(sum >> 8);
  if (high != nullptr) high[row * pooled_stride + p] = static_cast<uint8_t>(sum >> 16);
}
}  // namespace

void launch_row_sums(const PlaneRows &rows, double *sum, double *sum_sq, RowMeasures *measures, unsigned long long *column_sums, Stream stream) {
  if (rows.n == 0) return;
  GD_LAUNCH(sums_kernel, dim3(blocks_of(rows.n, WARPS)), BLOCK, 0, stream, rows, sum, sum_sq, measures);
  GD_LAUNCH(columns_kernel, dim3(blocks_of(rows.dim, BLOCK), blocks_of(rows.n, COLUMN_ROWS)), BLOCK, 0, stream, rows, column_sums);
}

void launch_row_spread(const PlaneRows &rows, const double *mean, RowMeasures *measures, Stream stream) {
  if (rows.n > 0) GD_LAUNCH(spread_kernel, dim3(blocks_of(rows.n, WARPS)), BLOCK, 0, stream, rows, mean, measures);
}

void launch_float_range(const float *values, size_t count, RowMeasures *measures, Stream stream) {
  constexpr unsigned RANGE_BLOCKS_MAX = 1024;
  const size_t blocks = (count + BLOCK - 1) / BLOCK;
  if (count > 0) GD_LAUNCH(range_kernel, dim3(static_cast<unsigned>(blocks < RANGE_BLOCKS_MAX ? blocks : RANGE_BLOCKS_MAX)), BLOCK, 0, stream, values, count, measures);
}

void launch_pooled_pixels(const uint8_t *rows, size_t n, size_t stride, const PictureShape &shape, uint8_t *const planes[3], size_t plane_count, size_t pooled_stride, Stream stream) {
  const size_t d = shape.channels * (shape.height / shape.factor) * (shape.width / shape.factor);
  uint8_t *const middle = plane_count > 1 ? planes[1] : nullptr, *const high = plane_count > 2 ? planes[2] : nullptr;
  const float *const no_floats = nullptr;
  float *const no_means = nullptr;
  if (n > 0) GD_LAUNCH(pooled_kernel, dim3(blocks_of(n * d, BLOCK)), BLOCK, 0, stream, rows, no_floats, n, stride, shape, planes[0], middle, high, pooled_stride, no_means);
}

void launch_pooled_floats(const float *rows, size_t n, const PictureShape &shape, float *pooled, Stream stream) {
  const size_t d = shape.channels * (shape.height / shape.factor) * (shape.width / shape.factor), stride = shape.channels * shape.height * shape.width, none = 0;
  const uint8_t *const no_pixels = nullptr;
  uint8_t *const no_plane = nullptr;
  if (n > 0) GD_LAUNCH(pooled_kernel, dim3(blocks_of(n * d, BLOCK)), BLOCK, 0, stream, no_pixels, rows, n, stride, shape, no_plane, no_plane, no_plane, none, pooled);
}

}  // namespace golddiff::cuda
