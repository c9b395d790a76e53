/* Ranks among keys, ties by row id: by selection, not by sorting everything. */
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "../include/kernels.h"
#include "step_memory.h"

namespace golddiff {

struct RankWindow {
  uint32_t query, first_rank, count;
};

struct RankedKey {
  double key;
  uint32_t id;
  bool operator<(const RankedKey &other) const { return key < other.key || (key == other.key && id < other.id); }
};

/*
 * How far a key may be from the one that counts: `absolute` by itself, and `root` between their square roots, as the distance of a row from its rounded one is.
 * Both ways: the one lies between least and most of the other.
 */
struct KeyError {
  double absolute = 0, root = 0;
  bool any() const { return absolute > 0 || root > 0; }
  double least(double key) const;
  double most(double key) const;
};

/* The window of shared/math/rank-selection.ts rankWindow. */
RankWindow rank_window(uint32_t query, double fraction, size_t eligible);

/* How many of n >= 1 keys lie below a few hundred bounds: one pass. */
class KeyCounts {
 public:
  KeyCounts(const gd_kernels &kernels, const Doubles &keys);
  /* Relative to the largest key, how far a bound may be rounded from where its rows really end. */
  static constexpr double ROUNDING = 1e-12;
  /* A count of at least so many rows, and the bound that they lie below and all others do not; (0, infinity) = the bounds end before. */
  std::pair<uint32_t, double> of_at_least(size_t rows) const;

 private:
  static constexpr size_t BINS = 1024;
  double low_, width_;
  std::vector<uint32_t> up_to_;
};

/*
 * Keys and row ids of the window's ranks, ascending. `keys` may be off by `error`: `exact` is asked for those that could lie in the window. One pass or two
 * over n keys, and c log c for a window of c.
 */
std::vector<RankedKey> ranked_window(const gd_kernels &kernels, const Doubles &keys, const KeyError &error, const RankWindow &window,
                                     const std::function<Doubles(const StepVector<uint32_t> &places)> &exact,
                                     const std::function<uint32_t(uint32_t place)> &id);

}  // namespace golddiff
