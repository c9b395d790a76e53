#include "ranks.h"

#include <algorithm>
#include <cmath>

namespace golddiff {

namespace {
constexpr double SIGMAS = 6;
constexpr double SLACK = 8;
}  // namespace

RankWindow rank_window(uint32_t query, double fraction, size_t eligible) {
  if (!(fraction > 0) || eligible == 0) return {query, 0, 0};
  const double n = static_cast<double>(eligible);
  const double f = std::min(1.0, fraction);
  const double half = std::ceil(SIGMAS * std::sqrt(n * f * (1 - f))) + SLACK;
  const double first = std::max(0.0, std::min(n - 1, std::floor(f * n) - half));
  const double end = std::min(n, std::ceil(f * n) + half);
  return {query, static_cast<uint32_t>(first), static_cast<uint32_t>(end - first)};
}

void ranked_keys(const Doubles &keys, const uint32_t *rows, const uint32_t *row_ids, const RankWindow &window, double *out_keys,
                 uint32_t *out_ids) {
  struct Ranked {
    double key;
    uint32_t id;
    bool operator<(const Ranked &other) const { return key < other.key || (key == other.key && id < other.id); }
  };
  std::vector<Ranked> all(keys.size());
  for (size_t i = 0; i < keys.size(); i++) all[i] = {keys[i], row_ids[rows == nullptr ? i : rows[i]]};
  const auto first = all.begin() + window.first_rank;
  const auto last = first + window.count;
  if (last != all.end()) std::nth_element(all.begin(), last, all.end());
  if (first != all.begin()) std::nth_element(all.begin(), first, last);
  std::sort(first, last);
  for (size_t i = 0; i < window.count; i++) {
    out_keys[i] = first[static_cast<ptrdiff_t>(i)].key;
    out_ids[i] = first[static_cast<ptrdiff_t>(i)].id;
  }
}

}  // namespace golddiff
