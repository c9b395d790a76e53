/*
 * One step of one batch of queries over partitions: keys near a global cut, softmax statistics, weighted sums. backends/backend.ts is the contract.
 *
 * Legend: B queries, n rows of a partition, D values in a row. A query's answer depends on the query and the rows alone: not on the batch, not on threads.
 */
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "grouping.h"
#include "partition.h"
#include "queries.h"
#include "ranks.h"
#include "step_memory.h"
#include "weighted_sums.h"

namespace golddiff {

enum Stage { PRESAMPLE = 0, PROXY = 1, FULL = 2 };

/* Last key inside a selection, [B] each; an infinite key lets every row pass. Empty = no cut. */
struct Cut {
  std::vector<double> key;
  std::vector<uint32_t> row_id;
  bool present() const { return !key.empty(); }
  bool operator==(const Cut &other) const { return key == other.key && row_id == other.row_id; }
};
using Cuts = std::array<Cut, 3>;

struct ScreenReply {
  std::vector<uint32_t> queries, eligible, first_rank, count;
  std::vector<double> keys;
  std::vector<uint32_t> row_ids;
};

struct Scalars {
  std::vector<double> max_logit, mass, mass_sq, rows;
};

/*
 * What tells whether the cuts of a golden step leave out nothing that matters: see Step::scalars. Keys are proxy distances; all of one query and one partition.
 */
struct PoolProof {
  static constexpr size_t POINTS = 9;
  uint32_t eligible = 0;
  /* rows that could matter (largest uint32: nobody knows), and the largest key that one of them can have; -inf = none */
  uint32_t relevant = 0;
  double relevant_key = 0;
  /* rows that were not looked at have keys above this */
  double unseen_key = 0;
  /* at most rank rows have keys below least, and at least rank have keys up to most */
  std::array<uint32_t, POINTS> rank{};
  std::array<double, POINTS> least{}, most{};
};

struct SumsReply {
  std::vector<uint32_t> queries;
  std::vector<float> sums;
  std::vector<double> skipped_share;
  std::vector<uint32_t> histogram_rows;
  std::vector<double> histogram_mass;
};

/* What a step is asked for, whatever the engine. */
struct StepWish {
  std::vector<int32_t> labels; /* empty = all rows */
  /* share of a partition's mass that may be left out as proven irrelevant */
  double tolerance = 5.9604644775390625e-8;
  size_t factor = 0;
  uint64_t presample_seed = 0;
  uint32_t presample_step = 0;
  std::vector<uint32_t> query_ids;
};

struct StepSettings : StepWish {
  /* of a step that is asked for groups */
  Grouping grouping;
};

/* Rows of one query that an index found, ascending; `all` = no such list. */
struct Candidates {
  bool all = true;
  std::vector<uint32_t> rows;
};

class Step {
 public:
  Step(Queries queries, StepSettings settings) : queries_(std::move(queries)), settings_(std::move(settings)) {}

  /* [B]: from now on only these rows of the partition are eligible. Before anything else is asked of the partition. ARGUMENT_INVALID for rows it has not. */
  void restrict(Partition &partition, std::vector<Candidates> candidates);
  /* `fraction` [B], or else `windows`. */
  ScreenReply screen(Partition &partition, Stage stage, const Cuts &cuts, const std::vector<double> *fraction, const std::vector<RankWindow> &windows);
  Scalars scalars(Partition &partition, const Cuts &cuts) { return scalars(partition, cuts, {}); }
  /*
   * `pool_share` [B] or empty: a query with a share > 0 is not cut; of the rows that its pool could hold, that share of all, the ones that could matter are scored,
   * and proof() tells whether that is all there is to it.
   */
  Scalars scalars(Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share);
  /* [B], after scalars: of the queries with a share. Rows that are not pooled pixels are never looked at, and prove nothing. */
  std::vector<PoolProof> proofs(Partition &partition);
  SumsReply sums(Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share, const std::vector<double> &max_logit, const std::vector<double> &mass, double negligible_share,
                 bool histogram);
  /* Of a step with a grouping: the rows that pass the cuts, scored group by group. */
  GroupsReply groups(Partition &partition, const Cuts &cuts);
  void close() { closed_ = true; }
  size_t batch() const { return queries_.batch; }

 private:
  /* Rows of one query by index, ascending. */
  struct Rows {
    bool all = true;
    StepVector<uint32_t> list;
    size_t size(size_t n) const { return all ? n : list.size(); }
    uint32_t at(size_t i) const { return all ? static_cast<uint32_t>(i) : list[i]; }
  };
  /* What distances are for: to leave out most rows, to rank rows beside a cut, or to weigh them. */
  enum Purpose { SIEVING, RANKING, WEIGHING };
  /*
   * Keys of a query's rows, off from those that count: products with fewer limbs, or with proxies of fewer bits. What lies near a cut is computed again, see
   * refined().
   */
  struct Keys {
    Doubles values;
    KeyError error;
    Purpose purpose = RANKING;
    /* of the products; 0 = no products */
    size_t limbs = 0;
    bool empty() const { return values.empty(); }
  };
  /* One query for products with single rows. */
  struct ListedQuery {
    std::shared_ptr<const PackedQueries> packed;
    gd_distance_terms terms;
  };
  struct Selection {
    std::vector<Rows> rows;
    /* by stage, then by query; empty = not computed (or no rows) */
    std::array<std::vector<Keys>, 3> keys;
  };
  /* Limbs of a query against the rows themselves. */
  struct Precision {
    size_t limbs;
    /* proven error of a logit, in nats; with `second_look` too much for a row that matters */
    double error;
    bool second_look;
  };
  /* What the statistics of one query are made of: rows with exact distances, and a bound on what was proven not to matter. */
  struct Scored {
    Rows rows;
    Doubles distance;
    /* least distance of each sum_block_rows(D) of them */
    std::vector<double> block_nearest;
    /* weighted sums of all blocks, where they have been made already; digits of their weights, 0 = not decided */
    std::vector<BlockSum> early;
    Doubles early_values;
    size_t digits = 0;
    /* sum of bounds on exp(logit - max) of the rows left out */
    double tail = 0;
    size_t rows_total = 0;
  };
  struct Part {
    std::mutex mutex;
    std::vector<Candidates> candidates; /* empty = every row of every query */
    std::vector<Selection> chain; /* after 0, 1, .. of the cuts that are present */
    Cuts cuts;
    std::vector<Scored> scored;
    std::vector<PoolProof> proofs;
    std::vector<double> pool_share;
    Scalars scalars;
    bool has_scalars = false;
  };

  Part &part(Partition &partition);
  void check() const;
  Selection &after(Part &part, Partition &partition, const Cuts &cuts);
  /* Distances of full rows are made anew for another purpose, so that what was asked before changes nothing; proxies only rank, and look again where it matters. */
  void ensure_keys(Partition &partition, Selection &selection, Stage stage, const std::vector<size_t> &wanted, Purpose purpose = RANKING);
  /* The keys that count, of rows by their place among a query's. */
  Doubles exact_keys(Partition &partition, const Selection &from, Stage stage, size_t b, const StepVector<uint32_t> &places);
  StepVector<uint32_t> passing(Partition &partition, const Selection &from, Stage stage, size_t b, const Cut &cut);
  const RowSet &set_of(Partition &partition, Stage stage);
  size_t factor_of(const Partition &partition, const RowSet &set) const { return &set == &partition.full() ? 0 : settings_.factor; }
  /* Squared distances of each wanted query to its rows, by its own rows and limbs alone. */
  std::vector<Keys> distances(Partition &partition, const RowSet &set, const std::vector<Rows> &rows, const std::vector<size_t> &wanted, Purpose purpose);
  /* The keys that count, of single rows: by products with all limbs, or in double where there are no products. */
  void refined(Partition &partition, Stage stage, size_t b, const uint32_t *rows, size_t count, double *out);
  /* Distances of some queries to all rows by integer products. With block_rows, rows go by aligned blocks of so many, and each is told when it is done. */
  void dense(Partition &partition, const PixelRows &pixels, const std::vector<LimbedQuery> &columns, std::vector<Doubles> &out, size_t block_rows = 0,
             const std::function<void(size_t from, size_t to, size_t end)> &block_done = {});
  /* Which queries are compared with all rows, by the share of them that is wanted. */
  static std::vector<bool> compared_with_all(const std::vector<double> &share, Purpose purpose);
  /* Distances of one query to some rows, the same bits as those of dense. */
  ListedQuery listed_query(Partition &partition, const PixelRows &pixels, const LimbedQuery &query);
  void listed(Partition &partition, const PixelRows &pixels, const ListedQuery &query, const uint32_t *rows, size_t count, double *out);
  gd_distance_terms terms(Partition &partition, const PixelRows &pixels, const LimbedQuery &query);
  /* Proven error of a squared distance by products with so many limbs. */
  double distance_error(const Partition &partition, const PixelRows &pixels, size_t b, size_t limbs);
  /* Variance of logits over the rows that those of the rows against the noise allow. */
  double spread(const Partition &partition, size_t b) const;
  double logit_error_allowed(const Partition &partition, size_t b) const;
  Precision precision(const Partition &partition, size_t b);
  size_t limbs_for(Purpose purpose, const Partition &partition, const PixelRows &pixels, size_t b);
  /* Limbs of keys that count. */
  static size_t exact_limbs(const PixelRows &pixels) { return pixels.in_words() ? pixels.word_products().exact_limbs : LIMBS_MAX; }
  /* Distances as weights need them, of the rows of one query that could matter; `keys` ranked them. Returns the places that were looked at again. */
  StepVector<uint32_t> look_again(Partition &partition, size_t b, const Keys &keys, const Rows &rows, Doubles &distance);
  void score_exact(Partition &partition, const std::vector<size_t> &wanted, std::vector<Scored> &scored);
  /* Statistics of some queries over the rows of a selection into the reply; those that 32-bit sums are too few for are returned. */
  std::vector<size_t> group_rows(Partition &partition, const Selection &selection, const std::vector<size_t> &wanted, bool in_double, GroupsReply &reply);
  void prepare_groups(Partition &partition);
  void score(Part &part, Partition &partition, const Cuts &cuts);
  /* The rows that could matter, of queries with a share of the pool. */
  void score_relevant(Part &part, Partition &partition, const std::vector<size_t> &wanted);
  const Scalars &scalars_of(Part &part, Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share);

  Queries queries_;
  StepSettings settings_;
  std::atomic<bool> closed_{false};
  std::once_flag grouping_prepared_;
  /* [B] where rows are pixels */
  std::vector<std::unique_ptr<PixelGroupQuery>> pixel_queries_;
  std::mutex mutex_;
  /* by Partition::id: one that is unloaded may leave its address to another while a step is open */
  std::map<uint64_t, std::unique_ptr<Part>> parts_;
};

}  // namespace golddiff
