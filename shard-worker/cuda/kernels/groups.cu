/*
 * Weights by groups of values (pca, patch): a block takes rows of one query, and for each a table of running sums of its squared differences, in integers, so that
 * differences of sums are exact and a group's distance is two places for each run of neighbours. Several rows share a table and each read of a run. What a group has seen
 * so far (nearest, farthest, mass, weighted sums) stays in device memory, which the cache holds.
 */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned GROUP_BLOCK = 512;

template <typename Sum>
__device__ Sum place_of(const Groups &in, const GroupChunk &chunk, const GroupKindView &kind, uint32_t row, size_t place) {
  const double *q = in.q + chunk.query * in.dim;
  const double scale = in.scale[chunk.query], units = in.units[chunk.query];
  Sum sum = 0;
  for (size_t p = place; p < in.dim; p += kind.places) {
    const double value = in.pixels != nullptr ? static_cast<double>(in.pixels[row * in.stride + p]) : static_cast<double>(in.floats[row * in.dim + p]);
    const double d = q[p] - scale * value;
    sum += static_cast<Sum>(rint(d * d * units));
  }
  return sum;
}

/* table[(place + 1) * ROWS + r] = sum over the places up to this one, of ROWS rows. */
template <typename Sum, int ROWS>
__device__ void fill_table(const Groups &in, const GroupChunk &chunk, const GroupKindView &kind, size_t first, Sum *table, Sum *room) {
  const size_t each = (kind.places + GROUP_BLOCK - 1) / GROUP_BLOCK, from = threadIdx.x * each;
  const size_t end = from + each < kind.places ? from + each : kind.places;
  const unsigned lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
  for (int r = 0; r < ROWS; r++) {
    /* Behind the last row it is read again; nobody looks. */
    const uint32_t row = in.list[chunk.from + (first + r < chunk.count ? first + r : chunk.count - 1)];
    Sum own = 0;
    for (size_t place = from; place < end; place++) {
      const Sum value = place_of<Sum>(in, chunk, kind, row, place);
      own += value;
      table[(place + 1) * ROWS + r] = value;
    }
    Sum up_to = own;
    for (unsigned by = 1; by < LANES; by *= 2) {
      const Sum other = __shfl_up_sync(ALL_LANES, up_to, by);
      if (lane >= by) up_to += other;
    }
    __syncthreads();
    if (lane == LANES - 1) room[warp] = up_to;
    __syncthreads();
    Sum running = up_to - own;
    for (unsigned k = 0; k < warp; k++) running += room[k];
    for (size_t place = from; place < end; place++) {
      running += table[(place + 1) * ROWS + r];
      table[(place + 1) * ROWS + r] = running;
    }
    if (threadIdx.x == 0) table[r] = 0;
  }
  __syncthreads();
}

template <typename Sum, int ROWS>
__global__ void __launch_bounds__(GROUP_BLOCK) groups_kernel(Groups in) {
  GD_DYNAMIC_SHARED(shared);
  __shared__ Sum room[GROUP_BLOCK / LANES];
  const GroupChunk chunk = in.chunks[blockIdx.x];
  const GroupKindView kind = in.kinds[chunk.query];
  Sum *table = reinterpret_cast<Sum *>(shared);
  if (in.tables != nullptr) table = reinterpret_cast<Sum *>(in.tables) + blockIdx.x * (in.dim + 1);
  const double nats = in.nats[chunk.query];
  double *nearest = in.statistics + blockIdx.x * 4 * kind.groups, *farthest = nearest + kind.groups, *mass = farthest + kind.groups, *mass_sq = mass + kind.groups;
  double *sums = in.sums + blockIdx.x * in.dim;

  for (size_t first = 0; first < chunk.count; first += ROWS) {
    fill_table<Sum, ROWS>(in, chunk, kind, first, table, room);
    const int rows = chunk.count - first < ROWS ? static_cast<int>(chunk.count - first) : ROWS;
    for (size_t group = threadIdx.x; group < kind.groups; group += GROUP_BLOCK) {
      Sum distance[ROWS] = {};
      for (uint32_t run = kind.first[group]; run < kind.first[group + 1]; run++) {
        const Sum *start = table + static_cast<size_t>(kind.runs[2 * run]) * ROWS, *end = table + static_cast<size_t>(kind.runs[2 * run + 1]) * ROWS;
#pragma unroll
        for (int r = 0; r < ROWS; r++) distance[r] += end[r] - start[r];
      }
      double least = first == 0 ? static_cast<double>(distance[0]) : nearest[group], most = first == 0 ? least : farthest[group];
      const double before = least;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        if (r >= rows) continue;
        least = Least()(least, static_cast<double>(distance[r]));
        most = Most()(most, static_cast<double>(distance[r]));
      }
      const double shrunk = first == 0 ? 0 : before == least ? 1 : exp((least - before) * nats);
      double weight[ROWS], total = 0, square = 0;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        weight[r] = r < rows ? static_cast<double>(expf(static_cast<float>((least - static_cast<double>(distance[r])) * nats))) : 0;
        total += weight[r];
        square += weight[r] * weight[r];
      }
      nearest[group] = least;
      farthest[group] = most;
      mass[group] = first == 0 ? total : mass[group] * shrunk + total;
      mass_sq[group] = first == 0 ? square : mass_sq[group] * shrunk * shrunk + square;
      for (size_t p = group; p < in.dim; p += kind.groups) {
        double sum = first == 0 ? 0 : sums[p] * shrunk;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          if (r >= rows) continue;
          const uint32_t row = in.list[chunk.from + first + r];
          sum += weight[r] * (in.pixels != nullptr ? static_cast<double>(in.pixels[row * in.stride + p]) : static_cast<double>(in.floats[row * in.dim + p]));
        }
        sums[p] = sum;
      }
    }
    __syncthreads();
  }
}

/* The recurrence of shared/math/grouped-partial.ts, chunk after chunk. */
__global__ void add_kernel(Groups in, const uint32_t *first) {
  const uint32_t begin = first[blockIdx.y], end = first[blockIdx.y + 1];
  if (begin == end) return;
  const uint32_t query = in.chunks[begin].query;
  const size_t G = in.kinds[query].groups, group = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  if (group >= G) return;
  const double nats = in.nats[query];
  double *into = in.statistics + begin * 4 * G + group;
  for (uint32_t k = begin + 1; k < end; k++) {
    const double *part = in.statistics + k * 4 * G + group;
    const double least = Least()(into[0], part[0]), own = exp((least - into[0]) * nats), other = exp((least - part[0]) * nats);
    into[0] = least;
    into[G] = Most()(into[G], part[G]);
    into[2 * G] = into[2 * G] * own + part[2 * G] * other;
    into[3 * G] = into[3 * G] * own * own + part[3 * G] * other * other;
    for (size_t p = group; p < in.dim; p += G) in.sums[begin * in.dim + p] = in.sums[begin * in.dim + p] * own + in.sums[k * in.dim + p] * other;
  }
}

template <typename Sum, int ROWS>
void launch(const Groups &groups, size_t bytes, size_t shared_bytes, Stream stream) {
  const auto kernel = groups_kernel<Sum, ROWS>;
  /* All that a block may have, whatever this launch takes: other threads launch the same kernel with other tables. */
  GD_ALLOW_SHARED(kernel, shared_bytes);
  GD_LAUNCH(kernel, dim3(static_cast<unsigned>(groups.chunk_count)), GROUP_BLOCK, bytes, stream, groups);
}

template <typename Sum>
void launch_rows(const Groups &groups, size_t row_bytes, size_t shared_bytes, Stream stream) {
  if (groups.tables != nullptr) launch<Sum, 1>(groups, 0, shared_bytes, stream);
  else if (8 * row_bytes <= shared_bytes) launch<Sum, 8>(groups, 8 * row_bytes, shared_bytes, stream);
  else if (4 * row_bytes <= shared_bytes) launch<Sum, 4>(groups, 4 * row_bytes, shared_bytes, stream);
  else if (2 * row_bytes <= shared_bytes) launch<Sum, 2>(groups, 2 * row_bytes, shared_bytes, stream);
  else launch<Sum, 1>(groups, row_bytes, shared_bytes, stream);
}
}  // namespace

size_t group_table_bytes(size_t places, bool wide) { return (places + 1) * (wide ? sizeof(unsigned long long) : sizeof(uint32_t)); }

void launch_groups(const Groups &groups, bool wide, size_t shared_bytes, Stream stream) {
  if (groups.chunk_count == 0) return;
  /* No kind has more places than a row has values. */
  const size_t row_bytes = group_table_bytes(groups.dim, wide);
  if (wide) launch_rows<unsigned long long>(groups, row_bytes, shared_bytes, stream);
  else launch_rows<uint32_t>(groups, row_bytes, shared_bytes, stream);
}

void launch_add_groups(const Groups &groups, const uint32_t *first, size_t queries, Stream stream) {
  if (groups.chunk_count == 0) return;
  /* No kind has more groups than a row has values. */
  GD_LAUNCH(add_kernel, dim3(static_cast<unsigned>((groups.dim + BLOCK - 1) / BLOCK), static_cast<unsigned>(queries)), BLOCK, 0, stream, groups, first);
}

}  // namespace golddiff::cuda
