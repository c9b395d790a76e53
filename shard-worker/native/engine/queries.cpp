#include "queries.h"

#include <algorithm>
#include <cmath>

#include "recycled.h"

namespace golddiff {

namespace {
/*
 * Floyd and Steinberg's error diffusion (1976) on one channel of [C, H, W]: what rounding left at p goes to the neighbours that come later. The sum of squares
 * of e grows by a third, but e has little weight at low frequencies, where pictures have most of theirs: products of e with differences of rows
 * become several times smaller.
 */
void diffuse(std::vector<double> &carried, size_t p, size_t height, size_t width, double rest) {
  const size_t column = p % width, row = p / width % height;
  const bool right = column + 1 < width, left = column > 0;
  if (right) carried[p + 1] += rest * (7.0 / 16);
  if (row + 1 == height) return;
  if (left) carried[p + width - 1] += rest * (3.0 / 16);
  carried[p + width] += rest * (5.0 / 16);
  if (right) carried[p + width + 1] += rest * (1.0 / 16);
}
/* Largest integer of so many balanced digits, 127 (256^limbs - 1) / 255. */
double reach_of(size_t limbs) {
  double reach = 0;
  for (size_t l = 0; l < limbs; l++) reach = reach * 256 + 127;
  return reach;
}

double step_of(double largest, size_t limbs) { return largest > 0 ? largest / reach_of(limbs) : 1; }

QueryLimbs rounded(const QueryValues &v, size_t limbs, size_t factor, const Partition::Shape &shape) {
  const size_t d = v.x.size(), height = shape.height / factor, width = shape.width / factor;
  const double reach = reach_of(limbs);
  QueryLimbs out;
  out.limbs = limbs;
  out.q.assign(limbs * d, 0);
  out.delta = step_of(v.largest, limbs);
  out.error.resize(d);
  double error = 0;
  std::vector<double> carried(d, 0);
  for (size_t p = 0; p < d; p++) {
    /* To the nearest integer: less than 2^32, so that adding 1.5 * 2^52 leaves no room for a fraction. */
    const double wanted = v.x[p] / out.delta + carried[p];
    const double nearest = std::clamp((wanted + 6755399441055744.0) - 6755399441055744.0, -reach, reach);
    diffuse(carried, p, height, width, wanted - nearest);
    const double e = v.x[p] - nearest * out.delta;
    out.error[p] = static_cast<float>(e);
    error += e * e;
    int64_t integer = static_cast<int64_t>(nearest);
    for (size_t l = 0; l < limbs; l++) {
      const int64_t digit = ((integer + 128) & 255) - 128;
      out.q[l * d + p] = static_cast<int8_t>(digit);
      integer = (integer - digit) / 256;
    }
  }
  out.error_norm = std::sqrt(error);
  return out;
}
}  // namespace

AlignedBytes::AlignedBytes(size_t bytes) : data(take_recycled(bytes + 64)), bytes_(bytes + 64) {}
AlignedBytes::~AlignedBytes() { give_recycled(data, bytes_); }

Queries::Queries(Queries &&other) noexcept
    : batch(other.batch),
      dim(other.dim),
      x(std::move(other.x)),
      alpha(std::move(other.alpha)),
      sigma(std::move(other.sigma)),
      temperature(other.temperature) {}

const QueryValues &Queries::values(size_t b, size_t factor, const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  return values_locked(b, factor, shape);
}

const QueryValues &Queries::values_locked(size_t b, size_t factor, const Partition::Shape &shape) {
  const auto key = std::make_pair(b, factor);
  auto known = values_.find(key);
  if (known != values_.end()) return known->second;
  QueryValues v;
  const double *row = x.data() + b * dim;
  if (factor == 0) {
    v.x.assign(row, row + dim);
  } else {
    v.x.resize(shape.channels * (shape.height / factor) * (shape.width / factor));
    pool_doubles(row, shape, factor, v.x.data());
  }
  for (double value : v.x) {
    v.square += value * value;
    v.sum += value;
    v.largest = std::max(v.largest, std::fabs(value));
  }
  return values_.emplace(key, std::move(v)).first->second;
}

double Queries::error_expected(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  const QueryValues &v = values(b, factor, shape);
  return step_of(v.largest, count) * std::sqrt(static_cast<double>(v.x.size()) / 9);
}

const QueryLimbs &Queries::limbs(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  const std::array<size_t, 3> key = {b, count, factor};
  const QueryValues *values = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto known = limbs_.find(key);
    if (known != limbs_.end()) return known->second;
    values = &values_locked(b, factor, shape);
  }
  /* Queries are rounded side by side; who is second finds the same. */
  QueryLimbs own = rounded(*values, count, std::max<size_t>(1, factor), shape);
  std::lock_guard<std::mutex> lock(mutex_);
  return limbs_.emplace(key, std::move(own)).first->second;
}

std::shared_ptr<const PackedQueries> Queries::packed(const gd_kernels &kernels, const std::vector<LimbedQuery> &columns, size_t factor,
                                                     const Partition::Shape &shape) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto &known : packed_)
      if (known.factor == factor && known.columns == columns) return known.packed;
  }
  auto out = std::make_shared<PackedQueries>();
  std::vector<int8_t> all;
  for (size_t limbs = 1; limbs <= LIMBS_MAX; limbs++) {
    LimbGroup group;
    group.limbs = limbs;
    group.first = out->total;
    for (size_t k = 0; k < columns.size(); k++)
      if (columns[k].limbs == limbs) group.members.push_back(k);
    if (group.members.empty()) continue;
    for (size_t l = 0; l < limbs; l++)
      for (size_t k : group.members) {
        const QueryLimbs &own = this->limbs(columns[k].query, limbs, factor, shape);
        const size_t d = own.q.size() / limbs;
        all.insert(all.end(), own.q.begin() + static_cast<std::ptrdiff_t>(l * d), own.q.begin() + static_cast<std::ptrdiff_t>((l + 1) * d));
      }
    out->total += limbs * group.members.size();
    out->groups.push_back(std::move(group));
  }
  const size_t d = out->total == 0 ? 0 : all.size() / out->total;
  out->counted = std::make_unique<StepShare>(kernels.packed_bytes(d, out->total));
  out->bytes = std::make_unique<AlignedBytes>(kernels.packed_bytes(d, out->total));
  kernels.pack(all.data(), d, out->total, out->bytes->data);
  std::lock_guard<std::mutex> lock(mutex_);
  packed_.push_back({columns, factor, out});
  return out;
}

}  // namespace golddiff
