/* Sums and extremes over a block in one order, whatever runs when. */
#pragma once
#include "../device/language.h"

namespace golddiff::cuda {

constexpr unsigned BLOCK = 256;
constexpr unsigned LANES = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

struct Add {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Least {
  __device__ double operator()(double a, double b) const { return a < b ? a : b; }
};
struct Most {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

/* All lanes have the result. */
template <typename T, typename Op>
__device__ T over_warp(T value, Op op) {
  for (unsigned mask = LANES / 2; mask > 0; mask /= 2) value = op(value, __shfl_xor_sync(ALL_LANES, value, mask));
  return value;
}

/* `room` is shared, of BLOCK / LANES values. All threads of a block of BLOCK have the result. */
template <typename T, typename Op>
__device__ T over_block(T value, Op op, T *room) {
  value = over_warp(value, op);
  __syncthreads();
  if (threadIdx.x % LANES == 0) room[threadIdx.x / LANES] = value;
  __syncthreads();
  T total = room[0];
  for (unsigned k = 1; k < BLOCK / LANES; k++) total = op(total, room[k]);
  return total;
}

__device__ inline unsigned long long bits_of(double value) {
  unsigned long long bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

}  // namespace golddiff::cuda
