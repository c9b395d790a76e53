#include "step_memory.h"

#include <string>

#include "error.h"

namespace golddiff {

namespace {
thread_local StepMemory *current_memory = nullptr;
}

StepMemory *StepMemory::current() noexcept { return current_memory; }

StepMemory::Scope::Scope(StepMemory *memory) noexcept : before_(current_memory) { current_memory = memory; }
StepMemory::Scope::~Scope() { current_memory = before_; }

void StepMemory::take(size_t bytes) {
  size_t used = used_;
  do {
    const size_t free = bytes_max_ - used;
    if (bytes > free)
      throw EngineError("LIMIT_EXCEEDED", "needs " + std::to_string(bytes) + " bytes more of step state but " + std::to_string(free) + " of " +
                                              std::to_string(bytes_max_) + " are free");
  } while (!used_.compare_exchange_weak(used, used + bytes));
}

}  // namespace golddiff
