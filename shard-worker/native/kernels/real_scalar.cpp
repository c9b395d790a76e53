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
/* Most vectors have nothing inside: those are only looked at. */
static inline std::size_t named(vi inside, uint32_t first, uint32_t *places) {
  std::size_t count = 0;
  if (!any(inside)) return count;
  for (std::size_t j = 0; j < GD_BYTES / sizeof(double); j++) {
    places[count] = first + static_cast<uint32_t>(j);
    count -= static_cast<std::size_t>(inside[j]);
  }
  return count;
}
static inline void bytes_of(vi v, std::size_t count, int8_t *out) {
  for (std::size_t j = 0; j < count; j++) out[j] = static_cast<int8_t>(v[j]);
}
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_scalar(void) {
  return true ? &golddiff::TABLE : nullptr;
}
