/*
 * Memory that steps keep: queries, keys, distances, lists of rows. It is counted where it is allocated, and refused beyond a limit before it is: a step that would
 * take too much fails by itself, and neither the machine nor its neighbours feel it.
 */
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include "doubles.h"

namespace golddiff {

/* Any thread may call it. Outlives all that counts for it. */
class StepMemory {
 public:
  explicit StepMemory(size_t bytes_max) : bytes_max_(bytes_max) {}
  StepMemory(const StepMemory &) = delete;
  StepMemory &operator=(const StepMemory &) = delete;

  size_t used() const { return used_; }
  /* LIMIT_EXCEEDED naming bytes needed and free; nothing is taken then. */
  void take(size_t bytes);
  void give(size_t bytes) noexcept { used_ -= bytes; }

  /* What containers made on this thread count for; null = nothing. */
  static StepMemory *current() noexcept;

  /* Within its life `memory` is current on this thread. ThreadPool::parallel takes it along to other threads. */
  class Scope {
   public:
    explicit Scope(StepMemory *memory) noexcept;
    ~Scope();
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

   private:
    StepMemory *const before_;
  };

 private:
  const size_t bytes_max_;
  std::atomic<size_t> used_{0};
};

/* Bytes that are not a container's. */
class StepShare {
 public:
  explicit StepShare(size_t bytes) : memory_(StepMemory::current()), bytes_(bytes) {
    if (memory_ != nullptr) memory_->take(bytes_);
  }
  ~StepShare() {
    if (memory_ != nullptr) memory_->give(bytes_);
  }
  StepShare(const StepShare &) = delete;
  StepShare &operator=(const StepShare &) = delete;

 private:
  StepMemory *const memory_;
  const size_t bytes_;
};

/* Counts for the memory that is current where a container is made. */
template <typename T>
struct StepAllocator : Uninitialised<T> {
  using value_type = T;
  template <typename U>
  struct rebind {
    using other = StepAllocator<U>;
  };
  /* Contents move with what they count for. */
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  StepAllocator() noexcept : memory(StepMemory::current()) {}
  template <typename U>
  StepAllocator(const StepAllocator<U> &other) noexcept : memory(other.memory) {}

  T *allocate(size_t count) {
    if (count > static_cast<size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    if (memory != nullptr) memory->take(count * sizeof(T));
    try {
      return Uninitialised<T>::allocate(count);
    } catch (...) {
      if (memory != nullptr) memory->give(count * sizeof(T));
      throw;
    }
  }
  void deallocate(T *place, size_t count) noexcept {
    Uninitialised<T>::deallocate(place, count);
    if (memory != nullptr) memory->give(count * sizeof(T));
  }
  template <typename U>
  bool operator==(const StepAllocator<U> &other) const noexcept {
    return memory == other.memory;
  }
  template <typename U>
  bool operator!=(const StepAllocator<U> &other) const noexcept {
    return memory != other.memory;
  }

  StepMemory *memory;
};

template <typename T>
using StepVector = std::vector<T, StepAllocator<T>>;

using Doubles = StepVector<double>;

}  // namespace golddiff
