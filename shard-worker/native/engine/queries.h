/*
 * Queries as limbs, of 8 bits against rows of bytes. x_p = delta * Q_p + e_p with Q = sum_l 256^l q_l, q_l in [-128, 127]: pixels times limbs are exact integers, and the one error of a
 * distance is the rounding e. Its product with the mean row is known and taken off, so that Cauchy-Schwarz leaves 2 a / divisor * |e| * |u - mean|.
 * Against proxies in words limbs are words too (word_products.h): one of its own reach, or as many as hold the very integers of LIMBS_MAX limbs of 8 bits.
 */
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "partition.h"
#include "step_memory.h"

namespace golddiff {

constexpr size_t LIMBS_MAX = 4;

/* Largest integer of so many balanced digits of 8 bits, 127 (256^limbs - 1) / 255. */
double limbs_reach(size_t limbs);

/* One query against one kind of rows, rounded to `limbs` limbs. */
struct QueryLimbs {
  size_t limbs = 0;
  double delta = 0;
  /* e [dim], and |e| */
  StepVector<float> error;
  double error_norm = 0;
  /* sum of Q */
  double total = 0;
  /* [limbs, dim]: the one or the other */
  StepVector<int8_t> q;
  StepVector<int16_t> words;
};

/* A query in double against one kind of rows. */
struct QueryValues {
  Doubles x;
  /* sum x^2, sum x, max |x| */
  double square = 0, sum = 0, largest = 0;
};

struct LimbedQuery {
  size_t query;
  size_t limbs;
  bool operator==(const LimbedQuery &o) const { return query == o.query && limbs == o.limbs; }
};

struct AlignedBytes {
  explicit AlignedBytes(size_t bytes);
  ~AlignedBytes();
  AlignedBytes(const AlignedBytes &) = delete;
  AlignedBytes &operator=(const AlignedBytes &) = delete;
  void *data;

 private:
  size_t bytes_;
};

/* Queries of equal limb counts side by side: column first + l * members.size() + k is limb l of the k-th of them. */
struct LimbGroup {
  size_t limbs = 0, first = 0;
  /* places in the list of columns that was asked for */
  std::vector<size_t> members;
};

/* Columns packed for dot_u8s8, or for dot_s16s16. */
struct PackedQueries {
  std::vector<LimbGroup> groups;
  /* limbs of all of them */
  size_t total = 0;
  /* what a limb counts of the one before */
  double base = 256;
  std::unique_ptr<StepShare> counted;
  std::unique_ptr<AlignedBytes> bytes;
};

struct Queries {
  size_t batch = 0;
  size_t dim = 0;
  Doubles x; /* [B, D] */
  std::vector<double> alpha, sigma;
  double temperature = 1;

  Queries() = default;
  Queries(Queries &&other) noexcept;

  /* 2 sigma^2 T: logit = -distance / divisor */
  double divisor(size_t b) const { return 2 * sigma[b] * sigma[b] * temperature; }
  /* Values against rows pooled by `factor`; 0 = the rows themselves. */
  const QueryValues &values(size_t b, size_t factor, const Partition::Shape &shape);
  /* `words`: against proxies in words; count is 1 or their exact_limbs. */
  const QueryLimbs &limbs(size_t b, size_t count, size_t factor, const Partition::Shape &shape, bool words = false);
  /* What |e| of so many limbs will be about, without making them: diffused errors are uniform, and a third larger in square. */
  double error_expected(size_t b, size_t count, size_t factor, const Partition::Shape &shape);
  /* Kept for the next partition. */
  std::shared_ptr<const PackedQueries> packed(const gd_kernels &kernels, const std::vector<LimbedQuery> &columns, size_t factor, const Partition::Shape &shape,
                                              bool words = false);

 private:
  const QueryValues &values_locked(size_t b, size_t factor, const Partition::Shape &shape);
  std::mutex mutex_;
  std::map<std::pair<size_t, size_t>, QueryValues> values_;
  std::map<std::array<size_t, 4>, QueryLimbs> limbs_;
  struct PackedColumns {
    std::vector<LimbedQuery> columns;
    size_t factor;
    bool words;
    std::shared_ptr<const PackedQueries> packed;
  };
  std::vector<PackedColumns> packed_;
};

}  // namespace golddiff
