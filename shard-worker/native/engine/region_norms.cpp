#include "region_norms.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "partition.h"
#include "queries.h"

namespace golddiff {

namespace {
constexpr size_t ROWS_PER_TASK = 1024;
/* Rows that tell where what is left lies. */
constexpr size_t SAMPLE_ROWS = 1024;
/* A cache line. */
constexpr size_t ALIGNMENT = 64;
/* Largest integers that norms are rounded up to; the largest norm is a little less, so that no rounding leads beyond. */
constexpr double ROW_MAX = 255, QUERY_MAX = 127, ROOM = 0.5;
/* What the products in double may be rounded by, and more. */
constexpr double ROUNDED = 1 + 1e-12;
constexpr size_t LISTED_ROWS = 256;

/* What pooling leaves of f x f values. Bytes are summed exactly; doubles would cancel. */
double left_of(const uint8_t *corner, size_t stride, size_t f) {
  uint32_t sum = 0;
  uint64_t square = 0;
  for (size_t a = 0; a < f; a++)
    for (size_t b = 0; b < f; b++) {
      const uint32_t v = corner[a * stride + b];
      sum += v;
      square += v * v;
    }
  const double total = static_cast<double>(sum);
  return static_cast<double>(square) - total * total / static_cast<double>(f * f);
}
double left_of(const double *corner, size_t stride, size_t f) {
  double sum = 0, left = 0;
  for (size_t a = 0; a < f; a++)
    for (size_t b = 0; b < f; b++) sum += corner[a * stride + b];
  const double mean = sum / static_cast<double>(f * f);
  for (size_t a = 0; a < f; a++)
    for (size_t b = 0; b < f; b++) left += (corner[a * stride + b] - mean) * (corner[a * stride + b] - mean);
  return left;
}

/* body(square, |left|^2 of its values) for every square of [h, w] and channel. */
template <typename Value, typename Body>
void each_square(const Value *row, const PooledPicture &picture, const Body &body) {
  const size_t f = picture.factor, h = picture.height / f, w = picture.width / f;
  for (size_t c = 0; c < picture.channels; c++)
    for (size_t i = 0; i < h; i++)
      for (size_t j = 0; j < w; j++) body(i * w + j, left_of(row + (c * picture.height + i * f) * picture.width + j * f, picture.width, f));
}

/* [h, w] cut at the middle of its weight, again and again the heaviest rectangle, until there are so many or all are squares. */
std::vector<uint8_t> rectangles(const std::vector<double> &weight, size_t h, size_t w, size_t most) {
  struct Rectangle {
    double weight;
    size_t top, bottom, left, right;
    bool operator<(const Rectangle &other) const { return weight < other.weight; }
  };
  const auto weigh = [&](size_t top, size_t bottom, size_t left, size_t right) {
    double sum = 0;
    for (size_t i = top; i < bottom; i++)
      for (size_t j = left; j < right; j++) sum += weight[i * w + j];
    /* What cannot be cut is not chosen. */
    return Rectangle{(bottom - top) * (right - left) > 1 ? sum : -1, top, bottom, left, right};
  };
  std::vector<Rectangle> all{weigh(0, h, 0, w)};
  while (all.size() < most && all.front().weight >= 0) {
    std::pop_heap(all.begin(), all.end());
    const Rectangle r = all.back();
    const bool lines = r.bottom - r.top >= r.right - r.left;
    const size_t from = lines ? r.top : r.left, to = lines ? r.bottom : r.right;
    const auto first = [&](size_t cut) { return lines ? weigh(r.top, cut, r.left, r.right) : weigh(r.top, r.bottom, r.left, cut); };
    const auto second = [&](size_t cut) { return lines ? weigh(cut, r.bottom, r.left, r.right) : weigh(r.top, r.bottom, cut, r.right); };
    size_t best = from + 1;
    double least = INFINITY;
    for (size_t cut = from + 1; cut < to; cut++) {
      const double uneven = std::fabs(std::max(0.0, first(cut).weight) - std::max(0.0, second(cut).weight));
      if (uneven < least) least = uneven, best = cut;
    }
    all.back() = first(best);
    std::push_heap(all.begin(), all.end());
    all.push_back(second(best));
    std::push_heap(all.begin(), all.end());
  }
  std::vector<uint8_t> region(h * w);
  for (size_t g = 0; g < all.size(); g++)
    for (size_t i = all[g].top; i < all[g].bottom; i++)
      for (size_t j = all[g].left; j < all[g].right; j++) region[i * w + j] = static_cast<uint8_t>(g);
  return region;
}
}  // namespace

template <typename Value>
RegionNorms::Norms RegionNorms::norms_of(const Value *row, double scale) const {
  Norms norms{};
  each_square(row, picture_, [&](size_t square, double left) { norms[region_[square]] += left; });
  for (double &norm : norms) norm = std::sqrt(norm) * scale;
  return norms;
}

RegionNorms::RegionNorms(const PixelRows &pixels, const PooledPicture &picture, ThreadPool &pool) : picture_(picture), bytes_(pixels.n() * REGIONS + ALIGNMENT + GD_DOT_SLACK, 0) {
  const size_t n = pixels.n(), tasks = (n + ROWS_PER_TASK - 1) / ROWS_PER_TASK, h = picture.height / picture.factor, w = picture.width / picture.factor;
  uint8_t *const first = bytes_.data() + (ALIGNMENT - reinterpret_cast<uintptr_t>(bytes_.data()) % ALIGNMENT) % ALIGNMENT;
  first_ = first;
  std::vector<double> weight(h * w);
  for (size_t i = 0; i < n; i += std::max<size_t>(1, n / SAMPLE_ROWS)) each_square(pixels.row(i), picture, [&](size_t square, double left) { weight[square] += left; });
  region_ = rectangles(weight, h, w, REGIONS);
  const auto each_row = [&](const std::function<void(size_t task, size_t row, const Norms &norms)> &body) {
    pool.parallel(tasks, [&](size_t task) {
      for (size_t i = task * ROWS_PER_TASK; i < std::min(n, (task + 1) * ROWS_PER_TASK); i++) body(task, i, norms_of(pixels.row(i), 1 / pixels.divisor()));
    });
  };
  std::vector<double> largest(tasks, 0);
  each_row([&](size_t task, size_t, const Norms &norms) { largest[task] = std::max(largest[task], *std::max_element(norms.begin(), norms.end())); });
  for (double own : largest) unit_ = std::max(unit_, own / (ROW_MAX - ROOM));
  if (unit_ == 0) return;
  each_row([&](size_t, size_t row, const Norms &norms) {
    for (size_t g = 0; g < REGIONS; g++) first[row * REGIONS + g] = static_cast<uint8_t>(std::ceil(norms[g] / unit_));
  });
}

RegionNorms::Query RegionNorms::query(const gd_kernels &kernels, const double *x) const {
  const Norms norms = norms_of(x, 1);
  const double unit = *std::max_element(norms.begin(), norms.end()) / (QUERY_MAX - ROOM);
  std::array<int8_t, REGIONS> bytes{};
  if (unit > 0)
    for (size_t g = 0; g < REGIONS; g++) bytes[g] = static_cast<int8_t>(std::ceil(norms[g] / unit));
  const auto packed = std::make_shared<AlignedBytes>(kernels.packed_bytes(REGIONS, 1));
  kernels.pack(bytes.data(), REGIONS, 1, packed->data);
  return {packed, unit};
}

void RegionNorms::products(const gd_kernels &kernels, const Query &query, const uint32_t *rows, size_t count, double *out) const {
  const uint8_t *at[LISTED_ROWS];
  int32_t sums[LISTED_ROWS];
  const double unit = unit_ * query.unit * ROUNDED;
  for (size_t from = 0; from < count; from += LISTED_ROWS) {
    const size_t some = std::min(LISTED_ROWS, count - from);
    for (size_t i = 0; i < some; i++) at[i] = first_ + rows[from + i] * REGIONS;
    kernels.dot_u8s8(at, some, REGIONS, query.packed->data, 1, sums);
    for (size_t i = 0; i < some; i++) out[from + i] = sums[i] * unit;
  }
}

}  // namespace golddiff
