/*
 * How proxies are multiplied as words of 16 bits. A proxy is a sum of f^2 pixels; less `offset` it is a signed word up to f = 16. What its sums with a query have room
 * for in 32 bits is a matter of the number of values and of f alone, so that a query is rounded alike for every partition.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace golddiff {

struct WordProducts {
  /* The least reach for which words are worth it: two limbs of proxies rounded to 8 bits leave about as many rows undecided then. */
  static constexpr double REACH_MIN = 1024;
  /* 128 f^2: of what is left no magnitude is larger. */
  int32_t offset = 0;
  /* Largest integer that a query of one limb may be rounded to; below REACH_MIN there are no words. */
  double reach = 0;
  /* Bits of a balanced digit where a query has several limbs, and how many of them hold the integers of LIMBS_MAX limbs of 8 bits. */
  unsigned bits = 0;
  size_t exact_limbs = 0;
  bool fit() const { return exact_limbs > 0; }
};

/* Of rows of `dim` values that are sums of factor x factor pixels. */
WordProducts word_products(size_t dim, size_t factor);

}  // namespace golddiff
