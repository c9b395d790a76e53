#include "grouping.h"

#include <algorithm>
#include <cmath>

namespace golddiff {

namespace {
/* Lines of groups that are written by one another: a chain of differences is this and a line long at most. */
constexpr size_t BAND_LINES = 8;
constexpr size_t GROUPS_PER_TASK = 64;
}  // namespace

GroupKind GroupKind::supports(const Partition::Shape &shape, StepVector<uint32_t> first, StepVector<uint32_t> runs) {
  const size_t dim = shape.dim();
  check_runs(first, runs, dim);
  GroupKind kind;
  kind.dim_ = dim;
  kind.groups_ = first.size() - 1;
  kind.line_ = shape.width;
  kind.first_ = std::move(first);
  kind.runs_ = std::move(runs);
  return kind;
}

GroupKind GroupKind::window(const Partition::Shape &shape, size_t side) {
  GroupKind kind;
  kind.dim_ = shape.dim();
  kind.groups_ = shape.height * shape.width;
  kind.height_ = shape.height;
  kind.width_ = kind.line_ = shape.width;
  kind.side_ = side;
  return kind;
}

GroupKind::Places GroupKind::window_places(size_t g) const {
  const size_t i = g / width_, j = g % width_, reach = side_ / 2;
  const auto entry = [this](size_t line, size_t column) { return static_cast<uint32_t>(line * (width_ + 1) + column); };
  const size_t top = i < reach ? 0 : i - reach, bottom = std::min(height_, i + reach + 1);
  const size_t left = j < reach ? 0 : j - reach, right = std::min(width_, j + reach + 1);
  return {{entry(top, left), entry(bottom, right)}, {entry(top, right), entry(bottom, left)}};
}

GroupKind::Places GroupKind::support_places(size_t g, Bases &bases) const {
  const auto assign = [this](Voters &voters, size_t group) { voters.assign(runs_.data() + 2 * first_[group], first_[group + 1] - first_[group]); };
  assign(bases.own, g);
  const Voters *best = &bases.none;
  size_t fewest = bases.own.places_from(bases.none), from = 0;
  for (const size_t back : {static_cast<size_t>(1), line_}) {
    if (g % (BAND_LINES * line_) < back || fewest <= 2) continue;
    Voters &base = back == 1 ? bases.left : bases.above;
    assign(base, g - back);
    const size_t places = 1 + bases.own.places_from(base);
    if (places >= fewest) continue;
    fewest = places;
    best = &base;
    from = g - back;
  }
  Places out;
  for (auto *places : {&out.more, &out.less}) places->reserve(fewest + 2);
  bases.own.list_places_from(*best, static_cast<uint32_t>(dim_ + 1), out.more, out.less);
  if (best != &bases.none) out.more.push_back(static_cast<uint32_t>(sum_places() + from));
  return out;
}

void GroupKind::prepare(ThreadPool &pool) {
  std::vector<Places> all(groups_);
  pool.parallel((groups_ + GROUPS_PER_TASK - 1) / GROUPS_PER_TASK, [&](size_t task) {
    Bases bases(dim_);
    for (size_t g = task * GROUPS_PER_TASK; g < std::min(groups_, (task + 1) * GROUPS_PER_TASK); g++) {
      all[g] = height_ > 0 ? window_places(g) : support_places(g, bases);
      /* Even numbers; place 0 is 0. */
      for (auto *places : {&all[g].more, &all[g].less})
        if (places->size() % 2 == 1) places->push_back(0);
    }
  });
  size_t total = 0;
  for (const Places &own : all) total += own.more.size() + own.less.size();
  places_.clear();
  places_.reserve(total);
  first_place_.assign(1, 0);
  for (const Places &own : all)
    for (const auto *places : {&own.more, &own.less}) {
      places_.insert(places_.end(), places->begin(), places->end());
      first_place_.push_back(static_cast<uint32_t>(places_.size()));
    }
  sizes_.assign(groups_, 0);
  sum(std::vector<double>(dim_, 1).data(), sizes_.data());
}

void GroupKind::sum(const double *values, double *sums) const {
  std::vector<double> table(sum_places(), 0);
  if (height_ == 0) {
    for (size_t p = 0; p < dim_; p++) {
      table[p + 1] = table[p] + values[p];
      table[dim_ + 1 + p] = values[p];
    }
  } else {
    const size_t line = width_ + 1, area = height_ * width_;
    for (size_t i = 0; i < height_; i++) {
      double total = 0;
      for (size_t j = 0; j < width_; j++) {
        for (size_t p = i * width_ + j; p < dim_; p += area) total += values[p];
        table[(i + 1) * line + j + 1] = table[i * line + j + 1] + total;
      }
    }
  }
  const auto at = [&](size_t k) { return places_[k] < table.size() ? table[places_[k]] : sums[places_[k] - table.size()]; };
  for (size_t g = 0; g < groups_; g++) {
    double sum = 0;
    for (size_t k = first_place_[2 * g]; k < first_place_[2 * g + 1]; k++) sum += at(k);
    for (size_t k = first_place_[2 * g + 1]; k < first_place_[2 * g + 2]; k++) sum -= at(k);
    sums[g] = sum;
  }
}

namespace {
constexpr double PIXEL_STEPS = 127.5;
/* Below 2^31 by more than the roundings of a thousand thousand values and the float32 of the unit. */
constexpr double SUM_MAX = 2147483648.0 * (1 - 1e-3);
}  // namespace

PixelGroupQuery::PixelGroupQuery(const GroupKind &kind, const double *x, double alpha, double divisor) : high(kind.dim()), low(kind.dim()) {
  const size_t D = kind.dim(), G = kind.groups();
  const double scale = alpha / PIXEL_STEPS;
  std::vector<double> bound(D), bounds(G);
  for (size_t p = 0; p < D; p++) {
    const double value = (x[p] + alpha) / scale, farthest = std::max(std::fabs(value), std::fabs(value - 255));
    bound[p] = farthest * farthest;
  }
  kind.sum(bound.data(), bounds.data());
  /* Also of one value that no group has: its square is converted all the same. */
  const double most = std::max(*std::max_element(bounds.begin(), bounds.end()), *std::max_element(bound.begin(), bound.end()));
  step = static_cast<float>(std::sqrt(SUM_MAX / most));
  const double exact = static_cast<double>(step);
  for (size_t p = 0; p < D; p++) {
    const double value = (x[p] + alpha) / scale * exact;
    high[p] = static_cast<float>(value);
    low[p] = static_cast<float>(value - static_cast<double>(high[p]));
  }
  nats = scale * scale / (exact * exact) / divisor;
  error = *std::max_element(kind.sizes().begin(), kind.sizes().end()) * nats / 2;
}

}  // namespace golddiff
