#include <cstddef>
#include <cstdint>

#define GD_ISA scalar
#define GD_ISA_NAME "scalar"
#define GD_BYTES 16

namespace golddiff {
namespace {
typedef double vd __attribute__((vector_size(GD_BYTES)));
typedef int64_t vi __attribute__((vector_size(GD_BYTES)));
typedef float vf __attribute__((vector_size(GD_BYTES)));
static inline vd pixels_d(const uint8_t *v) { return vd{static_cast<double>(v[0]), static_cast<double>(v[1])}; }
static inline vd integers_d(const int32_t *v) { return vd{static_cast<double>(v[0]), static_cast<double>(v[1])}; }
static inline vd strided_d(const int32_t *v, std::size_t stride) { return vd{static_cast<double>(v[0]), static_cast<double>(v[stride])}; }
/* Its group of files is built without fusing. */
static inline vd rounded(vd v) { return v; }
static inline bool any(vi v) { return (v[0] | v[1]) != 0; }
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_scalar(void) {
  return true ? &golddiff::TABLE : nullptr;
}
