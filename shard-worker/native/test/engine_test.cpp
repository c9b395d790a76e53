/*
 * The engine without JavaScript: partitions, steps and threads under the sanitizers. Statistics of every kind of row against plain loops, cuts and ranks
 * against a sort, and steps that are closed while they run.
 */

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "../engine/error.h"
#include "../engine/statistics.h"
#include "../engine/step.h"
#include "check.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::Cut;
using golddiff::Cuts;
using golddiff::EngineError;
using golddiff::RankWindow;
using golddiff::Step;
using golddiff::StepSettings;

namespace {

double distance(const Data &data, const Queries &queries, size_t b, size_t row) {
  double sum = 0;
  for (size_t p = 0; p < queries.dim; p++) {
    const double d = queries.x[b * queries.dim + p] - queries.alpha[b] * data.y(row, p);
    sum += d * d;
  }
  return sum;
}

void statistics_of_rows(const gd_kernels *kernels, ThreadPool &pool, const Data &data, size_t batch, bool labelled) {
  const Queries queries = queries_near(data, batch, data.shape.rows + batch);
  const size_t n = data.shape.rows, D = queries.dim;
  StepSettings settings;
  settings.query_ids.assign(batch, 7);
  settings.factor = 1;
  for (size_t b = 0; labelled && b < batch; b++) settings.labels.push_back(static_cast<int32_t>(b % 4) - 1);
  const auto partition = data.partition(kernels, pool);
  Step step(copy_of(queries), settings);
  const auto scalars = step.scalars(*partition, {});
  const auto sums = step.sums(*partition, {}, {}, scalars.max_logit, scalars.mass, 0x1p-40, true);
  for (size_t b = 0; b < batch; b++) {
    double max = -INFINITY, mass = 0;
    size_t rows = 0;
    std::vector<double> logits(n, -INFINITY), want(D, 0);
    for (size_t i = 0; i < n; i++) {
      if (labelled && settings.labels[b] >= 0 && data.labels[i] != settings.labels[b]) continue;
      rows++;
      logits[i] = -distance(data, queries, b, i) / queries.divisor(b);
      max = std::fmax(max, logits[i]);
    }
    for (size_t i = 0; i < n; i++) {
      const double w = rows == 0 ? 0 : std::exp(logits[i] - max);
      mass += w;
      for (size_t p = 0; p < D; p++) want[p] += w * data.y(i, p);
    }
    CHECK(scalars.rows[b] == static_cast<double>(rows), "%s rows of query %zu", kernels->isa, b);
    if (rows == 0) {
      CHECK(scalars.max_logit[b] == -INFINITY && scalars.mass[b] == 0, "%s the empty set", kernels->isa);
      continue;
    }
    /* A few limbs are good to 2e-4 nats at worst; what is skipped, to 2^-24. */
    CHECK(std::fabs(scalars.max_logit[b] - max) <= 2e-4 + 1e-12 * std::fabs(max), "%s n=%zu D=%zu maximum %g for %g", kernels->isa, n, D, scalars.max_logit[b], max);
    CHECK(std::fabs(scalars.mass[b] / mass - 1) <= 5e-4, "%s n=%zu D=%zu mass %g for %g", kernels->isa, n, D, scalars.mass[b], mass);
    const auto found = std::find(sums.queries.begin(), sums.queries.end(), b);
    CHECK(found != sums.queries.end(), "%s sums of query %zu", kernels->isa, b);
    for (size_t p = 0; p < D && found != sums.queries.end(); p++) {
      const double got = static_cast<double>(sums.sums[static_cast<size_t>(found - sums.queries.begin()) * D + p]) / scalars.mass[b];
      CHECK(std::fabs(got - want[p] / mass) <= 5e-4, "%s n=%zu D=%zu query %zu value %zu: %g for %g", kernels->isa, n, D, b, p, got, want[p] / mass);
    }
  }
}

/* Every stage: ranks against a sort of all keys, a cut in the middle, and what is left after it. */
void stages(const gd_kernels *kernels, ThreadPool &pool, bool pixels) {
  const Data data({97, 1, 8, 8}, pixels, 5);
  const size_t batch = 5;
  const Queries queries = queries_near(data, batch, 6);
  StepSettings settings;
  settings.query_ids.assign(batch, 3);
  settings.factor = 2;
  settings.presample_seed = 11;
  const auto partition = data.partition(kernels, pool);
  Step step(copy_of(queries), settings);
  Cuts cuts;
  size_t eligible = data.shape.rows;
  for (const auto stage : {golddiff::PRESAMPLE, golddiff::PROXY, golddiff::FULL}) {
    std::vector<RankWindow> windows;
    for (uint32_t b = 0; b < batch; b++) windows.push_back({b, 0, static_cast<uint32_t>(eligible)});
    const auto all = step.screen(*partition, stage, cuts, nullptr, windows);
    CHECK(all.keys.size() == batch * eligible, "%s stage %d gives %zu keys", kernels->isa, stage, all.keys.size());
    const size_t kept = eligible * 2 / 3;
    Cut cut;
    for (size_t b = 0; b < batch; b++) {
      for (size_t i = 1; i < eligible; i++) {
        const size_t at = b * eligible + i;
        CHECK(all.keys[at - 1] < all.keys[at] || (all.keys[at - 1] == all.keys[at] && all.row_ids[at - 1] < all.row_ids[at]), "%s stage %d order", kernels->isa, stage);
      }
      cut.key.push_back(all.keys[b * eligible + kept - 1]);
      cut.row_id.push_back(all.row_ids[b * eligible + kept - 1]);
    }
    const std::vector<double> half(batch, 0.5);
    const auto part = step.screen(*partition, stage, cuts, &half, {});
    for (size_t k = 0, at = 0; k < part.queries.size(); at += part.count[k], k++)
      for (size_t i = 0; i < part.count[k]; i++)
        CHECK(part.row_ids[at + i] == all.row_ids[part.queries[k] * eligible + part.first_rank[k] + i], "%s stage %d window", kernels->isa, stage);
    cuts[stage] = cut;
    eligible = kept;
    const auto scalars = step.scalars(*partition, cuts);
    for (size_t b = 0; b < batch; b++) CHECK(scalars.rows[b] == static_cast<double>(kept), "%s stage %d leaves %g rows", kernels->isa, stage, scalars.rows[b]);
  }
  bool refused = false;
  try {
    step.screen(*partition, golddiff::FULL, cuts, nullptr, {{0, static_cast<uint32_t>(eligible), 1}});
  } catch (const EngineError &) {
    refused = true;
  }
  CHECK(refused, "%s ranks that do not exist", kernels->isa);
}

/* Calls of one step from many threads, closed at any moment: each ends with an answer or CANCELLED. */
void closing(const gd_kernels *kernels, ThreadPool &pool) {
  const Data data({1500, 1, 10, 10}, true, 8);
  const auto partition = data.partition(kernels, pool);
  for (int round = 0; round < 12; round++) {
    const size_t batch = 9;
    StepSettings settings;
    settings.query_ids.assign(batch, 1);
    settings.factor = 5;
    const auto step = std::make_shared<Step>(queries_near(data, batch, static_cast<uint64_t>(round)), settings);
    std::vector<std::future<bool>> calls;
    for (int call = 0; call < 6; call++) {
      auto done = std::make_shared<std::promise<bool>>();
      calls.push_back(done->get_future());
      pool.submit([=, &partition] {
        try {
          const std::vector<double> fraction(batch, 0.3);
          if (call % 2 == 0) step->scalars(*partition, {});
          else step->screen(*partition, call % 3 == 0 ? golddiff::PROXY : golddiff::FULL, {}, &fraction, {});
          done->set_value(true);
        } catch (const EngineError &error) {
          done->set_value(std::string(error.code) == "CANCELLED");
        }
      });
    }
    if (round % 3 != 0) std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
    step->close();
    for (auto &call : calls) CHECK(call.get(), "%s a call ended with another error", kernels->isa);
  }
}

void linear_algebra(const gd_kernels *kernels, ThreadPool &pool) {
  for (const size_t n : {1, 5, 64, 65, 130}) {
    Random random(n);
    std::vector<double> r(n * n), a(n * n), rhs(n * 3);
    for (auto &v : r) v = random.between(-0.5, 0.5);
    for (auto &v : rhs) v = random.between(-1, 1);
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++) {
        a[i * n + j] = i == j ? 0.5 : 0;
        for (size_t k = 0; k < n; k++) a[i * n + j] += r[i * n + k] * r[j * n + k] / static_cast<double>(n);
      }
    auto factored = a, x = rhs;
    golddiff::spd_solve(factored.data(), x.data(), n, 3, *kernels, pool);
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < 3; c++) {
        double sum = -rhs[i * 3 + c];
        for (size_t k = 0; k < n; k++) sum += a[i * n + k] * x[k * 3 + c];
        CHECK(std::fabs(sum) < 1e-13 * static_cast<double>(n), "%s residual %g of n=%zu", kernels->isa, sum, n);
      }
  }
  const std::atomic<int32_t> stop{1};
  std::vector<double> untouched{2, 0, 0, 2}, ones{1, 1};
  golddiff::spd_solve(untouched.data(), ones.data(), 2, 1, *kernels, pool, &stop);
  CHECK(ones == std::vector<double>({1, 1}), "%s a stopped solve went on", kernels->isa);
  for (const bool pixels : {true, false}) {
    const Data first({70, 1, 9, 9}, pixels, 1), none({0, 1, 9, 9}, pixels, 2), second({33, 1, 9, 9}, pixels, 3);
    const auto a = first.partition(kernels, pool), b = none.partition(kernels, pool), c = second.partition(kernels, pool);
    const auto found = golddiff::sample_covariance({a.get(), b.get(), c.get()}, *kernels, pool);
    for (const size_t p : {0, 17, 80})
      for (const size_t q : {0, 40, 80}) {
        double mp = 0, mq = 0, want = 0;
        const auto each = [&](const auto &body) {
          for (size_t i = 0; i < 70; i++) body(first, i);
          for (size_t i = 0; i < 33; i++) body(second, i);
        };
        each([&](const Data &d, size_t i) { mp += d.y(i, p) / 103, mq += d.y(i, q) / 103; });
        each([&](const Data &d, size_t i) { want += (d.y(i, p) - mp) * (d.y(i, q) - mq) / 102; });
        CHECK(std::fabs(found.covariance[p * 81 + q] - want) < 1e-13, "%s covariance (%zu, %zu)", kernels->isa, p, q);
      }
  }
}

}  // namespace

void engine_tests(const gd_kernels *kernels) {
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const bool pixels : {true, false})
      for (const Partition::Shape &shape : {Partition::Shape{0, 1, 4, 4}, {1, 1, 1, 1}, {3, 1, 1, 3}, {17, 3, 5, 1}, {64, 1, 8, 8}, {300, 1, 13, 5}, {1100, 1, 7, 7}}) {
        const Data data(shape, pixels, shape.rows + 1);
        for (const size_t batch : {1, 4, 17}) statistics_of_rows(kernels, pool, data, batch, batch == 4);
      }
    stages(kernels, pool, true);
    stages(kernels, pool, false);
    closing(kernels, pool);
    linear_algebra(kernels, pool);
  }
}

}  // namespace golddiff_test
