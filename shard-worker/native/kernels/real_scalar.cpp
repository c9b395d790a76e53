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
static inline vf pixels_f(const uint8_t *v) { return vf{static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2]), static_cast<float>(v[3])}; }
}  // namespace
}  // namespace golddiff

#include "real_kernels.inc"

extern "C" const gd_kernels *gd_kernels_scalar(void) {
  return true ? &golddiff::TABLE : nullptr;
}
