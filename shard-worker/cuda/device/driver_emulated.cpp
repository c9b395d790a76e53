/* A device on the processor, for tests: memory with a limit and failures that are asked for. Work is done when it is asked for, but copies as late as a device may make them. */
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "driver.h"
#include "emulated.h"

namespace golddiff::cuda {

namespace {
/* Copies to the device that have not been made. One thread at a time uses a stream. */
struct EmulatedStream {
  struct Copy {
    void *to;
    const void *from;
    size_t bytes;
  };
  std::vector<Copy> copies;
};

class EmulatedDriver : public Driver {
 public:
  explicit EmulatedDriver(const EmulatedLimits &limits) : limits_(limits) {
    facts_.name = "emulated";
    facts_.architecture = 90;
    facts_.memory_bytes = facts_.free_bytes = limits.memory_bytes;
    facts_.multiprocessors = 2;
    facts_.shared_bytes = EMULATED_SHARED_BYTES;
  }
  ~EmulatedDriver() override {
    /* What the engine forgot. */
    if (!sizes_.empty()) std::abort();
  }
  const DeviceFacts &facts() const override { return facts_; }
  size_t free_bytes() override {
    std::lock_guard<std::mutex> lock(mutex_);
    return limits_.memory_bytes - used_;
  }
  void *allocate(size_t bytes) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (bytes > limits_.memory_bytes - used_ || ++allocations_ == limits_.failing_allocation) return nullptr;
    void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (memory == nullptr) return nullptr;
    /* What is read before it is written should show. */
    std::memset(memory, 0xa5, bytes);
    used_ += bytes;
    sizes_[memory] = bytes;
    return memory;
  }
  void release(void *memory) noexcept override {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = sizes_.find(memory);
    if (found == sizes_.end()) std::abort();
    used_ -= found->second;
    sizes_.erase(found);
    std::free(memory);
  }
  void *allocate_pinned(size_t bytes) override { return std::malloc(bytes); }
  void release_pinned(void *memory) noexcept override { std::free(memory); }
  Stream open_stream() override { return new EmulatedStream; }
  void close_stream(Stream stream) noexcept override { delete static_cast<EmulatedStream *>(stream); }
  void to_device(void *to, const void *from, size_t bytes, Stream stream) override { static_cast<EmulatedStream *>(stream)->copies.push_back({to, from, bytes}); }
  void to_host(void *to, const void *from, size_t bytes, Stream stream) override {
    make_copies(stream);
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void zero(void *to, size_t bytes, Stream stream) override {
    make_copies(stream);
    if (bytes > 0) std::memset(to, 0, bytes);
  }
  void wait(Stream stream) override { make_copies(stream); }
  void check_launch() override {}

 private:
  const EmulatedLimits limits_;
  DeviceFacts facts_;
  std::mutex mutex_;
  std::map<void *, size_t> sizes_;
  size_t used_ = 0, allocations_ = 0;
};
}  // namespace

void make_copies(Stream stream) {
  auto &copies = static_cast<EmulatedStream *>(stream)->copies;
  for (const auto &copy : copies)
    if (copy.bytes > 0) std::memcpy(copy.to, copy.from, copy.bytes);
  copies.clear();
}

Detected detect_device() {
  Detected out;
  out.found = true;
  out.facts = EmulatedDriver({size_t{1} << 30, 0}).facts();
  return out;
}

std::unique_ptr<Driver> open_driver(const EmulatedLimits &limits) { return std::make_unique<EmulatedDriver>(limits); }

}  // namespace golddiff::cuda
