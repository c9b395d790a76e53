/* Ranks among keys, ties by row id: by selection, not by sorting everything. */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "step.h"

namespace golddiff {

/* The window of shared/math/rank-selection.ts rankWindow. */
RankWindow rank_window(uint32_t query, double fraction, size_t eligible);

/* Keys and row ids of the window's ranks, ascending. `rows` = nullptr: all rows. O(n + c log c) for a window of c. */
void ranked_keys(const Doubles &keys, const uint32_t *rows, const uint32_t *row_ids, const RankWindow &window, double *out_keys,
                 uint32_t *out_ids);

}  // namespace golddiff
