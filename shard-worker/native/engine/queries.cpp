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
  }
  return values_.emplace(key, std::move(v)).first->second;
}

const QueryLimbs &Queries::limbs(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  return limbs_locked(b, count, factor, shape);
}

const QueryLimbs &Queries::limbs_locked(size_t b, size_t count, size_t factor, const Partition::Shape &shape) {
  const std::array<size_t, 3> key = {b, count, factor};
  auto known = limbs_.find(key);
  if (known != limbs_.end()) return known->second;
  const QueryValues &v = values_locked(b, factor, shape);
  const size_t d = v.x.size();
  double largest = 0;
  for (double value : v.x) largest = std::max(largest, std::fabs(value));
  QueryLimbs out;
  out.limbs = count;
  out.q.assign(count * d, 0);
  /* Balanced digits reach 127 (256^L - 1) / 255 on the positive side. */
  double reach = 0;
  for (size_t l = 0; l < count; l++) reach = reach * 256 + 127;
  out.delta = largest > 0 ? largest / reach : 1;
  out.error.resize(d);
  double error = 0;
  const size_t scale = std::max<size_t>(1, factor), height = shape.height / scale, width = shape.width / scale;
  std::vector<double> carried(d, 0);
  for (size_t p = 0; p < d; p++) {
    /* To the nearest integer: less than 2^32, so that adding 1.5 * 2^52 leaves no room for a fraction. */
    const double wanted = v.x[p] / out.delta + carried[p];
    const double nearest = std::clamp((wanted + 6755399441055744.0) - 6755399441055744.0, -reach, reach);
    diffuse(carried, p, height, width, wanted - nearest);
    const double e = v.x[p] - nearest * out.delta;
    out.error[p] = static_cast<float>(e);
    error += e * e;
    int64_t rounded = static_cast<int64_t>(nearest);
    for (size_t l = 0; l < count; l++) {
      const int64_t digit = ((rounded + 128) & 255) - 128;
      out.q[l * d + p] = static_cast<int8_t>(digit);
      rounded = (rounded - digit) / 256;
    }
  }
  out.error_norm = std::sqrt(error);
  return limbs_.emplace(key, std::move(out)).first->second;
}

std::shared_ptr<const PackedQueries> Queries::packed(const gd_kernels &kernels, const std::vector<LimbedQuery> &columns, size_t factor,
                                                     const Partition::Shape &shape) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto &known : packed_)
    if (known.factor == factor && known.columns == columns) return known.packed;
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
        const QueryLimbs &own = limbs_locked(columns[k].query, limbs, factor, shape);
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
  packed_.push_back({columns, factor, out});
  return out;
}

}  // namespace golddiff
