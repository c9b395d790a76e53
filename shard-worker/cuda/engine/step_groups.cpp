/* Statistics group by group: weights that belong to groups of values. */
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../../native/engine/error.h"
#include "step.h"

namespace golddiff::cuda {

namespace {
constexpr double INF = std::numeric_limits<double>::infinity();
/* What rounding distances to 32 bits may do to a logit, provably: roundings are independent, so that it is this over the root of the number of values. */
constexpr double LOGIT_ERROR_MAX_NATS = 5e-4;
/* Rows of one block, by the rows of the query alone, so that other queries do not matter: enough to share a table's filling, few enough that all multiprocessors work. */
constexpr size_t CHUNK_ROWS_MIN = 128, CHUNKS_MAX = 16, CHUNK_MULTIPLE = 8;
/* Statistics of chunks of one launch. */
constexpr size_t LAUNCH_BYTES_MAX = size_t{1} << 30;
/* What kernels keep in shared memory beside tables. */
constexpr size_t SHARED_BYTES_KEPT = 1024;
constexpr double PIXEL_STEPS = 127.5, PIXEL_MAX = 255;

size_t chunk_rows(size_t rows) {
  const size_t each = std::max(CHUNK_ROWS_MIN, (rows + CHUNKS_MAX - 1) / CHUNKS_MAX);
  return (each + CHUNK_MULTIPLE - 1) / CHUNK_MULTIPLE * CHUNK_MULTIPLE;
}
}  // namespace

std::vector<size_t> Step::group_rows(Work &work, Partition &partition, const Masked &rows, const std::vector<size_t> &asked, bool wide, GroupsReply &reply) {
  const size_t B = queries_.batch, D = partition.shape().dim(), G = settings_.groups;
  const RowSet &full = partition.full();
  const bool pixels = full.pixels != nullptr;
  const double low = pixels ? 0 : -full.floats->largest, high = pixels ? PIXEL_MAX : full.floats->largest;
  std::vector<double> q(B * D), scale(B), units(B, 1), nats(B, 1);
  std::vector<uint8_t> fits(B, 0);
  pool_.parallel(asked.size(), [&](size_t k) {
    const size_t b = asked[k];
    const double alpha = queries_.alpha[b];
    for (size_t p = 0; p < D; p++) q[b * D + p] = queries_.x[b * D + p] + (pixels ? alpha : 0);
    scale[b] = pixels ? alpha / PIXEL_STEPS : alpha;
    const GroupUnits own = group_units(settings_.kinds[settings_.of[b]], q.data() + b * D, scale[b], low, high, queries_.divisor(b), wide);
    units[b] = own.units;
    nats[b] = own.nats;
    fits[b] = wide || own.error <= LOGIT_ERROR_MAX_NATS ? 1 : 0;
  });
  std::vector<size_t> again, wanted;
  for (size_t b : asked) {
    if (fits[b] == 0) again.push_back(b);
    else if (rows.passing[b] > 0) wanted.push_back(b);
  }
  if (wanted.empty()) return again;

  std::vector<unsigned long long> first(B, 0);
  unsigned long long listed = 0;
  for (size_t b = 0; b < B; b++) {
    first[b] = listed;
    listed += rows.passing[b];
  }
  const auto device_first = work.upload(first);
  const auto list = work.array<uint32_t>(listed);
  launch_lists(rows.mask.data(), partition.n(), B, device_first.data(), list.data(), work.stream());

  std::vector<DeviceArray<uint32_t>> kind_first, kind_runs;
  std::vector<GroupKindView> kinds;
  for (const GroupRuns &kind : settings_.kinds) {
    kind_first.push_back(work.upload(kind.first));
    kind_runs.push_back(work.upload(kind.runs));
  }
  for (size_t b = 0; b < B; b++) {
    const GroupRuns &kind = settings_.kinds[settings_.of[b]];
    kinds.push_back({kind.places, kind.groups, kind_first[settings_.of[b]].data(), kind_runs[settings_.of[b]].data()});
  }
  const auto device_kinds = work.upload(std::move(kinds));
  const auto device_q = work.upload(std::move(q)), device_scale = work.upload(std::move(scale)), device_units = work.upload(std::move(units)), device_nats = work.upload(nats);
  const size_t shared_bytes = device_.facts().shared_bytes - SHARED_BYTES_KEPT, table_bytes = group_table_bytes(D, wide);
  const bool shared = table_bytes <= shared_bytes;
  const size_t chunk_bytes = (4 * G + D) * sizeof(double) + (shared ? 0 : (D + 1) * sizeof(unsigned long long));

  for (size_t done = 0; done < wanted.size();) {
    check(work);
    /* As many queries as fit, one at least. */
    std::vector<GroupChunk> chunks;
    std::vector<uint32_t> chunk_of{0};
    const size_t begin = done;
    for (; done < wanted.size(); done++) {
      const size_t b = wanted[done], passing = rows.passing[b], each = chunk_rows(passing);
      if (done > begin && (chunks.size() + (passing + each - 1) / each) * chunk_bytes > LAUNCH_BYTES_MAX) break;
      for (size_t from = 0; from < passing; from += each)
        chunks.push_back({first[b] + from, static_cast<uint32_t>(b), static_cast<uint32_t>(std::min<size_t>(each, passing - from))});
      chunk_of.push_back(static_cast<uint32_t>(chunks.size()));
    }
    const auto device_chunks = work.upload(chunks);
    const auto device_chunk_of = work.upload(chunk_of);
    const auto statistics = work.array<double>(chunks.size() * 4 * G);
    const auto sums = work.array<double>(chunks.size() * D);
    const auto tables = work.array<unsigned long long>(shared ? 0 : chunks.size() * (D + 1));
    const Groups groups{pixels ? full.pixels->planes[0].data() : nullptr,
                        pixels ? nullptr : full.floats->values.data(),
                        D,
                        pixels ? full.pixels->stride : D,
                        list.data(),
                        device_chunks.data(),
                        chunks.size(),
                        device_kinds.data(),
                        device_q.data(),
                        device_scale.data(),
                        device_units.data(),
                        device_nats.data(),
                        statistics.data(),
                        sums.data(),
                        shared ? nullptr : tables.data()};
    const size_t count = done - begin;
    std::vector<double> found(count * 4 * G), found_sums(count * D);
    launch_groups(groups, wide, shared_bytes, work.stream());
    launch_add_groups(groups, device_chunk_of.data(), chunk_of.size() - 1, work.stream());
    /* Of each query's first chunk, which has been given the others. */
    for (size_t k = 0; k < count; k++) {
      device_.driver().to_host(found.data() + k * 4 * G, statistics.data() + chunk_of[k] * 4 * G, 4 * G * sizeof(double), work.stream());
      device_.driver().to_host(found_sums.data() + k * D, sums.data() + chunk_of[k] * D, D * sizeof(double), work.stream());
    }
    work.wait();
    pool_.parallel(count, [&](size_t k) {
      const size_t b = wanted[begin + k];
      const double *own = found.data() + k * 4 * G;
      for (size_t g = 0; g < G; g++) {
        /* 0 - rather than -: a row at distance 0 has the logit 0, not -0. */
        reply.max_logit[b * G + g] = 0 - own[g] * nats[b];
        reply.min_logit[b * G + g] = 0 - own[G + g] * nats[b];
        reply.mass[b * G + g] = own[2 * G + g];
        reply.mass_sq[b * G + g] = own[3 * G + g];
      }
      for (size_t p = 0; p < D; p++) {
        const double sum = found_sums[k * D + p];
        reply.sums[b * D + p] = static_cast<float>(pixels ? sum / PIXEL_STEPS - own[2 * G + p % G] : sum);
      }
    });
  }
  return again;
}

GroupsReply Step::groups(Partition &partition, const Cuts &cuts) {
  const size_t B = queries_.batch, D = partition.shape().dim(), G = settings_.groups;
  if (G == 0) throw EngineError("ARGUMENT_INVALID", "Expected groups of values for a step that is asked for them");
  for (const auto &kind : settings_.kinds)
    if (kind.dim != D || kind.groups != G) throw EngineError("ARGUMENT_INVALID", "Expected groups of the values of a row");
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  Work work(device_);
  const Masked rows = masked(work, own, partition, cuts);
  GroupsReply reply;
  reply.rows.assign(rows.passing.begin(), rows.passing.end());
  reply.max_logit.assign(B * G, -INF);
  reply.mass.assign(B * G, 0);
  reply.mass_sq.assign(B * G, 0);
  reply.min_logit.assign(B * G, INF);
  reply.sums.assign(B * D, 0);
  std::vector<size_t> wanted(B);
  std::iota(wanted.begin(), wanted.end(), 0);
  /* Floats have a range that integers of 32 bits would be wasted on. */
  if (partition.full().pixels) wanted = group_rows(work, partition, rows, wanted, false, reply);
  group_rows(work, partition, rows, wanted, true, reply);
  return reply;
}

}  // namespace golddiff::cuda
