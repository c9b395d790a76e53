#include "upload.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace golddiff::cuda {

namespace {
constexpr size_t BUFFER_BYTES = 8 * 1024 * 1024;

struct Pinned {
  Pinned(Driver &driver, size_t bytes) : driver(driver), data(static_cast<char *>(driver.allocate_pinned(bytes))) {
    if (data == nullptr) throw std::bad_alloc();
  }
  ~Pinned() { driver.release_pinned(data); }
  Pinned(const Pinned &) = delete;
  Pinned &operator=(const Pinned &) = delete;
  Driver &driver;
  char *data;
};
}  // namespace

void upload_lines(Device &device, void *to, size_t pitch, const void *from, size_t line_bytes, size_t lines) {
  if (lines == 0) return;
  const size_t each = std::min(lines, std::max<size_t>(1, BUFFER_BYTES / pitch));
  const Pinned first(device.driver(), each * pitch), second(device.driver(), each * pitch);
  /* Before the buffers go, whatever happens: destroyed first. */
  Work works[2] = {Work(device), Work(device)};
  const std::array<char *, 2> buffers = {first.data, second.data};
  for (size_t done = 0, turn = 0; done < lines; done += each, turn++) {
    const size_t some = std::min(each, lines - done);
    char *buffer = buffers[turn % 2];
    /* What this buffer held has arrived. */
    works[turn % 2].wait();
    for (size_t k = 0; k < some; k++) {
      std::memcpy(buffer + k * pitch, static_cast<const char *>(from) + (done + k) * line_bytes, line_bytes);
      std::memset(buffer + k * pitch + line_bytes, 0, pitch - line_bytes);
    }
    device.driver().to_device(static_cast<char *>(to) + done * pitch, buffer, some * pitch, works[turn % 2].stream());
  }
  works[0].wait();
  works[1].wait();
}

}  // namespace golddiff::cuda
