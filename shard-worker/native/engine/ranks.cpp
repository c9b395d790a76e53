#include "ranks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace golddiff {

namespace {
constexpr double SIGMAS = 6;
constexpr double SLACK = 8;
}  // namespace

double KeyError::least(double key) const {
  if (root == 0 || !std::isfinite(key)) return key - absolute;
  const double own = std::max(0.0, std::sqrt(std::max(0.0, key - absolute)) - root);
  return own * own - absolute;
}

double KeyError::most(double key) const {
  if (root == 0 || !std::isfinite(key)) return key + absolute;
  const double own = std::sqrt(std::max(0.0, key + absolute)) + root;
  return own * own + absolute;
}

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
  StepVector<uint32_t> places(n + 1);
  for (;;) {
    size_t below = 0;
    const size_t count = kernels.within(keys.data(), n, low, high, places.data(), &below);
    if (first >= below && last < below + count) {
      Doubles within(count);
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

KeyCounts::KeyCounts(const gd_kernels &kernels, const Doubles &keys) {
  const size_t n = keys.size(), stride = std::max<size_t>(1, n / SAMPLE);
  low_ = kernels.smallest(keys.data(), n);
  double high = low_;
  for (size_t i = 0; i < n; i += stride) high = std::max(high, keys[i]);
  width_ = high > low_ ? (high - low_) / BINS : 1;
  const double bins = 1 / width_;
  std::array<uint32_t, 2 * (BINS + 1)> counts{};
  kernels.count_bins(keys.data(), n, low_, bins, BINS, counts.data());
  up_to_.resize(BINS);
  uint32_t total = 0;
  for (size_t bin = 0; bin < BINS; bin++) up_to_[bin] = total += counts[bin] + counts[BINS + 1 + bin];
}

std::pair<uint32_t, double> KeyCounts::of_at_least(size_t rows) const {
  const auto bin = std::lower_bound(up_to_.begin(), up_to_.end(), rows) - up_to_.begin();
  if (bin == static_cast<std::ptrdiff_t>(up_to_.size())) return {0, std::numeric_limits<double>::infinity()};
  return {up_to_[static_cast<size_t>(bin)], low_ + static_cast<double>(bin + 1) * width_};
}

std::vector<RankedKey> ranked_window(const gd_kernels &kernels, const Doubles &keys, const KeyError &error, const RankWindow &window,
                                     const std::function<Doubles(const StepVector<uint32_t> &places)> &exact,
                                     const std::function<uint32_t(uint32_t place)> &id) {
  const auto [first, last] = keys_of_ranks(kernels, keys, window.first_rank, window.first_rank + window.count - 1);
  /*
   * Order statistics are no further off than keys: the exact keys of these ranks lie between least(first) and most(last), and so do the rows that have them, once
   * more. Below that are lower ranks for certain.
   */
  const double low = error.least(error.least(first)), high = error.most(error.most(last));
  StepVector<uint32_t> places(keys.size() + 1);
  size_t below = 0;
  places.resize(kernels.within(keys.data(), keys.size(), low, high, places.data(), &below));
  const Doubles values = exact(places);
  StepVector<RankedKey> band(places.size());
  for (size_t i = 0; i < places.size(); i++) band[i] = {values[i], id(places[i])};
  const auto from = band.begin() + static_cast<std::ptrdiff_t>(window.first_rank - below), to = from + window.count;
  if (to != band.end()) std::nth_element(band.begin(), to, band.end());
  if (from != band.begin()) std::nth_element(band.begin(), from, to);
  std::sort(from, to);
  return {from, to};
}

}  // namespace golddiff
