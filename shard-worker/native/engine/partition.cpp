#include "partition.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "error.h"
#include "huge_pages.h"

namespace golddiff {

namespace {
constexpr size_t ROWS_PER_TASK = 1024;
std::atomic<uint64_t> next_id{1};

size_t tasks(size_t n) { return (n + ROWS_PER_TASK - 1) / ROWS_PER_TASK; }

void for_rows(ThreadPool &pool, size_t n, const std::function<void(size_t, size_t)> &body) {
  pool.parallel(tasks(n), [&](size_t t) { body(t * ROWS_PER_TASK, std::min(n, (t + 1) * ROWS_PER_TASK)); });
}
}  // namespace

PixelRows::PixelRows(const uint8_t *values, size_t n, size_t dim, ThreadPool &pool) : n_(n), dim_(dim), divisor_(127.5) {
  const size_t unsafe = std::min(n, (GD_DOT_SLACK + dim - 1) / dim);
  Plane plane{values, {}, {}, n - unsafe};
  plane.last.assign(unsafe * dim + GD_DOT_SLACK, 0);
  if (unsafe > 0) std::memcpy(plane.last.data(), values + (n - unsafe) * dim, unsafe * dim);
  planes_.push_back(std::move(plane));
  measure(pool);
}

PixelRows::PixelRows(std::vector<std::vector<uint8_t>> planes, size_t n, size_t dim, double divisor, ThreadPool &pool)
    : n_(n), dim_(dim), divisor_(divisor) {
  for (auto &bytes : planes) {
    planes_.push_back(Plane{nullptr, std::move(bytes), {}, n});
    planes_.back().rows = planes_.back().owned.data();
  }
  measure(pool);
}

PixelRows::PixelRows(std::vector<int16_t> words, const WordProducts &products, size_t n, size_t dim, double divisor, ThreadPool &pool)
    : n_(n), dim_(dim), divisor_(divisor), words_(std::move(words)), products_(products) {
  use_huge_pages(words_.data(), words_.size() * sizeof(int16_t));
  measure(pool);
}

void PixelRows::measure(ThreadPool &pool) {
  sum_.resize(n_);
  sum_sq_.resize(n_);
  for_rows(pool, n_, [&](size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
      int64_t sum = 0;
      int64_t square = 0;
      if (planes_.size() == 1) {
        const uint8_t *u = planes_[0].rows + i * dim_;
        uint32_t s = 0;
        for (size_t p = 0; p < dim_;) {
          /* 65,536 squares of 255 fit in 32 bits. */
          const size_t end = std::min(dim_, p + 65536);
          uint32_t q = 0;
          for (; p < end; p++) {
            s += u[p];
            q += static_cast<uint32_t>(u[p]) * u[p];
          }
          square += q;
        }
        sum = s;
      } else {
        for (size_t p = 0; p < dim_; p++) {
          const int64_t v = value(i, p);
          sum += v;
          square += v * v;
        }
      }
      sum_[i] = static_cast<double>(sum);
      sum_sq_[i] = static_cast<double>(square);
    }
  });
  double largest = 0;
  for (double square : sum_sq_) largest = std::max(largest, square);
  norm_max_ = std::sqrt(largest);
  measure_spread(pool);
}

int64_t PixelRows::value(size_t row, size_t p) const {
  if (in_words()) return words_[row * dim_ + p] + products_.offset;
  int64_t v = 0;
  for (size_t k = planes_.size(); k-- > 0;) v = v * 256 + planes_[k].rows[row * dim_ + p];
  return v;
}

void PixelRows::measure_spread(ThreadPool &pool) {
  mean_.assign(dim_, 0);
  if (n_ == 0) return;
  /* Exact integers, so that the order of threads does not matter. */
  std::vector<std::vector<double>> sums(tasks(n_));
  for_rows(pool, n_, [&](size_t from, size_t to) {
    auto &own = sums[from / ROWS_PER_TASK];
    own.assign(dim_, 0);
    for (size_t i = from; i < to; i++)
      for (size_t p = 0; p < dim_; p++) own[p] += static_cast<double>(planes_.size() == 1 ? planes_[0].rows[i * dim_ + p] : value(i, p));
  });
  for (const auto &own : sums)
    for (size_t p = 0; p < dim_; p++) mean_[p] += own[p];
  for (double &mean : mean_) {
    mean /= static_cast<double>(n_);
    mean_norm_ += mean * mean;
  }
  mean_norm_ = std::sqrt(mean_norm_);
  std::vector<std::pair<double, double>> spreads(tasks(n_));
  for_rows(pool, n_, [&](size_t from, size_t to) {
    auto &[largest, total] = spreads[from / ROWS_PER_TASK];
    for (size_t i = from; i < to; i++) {
      double square = 0;
      for (size_t p = 0; p < dim_; p++) {
        const double d = static_cast<double>(planes_.size() == 1 ? planes_[0].rows[i * dim_ + p] : value(i, p)) - mean_[p];
        square += d * d;
      }
      largest = std::max(largest, square);
      total += square;
    }
  });
  double largest = 0;
  for (const auto &[own, total] : spreads) {
    largest = std::max(largest, own);
    variance_ += total;
  }
  variance_ /= static_cast<double>(n_);
  spread_max_ = std::sqrt(largest);
}

size_t PixelRows::bytes() const {
  size_t total = (sum_.size() + sum_sq_.size() + mean_.size()) * sizeof(double) + words_.size() * sizeof(int16_t);
  for (const auto &plane : planes_) total += plane.owned.size() + plane.last.size();
  return total;
}

size_t RowSet::bytes() const {
  return (pixels ? pixels->bytes() : floats->owned.size() * sizeof(float)) + (coarse ? coarse->bytes() : 0) + residual.size() * sizeof(double) + (regions ? regions->bytes() : 0);
}

double PixelRows::distance(const double *q, size_t row, double scale) const {
  double total = 0;
  for (size_t p = 0; p < dim_; p++) {
    const double d = q[p] - scale * static_cast<double>(value(row, p));
    total += d * d;
  }
  return total;
}

Partition::Partition(const Shape &shape, const uint8_t *pixels, const float *floats, const int32_t *labels, const uint32_t *row_ids,
                     const gd_kernels &kernels, ThreadPool &pool)
    : id_(next_id++), shape_(shape), labels_(labels), row_ids_(row_ids), kernels_(kernels), pool_(pool) {
  if (pixels != nullptr) {
    use_huge_pages(pixels, shape.rows * shape.dim());
    full_.pixels = std::make_unique<PixelRows>(pixels, shape.rows, shape.dim(), pool);
    bytes_ = full_.pixels->bytes();
  } else {
    full_.floats = std::make_unique<FloatRows>();
    use_huge_pages(floats, shape.rows * shape.dim() * sizeof(float));
    full_.floats->values = floats;
    full_.floats->n = shape.rows;
    full_.floats->dim = shape.dim();
  }
}

const RowSet &Partition::proxies(size_t factor) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto known = proxies_.find(factor);
  if (known == proxies_.end()) {
    known = proxies_.emplace(factor, make_proxies(factor)).first;
    bytes_ += known->second.bytes();
  }
  return known->second;
}

RowSet Partition::make_proxies(size_t factor) {
  const size_t n = shape_.rows;
  const size_t h = shape_.height / factor, w = shape_.width / factor;
  const size_t d = shape_.channels * h * w;
  const double area = static_cast<double>(factor * factor);
  RowSet out;
  if (full_.floats) {
    out.floats = std::make_unique<FloatRows>();
    out.floats->owned.resize(n * d);
    out.floats->values = out.floats->owned.data();
    out.floats->n = n;
    out.floats->dim = d;
  }
  const size_t planes = factor == 1 ? 1 : factor <= 16 ? 2 : 3;
  const WordProducts products = word_products(d, factor);
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<int16_t> words;
  /* Words have as many bytes as two planes, room behind them included. */
  if (full_.pixels && products.fit()) words.assign(n * d + GD_DOT_SLACK, 0);
  else if (full_.pixels) bytes.assign(planes, std::vector<uint8_t>(n * d + GD_DOT_SLACK, 0));
  for_rows(pool_, n, [&](size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
      for (size_t c = 0; c < shape_.channels; c++)
        for (size_t y = 0; y < h; y++)
          for (size_t x = 0; x < w; x++) {
            const size_t at = i * d + (c * h + y) * w + x;
            const size_t corner = (c * shape_.height + y * factor) * shape_.width + x * factor;
            if (full_.pixels) {
              const uint8_t *row = full_.pixels->row(i) + corner;
              uint32_t sum = 0;
              for (size_t a = 0; a < factor; a++)
                for (size_t b = 0; b < factor; b++) sum += row[a * shape_.width + b];
              if (products.fit()) words[at] = static_cast<int16_t>(static_cast<int32_t>(sum) - products.offset);
              else
                for (size_t k = 0; k < planes; k++) bytes[k][at] = static_cast<uint8_t>(sum >> (8 * k));
            } else {
              const float *row = full_.floats->row(i) + corner;
              double sum = 0;
              for (size_t a = 0; a < factor; a++)
                for (size_t b = 0; b < factor; b++) sum += row[a * shape_.width + b];
              out.floats->owned[at] = static_cast<float>(sum / area);
            }
          }
    }
  });
  if (full_.pixels && products.fit()) out.pixels = std::make_unique<PixelRows>(std::move(words), products, n, d, 127.5 * area, pool_);
  else if (full_.pixels) out.pixels = std::make_unique<PixelRows>(std::move(bytes), n, d, 127.5 * area, pool_);
  if (planes > 1 && full_.pixels) make_coarse(out, factor * factor);
  if (full_.pixels) {
    out.residual.resize(n);
    for (size_t i = 0; i < n; i++)
      out.residual[i] = std::sqrt(std::max(0.0, full_.pixels->sum_sq()[i] - out.pixels->sum_sq()[i] / area)) / full_.pixels->divisor();
    out.regions = std::make_unique<RegionNorms>(*full_.pixels, PooledPicture{shape_.channels, shape_.height, shape_.width, factor}, pool_);
  }
  return out;
}

void Partition::make_coarse(RowSet &proxies, size_t area) {
  const PixelRows &fine = *proxies.pixels;
  const size_t n = fine.n(), d = fine.dim();
  std::vector<std::vector<uint8_t>> bytes(1, std::vector<uint8_t>(n * d + GD_DOT_SLACK, 0));
  std::vector<uint64_t> largest(tasks(n), 0);
  for_rows(pool_, n, [&](size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
      uint64_t square = 0;
      for (size_t p = 0; p < d; p++) {
        const int64_t sum = fine.value(i, p), mean = (sum + static_cast<int64_t>(area / 2)) / static_cast<int64_t>(area);
        bytes[0][i * d + p] = static_cast<uint8_t>(mean);
        const int64_t rest = sum - mean * static_cast<int64_t>(area);
        square += static_cast<uint64_t>(rest * rest);
      }
      largest[from / ROWS_PER_TASK] = std::max(largest[from / ROWS_PER_TASK], square);
    }
  });
  const uint64_t square = n == 0 ? 0 : *std::max_element(largest.begin(), largest.end());
  proxies.coarse = std::make_unique<PixelRows>(std::move(bytes), n, d, 127.5, pool_);
  proxies.coarse_distance = std::sqrt(static_cast<double>(square)) / fine.divisor();
}

void pool_doubles(const double *row, const Partition::Shape &shape, size_t factor, double *out) {
  const size_t h = shape.height / factor, w = shape.width / factor;
  const double area = static_cast<double>(factor * factor);
  for (size_t c = 0; c < shape.channels; c++)
    for (size_t y = 0; y < h; y++)
      for (size_t x = 0; x < w; x++) {
        double sum = 0;
        for (size_t a = 0; a < factor; a++)
          for (size_t b = 0; b < factor; b++) sum += row[(c * shape.height + y * factor + a) * shape.width + x * factor + b];
        out[(c * h + y) * w + x] = sum / area;
      }
}

}  // namespace golddiff
