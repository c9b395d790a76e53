/* Which rows pass the cuts, and their keys by rank. */
#include <algorithm>
#include <limits>

#include "error.h"
#include "random.h"
#include "ranks.h"
#include "step.h"

namespace golddiff {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
}  // namespace

void Step::ensure_keys(Partition &partition, Selection &selection, Stage stage, const std::vector<size_t> &wanted, Purpose purpose) {
  auto &keys = selection.keys[stage];
  keys.resize(queries_.batch);
  std::vector<size_t> missing;
  for (size_t b : wanted)
    if ((keys[b].empty() || (stage == FULL && keys[b].purpose != purpose)) && selection.rows[b].size(partition.n()) > 0) missing.push_back(b);
  if (missing.empty()) return;
  if (stage == PRESAMPLE) {
    partition.pool().parallel(missing.size(), [&](size_t k) {
      check();
      const size_t b = missing[k];
      const PresampleHash hash(settings_.presample_seed, settings_.presample_step, settings_.query_ids[b]);
      const Rows &rows = selection.rows[b];
      Doubles own(rows.size(partition.n()));
      for (size_t i = 0; i < own.size(); i++) own[i] = hash(partition.row_ids()[rows.at(i)]);
      keys[b].values = std::move(own);
    });
    return;
  }
  auto found = distances(partition, set_of(partition, stage), selection.rows, missing, purpose);
  for (size_t k = 0; k < missing.size(); k++) keys[missing[k]] = std::move(found[k]);
}

Doubles Step::exact_keys(Partition &partition, const Selection &from, Stage stage, size_t b, const StepVector<uint32_t> &places) {
  const Keys &keys = from.keys[stage][b];
  Doubles out(places.size());
  if (keys.error.any()) {
    StepVector<uint32_t> rows(places.size());
    for (size_t i = 0; i < places.size(); i++) rows[i] = from.rows[b].at(places[i]);
    refined(partition, stage, b, rows.data(), rows.size(), out.data());
  } else {
    for (size_t i = 0; i < places.size(); i++) out[i] = keys.values[places[i]];
  }
  return out;
}

/* Places of the rows of one query that pass a cut. Those that could be on either side of it are looked at again. */
StepVector<uint32_t> Step::passing(Partition &partition, const Selection &from, Stage stage, size_t b, const Cut &cut) {
  const Rows &rows = from.rows[b];
  const Keys &keys = from.keys[stage][b];
  const double key = cut.key[b], surely = keys.error.least(key), perhaps = keys.error.most(key);
  StepVector<uint32_t> places(keys.values.size() + 1), near;
  size_t below = 0;
  places.resize(partition.kernels().within(keys.values.data(), keys.values.size(), -INF, perhaps, places.data(), &below));
  for (uint32_t place : places)
    if (keys.values[place] >= surely) near.push_back(place);
  if (near.empty()) return places;
  const Doubles exact = exact_keys(partition, from, stage, b, near);
  size_t looked_at = 0, count = 0;
  for (uint32_t place : places) {
    bool passes = true;
    if (keys.values[place] >= surely) {
      const double own = exact[looked_at++];
      passes = own < key || (own == key && partition.row_ids()[rows.at(place)] <= cut.row_id[b]);
    }
    if (passes) places[count++] = place;
  }
  places.resize(count);
  return places;
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
      const StepVector<uint32_t> places = passing(partition, wide, static_cast<Stage>(stage), b, cut);
      Rows &to = narrow.rows[b];
      to.all = false;
      to.list.resize(places.size());
      for (size_t i = 0; i < places.size(); i++) to.list[i] = from.at(places[i]);
      /* Keys by which nothing is chosen or weighed any more are not kept. */
      for (int s = std::min(stage + 1, static_cast<int>(FULL)); s < 3; s++) {
        if (wide.keys[s].empty() || wide.keys[s][b].empty()) continue;
        const Keys &had = wide.keys[s][b];
        Keys &kept = narrow.keys[s][b];
        kept.error = had.error;
        kept.purpose = had.purpose;
        kept.limbs = had.limbs;
        kept.values.resize(places.size());
        for (size_t i = 0; i < places.size(); i++) kept.values[i] = had.values[places[i]];
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
    const Keys &keys = selection.keys[stage][window.query];
    const auto ranked = ranked_window(
        partition.kernels(), keys.values, keys.error, window,
        [&](const StepVector<uint32_t> &places) { return exact_keys(partition, selection, stage, window.query, places); },
        [&](uint32_t place) { return partition.row_ids()[rows.at(place)]; });
    for (size_t i = 0; i < ranked.size(); i++) {
      reply.keys[offset[k] + i] = ranked[i].key;
      reply.row_ids[offset[k] + i] = ranked[i].id;
    }
  });
  return reply;
}

}  // namespace golddiff
