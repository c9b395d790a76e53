#pragma once
#include <cstddef>

namespace golddiff {

/*
 * Large buffers of steps, kept for the next step: the system gives fresh memory page by page and zeroed, which for the distances of one step costs as much as
 * a tenth of computing them. Aligned to 64 bytes. What is kept is bounded (RECYCLED_BYTES_MAX); the rest goes back at once. Throws std::bad_alloc.
 */
void *take_recycled(size_t bytes);
void give_recycled(void *memory, size_t bytes) noexcept;

}  // namespace golddiff
