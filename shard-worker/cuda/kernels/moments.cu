/* Sums of values and of their products over rows: 16 x 16 products a block, rows in their order. Of pixels exact. */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned SIDE = 16;

__global__ void moments_kernel(const uint8_t *pixels, const float *floats, size_t n, size_t dim, size_t stride, const int32_t *labels, int32_t label, double *sum, double *products) {
  if (blockIdx.x > blockIdx.y) return;
  __shared__ double across[SIDE][SIDE], down[SIDE][SIDE];
  const unsigned i = threadIdx.x / SIDE, j = threadIdx.x % SIDE;
  const size_t p = blockIdx.y * SIDE + i, q = blockIdx.x * SIDE + j;
  double total = 0, own = 0;
  for (size_t from = 0; from < n; from += SIDE) {
    /* Row from + i, values j of both tiles. */
    const size_t row = from + i, a = blockIdx.y * SIDE + j, b = blockIdx.x * SIDE + j;
    const bool counts = row < n && (label < 0 || labels[row] == label);
    down[i][j] = !counts || a >= dim ? 0 : pixels != nullptr ? static_cast<double>(pixels[row * stride + a]) : static_cast<double>(floats[row * dim + a]);
    across[i][j] = !counts || b >= dim ? 0 : pixels != nullptr ? static_cast<double>(pixels[row * stride + b]) : static_cast<double>(floats[row * dim + b]);
    __syncthreads();
    for (unsigned r = 0; r < SIDE; r++) {
      total += down[r][i] * across[r][j];
      own += down[r][i];
    }
    __syncthreads();
  }
  if (p >= dim || q > p) return;
  products[p * (p + 1) / 2 + q] = total;
  if (q == p) sum[p] = own;
}
}  // namespace

void launch_moments(const uint8_t *pixels, const float *floats, size_t n, size_t dim, size_t stride, const int32_t *labels, int32_t label, double *sum, double *products, Stream stream) {
  const unsigned tiles = static_cast<unsigned>((dim + SIDE - 1) / SIDE);
  GD_LAUNCH(moments_kernel, dim3(tiles, tiles), BLOCK, 0, stream, pixels, floats, n, dim, stride, labels, label, sum, products);
}

}  // namespace golddiff::cuda
