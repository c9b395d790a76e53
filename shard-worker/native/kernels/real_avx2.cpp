#include <immintrin.h>

#include <cstdint>

#define GD_ISA avx2
#define GD_ISA_NAME "avx2"
#define GD_BYTES 32

namespace golddiff {
namespace {
typedef double vd __attribute__((vector_size(GD_BYTES)));
typedef int64_t vi __attribute__((vector_size(GD_BYTES)));
typedef float vf __attribute__((vector_size(GD_BYTES)));
static inline vd pixels_d(const uint8_t *v) {
  int32_t four;
  __builtin_memcpy(&four, v, sizeof four);
  return (vd)_mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
}
static inline vf pixels_f(const uint8_t *v) { return (vf)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(v)))); }
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &golddiff::TABLE : nullptr;
}
