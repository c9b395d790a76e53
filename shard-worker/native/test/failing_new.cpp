#include "failing_new.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace {
constexpr long NEVER = std::numeric_limits<long>::max();
std::atomic<long> allocations{0};
std::atomic<long> first_failure{NEVER};
std::atomic<bool> only_one{false};
std::atomic<bool> has_failed{false};

bool refused() {
  const long failing = first_failure;
  if (failing == NEVER) return false;
  const long count = allocations++;
  const bool fails = count == failing || (count > failing && !only_one);
  if (fails) has_failed = true;
  return fails;
}

void *allocated(size_t bytes) {
  void *place = refused() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
}  // namespace

void *operator new(size_t bytes) { return allocated(bytes); }
void *operator new[](size_t bytes) { return allocated(bytes); }
void *operator new(size_t bytes, const std::nothrow_t &) noexcept { return refused() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes); }
void *operator new[](size_t bytes, const std::nothrow_t &) noexcept { return refused() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes); }
void operator delete(void *place) noexcept { std::free(place); }
void operator delete[](void *place) noexcept { std::free(place); }
void operator delete(void *place, const std::nothrow_t &) noexcept { std::free(place); }
void operator delete[](void *place, const std::nothrow_t &) noexcept { std::free(place); }
void operator delete(void *place, size_t) noexcept { std::free(place); }
void operator delete[](void *place, size_t) noexcept { std::free(place); }

namespace golddiff_test {

void fail_allocation(long count, bool once) {
  allocations = 0;
  has_failed = false;
  only_one = once;
  first_failure = count;
}

bool allocate_again() {
  first_failure = NEVER;
  return has_failed;
}

}  // namespace golddiff_test
