#include <immintrin.h>

#include <cstddef>
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
static inline vd integers_d(const int32_t *v) { return (vd)_mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i *>(v))); }
static inline vd strided_d(const int32_t *v, std::size_t stride) {
  const __m128i places = _mm_mullo_epi32(_mm_setr_epi32(0, 1, 2, 3), _mm_set1_epi32(static_cast<int>(stride)));
  return (vd)_mm256_cvtepi32_pd(_mm_i32gather_epi32(v, places, 4));
}
static inline vd rounded(vd v) {
  __asm__("" : "+x"(v));
  return v;
}
static inline bool any(vi v) { return !_mm256_testz_si256((__m256i)v, (__m256i)v); }
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &golddiff::TABLE : nullptr;
}
