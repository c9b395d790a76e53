/* Keys by rank among the rows that pass the cuts. */
#include <algorithm>
#include <limits>
#include <string>

#include "../../native/engine/error.h"
#include "../../native/engine/ranks.h"
#include "step.h"

namespace golddiff::cuda {

ScreenReply Step::screen(Partition &partition, Stage stage, const Cuts &cuts, const std::vector<double> *fraction, const std::vector<RankWindow> &windows) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  Work work(device_);
  const Masked rows = masked(work, own, partition, cuts);
  std::vector<RankWindow> asked = windows;
  if (fraction != nullptr) {
    asked.clear();
    for (size_t b = 0; b < queries_.batch; b++) asked.push_back(rank_window(static_cast<uint32_t>(b), (*fraction)[b], rows.passing[b]));
  }
  ScreenReply reply;
  size_t total = 0;
  std::vector<RankTarget> targets;
  for (const auto &window : asked) {
    const size_t eligible = rows.passing[window.query];
    if (static_cast<size_t>(window.first_rank) + window.count > eligible)
      throw EngineError("ARGUMENT_INVALID", "Expected ranks below " + std::to_string(eligible) + " for windows of query " + std::to_string(window.query) + " but received " +
                                                std::to_string(window.first_rank) + " and " + std::to_string(window.count));
    reply.queries.push_back(window.query);
    reply.eligible.push_back(static_cast<uint32_t>(eligible));
    reply.first_rank.push_back(window.first_rank);
    reply.count.push_back(window.count);
    total += window.count;
    if (window.count == 0) continue;
    targets.push_back({window.query, window.first_rank});
    targets.push_back({window.query, window.first_rank + window.count - 1});
  }
  reply.keys.reserve(total);
  reply.row_ids.reserve(total);
  if (targets.empty()) return reply;

  const auto &all = keys(work, own, partition, stage);
  const auto device_targets = work.upload(targets);
  const auto counters = work.zeros<uint32_t>(targets.size() * RANK_BINS);
  const auto found_bits = work.zeros<RankedBits>(targets.size());
  launch_ranks(all.data(), rows.mask.data(), partition.n(), device_targets.data(), targets.size(), counters.data(), found_bits.data(), work.stream());
  const auto found = work.download(found_bits);
  check(work);
  std::vector<KeyRange> ranges;
  size_t collected = 0;
  for (size_t k = 0; k < targets.size(); k += 2) {
    ranges.push_back({targets[k].query, static_cast<uint32_t>(collected), found[k].bits, found[k + 1].bits});
    collected += found[k + 1].below + found[k + 1].equal - found[k].below;
    if (collected > std::numeric_limits<uint32_t>::max()) throw EngineError("LIMIT_EXCEEDED", "asks for more keys than an answer has");
  }
  const auto device_ranges = work.upload(ranges);
  const auto taken = work.zeros<uint32_t>(ranges.size());
  const auto range_keys = work.array<double>(collected);
  const auto range_ids = work.array<uint32_t>(collected);
  launch_collect(all.data(), rows.mask.data(), partition.row_ids(), partition.n(), device_ranges.data(), ranges.size(), taken.data(), range_keys.data(), range_ids.data(), work.stream());
  const auto collected_keys = work.download(range_keys);
  const auto collected_ids = work.download(range_ids);
  size_t range = 0;
  for (const auto &window : asked) {
    if (window.count == 0) continue;
    const size_t from = ranges[range].first, end = range + 1 < ranges.size() ? ranges[range + 1].first : collected;
    std::vector<RankedKey> band;
    for (size_t k = from; k < end; k++) band.push_back({collected_keys[k], collected_ids[k]});
    std::sort(band.begin(), band.end());
    const size_t skipped = window.first_rank - found[2 * range].below;
    for (size_t k = skipped; k < skipped + window.count; k++) {
      reply.keys.push_back(band[k].key);
      reply.row_ids.push_back(band[k].id);
    }
    range++;
  }
  return reply;
}

}  // namespace golddiff::cuda
