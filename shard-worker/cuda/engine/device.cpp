#include "device.h"

#include <string>

#include "../../native/engine/error.h"

namespace golddiff::cuda {

namespace {
/* Of rows that fill the device no more may be lost. */
constexpr size_t UNIT_BYTES_MAX = size_t{2} << 20;

/* Sizes of a step come again; others that are near should fit too. */
size_t rounded(size_t bytes) {
  size_t unit = 256;
  while (unit * 16 < bytes && unit < UNIT_BYTES_MAX) unit *= 2;
  return (bytes + unit - 1) / unit * unit;
}
}  // namespace

Device::~Device() {
  let_go();
  for (Stream stream : streams_) driver_->close_stream(stream);
}

void *Device::take(size_t bytes) {
  const size_t size = rounded(bytes);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = kept_.find(size);
    if (found != kept_.end() && !found->second.empty()) {
      void *memory = found->second.back();
      found->second.pop_back();
      return memory;
    }
  }
  void *memory = driver_->allocate(size);
  if (memory == nullptr) {
    let_go();
    memory = driver_->allocate(size);
  }
  if (memory != nullptr) return memory;
  throw EngineError("LIMIT_EXCEEDED", "needs " + std::to_string(size) + " more bytes of device memory but " + std::to_string(driver_->free_bytes()) + " are free");
}

void Device::give(void *memory, size_t bytes) noexcept {
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    kept_[rounded(bytes)].push_back(memory);
  } catch (const std::bad_alloc &) {
    driver_->release(memory);
  }
}

Stream Device::take_stream() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (streams_.empty()) return driver_->open_stream();
  Stream stream = streams_.back();
  streams_.pop_back();
  return stream;
}

void Device::give_stream(Stream stream) noexcept {
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    streams_.push_back(stream);
  } catch (const std::bad_alloc &) {
    driver_->close_stream(stream);
  }
}

void Device::let_go() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto &[size, memories] : kept_)
    for (void *memory : memories) driver_->release(memory);
  kept_.clear();
}

}  // namespace golddiff::cuda
