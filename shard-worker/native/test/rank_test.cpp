/* Windows of ranks against a sort: keys that are known, keys that are off by as much as they may be, ties, and orders that a sample does not see through. */

#include <algorithm>
#include <cmath>
#include <vector>

#include "../engine/ranks.h"
#include "check.h"

namespace golddiff_test {

using golddiff::Doubles;
using golddiff::KeyError;
using golddiff::RankedKey;
using golddiff::RankWindow;

namespace {

enum Order { SHUFFLED, ASCENDING, DESCENDING, FEW_VALUES, ALL_ALIKE, MOSTLY_ALIKE };

double key_of(Order order, size_t i, size_t n, Random &random) {
  switch (order) {
    case ASCENDING: return static_cast<double>(i);
    case DESCENDING: return static_cast<double>(n - i);
    case FEW_VALUES: return static_cast<double>(random.below(5));
    case ALL_ALIKE: return 7;
    case MOSTLY_ALIKE: return i % 97 == 0 ? random.between(0, 14) : 7;
    default: return std::pow(random.uniform(), 3) * 100;
  }
}

void windows(const gd_kernels *kernels, Order order, size_t n, const KeyError &error) {
  Random random(n * 7 + static_cast<size_t>(order));
  Doubles exact(n), keys(n);
  std::vector<RankedKey> sorted;
  for (size_t i = 0; i < n; i++) {
    exact[i] = key_of(order, i, n, random);
    /* As far off as the error allows, either way; 0.999 for what the bounds themselves round. */
    const double low = std::max(0.0, error.least(exact[i])), high = error.most(exact[i]), side = static_cast<double>(random.below(3)) / 2;
    keys[i] = exact[i] + 0.999 * ((low - exact[i]) * side + (high - exact[i]) * (1 - side));
    sorted.push_back({exact[i], static_cast<uint32_t>((i * 7919) % n)});
  }
  const auto id = [&](uint32_t place) { return sorted.empty() ? 0 : static_cast<uint32_t>((place * 7919ull) % n); };
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::pair<size_t, size_t>> asked = {{0, 1}, {0, n}, {n - 1, 1}, {n / 2, std::min<size_t>(n - n / 2, 1 + n / 30)}, {n / 10, 1}};
  for (const auto &[first, count] : asked) {
    size_t looked_at = 0;
    const auto found = golddiff::ranked_window(
        *kernels, keys, error, {0, static_cast<uint32_t>(first), static_cast<uint32_t>(count)},
        [&](const golddiff::StepVector<uint32_t> &places) {
          Doubles out(places.size());
          for (size_t i = 0; i < places.size(); i++) {
            CHECK(i == 0 || places[i - 1] < places[i], "%s n=%zu places out of order", kernels->isa, n);
            out[i] = exact[places[i]];
          }
          looked_at += places.size();
          return out;
        },
        id);
    CHECK(found.size() == count, "%s order %d n=%zu: %zu ranks for %zu", kernels->isa, order, n, found.size(), count);
    for (size_t i = 0; i < found.size(); i++)
      CHECK(found[i].key == sorted[first + i].key && found[i].id == sorted[first + i].id, "%s order %d n=%zu rank %zu: (%g, %u) for (%g, %u)", kernels->isa, order, n,
            first + i, found[i].key, found[i].id, sorted[first + i].key, sorted[first + i].id);
    /* What makes it worth its while: of shuffled keys that are nearly exact, not many more than the window are looked at. */
    if (order == SHUFFLED && error.root == 0 && error.absolute <= 1e-3 && n >= 5000)
      CHECK(looked_at <= count + n / 10, "%s n=%zu: %zu keys looked at for %zu", kernels->isa, n, looked_at, count);
  }
}

}  // namespace

void rank_tests(const gd_kernels *kernels) {
  for (const Order order : {SHUFFLED, ASCENDING, DESCENDING, FEW_VALUES, ALL_ALIKE, MOSTLY_ALIKE})
    for (const size_t n : {1, 2, 7, 8, 9, 100, 1023, 1024, 1025, 1031, 5000, 15000})
      for (const KeyError &error : {KeyError{0, 0}, KeyError{1e-3, 0}, KeyError{0.5, 0}, KeyError{0, 0.3}, KeyError{0.1, 0.2}}) windows(kernels, order, n, error);
}

}  // namespace golddiff_test
