/*
 * One step of one batch of queries over partitions in device memory. backends/backend.ts is the contract, native/engine/step.h the twin on the processor, whose replies
 * these are. Everything is dense: keys of all queries to all rows, a mask of the rows that pass the cuts, selection by radix; a device is faster at that than at lists.
 */
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../../native/engine/grouping.h"
#include "../../native/engine/queries.h"
#include "../../native/engine/step.h"
#include "../../native/engine/thread_pool.h"
#include "../kernels/launches.h"
#include "device.h"
#include "group_runs.h"
#include "partition.h"
#include "precision.h"

namespace golddiff::cuda {

struct Settings : StepWish {
  /* of a step that is asked for groups; 0 = none */
  size_t groups = 0;
  std::vector<GroupRuns> kinds;
  std::vector<uint32_t> of;
};

class Step {
 public:
  Step(Device &device, ThreadPool &pool, Queries queries, Settings settings) : device_(device), pool_(pool), queries_(std::move(queries)), settings_(std::move(settings)) {}

  /* `fraction` [B], or else `windows`. */
  ScreenReply screen(Partition &partition, Stage stage, const Cuts &cuts, const std::vector<double> *fraction, const std::vector<RankWindow> &windows);
  Scalars scalars(Partition &partition, const Cuts &cuts);
  SumsReply sums(Partition &partition, const Cuts &cuts, const std::vector<double> &max_logit, const std::vector<double> &mass, double negligible_share, bool histogram);
  /* Of a step with groups: the rows that pass the cuts, scored group by group. */
  GroupsReply groups(Partition &partition, const Cuts &cuts);
  void close() { closed_ = true; }
  size_t batch() const { return queries_.batch; }

 private:
  /* [B, n] distances that weights are made of, infinite for rows without one, and what came of them. */
  struct Scored {
    DeviceArray<double> distances;
    std::vector<double> nearest, rows, kept, tail;
    Scalars scalars;
  };
  struct Part {
    std::mutex mutex;
    /* by stage [B, n]; empty = not computed */
    DeviceArray<double> keys[3];
    Cuts cuts;
    std::unique_ptr<Scored> scored;
  };
  struct Masked {
    DeviceArray<uint8_t> mask;
    /* [B] */
    std::vector<unsigned long long> passing;
  };
  /* Queries of one count of limbs, packed for products. */
  struct Columns {
    std::vector<size_t> queries;
    size_t limbs = 0, factor = 0;
    DeviceArray<int8_t> q;
  };

  Part &part(Partition &partition);
  void check() const;
  /* What is under way is waited for before arrays are let go. */
  void check(Work &work) const;
  const RowSet &set_of(Partition &partition, Stage stage);
  Stage keys_stage(Stage stage) const { return stage == PROXY && settings_.factor <= 1 ? FULL : stage; }
  const DeviceArray<double> &keys(Work &work, Part &part, Partition &partition, Stage stage);
  Masked masked(Work &work, Part &part, Partition &partition, const Cuts &cuts);
  /* out [B, n]: distances of queries[k] with limbs[k], by products where rows have them, else by differences. */
  void distances(Work &work, Partition &partition, const RowSet &set, const std::vector<size_t> &queries, const std::vector<size_t> &limbs, const DeviceArray<double> &out);
  std::shared_ptr<const Columns> columns(Work &work, const Shape &shape, size_t factor, const PixelRows &pixels, const std::vector<size_t> &queries, size_t limbs);
  /* Queries in double as differences need them: [B, dim] and [B]. */
  struct DifferenceQueries {
    DeviceArray<double> q, scale;
  };
  DifferenceQueries difference_queries(Work &work, const Shape &shape, size_t factor, const RowSet &set);
  Differences differences(const RowSet &set, const DifferenceQueries &queries, const DeviceArray<double> &out);
  /* Rows that could matter of the queries that products leave too much open for, looked at again. */
  void look_again(Work &work, Partition &partition, const std::vector<Precision> &precisions, Scored &scored);
  Scored &score(Work &work, Part &part, Partition &partition, const Cuts &cuts);
  void weighted(Work &work, Partition &partition, const std::vector<WeightedQuery> &queries, SumsReply &reply, std::vector<unsigned long long> &kept);
  /* Returns the queries that 32 bits are too few for. */
  std::vector<size_t> group_rows(Work &work, Partition &partition, const Masked &rows, const std::vector<size_t> &wanted, bool wide, GroupsReply &reply);

  Device &device_;
  ThreadPool &pool_;
  Queries queries_;
  const Settings settings_;
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  /* by Partition::id */
  std::map<uint64_t, std::unique_ptr<Part>> parts_;
  std::vector<std::shared_ptr<const Columns>> columns_;
};

}  // namespace golddiff::cuda
