/*
 * A device on the processor: a block's threads are fibers of one thread, run in turn, and switched where they meet (a barrier, a shuffle, a matrix product). Slow, exact
 * in its integers, and the same code as on a device but for the instructions below. One launch at a time.
 */
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include "driver.h"

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(bytes) alignas(bytes)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace golddiff::cuda {

/* That one block of the emulated device may ask for, and what it has without asking; as compute capability 9.0. */
constexpr size_t EMULATED_SHARED_BYTES = 227 * 1024, SHARED_BYTES_UNASKED = 48 * 1024;
/* What a device would refuse, or do nobody knows what about, ends the process: blocks and grids that are too large, shared memory that was not asked for. */
void emulate(const void *kernel, dim3 grid, unsigned threads, size_t shared_bytes, Stream stream, const std::function<void()> &body);
/* One value for a kernel, always: on a device another thread's launch would meet the other. */
void allow_shared(const void *kernel, size_t bytes);
/* driver_emulated.cpp: makes the copies to the device that the stream has been asked for. */
void make_copies(Stream stream);
unsigned char *emulated_shared();
void block_barrier();
void warp_barrier();
/* The value of another lane of the warp, which all of its lanes ask for. */
uint64_t of_lane(uint64_t own, unsigned lane);
void mma_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

inline void copy_16(void *to, const void *from) { std::memcpy(to, from, 16); }
inline void copies_commit() {}
template <int K>
void copies_wait() {}

}  // namespace golddiff::cuda

inline void __syncthreads() { golddiff::cuda::block_barrier(); }
inline void __syncwarp() { golddiff::cuda::warp_barrier(); }
template <typename T>
T emulated_shuffle(T value, unsigned lane) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = golddiff::cuda::of_lane(bits, lane);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, unsigned mask) {
  return emulated_shuffle(value, (threadIdx.x % 32) ^ mask);
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned by) {
  const unsigned lane = threadIdx.x % 32;
  return emulated_shuffle(value, lane < by ? lane : lane - by);
}
/* Fibers are switched nowhere in between. */
template <typename T, typename U>
T atomicAdd(T *at, U by) {
  const T before = *at;
  *at += static_cast<T>(by);
  return before;
}
inline unsigned long long atomicMax(unsigned long long *at, unsigned long long by) {
  const unsigned long long before = *at;
  *at = std::max(before, by);
  return before;
}
inline uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t both = static_cast<uint64_t>(b) << 32 | a;
  uint32_t out = 0;
  for (int k = 0; k < 4; k++) out |= static_cast<uint32_t>(both >> 8 * (selector >> 4 * k & 7) & 255) << 8 * k;
  return out;
}
using std::max;
using std::min;

#define GD_LAUNCH(kernel, grid, block, shared, stream, ...) \
  golddiff::cuda::emulate(reinterpret_cast<const void *>(kernel), grid, block, shared, stream, [=] { kernel(__VA_ARGS__); })
#define GD_ALLOW_SHARED(kernel, bytes) golddiff::cuda::allow_shared(reinterpret_cast<const void *>(kernel), bytes)
#define GD_DYNAMIC_SHARED(name) unsigned char *const name = golddiff::cuda::emulated_shared()
