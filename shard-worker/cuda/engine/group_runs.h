/* Which values of a row vote for which group, as runs that the kernels read; the CPU engine's grouping.h is its twin. */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../native/engine/partition.h"

namespace golddiff::cuda {

struct GroupRuns {
  /* Values p and p + places count as one place. */
  size_t dim = 0, places = 0, groups = 0;
  /* [groups + 1], and [runs, 2] (start, end) of places */
  std::vector<uint32_t> first, runs;

  /* Of runs that check_runs takes. */
  static GroupRuns supports(const golddiff::Partition::Shape &shape, std::vector<uint32_t> first, std::vector<uint32_t> runs);
  /* side x side pixels around each location, all channels, cut off at the border. */
  static GroupRuns window(const golddiff::Partition::Shape &shape, size_t side);
  /* Largest sum of [D] values >= 0 over a group, and of a single place. */
  double largest_sum(const std::vector<double> &values) const;
};

/* A query in the unit that its distances to rows are summed in, as integers. */
struct GroupUnits {
  /* units of one value's square, nats of one unit, and what rounding may do to a logit at most, in nats */
  double units, nats, error;
};
/* `q`, `scale`: differences are q - scale v with v in [low, high]. No group's distance leaves 32 bits, or 62 where wide. */
GroupUnits group_units(const GroupRuns &kind, const double *q, double scale, double low, double high, double divisor, bool wide);

}  // namespace golddiff::cuda
