#include "ranks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace golddiff {

namespace {
/* As shared/limits.ts. */
constexpr double SIGMAS = 4.5;
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
/* Keys that are enough to guess where ranks lie; and how far off a guess is taken to be, in sigmas of a rank: it is checked, and rarely made anew. */
constexpr size_t SAMPLE = 512;
constexpr double GUESS_SIGMAS = 3;
constexpr double INF = std::numeric_limits<double>::infinity();

/* Some keys, ascending by place: those from low to high, and how many are below. */
struct KeyRange {
  double low = -INF, high = INF;
  size_t below = 0;
  StepVector<uint32_t> places;
  Doubles keys;
};

KeyRange range_of(const gd_kernels &kernels, const Doubles &keys, double low, double high) {
  KeyRange out;
  out.low = low;
  out.high = high;
  out.places.resize(keys.size() + 1);
  out.places.resize(kernels.within(keys.data(), keys.size(), low, high, out.places.data(), &out.below));
  out.keys.resize(out.places.size());
  for (size_t i = 0; i < out.keys.size(); i++) out.keys[i] = keys[out.places[i]];
  return out;
}

/* A range with the keys of ranks first <= last in it, and few others: between two of a sample, or as it is where there are too few keys to guess. */
KeyRange guessed_range(const gd_kernels &kernels, const Doubles &keys, size_t first, size_t last) {
  const size_t n = keys.size();
  if (n > 2 * SAMPLE) {
    const size_t stride = n / SAMPLE;
    Doubles sample;
    sample.reserve(2 * SAMPLE);
    for (size_t i = 0; i < n; i += stride) sample.push_back(keys[i]);
    const double m = static_cast<double>(sample.size());
    const auto place = [&](size_t rank, double side) {
      const double f = static_cast<double>(rank) / static_cast<double>(n);
      return f * m + side * (GUESS_SIGMAS * std::sqrt(m * f * (1 - f)) + 1);
    };
    const double from = place(first, -1), to = place(last, 1);
    double low = -INF, high = INF;
    auto begin = sample.begin();
    if (from >= 0) {
      const auto at = begin + static_cast<std::ptrdiff_t>(from);
      std::nth_element(begin, at, sample.end());
      low = *at;
      begin = at;
    }
    if (to < m) {
      const auto at = sample.begin() + static_cast<std::ptrdiff_t>(to);
      std::nth_element(begin, at, sample.end());
      high = *at;
    }
    KeyRange out = range_of(kernels, keys, low, high);
    if (first >= out.below && last < out.below + out.keys.size()) return out;
  }
  Doubles ranked = keys;
  const auto lower = ranked.begin() + static_cast<std::ptrdiff_t>(first), upper = ranked.begin() + static_cast<std::ptrdiff_t>(last);
  std::nth_element(ranked.begin(), upper, ranked.end());
  const double high = *upper;
  std::nth_element(ranked.begin(), lower, upper + 1);
  return range_of(kernels, keys, *lower, high);
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
  const size_t first = window.first_rank, last = first + window.count - 1;
  const KeyRange wide = guessed_range(kernels, keys, first, last);
  const KeyRange close = guessed_range(kernels, wide.keys, first - wide.below, last - wide.below);
  /*
   * Order statistics are no further off than keys: the exact keys of these ranks lie between least(close.low) and most(close.high), and so do the rows that have them,
   * once more. Below that are lower ranks for certain.
   */
  const double low = error.least(error.least(close.low)), high = error.most(error.most(close.high));
  KeyRange found;
  if (low >= wide.low && high <= wide.high) {
    found = range_of(kernels, wide.keys, low, high);
    found.below += wide.below;
    for (uint32_t &place : found.places) place = wide.places[place];
  } else {
    found = range_of(kernels, keys, low, high);
  }
  const Doubles values = exact(found.places);
  StepVector<RankedKey> band(found.places.size());
  for (size_t i = 0; i < band.size(); i++) band[i] = {values[i], id(found.places[i])};
  const auto from = band.begin() + static_cast<std::ptrdiff_t>(first - found.below), to = from + window.count;
  if (to != band.end()) std::nth_element(band.begin(), to, band.end());
  if (from != band.begin()) std::nth_element(band.begin(), from, to);
  std::sort(from, to);
  return {from, to};
}

}  // namespace golddiff
