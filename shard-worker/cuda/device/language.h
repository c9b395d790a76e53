/*
 * What kernels are written in: CUDA C++, or plain C++ on the processor. The second compiles the very same kernels, so that indexing and arithmetic are tested where there
 * is no device: emulated.h runs a block's threads as fibers that meet at its barriers.
 */
#pragma once
#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <cstdint>

#define GD_LAUNCH(kernel, grid, block, shared, stream, ...) kernel<<<grid, block, shared, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
/*
 * A block gets more than 48 KB only where its kernel has asked for it. The wish is state of the kernel, which all threads share: always the same for one kernel.
 * Where it fails, that is this thread's last error, which Driver::check_launch throws.
 */
#define GD_ALLOW_SHARED(kernel, bytes) cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes))
#define GD_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

namespace golddiff::cuda {

/* d += a b for 16 x 32 unsigned bytes and 32 x 8 signed bytes, exact; fragments as in the PTX manual's mma.m16n8k32. */
__device__ __forceinline__ void mma_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/* 16 bytes from device memory into shared memory, without passing through registers; copies_wait<k> leaves the k groups committed last under way. */
__device__ __forceinline__ void copy_16(void *to_shared, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(to_shared))), "l"(from));
}
__device__ __forceinline__ void copies_commit() { asm volatile("cp.async.commit_group;"); }
template <int K>
__device__ __forceinline__ void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(K));
}

}  // namespace golddiff::cuda
#else
#include "emulated.h"
#endif
