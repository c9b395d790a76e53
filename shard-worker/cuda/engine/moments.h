#pragma once
#include <cstdint>

#include "../../native/engine/moments.h"
#include "partition.h"

namespace golddiff::cuda {

/* Sums of values and of products over the rows of a label (-1 = all), values as they are stored. n D^2 / 2 multiply-adds on the device. */
Moments row_moments(Device &device, const Partition &partition, int32_t label);

}  // namespace golddiff::cuda
