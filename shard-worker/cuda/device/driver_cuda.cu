/* The device through CUDA's runtime, which finds the driver's library when it is first called: a machine without one loads this too. */
#include <cuda_runtime.h>

#include <string>

#include "../../native/engine/error.h"
#include "driver.h"

namespace golddiff::cuda {

namespace {
/* Every host thread's own where it chooses none. */
constexpr int DEVICE = 0;
/* The oldest that the kernels are compiled for. */
constexpr int ARCHITECTURE_MIN = 80;

void checked(cudaError_t status, const char *what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw EngineError("INTERNAL", std::string("CUDA failed to ") + what + ": " + cudaGetErrorString(status));
}

/* False: there is not so much memory. */
bool granted(cudaError_t status, const char *what) {
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return false;
  }
  checked(status, what);
  return true;
}

DeviceFacts facts_of_device() {
  cudaDeviceProp properties;
  checked(cudaGetDeviceProperties(&properties, DEVICE), "describe the device");
  DeviceFacts facts;
  facts.name = properties.name;
  facts.architecture = 10 * properties.major + properties.minor;
  facts.memory_bytes = properties.totalGlobalMem;
  size_t total = 0;
  checked(cudaMemGetInfo(&facts.free_bytes, &total), "tell its free memory");
  facts.multiprocessors = static_cast<unsigned>(properties.multiProcessorCount);
  facts.shared_bytes = properties.sharedMemPerBlockOptin;
  return facts;
}

class CudaDriver : public Driver {
 public:
  CudaDriver() : facts_(facts_of_device()) {}
  const DeviceFacts &facts() const override { return facts_; }
  size_t free_bytes() override {
    size_t free = 0, total = 0;
    checked(cudaMemGetInfo(&free, &total), "tell its free memory");
    return free;
  }
  void *allocate(size_t bytes) override {
    void *memory = nullptr;
    return granted(cudaMalloc(&memory, bytes), "allocate memory") ? memory : nullptr;
  }
  void release(void *memory) noexcept override { cudaFree(memory); }
  void *allocate_pinned(size_t bytes) override {
    void *memory = nullptr;
    return granted(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "pin memory") ? memory : nullptr;
  }
  void release_pinned(void *memory) noexcept override { cudaFreeHost(memory); }
  Stream open_stream() override {
    cudaStream_t stream = nullptr;
    checked(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "open a stream");
    return stream;
  }
  void close_stream(Stream stream) noexcept override { cudaStreamDestroy(own(stream)); }
  void to_device(void *to, const void *from, size_t bytes, Stream stream) override {
    checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, own(stream)), "copy to the device");
  }
  void to_host(void *to, const void *from, size_t bytes, Stream stream) override {
    checked(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, own(stream)), "copy from the device");
  }
  void zero(void *to, size_t bytes, Stream stream) override {
    checked(cudaMemsetAsync(to, 0, bytes, own(stream)), "clear memory");
  }
  void wait(Stream stream) override { checked(cudaStreamSynchronize(own(stream)), "compute"); }
  void check_launch() override { checked(cudaGetLastError(), "launch a kernel"); }

 private:
  static cudaStream_t own(Stream stream) { return static_cast<cudaStream_t>(stream); }
  DeviceFacts facts_;
};
}  // namespace

Detected detect_device() {
  Detected out;
  cudaDriverGetVersion(&out.driver_version);
  int runtime = 0, count = 0;
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  const auto version = [](int of) { return std::to_string(of / 1000) + "." + std::to_string(of % 1000 / 10); };
  if (out.driver_version == 0) {
    out.missing = "there is no NVIDIA driver here; install one for CUDA " + version(runtime) + " or later";
  } else if (status == cudaErrorInsufficientDriver) {
    out.missing = "the NVIDIA driver is for CUDA " + version(out.driver_version) + "; install one for CUDA " + version(runtime) + " or later";
  } else if (status != cudaSuccess || count == 0) {
    out.missing = std::string("the NVIDIA driver shows no device (") + cudaGetErrorString(status) + "); see nvidia-smi and CUDA_VISIBLE_DEVICES";
  } else {
    out.facts = facts_of_device();
    out.found = out.facts.architecture >= ARCHITECTURE_MIN;
    if (!out.found) out.missing = out.facts.name + " is too old; the kernels need compute capability 8.0 or later";
  }
  return out;
}

std::unique_ptr<Driver> open_driver(const EmulatedLimits &) { return std::make_unique<CudaDriver>(); }

}  // namespace golddiff::cuda
