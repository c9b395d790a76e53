/* Ranks among keys, ties by row id: by selection, not by sorting everything. */
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "step.h"

namespace golddiff {

struct RankedKey {
  double key;
  uint32_t id;
  bool operator<(const RankedKey &other) const { return key < other.key || (key == other.key && id < other.id); }
};

/* The window of shared/math/rank-selection.ts rankWindow. */
RankWindow rank_window(uint32_t query, double fraction, size_t eligible);

/*
 * Keys and row ids of the window's ranks, ascending. `keys` may be off by `error` each: `exact` is asked for those that could lie in the window. One pass or two
 * over n keys, and c log c for a window of c.
 */
std::vector<RankedKey> ranked_window(const gd_kernels &kernels, const Doubles &keys, double error, const RankWindow &window,
                                     const std::function<std::vector<double>(const std::vector<uint32_t> &places)> &exact,
                                     const std::function<uint32_t(uint32_t place)> &id);

}  // namespace golddiff
