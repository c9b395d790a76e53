#pragma once
#include <memory>
#include <vector>

namespace golddiff {

/* Leaves new elements as they are: keys of millions of rows are written right after, and zeroing them first would cost as much as computing them. */
template <typename T>
struct Uninitialised : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = Uninitialised<U>;
  };
  template <typename U>
  void construct(U *) noexcept {}
  template <typename U, typename... Args>
  void construct(U *place, Args &&...args) {
    ::new (static_cast<void *>(place)) U(std::forward<Args>(args)...);
  }
};

using Doubles = std::vector<double, Uninitialised<double>>;

}  // namespace golddiff
