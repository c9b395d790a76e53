/* Statistics group by group: weights that belong to groups of values. */
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "error.h"
#include "step.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/* Rows of one task, a fixed grouping: their statistics are added in the order of the rows, so that threads do not matter. */
constexpr size_t GROUP_CHUNK = GD_GROUP_ROWS_MAX;
constexpr size_t CHUNK_MULTIPLE = 64;
/* Statistics of chunks that wait to be added. */
constexpr size_t WAITING_BYTES_MAX = 32 * 1024 * 1024;
/*
 * What a logit may be off by, provably, where it matters: half a unit for each value, and 6 * 2^-24 of itself. Roundings are independent, so that the error of
 * a logit is this over the root of the number of values. Beyond it the sums are made in double.
 */
constexpr double LOGIT_ERROR_MAX_NATS = 5e-4;
constexpr double RELATIVE_ERROR = 6 * 5.9604644775390625e-8;
/* Rows that matter are that near to the nearest. */
constexpr double NEAR_NATS = 20;

/* Statistics of one query over some of its rows, distances as they are summed. */
struct Chunk {
  explicit Chunk(const GroupKind &kind) : values(4 * kind.groups() + kind.dim()), groups(kind.groups()) {}
  gd_group_sums view() {
    double *at = values.data();
    return {at, at + groups, at + 2 * groups, at + 3 * groups, at + 4 * groups};
  }
  Doubles values;
  size_t groups;
};

/* The recurrence of shared/math/grouped-partial.ts. */
void add(const gd_kernels &kernels, const gd_group_kind &kind, double nats, const gd_group_sums &into, const gd_group_sums &part) {
  std::vector<double> exponent(kind.groups), factor(kind.groups);
  for (size_t g = 0; g < kind.groups; g++) exponent[g] = -std::fabs(into.nearest[g] - part.nearest[g]) * nats;
  kernels.exp_nonpositive(exponent.data(), factor.data(), kind.groups);
  for (size_t g = 0; g < kind.groups; g++) {
    const bool nearer = part.nearest[g] < into.nearest[g];
    const double own = nearer ? factor[g] : 1, other = nearer ? 1 : factor[g];
    into.nearest[g] = std::min(into.nearest[g], part.nearest[g]);
    into.farthest[g] = std::max(into.farthest[g], part.farthest[g]);
    into.mass[g] = into.mass[g] * own + part.mass[g] * other;
    into.mass_sq[g] = into.mass_sq[g] * own * own + part.mass_sq[g] * other * other;
    for (size_t p = g; p < kind.dim; p += kind.groups) into.sums[p] = into.sums[p] * own + part.sums[p] * other;
  }
}

/* Rows of one task where there are so many together: of one size but for the last. */
size_t chunk_rows(size_t rows) {
  const size_t chunks = (rows + GROUP_CHUNK - 1) / GROUP_CHUNK;
  return ((rows + chunks - 1) / chunks + CHUNK_MULTIPLE - 1) / CHUNK_MULTIPLE * CHUNK_MULTIPLE;
}

struct Work {
  size_t place, from, count;
};
}  // namespace

std::vector<size_t> Step::group_rows(Partition &partition, const Selection &selection, const std::vector<size_t> &wanted, bool in_double, GroupsReply &reply) {
  const size_t n = partition.n(), D = partition.shape().dim(), G = settings_.grouping.groups;
  const RowSet &full = partition.full();
  const gd_group_kernels &kernels = *partition.kernels().groups;
  const auto kind_of = [&](size_t b) -> const GroupKind & { return settings_.grouping.kinds[settings_.grouping.of[b]]; };

  std::vector<std::vector<double>> values(wanted.size());
  std::vector<gd_group_query> queries;
  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t b = wanted[k];
    const double *x = queries_.x.data() + b * D, alpha = queries_.alpha[b], divisor = queries_.divisor(b);
    gd_group_query query{};
    if (in_double) {
      values[k].assign(x, x + D);
      if (full.pixels)
        for (double &value : values[k]) value += alpha;
      query.value = values[k].data();
      query.scale = full.pixels ? alpha / full.pixels->divisor() : alpha;
      query.nats = 1 / divisor;
    } else {
      const PixelGroupQuery &own = *pixel_queries_[b];
      query.high = own.high.data();
      query.low = own.low.data();
      query.step = own.step;
      query.nats = own.nats;
    }
    queries.push_back(query);
  }

  std::vector<size_t> again;
  std::vector<Work> works;
  for (size_t k = 0; k < wanted.size(); k++) {
    /* Too coarse from the start, or not even a number. */
    if (!in_double && !(pixel_queries_[wanted[k]]->error <= LOGIT_ERROR_MAX_NATS)) {
      again.push_back(wanted[k]);
      continue;
    }
    const size_t rows = selection.rows[wanted[k]].size(n), each = rows == 0 ? 0 : chunk_rows(rows);
    for (size_t from = 0; from < rows; from += each) works.push_back({k, from, std::min(each, rows - from)});
  }
  const size_t each = (4 * G + D) * sizeof(double);
  const size_t wave = std::max(4 * partition.pool().threads(), WAITING_BYTES_MAX / each);
  std::vector<std::unique_ptr<Chunk>> totals(wanted.size());
  for (size_t first = 0; first < works.size(); first += wave) {
    const size_t count = std::min(wave, works.size() - first);
    std::vector<std::unique_ptr<Chunk>> chunks(count);
    partition.pool().parallel(count, [&](size_t task) {
      check();
      const Work &work = works[first + task];
      const size_t b = wanted[work.place];
      const Rows &rows = selection.rows[b];
      const GroupKind &kind = kind_of(b);
      const gd_group_kind view = kind.view();
      std::vector<const void *> at(work.count);
      for (size_t i = 0; i < work.count; i++) {
        const size_t row = rows.at(work.from + i);
        at[i] = full.pixels ? static_cast<const void *>(full.pixels->row(row)) : full.floats->row(row);
      }
      Doubles scratch(kernels.scratch_bytes(&view, in_double ? 1 : 0) / sizeof(double) + 8);
      void *aligned = scratch.data();
      size_t room = scratch.size() * sizeof(double);
      std::align(64, room - 64, aligned, room);
      chunks[task] = std::make_unique<Chunk>(kind);
      const gd_group_sums out = chunks[task]->view();
      const gd_group_query &query = queries[work.place];
      if (!full.pixels) kernels.floats(&view, &query, reinterpret_cast<const float *const *>(at.data()), work.count, aligned, &out);
      else (in_double ? kernels.pixels_in_double : kernels.pixels)(&view, &query, reinterpret_cast<const uint8_t *const *>(at.data()), work.count, aligned, &out);
    });
    /* By query, each in the order of its rows. */
    partition.pool().parallel(wanted.size(), [&](size_t k) {
      const gd_group_kind view = kind_of(wanted[k]).view();
      for (size_t task = 0; task < count; task++) {
        if (works[first + task].place != k) continue;
        if (!totals[k]) totals[k] = std::move(chunks[task]);
        else add(partition.kernels(), view, queries[k].nats, totals[k]->view(), chunks[task]->view());
      }
    });
  }

  for (size_t k = 0; k < wanted.size(); k++) {
    const size_t b = wanted[k];
    if (!totals[k]) continue;
    const gd_group_sums found = totals[k]->view();
    const double nats = queries[k].nats;
    if (!in_double) {
      const double least = *std::max_element(found.nearest, found.nearest + G) * nats + NEAR_NATS;
      if (pixel_queries_[wanted[k]]->error + RELATIVE_ERROR * least > LOGIT_ERROR_MAX_NATS) {
        again.push_back(b);
        continue;
      }
    }
    for (size_t g = 0; g < G; g++) {
      /* 0 - rather than -: a row at distance 0 has the logit 0, not -0. */
      reply.max_logit[b * G + g] = 0 - found.nearest[g] * nats;
      reply.min_logit[b * G + g] = 0 - found.farthest[g] * nats;
      reply.mass[b * G + g] = found.mass[g];
      reply.mass_sq[b * G + g] = found.mass_sq[g];
    }
    for (size_t p = 0; p < D; p++)
      reply.sums[b * D + p] = static_cast<float>(full.pixels ? found.sums[p] / full.pixels->divisor() - found.mass[p % G] : found.sums[p]);
  }
  return again;
}

/* What all partitions of a step share: they are of one data set. */
void Step::prepare_groups(Partition &partition) {
  for (auto &kind : settings_.grouping.kinds) kind.prepare(partition.pool());
  if (!partition.full().pixels) return;
  std::vector<std::unique_ptr<PixelGroupQuery>> made(queries_.batch);
  partition.pool().parallel(made.size(), [&](size_t b) {
    const GroupKind &kind = settings_.grouping.kinds[settings_.grouping.of[b]];
    made[b] = std::make_unique<PixelGroupQuery>(kind, queries_.x.data() + b * kind.dim(), queries_.alpha[b], queries_.divisor(b));
  });
  pixel_queries_ = std::move(made);
}

GroupsReply Step::groups(Partition &partition, const Cuts &cuts) {
  const size_t B = queries_.batch, D = partition.shape().dim(), G = settings_.grouping.groups;
  if (G == 0) throw EngineError("ARGUMENT_INVALID", "Expected groups of values for a step that is asked for them");
  for (const auto &kind : settings_.grouping.kinds)
    if (kind.dim() != D || kind.groups() != G) throw EngineError("ARGUMENT_INVALID", "Expected groups of the values of a row");
  std::call_once(grouping_prepared_, [&] { prepare_groups(partition); });
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  const Selection &selection = after(own, partition, cuts);
  GroupsReply reply;
  reply.rows.assign(B, 0);
  reply.max_logit.assign(B * G, -INF);
  reply.mass.assign(B * G, 0);
  reply.mass_sq.assign(B * G, 0);
  reply.min_logit.assign(B * G, INF);
  reply.sums.assign(B * D, 0);
  for (size_t b = 0; b < B; b++) reply.rows[b] = static_cast<double>(selection.rows[b].size(partition.n()));
  std::vector<size_t> wanted(B);
  std::iota(wanted.begin(), wanted.end(), 0);
  if (partition.full().pixels && !pixel_queries_.empty()) wanted = group_rows(partition, selection, wanted, false, reply);
  group_rows(partition, selection, wanted, true, reply);
  return reply;
}

}  // namespace golddiff
