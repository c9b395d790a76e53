/*
 * Which rows of each query are left after its cuts, and the keys of ranks among them: radix selection by 11 bits of the key at a time, from the highest on, so that a rank
 * costs six passes over the keys and no sorting.
 */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned DIGIT_BITS = 11, PASSES = 6, KEY_BITS = 64;
/* Keys of one block of a pass. */
constexpr size_t COUNTED_KEYS = 16 * BLOCK;
constexpr unsigned long long SIGN = 1ull << 63;

/* Ascends as the keys do. */
__device__ inline unsigned long long ordered(double key) {
  const unsigned long long bits = bits_of(key == 0 ? 0 : key);
  return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

/* shared/math/counter-noise.ts presampleHash, to the bit: Philox (Salmon et al., SC 2011), ten rounds of four words for the query and ten of two for the row. */
__global__ void presample_kernel(const uint32_t *row_ids, size_t n, uint64_t seed, uint32_t step, const uint32_t *query_ids, double *keys) {
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  if (row >= n) return;
  uint32_t c0 = query_ids[blockIdx.y], c1 = step, c2 = 0, c3 = 0x70726573;
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int r = 0; r < 10; r++) {
    const uint64_t p0 = 0xd2511f53ull * c0, p1 = 0xcd9e8d57ull * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  uint32_t key = c0;
  c0 = row_ids[row];
  for (int r = 0; r < 10; r++) {
    const uint64_t p = 0xd256d193ull * c0;
    c0 = static_cast<uint32_t>(p >> 32) ^ key ^ c1;
    c1 = static_cast<uint32_t>(p);
    key += 0x9e3779b9;
  }
  keys[blockIdx.y * n + row] = (static_cast<double>(c0 >> 5) * 67108864.0 + static_cast<double>(c1 >> 6)) / 9007199254740992.0;
}

__global__ void mask_kernel(Mask in) {
  __shared__ unsigned long long room[BLOCK / LANES];
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, b = blockIdx.y;
  bool passes = row < in.n;
  if (passes) {
    const int32_t label = in.labels == nullptr ? -1 : in.labels[b];
    passes = label < 0 || in.row_labels[row] == label;
    for (int stage = 0; stage < 3; stage++) {
      const StageCut &cut = in.cuts[stage];
      if (cut.keys == nullptr || !passes) continue;
      const double key = cut.cut_key[b];
      if (key == INFINITY) continue;
      const double own = cut.keys[b * in.n + row];
      passes = own < key || (own == key && in.row_ids[row] <= cut.cut_row_id[b]);
    }
    in.mask[b * in.n + row] = passes ? 1 : 0;
  }
  const unsigned long long count = over_block(static_cast<unsigned long long>(passes ? 1 : 0), Add(), room);
  if (threadIdx.x == 0) atomicAdd(in.passing + b, count);
}

/* Counts the next digit of the keys whose bits from known_from on are those found so far. */
__global__ void count_kernel(const double *keys, const uint8_t *mask, size_t n, const RankTarget *targets, const RankedBits *found, unsigned known_from, unsigned shift, uint32_t *work) {
  __shared__ uint32_t bins[RANK_BINS];
  for (size_t k = threadIdx.x; k < RANK_BINS; k += BLOCK) bins[k] = 0;
  __syncthreads();
  const size_t b = targets[blockIdx.y].query, from = blockIdx.x * COUNTED_KEYS;
  const unsigned long long prefix = found[blockIdx.y].bits;
  for (size_t row = from + threadIdx.x; row < n && row < from + COUNTED_KEYS; row += BLOCK) {
    if (mask[b * n + row] == 0) continue;
    const unsigned long long bits = ordered(keys[b * n + row]);
    if (known_from < KEY_BITS && bits >> known_from != prefix >> known_from) continue;
    atomicAdd(bins + (bits >> shift & (RANK_BINS - 1)), 1u);
  }
  __syncthreads();
  for (size_t k = threadIdx.x; k < RANK_BINS; k += BLOCK)
    if (bins[k] > 0) atomicAdd(work + blockIdx.y * RANK_BINS + k, bins[k]);
}

/* Finds the bin that the rank lies in, and empties the counters for the next digit. One block a target. */
__global__ void narrow_kernel(const RankTarget *targets, RankedBits *found, unsigned shift, uint32_t *work) {
  __shared__ unsigned long long before[BLOCK];
  constexpr size_t OWN = RANK_BINS / BLOCK;
  uint32_t *bins = work + blockIdx.x * RANK_BINS + threadIdx.x * OWN;
  unsigned long long total = 0;
  for (size_t k = 0; k < OWN; k++) total += bins[k];
  before[threadIdx.x] = total;
  __syncthreads();
  unsigned long long below = found[blockIdx.x].below;
  for (unsigned k = 0; k < threadIdx.x; k++) below += before[k];
  const unsigned long long rank = targets[blockIdx.x].rank;
  /* Before anybody writes what all have read. */
  __syncthreads();
  for (size_t k = 0; k < OWN; k++) {
    const unsigned long long own = bins[k];
    if (rank >= below && rank < below + own) {
      found[blockIdx.x].bits |= static_cast<unsigned long long>(threadIdx.x * OWN + k) << shift;
      found[blockIdx.x].below = below;
      found[blockIdx.x].equal = own;
    }
    below += own;
    bins[k] = 0;
  }
}

__global__ void collect_kernel(const double *keys, const uint8_t *mask, const uint32_t *row_ids, size_t n, const KeyRange *ranges, uint32_t *counters, double *out_keys, uint32_t *out_ids) {
  const size_t row = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  const KeyRange range = ranges[blockIdx.y];
  const size_t at = range.query * n + row;
  if (row >= n || mask[at] == 0) return;
  const unsigned long long bits = ordered(keys[at]);
  if (bits < range.low || bits > range.high) return;
  const uint32_t place = range.first + atomicAdd(counters + blockIdx.y, 1u);
  out_keys[place] = keys[at];
  out_ids[place] = row_ids[row];
}

/* One block a query goes over its rows in order. */
__global__ void lists_kernel(const uint8_t *mask, size_t n, const unsigned long long *first, uint32_t *rows) {
  __shared__ uint32_t counts[BLOCK];
  const size_t b = blockIdx.x;
  /* So many neighbours are one thread's. */
  constexpr size_t OWN = 16;
  unsigned long long place = first[b];
  for (size_t from = 0; from < n; from += BLOCK * OWN) {
    const size_t begin = from + threadIdx.x * OWN, end = begin + OWN < n ? begin + OWN : n;
    uint32_t own = 0;
    for (size_t row = begin; row < end; row++) own += mask[b * n + row];
    counts[threadIdx.x] = own;
    __syncthreads();
    unsigned long long at = place;
    for (unsigned k = 0; k < BLOCK; k++) {
      if (k < threadIdx.x) at += counts[k];
      place += counts[k];
    }
    for (size_t row = begin; row < end; row++)
      if (mask[b * n + row] != 0) rows[at++] = static_cast<uint32_t>(row);
    __syncthreads();
  }
}
}  // namespace

void launch_presample(const uint32_t *row_ids, size_t n, uint64_t seed, uint32_t step, const uint32_t *query_ids, size_t batch, double *keys, Stream stream) {
  if (n > 0) GD_LAUNCH(presample_kernel, dim3(blocks_of(n, BLOCK), static_cast<unsigned>(batch)), BLOCK, 0, stream, row_ids, n, seed, step, query_ids, keys);
}

void launch_mask(const Mask &mask, Stream stream) {
  if (mask.n > 0) GD_LAUNCH(mask_kernel, dim3(blocks_of(mask.n, BLOCK), static_cast<unsigned>(mask.batch)), BLOCK, 0, stream, mask);
}

void launch_ranks(const double *keys, const uint8_t *mask, size_t n, const RankTarget *targets, size_t count, uint32_t *work, RankedBits *found, Stream stream) {
  if (n == 0 || count == 0) return;
  for (unsigned pass = 0; pass < PASSES; pass++) {
    /* 64 is no multiple of 11: the lowest digit is looked at with bits of the one before it, which are known by then. */
    const unsigned high = KEY_BITS - pass * DIGIT_BITS, shift = high > DIGIT_BITS ? high - DIGIT_BITS : 0;
    GD_LAUNCH(count_kernel, dim3(blocks_of(n, COUNTED_KEYS), static_cast<unsigned>(count)), BLOCK, 0, stream, keys, mask, n, targets, found, high, shift, work);
    GD_LAUNCH(narrow_kernel, dim3(static_cast<unsigned>(count)), BLOCK, 0, stream, targets, found, shift, work);
  }
}

void launch_collect(const double *keys, const uint8_t *mask, const uint32_t *row_ids, size_t n, const KeyRange *ranges, size_t count, uint32_t *counters, double *out_keys, uint32_t *out_ids,
                    Stream stream) {
  if (n > 0 && count > 0) GD_LAUNCH(collect_kernel, dim3(blocks_of(n, BLOCK), static_cast<unsigned>(count)), BLOCK, 0, stream, keys, mask, row_ids, n, ranges, counters, out_keys, out_ids);
}

void launch_lists(const uint8_t *mask, size_t n, size_t batch, const unsigned long long *first, uint32_t *rows, Stream stream) {
  if (n > 0) GD_LAUNCH(lists_kernel, dim3(static_cast<unsigned>(batch)), BLOCK, 0, stream, mask, n, first, rows);
}

}  // namespace golddiff::cuda
