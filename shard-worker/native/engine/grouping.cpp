#include "grouping.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace golddiff {

GroupKind GroupKind::supports(size_t dim, std::vector<uint32_t> first, std::vector<uint32_t> runs) {
  const auto refuse = [] { throw EngineError("ARGUMENT_INVALID", "Expected groups of runs that lie within a row"); };
  if (first.empty() || first.front() != 0 || runs.size() != 2 * static_cast<size_t>(first.back())) refuse();
  for (size_t g = 1; g < first.size(); g++)
    if (first[g] < first[g - 1]) refuse();
  for (size_t r = 0; r < runs.size(); r += 2)
    if (runs[r] >= runs[r + 1] || runs[r + 1] > dim) refuse();
  GroupKind kind;
  kind.dim_ = dim;
  kind.groups_ = first.size() - 1;
  kind.first_ = std::move(first);
  kind.ends_ = std::move(runs);
  return kind;
}

GroupKind GroupKind::window(const Partition::Shape &shape, size_t side) {
  GroupKind kind;
  kind.dim_ = shape.dim();
  kind.groups_ = shape.height * shape.width;
  kind.height_ = shape.height;
  kind.width_ = shape.width;
  const size_t reach = side / 2, line = shape.width + 1;
  const auto entry = [line](size_t i, size_t j) { return static_cast<uint32_t>(i * line + j); };
  kind.first_.push_back(0);
  for (size_t i = 0; i < shape.height; i++)
    for (size_t j = 0; j < shape.width; j++) {
      const size_t top = i < reach ? 0 : i - reach, bottom = std::min(shape.height, i + reach + 1);
      const size_t left = j < reach ? 0 : j - reach, right = std::min(shape.width, j + reach + 1);
      for (const uint32_t end : {entry(bottom, left), entry(bottom, right)}) kind.ends_.push_back(end);
      /* At the top edge the other two are zeros. */
      if (top > 0)
        for (const uint32_t end : {entry(top, right), entry(top, left)}) kind.ends_.push_back(end);
      kind.first_.push_back(static_cast<uint32_t>(kind.ends_.size() / 2));
    }
  return kind;
}

void GroupKind::sum(const double *values, double *sums) const {
  std::vector<double> table;
  if (height_ == 0) {
    table.assign(dim_ + 1, 0);
    for (size_t p = 0; p < dim_; p++) table[p + 1] = table[p] + values[p];
  } else {
    const size_t line = width_ + 1, area = height_ * width_;
    table.assign((height_ + 1) * line, 0);
    for (size_t i = 0; i < height_; i++) {
      double total = 0;
      for (size_t j = 0; j < width_; j++) {
        for (size_t p = i * width_ + j; p < dim_; p += area) total += values[p];
        table[(i + 1) * line + j + 1] = table[i * line + j + 1] + total;
      }
    }
  }
  for (size_t g = 0; g < groups_; g++) {
    double sum = 0;
    for (size_t d = first_[g]; d < first_[g + 1]; d++) sum += table[ends_[2 * d + 1]] - table[ends_[2 * d]];
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
  std::vector<double> bound(D), bounds(G), sizes(G);
  kind.sum(std::vector<double>(D, 1).data(), sizes.data());
  for (size_t p = 0; p < D; p++) {
    const double value = (x[p] + alpha) / scale;
    high[p] = static_cast<float>(value);
    low[p] = static_cast<float>(value - static_cast<double>(high[p]));
    const double farthest = std::max(std::fabs(value), std::fabs(value - 255));
    bound[p] = farthest * farthest;
  }
  kind.sum(bound.data(), bounds.data());
  /* Also of one value that no group has: its square is converted all the same. */
  const double most = std::max(*std::max_element(bounds.begin(), bounds.end()), *std::max_element(bound.begin(), bound.end()));
  unit = static_cast<float>(SUM_MAX / most);
  nats = scale * scale / static_cast<double>(unit) / divisor;
  error = *std::max_element(sizes.begin(), sizes.end()) * nats / 2;
}

}  // namespace golddiff
