/*
 * Weights by groups of values: the places of a group against the values that vote for it, and the statistics of a step against plain loops in double, for rows of pixels
 * and of floats, at noise levels where integers of 31 bits do and where they do not.
 */

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../engine/error.h"
#include "../engine/step.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::EngineError;
using golddiff::GroupKind;
using golddiff::GroupsReply;
using golddiff::Step;
using golddiff::StepSettings;
using golddiff::StepVector;

namespace {

/* [G] the values that vote for each group */
using Voters = std::vector<std::vector<size_t>>;

Voters random_voters(size_t dim, size_t groups, double share, uint64_t seed) {
  Random random(seed);
  Voters voters(groups);
  for (size_t g = 0; g < groups; g++) {
    const bool like_the_last = g > 0 && random.below(4) > 0;
    for (size_t p = 0; p < dim; p++) {
      const bool last = like_the_last && p > 0 && std::binary_search(voters[g - 1].begin(), voters[g - 1].end(), p - 1);
      if (like_the_last ? last != (random.below(20) == 0) : random.uniform() < share) voters[g].push_back(p);
    }
  }
  if (groups > 5) voters[5].clear();
  return voters;
}

GroupKind supports_of(const Partition::Shape &shape, const Voters &voters) {
  StepVector<uint32_t> first(1, 0), runs;
  for (const auto &own : voters) {
    for (size_t i = 0; i < own.size(); i++) {
      if (i == 0 || own[i] != own[i - 1] + 1) {
        runs.push_back(static_cast<uint32_t>(own[i]));
        runs.push_back(0);
      }
      runs.back() = static_cast<uint32_t>(own[i] + 1);
    }
    first.push_back(static_cast<uint32_t>(runs.size() / 2));
  }
  return GroupKind::supports(shape, std::move(first), std::move(runs));
}

Voters window_voters(const Partition::Shape &shape, size_t side) {
  const auto near = [side](size_t a, size_t b) { return (a > b ? a - b : b - a) <= side / 2; };
  Voters voters(shape.height * shape.width);
  for (size_t g = 0; g < voters.size(); g++)
    for (size_t p = 0; p < shape.dim(); p++) {
      const size_t at = p % (shape.height * shape.width);
      if (near(at / shape.width, g / shape.width) && near(at % shape.width, g % shape.width)) voters[g].push_back(p);
    }
  return voters;
}

void exponentials(const gd_kernels *k) {
  Random random(31);
  double worst = 0;
  for (size_t n = 1; n < 400; n += n < 40 ? 1 : 37) {
    Buffer<float> x(n), out(n);
    for (size_t i = 0; i < n; i++) x[i] = static_cast<float>(random.between(-62, 60));
    x[0] = n % 2 == 0 ? 0.0f : -0.0f;
    k->groups->exp2_floored(x.data(), out.data(), n);
    CHECK(out[0] == 1.0f, "%s 2^0", k->isa);
    for (size_t i = 0; i < n; i++) {
      const double want = std::exp2(static_cast<double>(x[i]));
      const double ulp = static_cast<double>(std::nextafter(static_cast<float>(want), INFINITY)) - static_cast<double>(static_cast<float>(want));
      worst = std::max(worst, std::fabs(static_cast<double>(out[i]) - want) / ulp);
      CHECK(std::fabs(static_cast<double>(out[i]) - want) <= 2.5 * ulp, "%s 2^%g is %g", k->isa, static_cast<double>(x[i]), static_cast<double>(out[i]));
    }
    for (size_t i = 0; i < n; i++) x[i] = static_cast<float>(-random.between(62, 1e6));
    k->groups->exp2_floored(x.data(), out.data(), n);
    for (size_t i = 0; i < n; i++) CHECK(out[i] == 0x1p-62f, "%s 2^%g is %g", k->isa, static_cast<double>(x[i]), static_cast<double>(out[i]));
  }
  std::printf("%s: 2^x in float32 off by at most %.2f ulp\n", k->isa, worst);
}

/* Runs that begin and end beside a word's border, and go over several. */
void differences() {
  Random random(35);
  for (const size_t dim : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{128}, size_t{200}}) {
    const uint32_t end = static_cast<uint32_t>(dim);
    for (int round = 0; round < 200; round++) {
      golddiff::Voters voters[2] = {golddiff::Voters(dim), golddiff::Voters(dim)};
      std::vector<int> votes[2];
      for (size_t k = 0; k < 2; k++) {
        std::vector<uint32_t> runs;
        for (uint32_t at = static_cast<uint32_t>(random.below(3)); at < end;) {
          const uint32_t to = std::min(end, at + 1 + static_cast<uint32_t>(random.below(round % 2 == 0 ? 3 : 150)));
          runs.insert(runs.end(), {at, to});
          at = to + 1 + static_cast<uint32_t>(random.below(4));
        }
        voters[k].assign(runs.data(), runs.size() / 2);
        votes[k].assign(dim, 0);
        for (size_t r = 0; r < runs.size(); r += 2) std::fill(votes[k].begin() + runs[r], votes[k].begin() + runs[r + 1], 1);
      }
      std::vector<uint32_t> more{7}, less{7};
      voters[0].list_places_from(voters[1], end + 1, more, less);
      /* A sum counts the values below its place, a square its own. */
      std::vector<int> found = votes[1];
      size_t fewest = 0;
      for (size_t p = 0; p < dim; p++) {
        for (const auto *list : {&more, &less})
          for (const uint32_t place : *list)
            if (place > end ? place - end - 1 == p : place > p) found[p] += list == &more ? 1 : -1;
        const int change = votes[0][p] - votes[1][p], before = p == 0 ? 0 : votes[0][p - 1] - votes[1][p - 1], behind = p + 1 == dim ? 0 : votes[0][p + 1] - votes[1][p + 1];
        if (change != 0 && change != before) fewest += change == behind ? 2 : 1;
      }
      CHECK(found == votes[0], "%zu values, round %d: the places lead elsewhere", dim, round);
      CHECK(more.size() + less.size() == fewest && voters[0].places_from(voters[1]) == fewest, "%zu values, round %d: %zu places, %zu counted, of %zu", dim, round,
            more.size() + less.size(), voters[0].places_from(voters[1]), fewest);
      CHECK(std::is_sorted(more.begin(), more.end()) && std::is_sorted(less.begin(), less.end()), "%zu values, round %d: places ascend", dim, round);
    }
  }
}

/* Sums of integers are exact whatever the places. */
void places() {
  ThreadPool pool(2);
  Random random(32);
  for (const Partition::Shape shape : {Partition::Shape{0, 1, 1, 1}, Partition::Shape{0, 1, 5, 3}, Partition::Shape{0, 2, 20, 7}, Partition::Shape{0, 1, 28, 28}}) {
    const size_t dim = shape.dim();
    std::vector<double> values(dim);
    for (double &value : values) value = static_cast<double>(random.below(1000));
    const auto compare = [&](GroupKind kind, const Voters &voters, const char *what) {
      kind.prepare(pool);
      std::vector<double> sums(kind.groups());
      kind.sum(values.data(), sums.data());
      for (size_t g = 0; g < voters.size(); g++) {
        double want = 0;
        for (const size_t p : voters[g]) want += values[p];
        CHECK(sums[g] == want, "%s of D=%zu, group %zu: %g against %g", what, dim, g, sums[g], want);
      }
      const gd_group_kind view = kind.view();
      for (size_t g = 0; g < 2 * kind.groups(); g++) CHECK((view.first[g + 1] - view.first[g]) % 2 == 0, "%s: places of list %zu", what, g);
    };
    for (const double share : {0.0, 0.1, 0.6, 1.0}) {
      const Voters voters = random_voters(dim, dim, share, static_cast<uint64_t>(share * 10) + dim);
      compare(supports_of(shape, voters), voters, "supports");
    }
    for (const size_t side : {size_t{1}, size_t{3}, size_t{9}, size_t{61}}) compare(GroupKind::window(shape, side), window_voters(shape, side), "windows");
  }
  const Partition::Shape shape{0, 1, 2, 2};
  const std::vector<std::pair<StepVector<uint32_t>, StepVector<uint32_t>>> wrong = {
      {{}, {}}, {{1, 1}, {0, 1}}, {{0, 2}, {0, 1}}, {{0, 1}, {3, 5}}, {{0, 1}, {2, 2}}, {{0, 2}, {2, 3, 0, 1}}, {{0, 2, 1}, {0, 1}}, {{0, 9, 1}, {0, 1}},
  };
  for (const auto &[first, runs] : wrong) {
    std::string code;
    try {
      GroupKind::supports(shape, first, runs);
    } catch (const EngineError &error) {
      code = error.code;
    }
    CHECK(code == "ARGUMENT_INVALID", "runs that are none: \"%s\"", code.c_str());
  }
}

struct Errors {
  double logit = 0, mass = 0, mean = 0;
};

/* Against plain loops; logits within 5e-4 nats and 4e-7 of themselves, means within what that does to them. */
void compare(const Data &data, const Queries &queries, const std::vector<const Voters *> &voters, const GroupsReply &reply, const char *isa, Errors &errors) {
  const size_t n = data.shape.rows, D = data.shape.dim(), G = voters[0]->size();
  for (size_t b = 0; b < queries.batch; b++) {
    CHECK(reply.rows[b] == static_cast<double>(n), "%s rows %g", isa, reply.rows[b]);
    for (size_t g = 0; g < G; g++) {
      const size_t at = b * G + g;
      std::vector<double> logit(n, 0);
      double most = -INFINITY, least = INFINITY, mass = 0, mass_sq = 0;
      for (size_t i = 0; i < n; i++) {
        double distance = 0;
        for (const size_t p : (*voters[b])[g]) {
          const double d = queries.x[b * D + p] - queries.alpha[b] * data.y(i, p);
          distance += d * d;
        }
        logit[i] = 0 - distance / queries.divisor(b);
        most = std::max(most, logit[i]);
        least = std::min(least, logit[i]);
      }
      for (const double l : logit) mass += std::exp(l - most), mass_sq += std::exp(2 * (l - most));
      if (n == 0) {
        CHECK(reply.max_logit[at] == -INFINITY && reply.min_logit[at] == INFINITY && reply.mass[at] == 0 && reply.mass_sq[at] == 0, "%s no rows", isa);
        continue;
      }
      const double allowed = 5e-4 + 4e-7 * std::fabs(most), share = 2 * allowed + 1e-6;
      const double off = std::fabs(reply.max_logit[at] - most);
      CHECK(off <= allowed, "%s b=%zu g=%zu largest logit %.9g against %.9g", isa, b, g, reply.max_logit[at], most);
      CHECK(std::fabs(reply.min_logit[at] - least) <= 5e-4 + 4e-7 * std::fabs(least), "%s b=%zu g=%zu least logit %.9g against %.9g", isa, b, g, reply.min_logit[at], least);
      CHECK(std::fabs(reply.mass[at] - mass) <= share * mass && reply.mass[at] >= 1, "%s b=%zu g=%zu mass %.9g against %.9g", isa, b, g, reply.mass[at], mass);
      CHECK(std::fabs(reply.mass_sq[at] - mass_sq) <= 2 * share * mass_sq, "%s b=%zu g=%zu squared mass %.9g against %.9g", isa, b, g, reply.mass_sq[at], mass_sq);
      errors.logit = std::max(errors.logit, off / (1 + std::fabs(most)));
      errors.mass = std::max(errors.mass, std::fabs(reply.mass[at] / mass - 1));
      for (size_t p = g; p < D; p += G) {
        double want = 0;
        for (size_t i = 0; i < n; i++) want += std::exp(logit[i] - most) * data.y(i, p);
        const double error = std::fabs(static_cast<double>(reply.sums[b * D + p]) / reply.mass[at] - want / mass);
        errors.mean = std::max(errors.mean, error);
        CHECK(error <= share, "%s b=%zu p=%zu mean off by %g", isa, b, p, error);
      }
    }
  }
}

GroupsReply groups_of(const Data &data, const gd_kernels *kernels, size_t threads, const Queries &queries, const std::vector<GroupKind> &kinds, size_t of_first) {
  ThreadPool pool(threads);
  const auto partition = data.partition(kernels, pool);
  StepSettings settings;
  settings.grouping.groups = kinds[0].groups();
  settings.grouping.kinds = kinds;
  for (size_t b = 0; b < queries.batch; b++) settings.grouping.of.push_back(static_cast<uint32_t>((of_first + b) % kinds.size()));
  Step step(copy_of(queries), settings);
  return step.groups(*partition, {});
}

bool same(const GroupsReply &a, const GroupsReply &b) {
  return a.rows == b.rows && a.max_logit == b.max_logit && a.mass == b.mass && a.mass_sq == b.mass_sq && a.min_logit == b.min_logit && a.sums == b.sums;
}

void statistics(const gd_kernels *kernels) {
  Errors errors;
  for (const bool pixels : {true, false})
    for (const size_t rows : {0, 1, 16, 33, 64, 257, GD_GROUP_ROWS_MAX + 1, 2600}) {
      const Data data({rows, 2, 6, 5}, pixels, rows + 40);
      const size_t D = data.shape.dim();
      Queries queries = queries_near(data, 4, rows + 41);
      /* Where 31 bits do, where they do not, and where a weight of the first rows is nothing beside that of later ones. */
      const double sigma[] = {0.7, 1e-3, 3, 0.02};
      for (size_t b = 0; b < 4; b++) queries.sigma[b] = sigma[b];
      const Voters few = random_voters(D, D, 0.05, 51), many = random_voters(D, D, 0.5, 52);
      const Voters narrow = window_voters(data.shape, 3), wide = window_voters(data.shape, 9);
      for (const bool windows : {false, true}) {
        const std::vector<GroupKind> kinds = windows ? std::vector<GroupKind>{GroupKind::window(data.shape, 3), GroupKind::window(data.shape, 9)}
                                                     : std::vector<GroupKind>{supports_of(data.shape, few), supports_of(data.shape, many)};
        const std::vector<const Voters *> voters = windows ? std::vector<const Voters *>{&narrow, &wide, &narrow, &wide} : std::vector<const Voters *>{&few, &many, &few, &many};
        const GroupsReply reply = groups_of(data, kernels, 1, queries, kinds, 0);
        compare(data, queries, voters, reply, kernels->isa, errors);
        CHECK(same(reply, groups_of(data, kernels, 3, queries, kinds, 0)), "%s %zu rows by three threads", kernels->isa, rows);
        Queries last = copy_of(queries);
        last.batch = 1;
        last.x.assign(queries.x.begin() + static_cast<std::ptrdiff_t>(3 * D), queries.x.end());
        last.alpha = {queries.alpha[3]};
        last.sigma = {queries.sigma[3]};
        const GroupsReply alone = groups_of(data, kernels, 2, last, kinds, 3);
        CHECK(std::equal(alone.sums.begin(), alone.sums.end(), reply.sums.begin() + static_cast<std::ptrdiff_t>(3 * D)), "%s %zu rows alone", kernels->isa, rows);
      }
    }
  std::printf("%s: by groups, logits off by at most %.2g (relative beyond 1 nat), masses %.2g (relative), means %.2g\n", kernels->isa, errors.logit, errors.mass, errors.mean);
}

/* As many rows as a call may have, of nearly one weight: what float32 loses where nothing is small. */
void longest_sums(const gd_kernels *kernels) {
  const Data data({GD_GROUP_ROWS_MAX, 1, 6, 5}, true, 53);
  const size_t n = data.shape.rows, D = data.shape.dim();
  Queries queries = queries_near(data, 2, 54);
  queries.sigma = {1e2, 1e3};
  std::vector<GroupKind> kinds;
  kinds.push_back(GroupKind::window(data.shape, 3));
  const Voters voters = window_voters(data.shape, 3);
  const GroupsReply reply = groups_of(data, kernels, 1, queries, kinds, 0);
  double worst = 0;
  for (size_t b = 0; b < 2; b++)
    for (size_t p = 0; p < D; p++) {
      double most = -INFINITY, mass = 0, sum = 0;
      std::vector<double> logit(n, 0);
      for (size_t i = 0; i < n; i++) {
        for (const size_t q : voters[p]) logit[i] -= std::pow(queries.x[b * D + q] - queries.alpha[b] * data.y(i, q), 2) / queries.divisor(b);
        most = std::max(most, logit[i]);
      }
      /* What is summed is not negative: the bytes. */
      for (size_t i = 0; i < n; i++) mass += std::exp(logit[i] - most), sum += std::exp(logit[i] - most) * (data.y(i, p) + 1);
      const double found = static_cast<double>(reply.sums[b * D + p]) + reply.mass[b * D + p];
      worst = std::max({worst, std::fabs(reply.mass[b * D + p] / mass - 1), std::fabs(found / sum - 1)});
    }
  CHECK(worst <= 8e-6, "%s the longest sums off by %.2g", kernels->isa, worst);
  std::printf("%s: sums of %zu rows by groups off by at most %.2g\n", kernels->isa, n, worst);
}

}  // namespace

void group_tests(const gd_kernels *kernels) {
  exponentials(kernels);
  differences();
  places();
  statistics(kernels);
  longest_sums(kernels);
}

}  // namespace golddiff_test
