#pragma once
#include <memory>
#include <vector>

#include "recycled.h"

namespace golddiff {

/* From here on memory is recycled: below, malloc does that itself. */
constexpr size_t RECYCLED_BYTES_MIN = 64 * 1024;

/* Leaves new elements as they are: keys of millions of rows are written right after, and zeroing them first would cost as much as computing them. */
template <typename T>
struct Uninitialised : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = Uninitialised<U>;
  };
  T *allocate(size_t n) {
    if (n * sizeof(T) < RECYCLED_BYTES_MIN) return std::allocator<T>::allocate(n);
    return static_cast<T *>(take_recycled(n * sizeof(T)));
  }
  void deallocate(T *memory, size_t n) noexcept {
    if (n * sizeof(T) < RECYCLED_BYTES_MIN) std::allocator<T>::deallocate(memory, n);
    else give_recycled(memory, n * sizeof(T));
  }
  template <typename U>
  void construct(U *) noexcept {}
  template <typename U, typename... Args>
  void construct(U *place, Args &&...args) {
    ::new (static_cast<void *>(place)) U(std::forward<Args>(args)...);
  }
};

}  // namespace golddiff
