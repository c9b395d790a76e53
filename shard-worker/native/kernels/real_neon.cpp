#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#define GD_ISA neon
#define GD_ISA_NAME "neon"
#define GD_BYTES 16

namespace golddiff {
namespace {
typedef double vd __attribute__((vector_size(GD_BYTES)));
typedef int64_t vi __attribute__((vector_size(GD_BYTES)));
typedef float vf __attribute__((vector_size(GD_BYTES)));
static inline vd pixels_d(const uint8_t *v) { return vd{static_cast<double>(v[0]), static_cast<double>(v[1])}; }
static inline vd integers_d(const int32_t *v) { return (vd)vcvtq_f64_s64(vmovl_s32(vld1_s32(v))); }
static inline vd strided_d(const int32_t *v, std::size_t stride) { return vd{static_cast<double>(v[0]), static_cast<double>(v[stride])}; }
static inline vd rounded(vd v) {
  __asm__("" : "+w"(v));
  return v;
}
static inline bool any(vi v) { return vmaxvq_u32((uint32x4_t)v) != 0; }
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

/* Every 64-bit ARM has it. */
extern "C" const gd_kernels *gd_kernels_neon(void) { return &golddiff::TABLE; }
