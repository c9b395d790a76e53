/* Softmax statistics of distances, each sum in one order: REDUCED_ROWS rows a block, 16 neighbours at a distance of BLOCK in a thread, threads by a tree, blocks in order. */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
__global__ void limit_kernel(const double *from, double *distances, const uint8_t *mask, size_t n, const double *limit, unsigned long long *kept) {
  __shared__ unsigned long long room[BLOCK / LANES];
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, b = blockIdx.y, at = b * n + row;
  bool keeps = row < n;
  if (keeps) {
    /* What is infinite already has no weight, also where the limit of a query without a row is infinite. */
    keeps = (mask == nullptr || mask[at] != 0) && from[at] < INFINITY && from[at] <= limit[b];
    distances[at] = keeps ? from[at] : INFINITY;
  }
  const unsigned long long count = over_block(static_cast<unsigned long long>(keeps ? 1 : 0), Add(), room);
  if (threadIdx.x == 0) atomicAdd(kept + b, count);
}

__global__ void pairs_kernel(const double *distances, size_t n, const uint8_t *pick, unsigned long long *counter, uint32_t *query, uint32_t *rows) {
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, b = blockIdx.y;
  if (row >= n || pick[b] == 0 || distances[b * n + row] == INFINITY) return;
  const unsigned long long place = atomicAdd(counter, 1ull);
  query[place] = static_cast<uint32_t>(b);
  rows[place] = static_cast<uint32_t>(row);
}

__global__ void nearest_kernel(const double *distances, size_t n, double *partial) {
  __shared__ double room[BLOCK / LANES];
  const size_t b = blockIdx.y, from = blockIdx.x * REDUCED_ROWS;
  double least = INFINITY;
  for (size_t row = from + threadIdx.x; row < n && row < from + REDUCED_ROWS; row += BLOCK) least = Least()(least, distances[b * n + row]);
  least = over_block(least, Least(), room);
  if (threadIdx.x == 0) partial[b * gridDim.x + blockIdx.x] = least;
}

__global__ void nearest_of_all_kernel(const double *partial, size_t parts, double *nearest) {
  __shared__ double room[BLOCK / LANES];
  double least = INFINITY;
  for (size_t k = threadIdx.x; k < parts; k += BLOCK) least = Least()(least, partial[blockIdx.x * parts + k]);
  least = over_block(least, Least(), room);
  if (threadIdx.x == 0) nearest[blockIdx.x] = least;
}

__global__ void mass_kernel(const double *distances, size_t n, const double *nearest, const double *divisor, double *partial) {
  __shared__ double room[BLOCK / LANES];
  const size_t b = blockIdx.y, from = blockIdx.x * REDUCED_ROWS;
  const double least = nearest[b], nats = 1 / divisor[b];
  double mass = 0, mass_sq = 0;
  for (size_t row = from + threadIdx.x; row < n && row < from + REDUCED_ROWS; row += BLOCK) {
    const double distance = distances[b * n + row];
    if (distance == INFINITY) continue;
    const double weight = exp((least - distance) * nats);
    mass += weight;
    mass_sq += weight * weight;
  }
  mass = over_block(mass, Add(), room);
  mass_sq = over_block(mass_sq, Add(), room);
  if (threadIdx.x != 0) return;
  partial[2 * (b * gridDim.x + blockIdx.x)] = mass;
  partial[2 * (b * gridDim.x + blockIdx.x) + 1] = mass_sq;
}

__global__ void mass_of_all_kernel(const double *partial, size_t parts, double *mass, double *mass_sq) {
  __shared__ double room[BLOCK / LANES];
  double total = 0, square = 0;
  for (size_t k = threadIdx.x; k < parts; k += BLOCK) {
    total += partial[2 * (blockIdx.x * parts + k)];
    square += partial[2 * (blockIdx.x * parts + k) + 1];
  }
  total = over_block(total, Add(), room);
  square = over_block(square, Add(), room);
  if (threadIdx.x != 0) return;
  mass[blockIdx.x] = total;
  mass_sq[blockIdx.x] = square;
}

__global__ void histogram_kernel(const double *distances, size_t n, const double *max_logit, const double *divisor, uint32_t *rows, unsigned long long *mass) {
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, b = blockIdx.y;
  if (row >= n || max_logit[b] == -INFINITY) return;
  const double distance = distances[b * n + row];
  if (distance == INFINITY) return;
  const double below = max_logit[b] + distance / divisor[b];
  const double place = floor(below * HISTOGRAM_BINS_PER_NAT), bin = place < 0 ? 0 : place;
  if (bin >= static_cast<double>(HISTOGRAM_BINS)) return;
  const size_t at = b * HISTOGRAM_BINS + static_cast<size_t>(bin);
  atomicAdd(rows + at, 1u);
  /* Integers, so that their order does not matter, in a unit of the bin's own. */
  atomicAdd(mass + at, static_cast<unsigned long long>(rint(exp(bin / HISTOGRAM_BINS_PER_NAT - below) / HISTOGRAM_UNIT)));
}
}  // namespace

void launch_limit(const double *from, double *distances, const uint8_t *mask, size_t n, size_t batch, const double *limit, unsigned long long *kept, Stream stream) {
  if (n > 0) GD_LAUNCH(limit_kernel, dim3(blocks_of(n, BLOCK), static_cast<unsigned>(batch)), BLOCK, 0, stream, from, distances, mask, n, limit, kept);
}

void launch_pairs(const double *distances, size_t n, size_t batch, const uint8_t *pick, unsigned long long *counter, uint32_t *query, uint32_t *row, Stream stream) {
  if (n > 0) GD_LAUNCH(pairs_kernel, dim3(blocks_of(n, BLOCK), static_cast<unsigned>(batch)), BLOCK, 0, stream, distances, n, pick, counter, query, row);
}

void launch_nearest(const double *distances, size_t n, size_t batch, double *partial, double *nearest, Stream stream) {
  const size_t parts = reduced_blocks(n);
  const unsigned queries = static_cast<unsigned>(batch);
  if (n > 0) GD_LAUNCH(nearest_kernel, dim3(static_cast<unsigned>(parts), queries), BLOCK, 0, stream, distances, n, partial);
  GD_LAUNCH(nearest_of_all_kernel, dim3(queries), BLOCK, 0, stream, partial, parts, nearest);
}

void launch_mass(const double *distances, size_t n, size_t batch, const double *nearest, const double *divisor, double *partial, double *mass, double *mass_sq, Stream stream) {
  const size_t parts = reduced_blocks(n);
  const unsigned queries = static_cast<unsigned>(batch);
  if (n > 0) GD_LAUNCH(mass_kernel, dim3(static_cast<unsigned>(parts), queries), BLOCK, 0, stream, distances, n, nearest, divisor, partial);
  GD_LAUNCH(mass_of_all_kernel, dim3(queries), BLOCK, 0, stream, partial, parts, mass, mass_sq);
}

void launch_histogram(const double *distances, size_t n, size_t batch, const double *max_logit, const double *divisor, uint32_t *rows, unsigned long long *mass, Stream stream) {
  if (n > 0) GD_LAUNCH(histogram_kernel, dim3(blocks_of(n, BLOCK), static_cast<unsigned>(batch)), BLOCK, 0, stream, distances, n, max_logit, divisor, rows, mass);
}

}  // namespace golddiff::cuda
