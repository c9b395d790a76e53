/*
 * Weights by groups of values: which values of a row vote for which group, and the statistics that come of it.
 *
 * Legend: B queries, D values in a row, G groups; value p of the answer has the weights of group p mod G.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../include/kernels.h"
#include "partition.h"

namespace golddiff {

/* One kind of precision, as the kernels read it. */
class GroupKind {
 public:
  /* Runs [R, 2] = (start, end) of values; those of group g are first[g] .. first[g + 1] - 1. */
  static GroupKind supports(size_t dim, std::vector<uint32_t> first, std::vector<uint32_t> runs);
  /* side x side pixels around each location, all channels, cut off at the border. */
  static GroupKind window(const Partition::Shape &shape, size_t side);
  /* Valid while this is. */
  gd_group_kind view() const { return {dim_, groups_, height_, width_, first_.data(), ends_.data()}; }
  size_t groups() const { return groups_; }
  size_t dim() const { return dim_; }
  /* sums[g] = sum of values[p] over the values that vote for g. [D] in, [G] out. */
  void sum(const double *values, double *sums) const;

 private:
  size_t dim_ = 0, groups_ = 0, height_ = 0, width_ = 0;
  std::vector<uint32_t> first_, ends_;
};

/* No groups = none. */
struct Grouping {
  size_t groups = 0;
  std::vector<GroupKind> kinds;
  /* [B] */
  std::vector<uint32_t> of;
};

struct GroupsReply {
  /* [B] */
  std::vector<double> rows;
  /* [B, G]; -inf, 0, 0, inf where there is no row */
  std::vector<double> max_logit, mass, mass_sq, min_logit;
  /* [B, D] sum exp(logit - max_logit) y */
  std::vector<float> sums;
};

/*
 * A query against 8-bit rows in units of a pixel's step, and the largest unit in which no group's distance leaves 31 bits, whatever the row. `error`: what rounding to
 * that unit may do to a logit at most, in nats, in the group with most values.
 */
struct PixelGroupQuery {
  PixelGroupQuery(const GroupKind &kind, const double *x, double alpha, double divisor);
  std::vector<float> high, low;
  float unit;
  /* nats of one unit */
  double nats;
  double error;
};

}  // namespace golddiff
