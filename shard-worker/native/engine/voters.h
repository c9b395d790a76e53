/*
 * The values that vote for one group, as bits, and the places of the kernels' table that one group differs from another by: a run of neighbours is two sums of squares,
 * a value alone is a square.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace golddiff {

class Voters {
 public:
  /* None of dim values. */
  explicit Voters(size_t dim) : words_(dim / 64 + 3, 0) {}
  /* Runs [count, 2] = (start, end), ascending. */
  void assign(const uint32_t *runs, size_t count);

  /* How many places it takes to come from `base` to these. */
  size_t places_from(const Voters &base) const;
  /* Makes the lists of them, each ascending: sums at a value's number, squares at `squares` + a value's number. */
  void list_places_from(const Voters &base, uint32_t squares, std::vector<uint32_t> &more, std::vector<uint32_t> &less) const;

 private:
  /* Value p is bit p % 64 of word 1 + p / 64; a word of nothing stands before and behind. */
  std::vector<uint64_t> words_;
};

}  // namespace golddiff
