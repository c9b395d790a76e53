#include "emulated.h"

#include <csetjmp>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <ucontext.h>

dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace golddiff::cuda {

namespace {
constexpr size_t STACK_BYTES = 128 * 1024;
constexpr unsigned LANES = 32, THREADS_MAX = 1024, GRID_YZ_MAX = 65535;

struct Fiber {
  ucontext_t start;
  jmp_buf at;
  std::unique_ptr<char[]> stack;
  bool started = false, done = true;
};

/* Those that wait, and how often they have all come. */
struct Meeting {
  unsigned waiting = 0, times = 0;
};

struct Warp {
  Meeting meeting;
  unsigned alive = 0;
  uint64_t value[LANES];
  uint32_t a[LANES][4], b[LANES][2];
};

/* Never destroyed: fibers stand on its stacks. */
struct Block {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Warp> warps;
  Meeting meeting;
  unsigned threads = 0, alive = 0, current = 0;
  jmp_buf caller;
  const std::function<void()> *body = nullptr;
  std::vector<uint64_t> shared;
};
Block &block() {
  static auto *const one = new Block;
  return *one;
}

[[noreturn]] void resume(unsigned thread) {
  Block &own = block();
  own.current = thread;
  threadIdx.x = thread;
  Fiber &fiber = *own.fibers[thread];
  if (fiber.started) _longjmp(fiber.at, 1);
  fiber.started = true;
  setcontext(&fiber.start);
  __builtin_unreachable();
}

[[noreturn]] void go_on() {
  Block &own = block();
  if (own.alive == 0) _longjmp(own.caller, 1);
  unsigned next = own.current;
  do next = next + 1 == own.threads ? 0 : next + 1;
  while (own.fibers[next]->done);
  resume(next);
}

void give_way() {
  Fiber &fiber = *block().fibers[block().current];
  if (_setjmp(fiber.at) == 0) go_on();
}

bool all_came(Meeting &meeting, unsigned alive) {
  if (meeting.waiting == 0 || meeting.waiting < alive) return false;
  meeting.waiting = 0;
  meeting.times++;
  return true;
}

void meet(Meeting &meeting, unsigned alive) {
  meeting.waiting++;
  const unsigned times = meeting.times;
  if (all_came(meeting, alive)) return;
  while (meeting.times == times) give_way();
}

void fiber_main() {
  for (;;) {
    (*block().body)();
    Block &own = block();
    Fiber &fiber = *own.fibers[own.current];
    Warp &warp = own.warps[own.current / LANES];
    fiber.done = true;
    own.alive--;
    warp.alive--;
    /* Whoever has ended is not waited for. */
    all_came(own.meeting, own.alive);
    all_came(warp.meeting, warp.alive);
    if (_setjmp(fiber.at) == 0) go_on();
  }
}

void run_block() {
  Block &own = block();
  own.alive = own.threads;
  own.meeting = {};
  own.warps.assign((own.threads + LANES - 1) / LANES, {});
  for (unsigned i = 0; i < own.threads; i++) {
    own.fibers[i]->done = false;
    own.warps[i / LANES].alive++;
  }
  if (_setjmp(own.caller) == 0) resume(0);
}

Warp &warp() { return block().warps[block().current / LANES]; }

/* What lanes give one another takes all of them. */
void warp_of_all_lanes() {
  if (warp().alive != LANES) std::abort();
}

int32_t dot4_u8s8(uint32_t u, uint32_t s, int32_t sum) {
  for (int k = 0; k < 4; k++) sum += static_cast<int32_t>(u >> 8 * k & 255) * static_cast<int8_t>(s >> 8 * k & 255);
  return sum;
}

/* By kernel. */
std::mutex allowed_mutex;
std::map<const void *, size_t> &allowed() {
  static auto *const one = new std::map<const void *, size_t>;
  return *one;
}

bool fits(const void *kernel, const dim3 &grid, unsigned threads, size_t shared_bytes) {
  const unsigned sides = std::min({grid.x, grid.y, grid.z});
  if (sides == 0 || grid.x > INT32_MAX || grid.y > GRID_YZ_MAX || grid.z > GRID_YZ_MAX || threads == 0 || threads > THREADS_MAX) return false;
  std::lock_guard<std::mutex> lock(allowed_mutex);
  const auto asked = allowed().find(kernel);
  return shared_bytes <= (asked == allowed().end() ? SHARED_BYTES_UNASKED : asked->second);
}
}  // namespace

void allow_shared(const void *kernel, size_t bytes) {
  std::lock_guard<std::mutex> lock(allowed_mutex);
  if (bytes > EMULATED_SHARED_BYTES || allowed().emplace(kernel, bytes).first->second != bytes) std::abort();
}

unsigned char *emulated_shared() { return reinterpret_cast<unsigned char *>(block().shared.data()); }

void block_barrier() { meet(block().meeting, block().alive); }
void warp_barrier() { meet(warp().meeting, warp().alive); }

uint64_t of_lane(uint64_t own, unsigned lane) {
  warp_of_all_lanes();
  warp().value[threadIdx.x % LANES] = own;
  warp_barrier();
  const uint64_t found = warp().value[lane];
  warp_barrier();
  return found;
}

/* Of lane 4 g + t: a rows g and g + 8, values 4 t .. and 16 + 4 t ..; b column g, the same values; d rows g and g + 8, columns 2 t and 2 t + 1. */
void mma_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  warp_of_all_lanes();
  const unsigned lane = threadIdx.x % LANES, g = lane / 4, t = lane % 4;
  Warp &own = warp();
  std::copy(a, a + 4, own.a[lane]);
  std::copy(b, b + 2, own.b[lane]);
  warp_barrier();
  for (unsigned e = 0; e < 4; e++) {
    const unsigned column = 2 * t + e % 2;
    for (unsigned k = 0; k < 4; k++)
      for (unsigned half = 0; half < 2; half++) d[e] = dot4_u8s8(own.a[4 * g + k][2 * half + e / 2], own.b[4 * column + k][half], d[e]);
  }
  warp_barrier();
}

void emulate(const void *kernel, dim3 grid, unsigned threads, size_t shared_bytes, Stream stream, const std::function<void()> &body) {
  if (!fits(kernel, grid, threads, shared_bytes)) std::abort();
  make_copies(stream);
  static std::mutex one_at_a_time;
  std::lock_guard<std::mutex> lock(one_at_a_time);
  Block &own = block();
  while (own.fibers.size() < threads) {
    auto fiber = std::make_unique<Fiber>();
    fiber->stack.reset(new char[STACK_BYTES]);
    getcontext(&fiber->start);
    fiber->start.uc_stack.ss_sp = fiber->stack.get();
    fiber->start.uc_stack.ss_size = STACK_BYTES;
    fiber->start.uc_link = nullptr;
    makecontext(&fiber->start, fiber_main, 0);
    own.fibers.push_back(std::move(fiber));
  }
  own.body = &body;
  own.threads = threads;
  own.shared.resize(std::max(own.shared.size(), shared_bytes / sizeof(uint64_t) + 1));
  gridDim = grid;
  blockDim = dim3(threads);
  for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
      for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) run_block();
}

}  // namespace golddiff::cuda
