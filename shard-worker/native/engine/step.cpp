#include "step.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "error.h"
#include "random.h"
#include "ranks.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/*
 * Proven error of a logit that needs no second look, in nats; a fifth of what the conformance suite allows. The proof is Cauchy-Schwarz, but the query's
 * rounding knows nothing of the pixels: what happens is smaller by about sqrt(D), so that short rows are held to less for the same error of x0hat.
 */
constexpr double LOGIT_ERROR_NATS_MAX = 2e-4;
constexpr double LOGIT_ERROR_NATS_TYPICAL = 4e-6;
/* Of the terms of a distance in double, each rounded a few times. */
constexpr double ROUNDING = 16 * 1.1102230246251565e-16;
/* Beyond three limbs (24 bits) rows that matter are few, and looking at them in double is cheaper than a fourth limb for all. */
constexpr size_t LIMBS_PRECISE_MAX = 3;
constexpr size_t LIMBS_COARSE = 2;
/* Keys of a selection: a list longer than this share of the rows is cheaper as a dense product with all rows. */
constexpr double DENSE_SHARE = 0.5;
constexpr size_t ROWS_PER_TASK = 1024;
constexpr size_t DOT_BYTES = 256 * 1024;
/* Rows further below the global mass than tolerance / 2^20 are left out of weighted sums; each is counted at that bound. */
constexpr double SKIP_SPREAD = 1048576.0;
constexpr double FAR_NATS = 60;
constexpr size_t HISTOGRAM_BINS = 1280;
constexpr double HISTOGRAM_BINS_PER_NAT = 32;
constexpr size_t SUM_BLOCK = 1024;
/* Rows of one task of a weighted sum; tasks are added in order. */
constexpr size_t SUM_TASK_ROWS = 2048;

/* The loop over limbs with its length known to the compiler. */
template <typename Body>
void with_limbs(size_t limbs, const Body &body) {
  switch (limbs) {
    case 1: return body(std::integral_constant<size_t, 1>{});
    case 2: return body(std::integral_constant<size_t, 2>{});
    case 3: return body(std::integral_constant<size_t, 3>{});
    default: return body(std::integral_constant<size_t, 4>{});
  }
}

double logit_error_allowed(size_t dim) { return std::min(LOGIT_ERROR_NATS_MAX, LOGIT_ERROR_NATS_TYPICAL * std::sqrt(static_cast<double>(dim))); }

double rescale(double from, double to) { return from == -INF ? 0 : std::exp(from - to); }
}  // namespace

void Step::check() const {
  if (closed_) throw cancelled();
}

Step::Part &Step::part(Partition &partition) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto &found = parts_[partition.id()];
  if (!found) found = std::make_unique<Part>();
  return *found;
}

void Step::restrict(Partition &partition, std::vector<Candidates> candidates) {
  for (const auto &own : candidates)
    for (size_t k = 0; k < own.rows.size(); k++)
      if (own.rows[k] >= partition.n() || (k > 0 && own.rows[k] <= own.rows[k - 1]))
        throw EngineError("ARGUMENT_INVALID", "Expected candidates to ascend below " + std::to_string(partition.n()) + " but received row " +
                                                  std::to_string(own.rows[k]));
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  if (!own.chain.empty()) throw EngineError("ARGUMENT_INVALID", "Expected candidates before anything else is asked of a partition");
  own.candidates = std::move(candidates);
}

/* Distances of some queries to all rows by integer products. */
void Step::dense(Partition &partition, const PixelRows &pixels, const std::vector<LimbedQuery> &columns, std::vector<Doubles> &out) {
  const size_t factor = &pixels == partition.full().pixels.get() ? 0 : settings_.factor;
  const auto &shape = partition.shape();
  const size_t n = pixels.n();
  const auto packed = queries_.packed(partition.kernels(), columns, factor, shape);
  size_t total = 0;
  struct Column {
    size_t first, limbs;
    double constant, cross, square, linear;
  };
  std::vector<Column> plan;
  out.resize(columns.size());
  const double d = static_cast<double>(pixels.dim());
  for (size_t k = 0; k < columns.size(); k++) {
    const auto &values = queries_.values(columns[k].query, factor, shape);
    const auto &limbs = queries_.limbs(columns[k].query, columns[k].limbs, factor, shape);
    const double a = queries_.alpha[columns[k].query];
    const double v = pixels.divisor();
    /* |x|^2 - 2 a x.y + a^2 |y|^2 with y = u / v - 1 */
    plan.push_back({total, columns[k].limbs, values.square + 2 * a * values.sum + a * a * d, -2 * a * limbs.delta / v, a * a / (v * v), -2 * a * a / v});
    total += columns[k].limbs;
    out[k].resize(n);
  }
  const size_t inner = std::max<size_t>(24, std::min<size_t>(ROWS_PER_TASK, DOT_BYTES / (4 * std::max<size_t>(1, total) * pixels.planes())));
  partition.pool().parallel((n + ROWS_PER_TASK - 1) / ROWS_PER_TASK, [&](size_t task) {
    std::vector<int32_t> products(inner * total * pixels.planes());
    const size_t end = std::min(n, (task + 1) * ROWS_PER_TASK);
    for (size_t from = task * ROWS_PER_TASK; from < end; from += inner) {
      check();
      const size_t to = std::min(end, from + inner);
      for (size_t plane = 0; plane < pixels.planes(); plane++)
        pixels.dot(partition.kernels(), plane, from, to, packed->data, total, products.data() + plane * inner * total);
      for (size_t k = 0; k < plan.size(); k++) {
        const Column &c = plan[k];
        double *distance = out[k].data();
        const auto finish = [&](size_t i, int64_t value) {
          /* The small terms first: the large ones cancel. */
          const double found = (c.square * pixels.sum_sq(i) + c.cross * static_cast<double>(value)) + (c.linear * pixels.sum(i) + c.constant);
          distance[i] = found > 0 ? found : 0;
        };
        const int32_t *product = products.data() + c.first;
        if (pixels.planes() == 1) {
          with_limbs(c.limbs, [&](auto limbs) {
            for (size_t i = from; i < to; i++, product += total) {
              int64_t value = product[limbs - 1];
              for (size_t l = limbs - 1; l-- > 0;) value = value * 256 + product[l];
              finish(i, value);
            }
          });
          continue;
        }
        for (size_t i = from; i < to; i++, product += total) {
          int64_t value = 0;
          for (size_t plane = pixels.planes(); plane-- > 0;) {
            const int32_t *limb = product + plane * inner * total;
            int64_t sum = 0;
            for (size_t l = c.limbs; l-- > 0;) sum = sum * 256 + limb[l];
            value = value * 256 + sum;
          }
          finish(i, value);
        }
      }
    }
  });
}

/* Squared distances of each wanted query to its rows. A query takes one way or the other by its own rows alone. */
std::vector<Doubles> Step::distances(Partition &partition, const RowSet &set, const std::vector<Rows> &rows,
                                                 const std::vector<size_t> &wanted) {
  const size_t n = partition.n();
  const size_t factor = &set == &partition.full() ? 0 : settings_.factor;
  std::vector<Doubles> out(wanted.size());
  std::vector<LimbedQuery> columns;
  std::vector<size_t> columns_of;
  std::vector<std::pair<size_t, size_t>> direct;
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t size = rows[wanted[k]].size(n);
    if (set.pixels && set.pixels->has_products() && static_cast<double>(size) > DENSE_SHARE * static_cast<double>(n)) {
      columns.push_back({wanted[k], LIMBS_MAX});
      columns_of.push_back(k);
    } else {
      out[k].resize(size);
      for (size_t from = 0; from < size; from += ROWS_PER_TASK) direct.emplace_back(k, from);
    }
  }
  if (!columns.empty()) {
    std::vector<Doubles> all;
    dense(partition, *set.pixels, columns, all);
    partition.pool().parallel(columns.size(), [&](size_t c) {
      const size_t k = columns_of[c];
      const Rows &own = rows[wanted[k]];
      if (own.all) {
        out[k] = std::move(all[c]);
        return;
      }
      out[k].resize(own.list.size());
      for (size_t i = 0; i < own.list.size(); i++) out[k][i] = all[c][own.list[i]];
    });
  }
  const size_t d = set.dim();
  const gd_kernels &kernels = partition.kernels();
  partition.pool().parallel(direct.size(), [&](size_t task) {
    check();
    const auto [k, from] = direct[task];
    const size_t b = wanted[k];
    const Rows &own = rows[b];
    const double a = queries_.alpha[b];
    std::vector<double> q = queries_.values(b, factor, partition.shape()).x;
    const size_t to = std::min(out[k].size(), from + ROWS_PER_TASK);
    if (set.floats) {
      for (size_t i = from; i < to; i++) out[k][i] = kernels.distance_f32(q.data(), set.floats->row(own.at(i)), a, d);
      return;
    }
    for (auto &value : q) value += a;
    const PixelRows &pixels = *set.pixels;
    if (pixels.planes() == 1) {
      for (size_t i = from; i < to; i++) out[k][i] = kernels.distance_u8(q.data(), pixels.row(own.at(i)), a / pixels.divisor(), d);
      return;
    }
    for (size_t i = from; i < to; i++) out[k][i] = pixels.distance(q.data(), own.at(i), a / pixels.divisor());
  });
  return out;
}

void Step::ensure_keys(Partition &partition, Selection &selection, Stage stage, const std::vector<size_t> &wanted) {
  auto &keys = selection.keys[stage];
  keys.resize(queries_.batch);
  std::vector<size_t> missing;
  for (size_t b : wanted)
    if (keys[b].empty() && selection.rows[b].size(partition.n()) > 0) missing.push_back(b);
  if (missing.empty()) return;
  if (stage == PRESAMPLE) {
    partition.pool().parallel(missing.size(), [&](size_t k) {
      check();
      const size_t b = missing[k];
      const PresampleHash hash(settings_.presample_seed, settings_.presample_step, settings_.query_ids[b]);
      const Rows &rows = selection.rows[b];
      Doubles own(rows.size(partition.n()));
      for (size_t i = 0; i < own.size(); i++) own[i] = hash(partition.row_ids()[rows.at(i)]);
      keys[b] = std::move(own);
    });
    return;
  }
  const RowSet &set = stage == PROXY && settings_.factor > 1 ? partition.proxies(settings_.factor) : partition.full();
  auto found = distances(partition, set, selection.rows, missing);
  for (size_t k = 0; k < missing.size(); k++) keys[missing[k]] = std::move(found[k]);
}

/* The rows that pass all cuts. The chain is kept while the same cuts come again. */
Step::Selection &Step::after(Part &part, Partition &partition, const Cuts &cuts) {
  const size_t n = partition.n();
  if (part.chain.empty()) {
    Selection root;
    root.rows.resize(queries_.batch);
    for (size_t b = 0; b < queries_.batch; b++) {
      const int32_t label = settings_.labels.empty() ? -1 : settings_.labels[b];
      const bool every = part.candidates.empty() || part.candidates[b].all;
      Rows &rows = root.rows[b];
      rows.all = every && label < 0;
      if (rows.all) continue;
      const size_t size = every ? n : part.candidates[b].rows.size();
      for (size_t k = 0; k < size; k++) {
        const uint32_t i = every ? static_cast<uint32_t>(k) : part.candidates[b].rows[k];
        if (label < 0 || partition.labels()[i] == label) rows.list.push_back(i);
      }
    }
    part.chain.push_back(std::move(root));
  }
  size_t depth = 0;
  bool known = true;
  for (int stage = 0; stage < 3; stage++) {
    const Cut &cut = cuts[stage];
    if (known && !(part.cuts[stage] == cut)) {
      known = false;
      part.chain.resize(depth + 1);
      part.has_scalars = false;
      for (int later = stage; later < 3; later++) part.cuts[later] = Cut{};
    }
    if (!cut.present()) continue;
    if (known) {
      depth++;
      continue;
    }
    std::vector<size_t> filtered;
    for (size_t b = 0; b < queries_.batch; b++)
      if (cut.key[b] != INF) filtered.push_back(b);
    ensure_keys(partition, part.chain[depth], static_cast<Stage>(stage), filtered);
    const Selection &wide = part.chain[depth];
    Selection narrow;
    narrow.rows.resize(queries_.batch);
    for (auto &keys : narrow.keys) keys.resize(queries_.batch);
    partition.pool().parallel(queries_.batch, [&](size_t b) {
      check();
      const Rows &from = wide.rows[b];
      if (cut.key[b] == INF) {
        narrow.rows[b] = from;
        for (int s = 0; s < 3; s++)
          if (!wide.keys[s].empty()) narrow.keys[s][b] = wide.keys[s][b];
        return;
      }
      Rows &to = narrow.rows[b];
      to.all = false;
      const auto &keys = wide.keys[stage][b];
      std::vector<uint32_t> places;
      for (size_t i = 0; i < keys.size(); i++)
        if (keys[i] < cut.key[b] || (keys[i] == cut.key[b] && partition.row_ids()[from.at(i)] <= cut.row_id[b])) places.push_back(static_cast<uint32_t>(i));
      to.list.reserve(places.size());
      for (uint32_t place : places) to.list.push_back(from.at(place));
      for (int s = 0; s < 3; s++) {
        if (wide.keys[s].empty() || wide.keys[s][b].empty()) continue;
        auto &kept = narrow.keys[s][b];
        kept.reserve(places.size());
        for (uint32_t place : places) kept.push_back(wide.keys[s][b][place]);
      }
    });
    part.chain.push_back(std::move(narrow));
    part.cuts[stage] = cut;
    depth++;
  }
  if (depth + 1 < part.chain.size()) {
    part.chain.resize(depth + 1);
    part.has_scalars = false;
  }
  return part.chain[depth];
}

ScreenReply Step::screen(Partition &partition, Stage stage, const Cuts &cuts, const std::vector<double> *fraction,
                         const std::vector<RankWindow> &windows) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  Selection &selection = after(own, partition, cuts);
  const size_t n = partition.n();
  std::vector<RankWindow> asked = windows;
  if (fraction != nullptr) {
    asked.clear();
    for (size_t b = 0; b < queries_.batch; b++) asked.push_back(rank_window(static_cast<uint32_t>(b), (*fraction)[b], selection.rows[b].size(n)));
  }
  std::vector<size_t> wanted;
  for (const auto &window : asked)
    if (window.count > 0 && std::find(wanted.begin(), wanted.end(), window.query) == wanted.end()) wanted.push_back(window.query);
  ensure_keys(partition, selection, stage, wanted);

  ScreenReply reply;
  std::vector<size_t> offset;
  size_t total = 0;
  for (auto &window : asked) {
    const size_t eligible = selection.rows[window.query].size(n);
    if (static_cast<size_t>(window.first_rank) + window.count > eligible)
      throw EngineError("ARGUMENT_INVALID", "Expected ranks below " + std::to_string(eligible) + " for windows of query " + std::to_string(window.query) +
                                                " but received " + std::to_string(window.first_rank) + " and " + std::to_string(window.count));
    reply.queries.push_back(window.query);
    reply.eligible.push_back(static_cast<uint32_t>(eligible));
    reply.first_rank.push_back(window.first_rank);
    reply.count.push_back(window.count);
    offset.push_back(total);
    total += window.count;
  }
  reply.keys.resize(total);
  reply.row_ids.resize(total);
  partition.pool().parallel(asked.size(), [&](size_t k) {
    check();
    const RankWindow &window = asked[k];
    if (window.count == 0) return;
    const Rows &rows = selection.rows[window.query];
    ranked_keys(selection.keys[stage][window.query], rows.all ? nullptr : rows.list.data(), partition.row_ids(), window, reply.keys.data() + offset[k],
                reply.row_ids.data() + offset[k]);
  });
  return reply;
}

double Step::logit_error(const Partition &partition, size_t b, size_t limbs) {
  const PixelRows &pixels = *partition.full().pixels;
  const auto &q = queries_.limbs(b, limbs, 0, partition.shape());
  const double row = queries_.alpha[b] / pixels.divisor() * pixels.norm_max();
  const double query = std::sqrt(queries_.values(b, 0, partition.shape()).square) + queries_.alpha[b] * std::sqrt(static_cast<double>(pixels.dim()));
  return (2 * row * q.error_norm + ROUNDING * (row + query) * (row + query)) / queries_.divisor(b);
}

/*
 * Every row of the partition for the queries wanted, as few limbs as the noise level allows. Where three limbs leave an error, two find the rows that can matter, and those are
 * looked at again in double: the rest has a proven bound.
 */
void Step::score_exact(Partition &partition, const std::vector<size_t> &wanted, std::vector<Scored> &scored) {
  const size_t n = partition.n();
  const PixelRows &pixels = *partition.full().pixels;
  std::vector<LimbedQuery> columns;
  std::vector<double> error(wanted.size(), 0);
  std::vector<char> coarse(wanted.size(), 0);
  const double allowed = logit_error_allowed(pixels.dim());
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t b = wanted[k];
    size_t limbs = 1;
    while (limbs < LIMBS_PRECISE_MAX && logit_error(partition, b, limbs) > allowed) limbs++;
    if (logit_error(partition, b, limbs) > allowed) {
      coarse[k] = 1;
      limbs = LIMBS_COARSE;
    }
    error[k] = logit_error(partition, b, limbs);
    columns.push_back({b, limbs});
  }
  std::vector<Doubles> found;
  dense(partition, pixels, columns, found);
  const gd_kernels &kernels = partition.kernels();
  partition.pool().parallel(wanted.size(), [&](size_t k) {
    check();
    const size_t b = wanted[k];
    Scored &own = scored[b];
    own.rows_total = n;
    if (coarse[k] == 0) {
      own.distance = std::move(found[k]);
      return;
    }
    const double divisor = queries_.divisor(b);
    const auto &distance = found[k];
    const double nearest = kernels.smallest(distance.data(), n);
    /* Rows beyond this are below tolerance / n of the heaviest, whichever way both were rounded. */
    const double beyond = nearest + divisor * (2 * error[k] + std::log(static_cast<double>(n) / settings_.tolerance));
    own.rows.all = false;
    for (size_t i = 0; i < n; i++)
      if (distance[i] <= beyond) own.rows.list.push_back(static_cast<uint32_t>(i));
    std::vector<double> q = queries_.values(b, 0, partition.shape()).x;
    const double a = queries_.alpha[b];
    for (auto &value : q) value += a;
    own.distance.resize(own.rows.list.size());
    for (size_t i = 0; i < own.distance.size(); i++) {
      if (i % ROWS_PER_TASK == 0) check();
      own.distance[i] = kernels.distance_u8(q.data(), pixels.row(own.rows.list[i]), a / pixels.divisor(), pixels.dim());
    }
    const double exact = *std::min_element(own.distance.begin(), own.distance.end());
    /* Nearly all are so far that one bound for each will do. */
    const double far = exact + divisor * (error[k] + FAR_NATS);
    double tail = static_cast<double>(n - own.rows.list.size()) * std::exp(-FAR_NATS);
    for (size_t i = 0; i < n; i++)
      if (distance[i] > beyond && distance[i] < far) tail += std::exp(std::min(0.0, (exact - distance[i]) / divisor + error[k]));
    own.tail = tail;
  });
}

void Step::score(Part &part, Partition &partition, const Cuts &cuts) {
  Selection &selection = after(part, partition, cuts);
  const size_t n = partition.n();
  part.scored.assign(queries_.batch, Scored{});
  /* By the query's own rows alone, whatever its neighbours ask for and whatever has been computed before. */
  const bool products = n > 0 && partition.full().pixels != nullptr && partition.full().pixels->has_products();
  std::vector<size_t> everything, some;
  for (size_t b = 0; b < queries_.batch; b++) (products && selection.rows[b].all ? everything : some).push_back(b);
  if (!everything.empty()) score_exact(partition, everything, part.scored);
  if (some.empty()) return;
  ensure_keys(partition, selection, FULL, some);
  const gd_kernels &kernels = partition.kernels();
  partition.pool().parallel(some.size(), [&](size_t k) {
    check();
    const size_t b = some[k];
    Scored &own = part.scored[b];
    own.rows = selection.rows[b];
    own.distance = selection.keys[FULL][b];
    own.rows_total = own.distance.size();
    /* Keys order rows; near the data even those of products are too coarse for weights. Rows with weight are then looked at in double. */
    if (!products || own.distance.empty()) return;
    const double error = logit_error(partition, b, LIMBS_MAX);
    if (error <= logit_error_allowed(queries_.dim)) return;
    const PixelRows &pixels = *partition.full().pixels;
    const double nearest = kernels.smallest(own.distance.data(), own.distance.size());
    const double beyond = nearest + queries_.divisor(b) * (2 * error + std::log(static_cast<double>(n) / settings_.tolerance));
    std::vector<double> q = queries_.values(b, 0, partition.shape()).x;
    const double a = queries_.alpha[b];
    for (auto &value : q) value += a;
    for (size_t i = 0; i < own.distance.size(); i++) {
      if (i % ROWS_PER_TASK == 0) check();
      if (own.distance[i] <= beyond) own.distance[i] = kernels.distance_u8(q.data(), pixels.row(own.rows.at(i)), a / pixels.divisor(), pixels.dim());
    }
  });
}

const Scalars &Step::scalars_of(Part &part, Partition &partition, const Cuts &cuts) {
  after(part, partition, cuts);
  if (part.has_scalars) return part.scalars;
  score(part, partition, cuts);
  const size_t B = queries_.batch;
  Scalars &out = part.scalars;
  out.max_logit.assign(B, -INF);
  out.mass.assign(B, 0);
  out.mass_sq.assign(B, 0);
  out.rows.assign(B, 0);
  const gd_kernels &kernels = partition.kernels();
  partition.pool().parallel(B, [&](size_t b) {
    check();
    const auto &distance = part.scored[b].distance;
    if (distance.empty()) return;
    const double divisor = queries_.divisor(b);
    const double nearest = kernels.smallest(distance.data(), distance.size());
    double mass = 0, mass_sq = 0;
    for (size_t from = 0; from < distance.size(); from += SUM_BLOCK)
      kernels.softmax_mass(distance.data() + from, std::min(SUM_BLOCK, distance.size() - from), nearest, 1 / divisor, &mass, &mass_sq);
    out.max_logit[b] = 0 - nearest / divisor;
    out.mass[b] = mass;
    out.mass_sq[b] = mass_sq;
    out.rows[b] = static_cast<double>(part.scored[b].rows_total);
  });
  part.has_scalars = true;
  return out;
}

Scalars Step::scalars(Partition &partition, const Cuts &cuts) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  return scalars_of(own, partition, cuts);
}

SumsReply Step::sums(Partition &partition, const Cuts &cuts, const std::vector<double> &max_logit, const std::vector<double> &mass,
                     double negligible_share, bool histogram) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  const Scalars &scalars = scalars_of(own, partition, cuts);
  const size_t B = queries_.batch, n = partition.n(), D = partition.shape().dim();
  SumsReply reply;
  reply.skipped_share.assign(B, 0);
  for (size_t b = 0; b < B; b++) {
    if (!(mass[b] > 0) || scalars.mass[b] == 0) continue;
    const double scale = rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
    const double share = (scalars.mass[b] + own.scored[b].tail) * scale;
    if (share < negligible_share) reply.skipped_share[b] = share;
    else reply.queries.push_back(static_cast<uint32_t>(b));
  }
  /* Rows with weight, relative to the partition's own maximum. */
  struct Weighted {
    std::vector<uint32_t> rows;
    std::vector<float> weights;
    double total = 0;
  };
  const size_t K = reply.queries.size();
  std::vector<Weighted> weighted(K);
  const gd_kernels &kernels = partition.kernels();
  partition.pool().parallel(K, [&](size_t k) {
    check();
    const size_t b = reply.queries[k];
    const Scored &scored = own.scored[b];
    const double divisor = queries_.divisor(b);
    const double floor = max_logit[b] + std::log(mass[b] * settings_.tolerance / SKIP_SPREAD);
    const double farthest = -floor * divisor;
    const double nearest = -scalars.max_logit[b] * divisor;
    Weighted &out = weighted[k];
    std::vector<double> w;
    for (size_t i = 0; i < scored.distance.size(); i++) {
      if (scored.distance[i] > farthest) continue;
      out.rows.push_back(scored.rows.at(i));
      w.push_back(std::min(0.0, (nearest - scored.distance[i]) / divisor));
    }
    kernels.exp_nonpositive(w.data(), w.data(), w.size());
    out.weights.resize(w.size());
    for (size_t i = 0; i < w.size(); i++) {
      out.weights[i] = static_cast<float>(w[i]);
      out.total += static_cast<double>(out.weights[i]);
    }
    const double skipped = static_cast<double>(scored.distance.size() - out.rows.size()) * settings_.tolerance / SKIP_SPREAD;
    reply.skipped_share[b] = skipped + scored.tail * rescale(scalars.max_logit[b], max_logit[b]) / mass[b];
  });

  std::vector<double> totals(K * D, 0);
  std::vector<size_t> dense_queries, sparse_queries;
  for (size_t k = 0; k < K; k++)
    (static_cast<double>(weighted[k].rows.size()) > DENSE_SHARE * static_cast<double>(n) ? dense_queries : sparse_queries).push_back(k);
  const RowSet &full = partition.full();
  if (!dense_queries.empty()) {
    const size_t m = dense_queries.size();
    std::vector<float> w(m * n, 0);
    partition.pool().parallel(m, [&](size_t j) {
      const Weighted &from = weighted[dense_queries[j]];
      for (size_t i = 0; i < from.rows.size(); i++) w[j * n + from.rows[i]] = from.weights[i];
    });
    const size_t tasks = (n + SUM_TASK_ROWS - 1) / SUM_TASK_ROWS;
    std::vector<std::vector<double>> parts(tasks);
    partition.pool().parallel(tasks, [&](size_t task) {
      check();
      const size_t row = task * SUM_TASK_ROWS, count = std::min(SUM_TASK_ROWS, n - row);
      parts[task].assign(m * D, 0);
      if (full.pixels) kernels.weighted_u8(full.pixels->row(row), D, count, w.data() + row, n, m, parts[task].data(), D);
      else kernels.weighted_f32(full.floats->row(row), D, count, w.data() + row, n, m, parts[task].data(), D);
    });
    partition.pool().parallel(m, [&](size_t j) {
      double *sum = totals.data() + dense_queries[j] * D;
      for (const auto &part : parts)
        for (size_t p = 0; p < D; p++) sum[p] += part[j * D + p];
    });
  }
  partition.pool().parallel(sparse_queries.size(), [&](size_t task) {
    const size_t k = sparse_queries[task];
    const Weighted &from = weighted[k];
    std::vector<uint8_t> pixels(full.pixels ? GD_SUM_ROWS * D : 0);
    std::vector<float> floats(full.pixels ? 0 : GD_SUM_ROWS * D);
    for (size_t first = 0; first < from.rows.size(); first += GD_SUM_ROWS) {
      check();
      const size_t count = std::min<size_t>(GD_SUM_ROWS, from.rows.size() - first);
      for (size_t i = 0; i < count; i++) {
        if (full.pixels) std::copy_n(full.pixels->row(from.rows[first + i]), D, pixels.data() + i * D);
        else std::copy_n(full.floats->row(from.rows[first + i]), D, floats.data() + i * D);
      }
      if (full.pixels) kernels.weighted_u8(pixels.data(), D, count, from.weights.data() + first, count, 1, totals.data() + k * D, D);
      else kernels.weighted_f32(floats.data(), D, count, from.weights.data() + first, count, 1, totals.data() + k * D, D);
    }
  });
  reply.sums.resize(K * D);
  for (size_t k = 0; k < K; k++) {
    for (size_t p = 0; p < D; p++) {
      const double y = totals[k * D + p];
      reply.sums[k * D + p] = static_cast<float>(full.pixels ? y / 127.5 - weighted[k].total : y);
    }
  }

  if (histogram) {
    reply.histogram_rows.assign(B * HISTOGRAM_BINS, 0);
    reply.histogram_mass.assign(B * HISTOGRAM_BINS, 0);
    partition.pool().parallel(B, [&](size_t b) {
      check();
      if (max_logit[b] == -INF) return;
      const double divisor = queries_.divisor(b);
      for (double distance : own.scored[b].distance) {
        const double below = max_logit[b] + distance / divisor;
        const double bin = std::max(0.0, std::floor(below * HISTOGRAM_BINS_PER_NAT));
        if (bin >= static_cast<double>(HISTOGRAM_BINS)) continue;
        const size_t at = b * HISTOGRAM_BINS + static_cast<size_t>(bin);
        reply.histogram_rows[at]++;
        reply.histogram_mass[at] += std::exp(-below);
      }
    });
  }
  return reply;
}

}  // namespace golddiff
