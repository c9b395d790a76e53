/*
 * Squared distances by integer products on tensor cores: 8-bit pixels times 8-bit limbs of queries are exact.
 *
 * A block has 256 rows and up to 32 queries with all their limbs. Rows come by asynchronous copies, 64 bytes of each at a time and three such pieces ahead, so that device
 * memory is read once and without waiting; a warp holds products of 32 rows in registers, and limbs of one query in one lane, which makes the distance of
 * them at the end. Pieces of 16 bytes are swapped by row, so that the lanes of a fragment read from 32 banks.
 */
#include "launches.h"
#include "reduce.h"

namespace golddiff::cuda {

namespace {
constexpr unsigned ROWS = 256, WARP_ROWS = 32, STAGES = 4, PIECE = 16, PIECES = ROW_BYTES / PIECE, TILE = 8;

__device__ inline unsigned place_of(unsigned row, unsigned piece) { return row * static_cast<unsigned>(ROW_BYTES) + ((piece ^ (row / 2 % PIECES)) * PIECE); }

__device__ inline uint32_t word(const unsigned char *tile, unsigned row, unsigned piece, unsigned offset) {
  uint32_t out;
  memcpy(&out, tile + place_of(row, piece) + offset, sizeof(out));
  return out;
}

template <int LIMBS, int TILES>
__global__ void __launch_bounds__(BLOCK) products_kernel(Products in) {
  constexpr unsigned COLUMNS = LIMBS * TILES * TILE;
  constexpr unsigned STAGE_BYTES = (ROWS + COLUMNS) * ROW_BYTES;
  GD_DYNAMIC_SHARED(shared);
  const unsigned warp = threadIdx.x / LANES, lane = threadIdx.x % LANES, g = lane / 4, t = lane % 4;
  const size_t row0 = static_cast<size_t>(blockIdx.x) * ROWS, chunks = in.stride / ROW_BYTES;
  int32_t sum[2][LIMBS * TILES][4] = {};

  const auto fetch = [&](size_t chunk) {
    if (chunk < chunks) {
      unsigned char *stage = shared + chunk % STAGES * STAGE_BYTES;
      for (unsigned k = threadIdx.x; k < (ROWS + COLUMNS) * PIECES; k += BLOCK) {
        const unsigned row = k / PIECES, piece = k % PIECES;
        const size_t at = chunk * ROW_BYTES + piece * PIECE;
        /* Behind the last row it is read again, and its products are dropped. */
        if (row < ROWS) copy_16(stage + place_of(row, piece), in.rows + (row0 + row < in.n ? row0 + row : in.n - 1) * in.stride + at);
        else copy_16(stage + ROWS * ROW_BYTES + place_of(row - ROWS, piece), in.q + (row - ROWS) * in.stride + at);
      }
    }
    copies_commit();
  };

  for (unsigned k = 0; k + 1 < STAGES; k++) fetch(k);
  for (size_t chunk = 0; chunk < chunks; chunk++) {
    copies_wait<STAGES - 2>();
    __syncthreads();
    fetch(chunk + STAGES - 1);
    const unsigned char *rows = shared + chunk % STAGES * STAGE_BYTES, *q = rows + ROWS * ROW_BYTES;
#pragma unroll
    for (unsigned half = 0; half < PIECES; half += 2) {
      uint32_t a[2][4];
#pragma unroll
      for (unsigned m = 0; m < 2; m++)
#pragma unroll
        for (unsigned k = 0; k < 4; k++) a[m][k] = word(rows, warp * WARP_ROWS + m * 16 + k % 2 * 8 + g, half + k / 2, 4 * t);
#pragma unroll
      for (unsigned tile = 0; tile < LIMBS * TILES; tile++) {
        const uint32_t b[2] = {word(q, tile * TILE + g, half, 4 * t), word(q, tile * TILE + g, half + 1, 4 * t)};
        mma_u8s8(sum[0][tile], a[0], b);
        mma_u8s8(sum[1][tile], a[1], b);
      }
    }
  }

#pragma unroll
  for (unsigned m = 0; m < 2; m++)
#pragma unroll
    for (unsigned e = 0; e < 4; e++) {
      const size_t row = row0 + warp * WARP_ROWS + m * 16 + e / 2 * 8 + g;
      if (row >= in.n) continue;
#pragma unroll
      for (unsigned tile = 0; tile < TILES; tile++) {
        const unsigned query = tile * TILE + 2 * t + e % 2;
        if (query >= in.queries) continue;
        int64_t total = 0;
#pragma unroll
        for (int limb = LIMBS - 1; limb >= 0; limb--) total = total * 256 + sum[m][limb * TILES + tile][e];
        double *out = in.out[query] + row;
        const double products = (in.first ? 0 : *out) + in.plane_factor * static_cast<double>(total);
        const DistanceTerms &own = in.terms[query];
        *out = in.last ? own.square * in.sum_sq[row] + own.cross * products + own.linear * in.sum[row] + own.constant : products;
      }
    }
}

template <int LIMBS, int TILES>
void launch(const Products &in, Stream stream) {
  constexpr size_t shared = STAGES * (ROWS + LIMBS * TILES * TILE) * ROW_BYTES;
  const auto kernel = products_kernel<LIMBS, TILES>;
  GD_ALLOW_SHARED(kernel, shared);
  GD_LAUNCH(kernel, dim3(static_cast<unsigned>((in.n + ROWS - 1) / ROWS)), BLOCK, shared, stream, in);
}

template <int TILES>
void launch_tiles(const Products &in, Stream stream) {
  switch (in.limbs) {
    case 1: return launch<1, TILES>(in, stream);
    case 2: return launch<2, TILES>(in, stream);
    case 3: return launch<3, TILES>(in, stream);
    default: return launch<4, TILES>(in, stream);
  }
}
}  // namespace

size_t product_columns(size_t queries) { return queries <= 8 ? 8 : queries <= 16 ? 16 : 32; }

void launch_products(const Products &in, Stream stream) {
  if (in.n == 0) return;
  switch (product_columns(in.queries)) {
    case 8: return launch_tiles<1>(in, stream);
    case 16: return launch_tiles<2>(in, stream);
    default: return launch_tiles<4>(in, stream);
  }
}

}  // namespace golddiff::cuda
