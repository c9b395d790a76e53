/* Distances of queries to all rows, and which rows pass the cuts. */
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../../native/engine/error.h"
#include "step.h"

namespace golddiff::cuda {

void Step::check() const {
  if (closed_) throw cancelled();
}

void Step::check(Work &work) const {
  if (!closed_) return;
  work.finish();
  throw cancelled();
}

Step::Part &Step::part(Partition &partition) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto &found = parts_[partition.id()];
  if (!found) found = std::make_unique<Part>();
  return *found;
}

const RowSet &Step::set_of(Partition &partition, Stage stage) { return keys_stage(stage) == PROXY ? partition.proxies(settings_.factor) : partition.full(); }

const DeviceArray<double> &Step::keys(Work &work, Part &part, Partition &partition, Stage stage) {
  stage = keys_stage(stage);
  auto &known = part.keys[stage];
  if (!known.empty()) return known;
  check(work);
  auto made = work.array<double>(queries_.batch * partition.n());
  if (stage == PRESAMPLE) {
    const auto ids = work.upload(settings_.query_ids);
    launch_presample(partition.row_ids(), partition.n(), settings_.presample_seed, settings_.presample_step, ids.data(), queries_.batch, made.data(), work.stream());
    work.wait();
  } else {
    std::vector<size_t> all(queries_.batch);
    for (size_t b = 0; b < all.size(); b++) all[b] = b;
    distances(work, partition, set_of(partition, stage), all, std::vector<size_t>(all.size(), LIMBS_RANKING), made);
  }
  known = std::move(made);
  return known;
}

Step::Masked Step::masked(Work &work, Part &part, Partition &partition, const Cuts &cuts) {
  const size_t B = queries_.batch, n = partition.n();
  Mask mask{n, B, partition.labels(), partition.row_ids(), nullptr, {}, nullptr, nullptr};
  std::vector<DeviceArray<double>> cut_keys(3);
  std::vector<DeviceArray<uint32_t>> cut_rows(3);
  /* All keys before the first upload: what there is no memory for is thrown while nothing is under way. */
  for (int stage = 0; stage < 3; stage++)
    if (cuts[stage].present()) mask.cuts[stage].keys = keys(work, part, partition, static_cast<Stage>(stage)).data();
  for (int stage = 0; stage < 3; stage++) {
    if (!cuts[stage].present()) continue;
    cut_keys[stage] = work.upload(cuts[stage].key);
    cut_rows[stage] = work.upload(cuts[stage].row_id);
    mask.cuts[stage].cut_key = cut_keys[stage].data();
    mask.cuts[stage].cut_row_id = cut_rows[stage].data();
  }
  const auto labels = work.upload(settings_.labels);
  if (!settings_.labels.empty()) mask.labels = labels.data();
  Masked out{work.array<uint8_t>(B * n), {}};
  const auto passing = work.zeros<unsigned long long>(B);
  mask.mask = out.mask.data();
  mask.passing = passing.data();
  launch_mask(mask, work.stream());
  out.passing = work.download(passing);
  check(work);
  return out;
}

std::shared_ptr<const Step::Columns> Step::columns(Work &work, const Shape &shape, size_t factor, const PixelRows &pixels, const std::vector<size_t> &queries, size_t limbs) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto &known : columns_)
      if (known->factor == factor && known->limbs == limbs && known->queries == queries) return known;
  }
  const size_t columns = product_columns(queries.size());
  std::vector<int8_t> packed(limbs * columns * pixels.stride, 0);
  pool_.parallel(queries.size(), [&](size_t k) {
    const QueryLimbs &own = queries_.limbs(queries[k], limbs, factor, shape);
    for (size_t l = 0; l < limbs; l++) std::memcpy(packed.data() + (l * columns + k) * pixels.stride, own.q.data() + l * pixels.dim, pixels.dim);
  });
  auto out = std::make_shared<Columns>();
  out->queries = queries;
  out->limbs = limbs;
  out->factor = factor;
  out->q = work.upload(std::move(packed));
  /* Other streams find it there. */
  work.wait();
  std::lock_guard<std::mutex> lock(mutex_);
  columns_.push_back(out);
  return out;
}

Step::DifferenceQueries Step::difference_queries(Work &work, const Shape &shape, size_t factor, const RowSet &set) {
  const size_t B = queries_.batch, dim = set.dim();
  std::vector<double> q(B * dim), scale(B);
  for (size_t b = 0; b < B; b++) {
    const QueryValues &values = queries_.values(b, factor, shape);
    const double alpha = queries_.alpha[b];
    for (size_t p = 0; p < dim; p++) q[b * dim + p] = values.x[p] + (set.pixels ? alpha : 0);
    scale[b] = set.pixels ? alpha / set.pixels->divisor : alpha;
  }
  DifferenceQueries out{work.upload(std::move(q)), work.upload(std::move(scale))};
  return out;
}

Differences Step::differences(const RowSet &set, const DifferenceQueries &queries, const DeviceArray<double> &out) {
  Differences in{};
  if (set.pixels) {
    const PlaneRows rows = set.pixels->view();
    std::copy(rows.planes, rows.planes + 3, in.planes);
    in.plane_count = rows.plane_count;
    in.stride = rows.stride;
    in.n = rows.n;
  } else {
    in.floats = set.floats->values.data();
    in.n = set.floats->n;
  }
  in.dim = set.dim();
  in.q = queries.q.data();
  in.scale = queries.scale.data();
  in.keys = out.data();
  return in;
}

void Step::distances(Work &work, Partition &partition, const RowSet &set, const std::vector<size_t> &queries, const std::vector<size_t> &limbs, const DeviceArray<double> &out) {
  const size_t n = partition.n(), factor = &set == &partition.full() ? 0 : settings_.factor;
  const Shape &shape = partition.shape();
  if (!set.has_products()) {
    const auto own = difference_queries(work, shape, factor, set);
    const auto places = work.upload(std::vector<uint32_t>(queries.begin(), queries.end()));
    launch_all_differences(differences(set, own, out), places.data(), queries.size(), work.stream());
    return work.wait();
  }
  const PixelRows &pixels = *set.pixels;
  for (size_t count = 1; count <= LIMBS_MAX; count++) {
    std::vector<size_t> own;
    for (size_t k = 0; k < queries.size(); k++)
      if (limbs[k] == count) own.push_back(queries[k]);
    for (size_t from = 0; from < own.size(); from += PRODUCT_QUERIES_MAX) {
      check(work);
      const std::vector<size_t> some(own.begin() + static_cast<std::ptrdiff_t>(from), own.begin() + static_cast<std::ptrdiff_t>(std::min(own.size(), from + PRODUCT_QUERIES_MAX)));
      const auto packed = columns(work, shape, factor, pixels, some, count);
      std::vector<DistanceTerms> terms(some.size());
      std::vector<double *> places(some.size());
      pool_.parallel(some.size(), [&](size_t k) {
        terms[k] = distance_terms(queries_, shape, pixels, factor, some[k], count);
        places[k] = out.data() + some[k] * n;
      });
      const auto device_terms = work.upload(std::move(terms));
      const auto device_places = work.upload(std::move(places));
      double plane_factor = 1;
      for (size_t plane = 0; plane < pixels.planes.size(); plane++, plane_factor *= 256)
        launch_products({pixels.planes[plane].data(), n, pixels.stride, packed->q.data(), some.size(), count, device_terms.data(), plane_factor, plane == 0, plane + 1 == pixels.planes.size(),
                         pixels.sum.data(), pixels.sum_sq.data(), device_places.data()},
                        work.stream());
      /* Before the terms go; and a closed step is noticed after some queries. */
      work.wait();
    }
  }
}

}  // namespace golddiff::cuda
