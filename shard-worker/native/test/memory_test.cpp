/*
 * Steps that run out of memory: of what steps may keep, or of what the machine gives. Every allocation in turn is made to fail; the call must end with that error or
 * with its answer, the same step must then give the same bits as one that never failed, and all that was counted must be given back.
 */

#include <cstring>
#include <new>
#include <string>

#include "../engine/error.h"
#include "../engine/step.h"
#include "../engine/step_memory.h"
#include "failing_new.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::Cut;
using golddiff::Cuts;
using golddiff::EngineError;
using golddiff::Scalars;
using golddiff::ScreenReply;
using golddiff::Step;
using golddiff::StepMemory;
using golddiff::StepSettings;
using golddiff::SumsReply;

namespace {

constexpr size_t BATCH = 3;
constexpr long ALLOCATIONS_MAX = 5000;

struct Answer {
  ScreenReply screen;
  Scalars scalars;
  SumsReply sums;
  bool operator==(const Answer &other) const {
    return screen.keys == other.screen.keys && screen.row_ids == other.screen.row_ids && scalars.max_logit == other.scalars.max_logit &&
           scalars.mass == other.scalars.mass && scalars.rows == other.scalars.rows && sums.sums == other.sums.sums &&
           sums.skipped_share == other.sums.skipped_share;
  }
};

StepSettings settings() {
  StepSettings made;
  made.query_ids.assign(BATCH, 7);
  made.labels = {-1, 1, -1};
  made.factor = 2;
  return made;
}

/* Every stage of a golden step. */
Answer answer(Step &step, Partition &partition) {
  Answer found;
  Cuts cuts;
  cuts[golddiff::PRESAMPLE].key.assign(BATCH, 0.9);
  cuts[golddiff::PRESAMPLE].row_id.assign(BATCH, 0);
  const std::vector<double> half(BATCH, 0.5);
  found.screen = step.screen(partition, golddiff::PROXY, cuts, &half, {});
  cuts[golddiff::PROXY].key.assign(BATCH, 30);
  cuts[golddiff::PROXY].row_id.assign(BATCH, 0);
  found.scalars = step.scalars(partition, cuts);
  found.sums = step.sums(partition, cuts, {}, found.scalars.max_logit, found.scalars.mass, 0x1p-40, false);
  return found;
}

Answer exact_answer(Step &step, Partition &partition) {
  Answer found;
  found.scalars = step.scalars(partition, {});
  found.sums = step.sums(partition, {}, {}, found.scalars.max_logit, found.scalars.mass, 0x1p-40, true);
  return found;
}

using Asked = Answer (*)(Step &, Partition &);

/* Limits from nothing up to what the step needs. */
void limited(const gd_kernels *kernels, ThreadPool &pool, const Data &data, Asked ask) {
  const Queries queries = queries_near(data, BATCH, 3);
  const auto partition = data.partition(kernels, pool);
  Step plain(copy_of(queries), settings());
  const Answer want = ask(plain, *partition);
  int refused = 0;
  bool answered = false;
  for (size_t bytes_max = 0; !answered && bytes_max < 1 << 26; bytes_max += bytes_max / 16 + 64) {
    StepMemory memory(bytes_max);
    const StepMemory::Scope scope(&memory);
    try {
      Step step(copy_of(queries), settings());
      CHECK(memory.used() >= queries.x.size() * sizeof(double), "%s %zu bytes of queries are counted", kernels->isa, memory.used());
      answered = ask(step, *partition) == want;
      CHECK(answered, "%s an answer within %zu bytes has other bits", kernels->isa, bytes_max);
    } catch (const EngineError &error) {
      const std::string message = error.what();
      CHECK(std::strcmp(error.code, "LIMIT_EXCEEDED") == 0 && message.find(" of " + std::to_string(bytes_max) + " are free") != std::string::npos, "%s: %s",
            kernels->isa, error.what());
      refused++;
    }
    CHECK(memory.used() == 0, "%s %zu bytes are not given back", kernels->isa, memory.used());
  }
  CHECK(answered && refused > 10, "%s answered %d after %d refusals", kernels->isa, answered, refused);
}

void starved(const gd_kernels *kernels, ThreadPool &pool, const Data &data, Asked ask, bool once) {
  const Queries queries = queries_near(data, BATCH, 3);
  const auto partition = data.partition(kernels, pool);
  Step plain(copy_of(queries), settings());
  const Answer want = ask(plain, *partition);
  StepMemory memory(static_cast<size_t>(1) << 30);
  int failures = 0, answers = 0;
  /* Threads take allocations in any order, so the first call that lacks none may not be the last. */
  for (long count = 0; answers < 3 && count < ALLOCATIONS_MAX; count++) {
    {
      const StepMemory::Scope scope(&memory);
      Step step(copy_of(queries), settings());
      try {
        fail_allocation(count, once);
        const Answer found = ask(step, *partition);
        /* Some failures are made up for: a loop goes without a helper. */
        if (!allocate_again()) answers++;
        CHECK(found == want, "%s an answer in want of memory has other bits", kernels->isa);
      } catch (const std::bad_alloc &) {
        allocate_again();
        failures++;
      }
      CHECK(ask(step, *partition) == want, "%s a step that failed at allocation %ld answers with other bits", kernels->isa, count);
    }
    CHECK(memory.used() == 0, "%s %zu bytes are not given back", kernels->isa, memory.used());
  }
  CHECK(failures > 10 && answers == 3, "%s %d calls failed, %d did not", kernels->isa, failures, answers);
}

/* A pool that cannot have all its threads leaves none behind; a partition that cannot be measured, or whose proxies cannot be made, leaves nothing. */
void starved_making(const gd_kernels *kernels, const Data &data) {
  int failures = 0;
  bool made = false;
  for (long count = 0; !made && count < ALLOCATIONS_MAX; count++) {
    try {
      fail_allocation(count, false);
      ThreadPool pool(3);
      const auto partition = data.partition(kernels, pool);
      partition->proxies(4);
      made = !allocate_again();
    } catch (const std::bad_alloc &) {
      allocate_again();
      failures++;
    }
  }
  CHECK(made && failures > 10, "%s %d failures", kernels->isa, failures);
}

}  // namespace

void memory_tests(const gd_kernels *kernels) {
  for (const bool pixels : {true, false}) {
    const Data data({150, 1, 8, 8}, pixels, 4);
    for (const size_t threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const Asked ask : {answer, exact_answer}) {
        limited(kernels, pool, data, ask);
        starved(kernels, pool, data, ask, true);
        starved(kernels, pool, data, ask, false);
      }
    }
    starved_making(kernels, data);
  }
}

}  // namespace golddiff_test
