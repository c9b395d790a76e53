#include "random.h"

namespace golddiff {

/* Philox (Salmon et al., SC 2011), ten rounds. */
PresampleHash::PresampleHash(uint64_t seed, uint32_t step, uint32_t query_id) {
  uint32_t c0 = query_id, c1 = step, c2 = 0, c3 = 0x70726573;
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int r = 0; r < 10; r++) {
    const uint64_t p0 = 0xd2511f53ull * c0;
    const uint64_t p1 = 0xcd9e8d57ull * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  key_ = c0;
  tweak_ = c1;
}

double PresampleHash::operator()(uint32_t row_id) const {
  uint32_t c0 = row_id, c1 = tweak_, key = key_;
  for (int r = 0; r < 10; r++) {
    const uint64_t p = 0xd256d193ull * c0;
    c0 = static_cast<uint32_t>(p >> 32) ^ key ^ c1;
    c1 = static_cast<uint32_t>(p);
    key += 0x9e3779b9;
  }
  return (static_cast<double>(c0 >> 5) * 67108864.0 + static_cast<double>(c1 >> 6)) / 9007199254740992.0;
}

}  // namespace golddiff
