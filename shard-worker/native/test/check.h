/* The few things that a test driver without a library needs: checks that count, seeded numbers, and buffers that end where a sanitizer sees it. */
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace golddiff_test {

inline long checks = 0;
inline long failures = 0;

#define CHECK(condition, ...)                                    \
  do {                                                           \
    golddiff_test::checks++;                                     \
    if (!(condition)) {                                          \
      if (golddiff_test::failures++ < 20) {                      \
        std::printf("FAILED %s:%d %s: ", __FILE__, __LINE__, #condition); \
        std::printf(__VA_ARGS__);                                \
        std::printf("\n");                                       \
      }                                                          \
    }                                                            \
  } while (0)

/* splitmix64 */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /* [0, 1) */
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  uint64_t below(uint64_t n) { return bits() % n; }

 private:
  uint64_t state_;
};

/* Aligned memory of exactly `count` values, so that one byte more is seen by AddressSanitizer. */
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) {
    void *memory = nullptr;
    if (posix_memalign(&memory, 64, count == 0 ? 1 : count * sizeof(T)) != 0) std::abort();
    data_ = static_cast<T *>(memory);
    for (size_t i = 0; i < count; i++) data_[i] = T();
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer() { std::free(data_); }
  T *data() { return data_; }
  const T *data() const { return data_; }
  size_t size() const { return count_; }
  T &operator[](size_t i) { return data_[i]; }
  const T &operator[](size_t i) const { return data_[i]; }

 private:
  T *data_;
  size_t count_;
};

}  // namespace golddiff_test
