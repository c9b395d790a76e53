#include "recycled.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace golddiff {

namespace {
/* Distances of 64 queries to 100,000 rows. */
constexpr size_t RECYCLED_BYTES_MAX = 64 * 1024 * 1024;

struct Kept {
  std::mutex mutex;
  std::map<size_t, std::vector<void *>> free;
  size_t bytes = 0;
};

/* Never destroyed: steps may outlive other statics. */
Kept &kept() {
  static auto *const one = new Kept;
  return *one;
}
}  // namespace

void *take_recycled(size_t bytes) {
  {
    Kept &own = kept();
    std::lock_guard<std::mutex> lock(own.mutex);
    const auto found = own.free.find(bytes);
    if (found != own.free.end() && !found->second.empty()) {
      void *memory = found->second.back();
      found->second.pop_back();
      own.bytes -= bytes;
      return memory;
    }
  }
  void *memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_recycled(void *memory, size_t bytes) noexcept {
  Kept &own = kept();
  try {
    std::lock_guard<std::mutex> lock(own.mutex);
    if (own.bytes + bytes <= RECYCLED_BYTES_MAX) {
      own.free[bytes].push_back(memory);
      own.bytes += bytes;
      return;
    }
  } catch (const std::bad_alloc &) {
  }
  std::free(memory);
}

}  // namespace golddiff
