/* What the engine asks of a device: memory, copies, streams. driver_cuda.cu is the real one, driver_emulated.cpp one on the processor, with limits that tests set. */
#pragma once
#include <cstddef>
#include <memory>
#include <string>

namespace golddiff::cuda {

/* Work in the order that it was asked for. */
using Stream = void *;

struct DeviceFacts {
  std::string name;
  /* compute capability, 10 major + minor */
  int architecture = 0;
  size_t memory_bytes = 0;
  /* when it was looked at */
  size_t free_bytes = 0;
  unsigned multiprocessors = 1;
  /* that one block may ask for */
  size_t shared_bytes = 48 * 1024;
};

/* Any thread may call it. Failures of the device are EngineError INTERNAL with the driver's words. */
class Driver {
 public:
  virtual ~Driver() = default;
  virtual const DeviceFacts &facts() const = 0;
  virtual size_t free_bytes() = 0;
  /* 256-byte aligned; null = the device has not so much. */
  virtual void *allocate(size_t bytes) = 0;
  virtual void release(void *memory) noexcept = 0;
  /* Host memory that the device reads by itself; null = the host has not so much. */
  virtual void *allocate_pinned(size_t bytes) = 0;
  virtual void release_pinned(void *memory) noexcept = 0;
  virtual Stream open_stream() = 0;
  virtual void close_stream(Stream stream) noexcept = 0;
  /* `from` may be read until the stream has been waited for, pinned or not. */
  virtual void to_device(void *to, const void *from, size_t bytes, Stream stream) = 0;
  virtual void to_host(void *to, const void *from, size_t bytes, Stream stream) = 0;
  virtual void zero(void *to, size_t bytes, Stream stream) = 0;
  /* Until all that was asked of the stream is done; throws what went wrong in it. */
  virtual void wait(Stream stream) = 0;
  /* Throws what the last launch of this thread failed with. */
  virtual void check_launch() = 0;
};

/* Where there is no device: why not, and what to do, as the end of a sentence. */
struct Detected {
  bool found = false;
  std::string missing;
  DeviceFacts facts;
  /* as 1000 major + 10 minor */
  int driver_version = 0;
};
Detected detect_device();

struct EmulatedLimits {
  /* 0 = no device is emulated */
  size_t memory_bytes = 0;
  /* the allocation after so many fails although there is room; 0 = none does */
  size_t failing_allocation = 0;
};
/* The first device that this process sees. `limits` are of the emulated one. */
std::unique_ptr<Driver> open_driver(const EmulatedLimits &limits);

}  // namespace golddiff::cuda
