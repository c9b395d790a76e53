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
#include "error.h"
#include "partition.h"
#include "step_memory.h"
#include "thread_pool.h"
#include "voters.h"

namespace golddiff {

/* Supports as runs [R, 2] = (start, end) of values, ascending; those of group g are first[g] .. first[g + 1] - 1. ARGUMENT_INVALID for others. */
template <typename Words>
void check_runs(const Words &first, const Words &runs, size_t dim) {
  const auto refuse = [] { throw EngineError("ARGUMENT_INVALID", "Expected groups of ascending runs that lie within a row"); };
  if (first.empty() || first.front() != 0 || runs.size() != 2 * static_cast<size_t>(first.back())) refuse();
  for (size_t g = 1; g < first.size(); g++) {
    if (first[g] < first[g - 1] || first[g] > first.back()) refuse();
    uint32_t end = 0;
    for (size_t r = first[g - 1]; r < first[g]; r++) {
      if (runs[2 * r] < end || runs[2 * r] >= runs[2 * r + 1] || runs[2 * r + 1] > dim) refuse();
      end = runs[2 * r + 1];
    }
  }
}

/* One kind of precision. */
class GroupKind {
 public:
  /* Of runs that check_runs takes. */
  static GroupKind supports(const Partition::Shape &shape, StepVector<uint32_t> first, StepVector<uint32_t> runs);
  /* side x side pixels around each location, all channels, cut off at the border. */
  static GroupKind window(const Partition::Shape &shape, size_t side);

  /*
   * Finds what the kernels read, once, before anything below is used. A group of supports is written by its own runs, or by what it differs in from the group to the
   * left or above where that takes fewer places: on the masks of MNIST nearly half as many. Groups go in bands of lines, so that no chain is long.
   */
  void prepare(ThreadPool &pool);
  /* [G] how many values vote for each */
  const StepVector<double> &sizes() const { return sizes_; }
  /* Valid while this is. */
  gd_group_kind view() const { return {dim_, groups_, height_, width_, places_.data(), first_place_.data()}; }
  /* sums[g] = sum of values[p] over the values that vote for g. [D] in, [G] out. */
  void sum(const double *values, double *sums) const;
  size_t groups() const { return groups_; }
  size_t dim() const { return dim_; }

 private:
  /* Places that a group adds and takes away. */
  struct Places {
    std::vector<uint32_t> more, less;
  };
  /* Of one thread: a group's voters, and those that it could be written from. */
  struct Bases {
    explicit Bases(size_t dim) : none(dim), own(dim), left(dim), above(dim) {}
    const Voters none;
    Voters own, left, above;
  };
  Places window_places(size_t g) const;
  Places support_places(size_t g, Bases &bases) const;
  size_t sum_places() const { return height_ == 0 ? 2 * dim_ + 1 : (height_ + 1) * (width_ + 1); }

  /* height 0 = supports */
  size_t dim_ = 0, groups_ = 0, height_ = 0, width_ = 0, side_ = 0;
  /* values in a line of the picture */
  size_t line_ = 1;
  StepVector<uint32_t> first_, runs_;
  StepVector<uint32_t> places_, first_place_;
  StepVector<double> sizes_;
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
 * A query against 8-bit rows in the largest unit in which no group's distance leaves 31 bits, whatever the row: `step` of them are one of a pixel's. `error`: what rounding to
 * that unit may do to a logit at most, in nats, in the group with most values.
 */
struct PixelGroupQuery {
  PixelGroupQuery(const GroupKind &kind, const double *x, double alpha, double divisor);
  StepVector<float> high, low;
  float step;
  /* nats of one unit of a distance */
  double nats;
  double error;
};

}  // namespace golddiff
