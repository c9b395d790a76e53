#include "word_products.h"

#include <algorithm>
#include <cmath>

#include "../include/kernels.h"
#include "queries.h"

namespace golddiff {

namespace {
constexpr size_t FACTOR_MAX = 16;
constexpr double WORD_MAX = 32767;
}  // namespace

WordProducts word_products(size_t dim, size_t factor) {
  WordProducts out;
  if (dim == 0 || factor < 2 || factor > FACTOR_MAX) return out;
  out.offset = static_cast<int32_t>(128 * factor * factor);
  const double room = std::floor(GD_DOT_WORDS_MAX / (static_cast<double>(dim) * out.offset));
  out.reach = std::min(room, WORD_MAX);
  if (out.reach < WordProducts::REACH_MIN) return out;
  /* Digits go down to -2^(bits - 1). */
  const double largest = std::min(room, WORD_MAX + 1);
  while (std::ldexp(1, static_cast<int>(out.bits)) <= largest) out.bits++;
  const double base = std::ldexp(1, static_cast<int>(out.bits));
  for (double reach = 0; reach < limbs_reach(LIMBS_MAX); out.exact_limbs++) reach = reach * base + (base / 2 - 1);
  return out;
}

}  // namespace golddiff
