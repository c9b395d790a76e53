/* Squared distances by differences in double: where integer products leave too much open, and for rows that are no pixels. One warp for a pair of a query and a row. */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
__device__ double difference(const Differences &in, uint32_t query, uint32_t row) {
  const double *q = in.q + query * in.dim;
  const double scale = in.scale[query];
  double total = 0;
  for (size_t p = threadIdx.x % LANES; p < in.dim; p += LANES) {
    double value = 0;
    if (in.floats != nullptr) {
      value = in.floats[row * in.dim + p];
    } else {
      for (size_t k = in.plane_count; k-- > 0;) value = value * 256 + in.planes[k][row * in.stride + p];
    }
    const double d = q[p] - scale * value;
    total += d * d;
  }
  return over_warp(total, Add());
}

__global__ void pairs_kernel(Differences in, Pairs pairs) {
  const size_t warps = static_cast<size_t>(gridDim.x) * (BLOCK / LANES);
  for (size_t k = static_cast<size_t>(blockIdx.x) * (BLOCK / LANES) + threadIdx.x / LANES; k < pairs.count; k += warps) {
    const uint32_t query = pairs.query[k], row = pairs.row[k];
    const double found = difference(in, query, row);
    if (threadIdx.x % LANES == 0) in.keys[query * in.n + row] = found;
  }
}

__global__ void all_kernel(Differences in, const uint32_t *queries) {
  const size_t row = static_cast<size_t>(blockIdx.x) * (BLOCK / LANES) + threadIdx.x / LANES;
  if (row >= in.n) return;
  const uint32_t query = queries[blockIdx.y];
  const double found = difference(in, query, static_cast<uint32_t>(row));
  if (threadIdx.x % LANES == 0) in.keys[query * in.n + row] = found;
}

constexpr size_t PAIR_BLOCKS_MAX = 4096;
}  // namespace

void launch_differences(const Differences &rows, const Pairs &pairs, Stream stream) {
  if (pairs.count == 0) return;
  const size_t blocks = (pairs.count + BLOCK / LANES - 1) / (BLOCK / LANES);
  GD_LAUNCH(pairs_kernel, dim3(static_cast<unsigned>(blocks < PAIR_BLOCKS_MAX ? blocks : PAIR_BLOCKS_MAX)), BLOCK, 0, stream, rows, pairs);
}

void launch_all_differences(const Differences &rows, const uint32_t *queries, size_t count, Stream stream) {
  if (rows.n == 0 || count == 0) return;
  GD_LAUNCH(all_kernel, dim3(static_cast<unsigned>((rows.n + BLOCK / LANES - 1) / (BLOCK / LANES)), static_cast<unsigned>(count)), BLOCK, 0, stream, rows, queries);
}

}  // namespace golddiff::cuda
