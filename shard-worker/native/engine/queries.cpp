#include "queries.h"

#include <algorithm>
#include <cmath>

#include "recycled.h"
#include "word_products.h"

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
double step_of(double largest, double reach) { return largest > 0 ? largest / reach : 1; }

/* Balanced digits of `bits` bits, lowest first: out[l * stride]. */
template <typename Digit>
void digits_of(int64_t integer, unsigned bits, size_t limbs, size_t stride, Digit *out) {
  const int64_t half = int64_t{1} << (bits - 1);
  for (size_t l = 0; l < limbs; l++) {
    const int64_t digit = ((integer + half) & (2 * half - 1)) - half;
    out[l * stride] = static_cast<Digit>(digit);
    integer = (integer - digit) / (2 * half);
  }
}

/* `products`: of the words of the rows, or nullptr where they are bytes. */
QueryLimbs rounded(const QueryValues &v, size_t limbs, size_t factor, const Partition::Shape &shape, const WordProducts *products) {
  const size_t d = v.x.size(), height = shape.height / factor, width = shape.width / factor;
  const double reach = products == nullptr ? limbs_reach(limbs) : limbs == 1 ? products->reach : limbs_reach(LIMBS_MAX);
  QueryLimbs out;
  out.limbs = limbs;
  if (products == nullptr) out.q.assign(limbs * d, 0);
  else out.words.assign(limbs * d, 0);
  out.delta = step_of(v.largest, reach);
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
    out.total += nearest;
    const int64_t integer = static_cast<int64_t>(nearest);
    if (products == nullptr) digits_of(integer, 8, limbs, d, out.q.data() + p);
    else if (limbs == 1) out.words[p] = static_cast<int16_t>(integer);
    else digits_of(integer, products->bits, limbs, d, out.words.data() + p);
  }
  out.error_norm = std::sqrt(error);
  return out;
}
}  // namespace

double limbs_reach(size_t limbs) {
  double reach = 0;
  for (size_t l = 0; l < limbs; l++) reach = reach * 256 + 127;
  return reach;
}

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
  return step_of(v.largest, limbs_reach(count)) * std::sqrt(static_cast<double>(v.x.size()) / 9);
}

const QueryLimbs &Queries::limbs(size_t b, size_t count, size_t factor, const Partition::Shape &shape, bool words) {
  const std::array<size_t, 4> key = {b, count, factor, words};
  const QueryValues *values = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto known = limbs_.find(key);
    if (known != limbs_.end()) return known->second;
    values = &values_locked(b, factor, shape);
  }
  /* Queries are rounded side by side; who is second finds the same. */
  const WordProducts products = words ? word_products(values->x.size(), factor) : WordProducts{};
  QueryLimbs own = rounded(*values, count, std::max<size_t>(1, factor), shape, words ? &products : nullptr);
  std::lock_guard<std::mutex> lock(mutex_);
  return limbs_.emplace(key, std::move(own)).first->second;
}

std::shared_ptr<const PackedQueries> Queries::packed(const gd_kernels &kernels, const std::vector<LimbedQuery> &columns, size_t factor,
                                                     const Partition::Shape &shape, bool words) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto &known : packed_)
      if (known.factor == factor && known.words == words && known.columns == columns) return known.packed;
  }
  auto out = std::make_shared<PackedQueries>();
  std::vector<int8_t> bytes;
  std::vector<int16_t> wide;
  size_t d = 0;
  for (size_t limbs = 1; limbs <= LIMBS_MAX; limbs++) {
    LimbGroup group;
    group.limbs = limbs;
    group.first = out->total;
    for (size_t k = 0; k < columns.size(); k++)
      if (columns[k].limbs == limbs) group.members.push_back(k);
    if (group.members.empty()) continue;
    for (size_t l = 0; l < limbs; l++)
      for (size_t k : group.members) {
        const QueryLimbs &own = this->limbs(columns[k].query, limbs, factor, shape, words);
        d = own.error.size();
        const auto from = static_cast<std::ptrdiff_t>(l * d), to = static_cast<std::ptrdiff_t>((l + 1) * d);
        if (words) wide.insert(wide.end(), own.words.begin() + from, own.words.begin() + to);
        else bytes.insert(bytes.end(), own.q.begin() + from, own.q.begin() + to);
      }
    out->total += limbs * group.members.size();
    out->groups.push_back(std::move(group));
  }
  const size_t size = words ? kernels.packed_words_bytes(d, out->total) : kernels.packed_bytes(d, out->total);
  out->counted = std::make_unique<StepShare>(size);
  out->bytes = std::make_unique<AlignedBytes>(size);
  if (words) {
    kernels.pack_words(wide.data(), d, out->total, out->bytes->data);
    out->base = std::ldexp(1, static_cast<int>(word_products(d, factor).bits));
  } else {
    kernels.pack(bytes.data(), d, out->total, out->bytes->data);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  packed_.push_back({columns, factor, words, out});
  return out;
}

}  // namespace golddiff
