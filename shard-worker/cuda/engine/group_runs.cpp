#include "group_runs.h"

#include <algorithm>
#include <cmath>

#include "../../native/engine/grouping.h"

namespace golddiff::cuda {

namespace {
/* Below the largest integer by more than the roundings of a thousand thousand values. */
constexpr double NARROW_MAX = 4294967296.0 * (1 - 1e-3), WIDE_MAX = 4611686018427387904.0 * (1 - 1e-3);
}  // namespace

GroupRuns GroupRuns::supports(const golddiff::Partition::Shape &shape, std::vector<uint32_t> first, std::vector<uint32_t> runs) {
  check_runs(first, runs, shape.dim());
  GroupRuns kind;
  kind.dim = kind.places = shape.dim();
  kind.groups = first.size() - 1;
  kind.first = std::move(first);
  kind.runs = std::move(runs);
  return kind;
}

GroupRuns GroupRuns::window(const golddiff::Partition::Shape &shape, size_t side) {
  GroupRuns kind;
  kind.dim = shape.dim();
  kind.places = kind.groups = shape.height * shape.width;
  kind.first.push_back(0);
  const size_t reach = side / 2;
  for (size_t i = 0; i < shape.height; i++)
    for (size_t j = 0; j < shape.width; j++) {
      const size_t top = i < reach ? 0 : i - reach, bottom = std::min(shape.height, i + reach + 1);
      const size_t left = j < reach ? 0 : j - reach, right = std::min(shape.width, j + reach + 1);
      for (size_t line = top; line < bottom; line++) {
        kind.runs.push_back(static_cast<uint32_t>(line * shape.width + left));
        kind.runs.push_back(static_cast<uint32_t>(line * shape.width + right));
      }
      kind.first.push_back(static_cast<uint32_t>(kind.runs.size() / 2));
    }
  return kind;
}

double GroupRuns::largest_sum(const std::vector<double> &values) const {
  std::vector<double> place(places, 0), up_to(places + 1, 0);
  for (size_t p = 0; p < dim; p++) place[p % places] += values[p];
  for (size_t k = 0; k < places; k++) up_to[k + 1] = up_to[k] + place[k];
  double largest = places == 0 ? 0 : *std::max_element(place.begin(), place.end());
  for (size_t g = 0; g < groups; g++) {
    double sum = 0;
    for (size_t r = first[g]; r < first[g + 1]; r++) sum += up_to[runs[2 * r + 1]] - up_to[runs[2 * r]];
    largest = std::max(largest, sum);
  }
  return largest;
}

GroupUnits group_units(const GroupRuns &kind, const double *q, double scale, double low, double high, double divisor, bool wide) {
  std::vector<double> bound(kind.dim);
  for (size_t p = 0; p < kind.dim; p++) {
    const double farthest = std::max(std::fabs(q[p] - scale * low), std::fabs(q[p] - scale * high));
    bound[p] = farthest * farthest;
  }
  const double most = kind.largest_sum(bound), size = kind.largest_sum(std::vector<double>(kind.dim, 1));
  const double units = (wide ? WIDE_MAX : NARROW_MAX) / (most > 0 ? most : 1);
  return {units, 1 / (units * divisor), size / (2 * units * divisor)};
}

}  // namespace golddiff::cuda
