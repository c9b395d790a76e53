#pragma once
#include <cstdint>

namespace golddiff {

/* The pre-sample hash of shared/math/counter-noise.ts, to the bit: rows to [0, 1) by (seed, step, query id). */
class PresampleHash {
 public:
  PresampleHash(uint64_t seed, uint32_t step, uint32_t query_id);
  double operator()(uint32_t row_id) const;

 private:
  uint32_t key_;
  uint32_t tweak_;
};

}  // namespace golddiff
