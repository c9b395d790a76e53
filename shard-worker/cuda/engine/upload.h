#pragma once
#include <cstddef>

#include "device.h"

namespace golddiff::cuda {

/*
 * Copies `lines` of line_bytes to places `pitch` bytes apart, zero in between. By way of two pinned buffers: while the device reads one, the next lines are put into the
 * other. Waits until all is there.
 */
void upload_lines(Device &device, void *to, size_t pitch, const void *from, size_t line_bytes, size_t lines);

}  // namespace golddiff::cuda
