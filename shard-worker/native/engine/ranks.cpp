#include "ranks.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

namespace {
/* Keys that are enough to guess where ranks lie. */
constexpr size_t SAMPLE = 512;

/* The keys of ranks first <= last. From a sample comes a range that should hold them; only what lies in it is then put in order. */
std::pair<double, double> keys_of_ranks(const gd_kernels &kernels, const Doubles &keys, size_t first, size_t last) {
  const size_t n = keys.size();
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  if (n > 4 * SAMPLE) {
    const size_t stride = n / SAMPLE;
    std::vector<double> sample;
    for (size_t i = 0; i < n; i += stride) sample.push_back(keys[i]);
    std::sort(sample.begin(), sample.end());
    const double m = static_cast<double>(sample.size());
    const auto place = [&](size_t rank, double side) {
      const double f = static_cast<double>(rank) / static_cast<double>(n);
      return f * m + side * (4 * std::sqrt(m * f * (1 - f)) + 2);
    };
    const double from = place(first, -1), to = place(last, 1);
    if (from >= 0) low = sample[static_cast<size_t>(from)];
    if (to < m) high = sample[static_cast<size_t>(to)];
  }
  std::vector<uint32_t> places(n + 1);
  for (;;) {
    size_t below = 0;
    const size_t count = kernels.within(keys.data(), n, low, high, places.data(), &below);
    if (first >= below && last < below + count) {
      std::vector<double> within(count);
      for (size_t i = 0; i < count; i++) within[i] = keys[places[i]];
      const auto begin = within.begin(), end = begin + static_cast<std::ptrdiff_t>(count);
      const auto upper = begin + static_cast<std::ptrdiff_t>(last - below), lower = begin + static_cast<std::ptrdiff_t>(first - below);
      std::nth_element(begin, upper, end);
      const double largest = *upper;
      std::nth_element(begin, lower, upper + 1);
      return {*lower, largest};
    }
    low = -std::numeric_limits<double>::infinity();
    high = -low;
  }
}
}  // namespace

std::vector<RankedKey> ranked_window(const gd_kernels &kernels, const Doubles &keys, double error, const RankWindow &window,
                                     const std::function<std::vector<double>(const std::vector<uint32_t> &places)> &exact,
                                     const std::function<uint32_t(uint32_t place)> &id) {
  const auto [first, last] = keys_of_ranks(kernels, keys, window.first_rank, window.first_rank + window.count - 1);
  /*
   * Where no key is off by more than e, no order statistic is: the exact keys of these ranks lie within e of first and last, and the rows that have them within 2 e.
   * Below that are lower ranks for certain.
   */
  const double low = first - 2 * error, high = last + 2 * error;
  std::vector<uint32_t> places(keys.size() + 1);
  size_t below = 0;
  places.resize(kernels.within(keys.data(), keys.size(), low, high, places.data(), &below));
  const std::vector<double> values = exact(places);
  std::vector<RankedKey> band(places.size());
  for (size_t i = 0; i < places.size(); i++) band[i] = {values[i], id(places[i])};
  const auto from = band.begin() + static_cast<std::ptrdiff_t>(window.first_rank - below), to = from + window.count;
  if (to != band.end()) std::nth_element(band.begin(), to, band.end());
  if (from != band.begin()) std::nth_element(band.begin(), from, to);
  std::sort(from, to);
  return {from, to};
}

}  // namespace golddiff
