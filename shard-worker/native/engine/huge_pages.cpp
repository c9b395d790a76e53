#include "huge_pages.h"

#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace golddiff {

#ifdef __linux__
namespace {
constexpr uintptr_t HUGE_PAGE = 2 * 1024 * 1024;
/* MADV_COLLAPSE of Linux 6.1, which older headers lack. */
constexpr int COLLAPSE = 25;
}  // namespace

void use_huge_pages(const void *memory, size_t bytes) noexcept {
  /* Only whole pages that are this memory's own. */
  const auto start = (reinterpret_cast<uintptr_t>(memory) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  const auto end = (reinterpret_cast<uintptr_t>(memory) + bytes) / HUGE_PAGE * HUGE_PAGE;
  if (start >= end) return;
  void *const pages = reinterpret_cast<void *>(start);
  if (madvise(pages, end - start, MADV_HUGEPAGE) == 0) (void)madvise(pages, end - start, COLLAPSE);
}
#else
void use_huge_pages(const void *, size_t) noexcept {}
#endif

}  // namespace golddiff
