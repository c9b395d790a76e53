/* The device as the engine uses it: memory that is kept for the next step, streams, and arrays that give their memory back. */
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../../native/engine/step_memory.h"
#include "../device/driver.h"

namespace golddiff::cuda {

/* Any thread may call it. */
class Device {
 public:
  explicit Device(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}
  ~Device();
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  Driver &driver() { return *driver_; }
  const DeviceFacts &facts() const { return driver_->facts(); }
  /* LIMIT_EXCEEDED naming bytes needed and free where the device has not so much, also after what was kept has been let go. */
  void *take(size_t bytes);
  void give(void *memory, size_t bytes) noexcept;
  Stream take_stream();
  void give_stream(Stream stream) noexcept;
  /* Frees what is kept for the next step. */
  void let_go() noexcept;

 private:
  std::unique_ptr<Driver> driver_;
  std::mutex mutex_;
  /* by size */
  std::map<size_t, std::vector<void *>> kept_;
  std::vector<Stream> streams_;
};

/* Memory of the device, counted for the step that is current where it is made. Given back when nothing of a stream uses it any more: see Work. */
template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(Device &device, size_t size) : device_(&device), size_(size), share_(std::make_unique<StepShare>(bytes())) { data_ = static_cast<T *>(device.take(bytes())); }
  DeviceArray(DeviceArray &&other) noexcept { swap(other); }
  DeviceArray &operator=(DeviceArray &&other) noexcept {
    DeviceArray own(std::move(other));
    swap(own);
    return *this;
  }
  ~DeviceArray() {
    if (data_ != nullptr) device_->give(data_, bytes());
  }
  T *data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return data_ == nullptr; }
  size_t bytes() const { return (size_ == 0 ? 1 : size_) * sizeof(T); }

 private:
  void swap(DeviceArray &other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(share_, other.share_);
  }
  Device *device_ = nullptr;
  T *data_ = nullptr;
  size_t size_ = 0;
  std::unique_ptr<StepShare> share_;
};

/* One call's work: a stream of its own, so that those of several batches overlap. Arrays that it uses are made by it, or outlive it. */
class Work {
 public:
  explicit Work(Device &device) : device_(device), stream_(device.take_stream()) {}
  ~Work() {
    finish();
    device_.give_stream(stream_);
  }
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;

  Stream stream() const { return stream_; }
  Device &device() { return device_; }
  /* What was asked of the stream is done; what failed in it, or was refused, is thrown. */
  void wait() {
    device_.driver().wait(stream_);
    held_.clear();
    /* Now that nothing uses the arrays that an error lets go of. */
    device_.driver().check_launch();
  }
  /* The same before an error is thrown that lets go of arrays. */
  void finish() noexcept {
    try {
      wait();
    } catch (...) {
    }
  }
  template <typename T>
  DeviceArray<T> array(size_t size) {
    try {
      return DeviceArray<T>(device_, size);
    } catch (...) {
      finish();
      throw;
    }
  }
  template <typename T>
  DeviceArray<T> zeros(size_t size) {
    auto out = array<T>(size);
    device_.driver().zero(out.data(), out.bytes(), stream_);
    return out;
  }
  /* `values` are kept until the stream has been waited for: a device may read memory that is not pinned when it comes to it. */
  template <typename T, typename Allocator>
  DeviceArray<T> upload(std::vector<T, Allocator> values) {
    auto out = array<T>(values.size());
    if (values.empty()) return out;
    const auto own = std::make_shared<const std::vector<T, Allocator>>(std::move(values));
    held_.push_back(own);
    device_.driver().to_device(out.data(), own->data(), own->size() * sizeof(T), stream_);
    return out;
  }
  /* Waits. */
  template <typename T>
  std::vector<T> download(const DeviceArray<T> &values) {
    std::vector<T> out(values.size());
    if (!out.empty()) device_.driver().to_host(out.data(), values.data(), out.size() * sizeof(T), stream_);
    wait();
    return out;
  }

 private:
  Device &device_;
  Stream stream_;
  std::vector<std::shared_ptr<const void>> held_;
};

}  // namespace golddiff::cuda
