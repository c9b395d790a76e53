#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define GD_ISA avx512
#define GD_ISA_NAME "avx512"
#define GD_BYTES 64
/* named and bytes_of */
#define GD_COMPRESSES

namespace golddiff {
namespace {
typedef double vd __attribute__((vector_size(GD_BYTES)));
typedef int64_t vi __attribute__((vector_size(GD_BYTES)));
typedef float vf __attribute__((vector_size(GD_BYTES)));
static inline vd pixels_d(const uint8_t *v) { return (vd)_mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(v)))); }
static inline vd integers_d(const int32_t *v) { return (vd)_mm512_cvtepi32_pd(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(v))); }
static inline vd strided_d(const int32_t *v, std::size_t stride) {
  const __m256i places = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(stride)));
  return (vd)_mm512_cvtepi32_pd(_mm256_i32gather_epi32(v, places, 4));
}
static inline vd rounded(vd v) {
  __asm__("" : "+v"(v));
  return v;
}
static inline bool any(vi v) { return _mm512_test_epi64_mask((__m512i)v, (__m512i)v) != 0; }
/* In a register: some processors take a hundred cycles to compress into memory. */
static inline std::size_t named(vi inside, uint32_t first, uint32_t *places) {
  const __mmask8 lanes = _mm512_movepi64_mask((__m512i)inside);
  const __m256i all = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(places), _mm256_maskz_compress_epi32(lanes, all));
  return static_cast<std::size_t>(__builtin_popcount(lanes));
}
static inline void bytes_of(vi v, std::size_t count, int8_t *out) {
  _mm512_mask_cvtepi64_storeu_epi8(out, static_cast<__mmask8>((1u << count) - 1), (__m512i)v);
}
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") ? &golddiff::TABLE : nullptr;
}
